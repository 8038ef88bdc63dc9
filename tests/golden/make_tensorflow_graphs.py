"""Whole graphs of SavedModel folders, by TensorFlow and Keras: tensorflow_graphs.json.

Run with TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow in an environment with tensorflow-cpu 2.21
and keras 3.15. A case is what its signature reaches, and the numbers that it gives:

    {"name", "nodes", "functions",
     "signature": {"inputs": [[name, tensor, type, shape]], "outputs"},
     "variables": [[node, name, tensor]], "feeds": [tensor], "results": [tensor],
     "refused": a part of the message, instead of results}

Nodes, functions and tensors are as make_tensorflow.py writes them.
"""

import json
import os
import tempfile

import keras
import numpy as np
import tensorflow as tf

from tensorflow_json import functions_of, nodes_of, shape_of, tensor

v1 = tf.compat.v1
folder = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(17)
cases = []
F, I = np.float32, np.int32


def x(*shape):
    return rng.standard_normal(shape).astype(F)


def called_by(nodes, functions):
    found, todo = {}, [n for n in nodes]
    while todo:
        for value in todo.pop().attr.values():
            name = value.func.name
            if name and name not in found:
                found[name] = functions[name]
                todo += found[name].node_def
    return found


def reached_from(tensors, nodes):
    by_name, found, todo = {n.name: n for n in nodes}, set(), [t.split(":")[0] for t in tensors]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [i.split(":")[0] for i in by_name[name].input if not i.startswith("^")]
    return [n for n in nodes if n.name in found]


def ports(signature):
    return [
        [name, p.name, p.dtype, shape_of(p.tensor_shape)] for name, p in sorted(signature.items())
    ]


class Reduced:
    """A graph def with some of the functions."""

    def __init__(self, functions):
        self.library = self
        self.function = functions


def add(name, save, feeds, refused=None):
    with tempfile.TemporaryDirectory() as path:
        save(path)
        with tf.Graph().as_default(), v1.Session() as session:
            read(name, session, path, feeds, refused)


def read(name, session, path, feeds, refused):
    meta = v1.saved_model.load(session, ["serve"], path)
    signature = meta.signature_def["serving_default"]
    inputs, outputs = ports(signature.inputs), ports(signature.outputs)
    graph = session.graph.as_graph_def()
    nodes = reached_from([o[1] for o in outputs], graph.node)
    functions = called_by(nodes, {f.signature.name: f for f in graph.library.function})
    results = session.run([o[1] for o in outputs], {i[1]: v for i, v in zip(inputs, feeds)})
    values = {
        n.name: session.run(n.name + "/Read/ReadVariableOp:0")
        for n in nodes
        if n.op == "VarHandleOp"
    }
    variables = [
        [n.name, n.attr["shared_name"].s.decode(), tensor(values[n.name])]
        for n in nodes
        if n.op == "VarHandleOp"
    ]
    case = {
        "name": name,
        "nodes": nodes_of(nodes),
        "functions": functions_of(Reduced(functions.values())),
        "signature": {"inputs": inputs, "outputs": outputs},
        "variables": variables,
        "feeds": [tensor(v) for v in feeds],
    }
    case.update({"refused": refused} if refused else {"results": [tensor(r) for r in results]})
    cases.append(case)


def function(name, body, specs, feeds, refused=None):
    module = tf.Module()
    module.call = tf.function(body, input_signature=specs)
    add(
        name, lambda path: tf.saved_model.save(module, path, signatures=module.call), feeds, refused
    )


def network(name, shape, layers, feeds, dtype="float32"):
    keras.utils.set_random_seed(5)
    given = keras.Input(shape, dtype=dtype)
    y = given
    for layer in layers:
        y = layer(y)
    model = keras.Model(given, y)
    for w in model.weights:
        w.assign(np.abs(x(*w.shape)) + 0.1 if "variance" in w.path else x(*w.shape) * 0.5)
    add(name, lambda path: model.export(path, format="tf_saved_model", verbose=False), feeds)


layer = keras.layers
network("dense", (3,), [layer.Dense(4, "relu"), layer.Dense(2, "softmax")], [x(5, 3)])
network(
    "convolution",
    (6, 5, 2),
    [
        layer.Conv2D(3, 3, padding="same"),
        layer.BatchNormalization(),
        layer.MaxPooling2D(2),
        layer.Flatten(),
        layer.Dense(2),
    ],
    [x(2, 6, 5, 2)],
)
network("lstm", (4, 3), [layer.LSTM(2)], [x(3, 4, 3)])
network("lstm of unknown length", (None, 3), [layer.LSTM(2, return_sequences=True)], [x(3, 5, 3)])
network(
    "masked gru, backwards",
    (4,),
    [layer.Embedding(7, 3, mask_zero=True), layer.GRU(2, return_sequences=True, go_backwards=True)],
    [np.array([[1, 2, 0, 3], [0, 5, 6, 0]], I)],
    "int32",
)
network(
    "bidirectional",
    (4, 3),
    [
        layer.Bidirectional(layer.LSTM(2, return_sequences=True)),
        layer.Bidirectional(layer.SimpleRNN(2)),
    ],
    [x(2, 4, 3)],
)
network("stacked cells", (3, 2), [layer.RNN([layer.LSTMCell(2), layer.GRUCell(2)])], [x(2, 3, 2)])
network(
    "attention",
    (4, 4),
    [lambda t: layer.MultiHeadAttention(2, 2)(t, t), layer.LayerNormalization()],
    [x(2, 4, 4)],
)
network("time distributed", (3, 4), [layer.TimeDistributed(layer.Dense(2))], [x(2, 3, 4)])
network("dilated", (8, 2), [layer.Conv1D(2, 3, dilation_rate=2, padding="causal")], [x(2, 8, 2)])
network("half", (3,), [layer.Dense(2, dtype="mixed_float16"), layer.Activation("relu")], [x(2, 3)])

rows = tf.TensorSpec([None, 3], tf.float32, "a")


def weights(t):
    return tf.constant(np.arange(9, dtype=F).reshape(3, 3) / 9)


def powers(t):
    return tf.while_loop(lambda i, y: i < 7, lambda i, y: (i + 2, tf.tanh(y @ weights(y))), (1, t))[
        1
    ]


function("counter from 1 by steps of 2", powers, [rows], [x(2, 3)])


def gathers(t):
    n = tf.shape(t)[0]
    array = tf.TensorArray(tf.float32, n).unstack(t)
    out = tf.TensorArray(tf.float32, n)

    def body(i, out, total):
        total = total + array.read(n - 1 - i)
        return i + 1, out.write(i, total * tf.cast(i, tf.float32)), total

    i, out, total = tf.while_loop(lambda i, *_: i < n, body, (0, out, tf.zeros([3])))
    return {"all": out.stack(), "last": total, "count": tf.cast(i, tf.int64)}


function("other places, several results", gathers, [rows], [x(4, 3)])


def nested(t):
    def inner(k, y):
        return k + 1, y * 0.5 + t

    def outer(i, y):
        return i + 1, tf.while_loop(lambda k, y: k < 3, inner, (0, y))[1] + 1.0

    return tf.while_loop(lambda i, y: i < 2, outer, (0, t))[1]


function("a loop in a loop", nested, [rows], [x(2, 3)])


def branches(t):
    y = tf.cond(tf.shape(t)[1] > 2, lambda: t + 1.0, lambda: t - 1.0)
    return tf.cond(tf.rank(t) > 2, lambda: y, lambda: -y)


def counted(t):
    y = t
    for i in tf.range(tf.shape(t)[0]):
        y = y * 0.5 + t[i] + tf.cast(i, tf.float32)
    return y


function("for in range", counted, [rows], [x(3, 3)])
function("map", lambda t: tf.map_fn(lambda r: tf.cumsum(r) * 2.0, t), [rows], [x(3, 3)])
function(
    "scan", lambda t: tf.scan(lambda a, r: tf.tanh(a + r), t, tf.zeros([3])), [rows], [x(3, 3)]
)
function("branches of lengths", branches, [rows], [x(2, 3)])
function(
    "two inputs",
    lambda a, b: {"u": a + b, "v": tf.concat([a, b], 0), "w": tf.argmax(a, 1)},
    [rows, tf.TensorSpec([None, 3], tf.float32, "b")],
    [x(2, 3), x(2, 3)],
)
function(
    "integers",
    lambda a: (a // 2, a % 2 == 0, tf.cast(a, tf.int64) + 1),
    [tf.TensorSpec([None], tf.int32, "a")],
    [np.array([5, -3], I)],
)
function(
    "a loop as long as data says",
    lambda t: tf.while_loop(lambda y: tf.reduce_sum(y) < 100.0, lambda y: y * 2.0 + 1.0, (t,)),
    [rows],
    [np.ones([2, 3], F)],
    refused="condition",
)
function(
    "a number of steps from data",
    lambda t: tf.while_loop(
        lambda i, y: i < tf.cast(t[0, 0], tf.int32), lambda i, y: (i + 1, y * 2.0), (0, t)
    ),
    [rows],
    [np.ones([2, 3], F)],
    refused="computed from data",
)
function(
    "a branch of data",
    lambda t: tf.cond(t[0, 0] > 0.0, lambda: t, lambda: -t),
    [rows],
    [x(2, 3)],
    refused="condition",
)
function(
    "an operation that is not there",
    lambda t: tf.linalg.inv(tf.matmul(t, t, transpose_a=True)),
    [rows],
    [x(4, 3)],
    refused="MatrixInverse",
)


class Counting(tf.Module):
    def __init__(self):
        self.count = tf.Variable(1.0)

    @tf.function(input_signature=[rows])
    def call(self, t):
        self.count.assign_add(1.0)
        return t * self.count


counting = Counting()
add(
    "a state",
    lambda path: tf.saved_model.save(counting, path, signatures=counting.call),
    [x(2, 3)],
    refused="changes a variable",
)

path = os.path.join(folder, "tensorflow_graphs.json")
with open(path, "w") as out:
    out.write('{"cases": [\n')
    out.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
    out.write("\n]}\n")
print(f"{len(cases)} cases, {os.path.getsize(path)} bytes")
