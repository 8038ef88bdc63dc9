"""Golden cases of TensorFlow's operations, by TensorFlow: tensorflow.json.

Run with TF_ENABLE_ONEDNN_OPTS=0 in an environment with tensorflow-cpu 2.21. Every operation of
src/tensorflow/tf_list.inc needs a case; the script also compares what the list says of attributes,
inputs and outputs with TensorFlow's registry.

A case is a graph as TensorFlow writes it, with numbers for its placeholders:

    {"name", "nodes": [{"name", "op", "inputs", "attributes": [[name, kind, value]]}],
     "feeds": {node: tensor}, "fetches": [[source, tensor]],
     "variables": {node: [before, after]}, "functions": [...],
     "random": [mean, deviation, low, high], "only": "run": not with constants for its placeholders}

A tensor is [dtype, shape, numbers]; not finite numbers are text.
"""

import inspect
import json
import os
import re
import sys

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.framework import op_def_registry

from tensorflow_json import functions_of, nodes_of, tensor

v1 = tf.compat.v1
raw = tf.raw_ops
folder = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(11)
cases = []
F, I, L, B = np.float32, np.int32, np.int64, np.bool_


def flat(x):
    if isinstance(x, (list, tuple)):
        return [t for item in x for t in flat(item)]
    return [] if x is None else [x]


def run(name, build, expect=None, random=None, only=None, feeds=(), tolerance=None):
    """build(): the tensors to fetch. Feed arrays become placeholders by P()."""
    graph = tf.Graph()
    placeholders.clear()
    with graph.as_default():
        fetches = [t for t in flat(build())]
        variables = v1.global_variables()
        tensors = [
            t
            for t in fetches
            if isinstance(t, tf.Tensor) and t.dtype not in (tf.variant, tf.resource)
        ]
        doing = [t for t in fetches if isinstance(t, tf.Operation)]
        feed = {t: x for t, x in placeholders}
        if expect is not None:
            values = expect
        elif not variables and not tensors:
            values = []
    if expect is None and (tensors or doing):
        with v1.Session(graph=graph) as session:
            session.run([v.initializer for v in variables])
            before = session.run([v for v in variables]) if variables else []
            values = session.run([tensors, doing], feed)[0]
            after = session.run([v for v in variables]) if variables else []
    definition = graph.as_graph_def()
    reached, todo = set(), [t.op.name if isinstance(t, tf.Tensor) else t.name for t in fetches]
    by_name = {n.name: n for n in definition.node}
    while todo:
        node = todo.pop()
        if node not in reached:
            reached.add(node)
            todo += [i.lstrip("^").split(":")[0] for i in by_name[node].input]
    case = {
        "name": name,
        "nodes": nodes_of(n for n in definition.node if n.name in reached),
        "feeds": {t.op.name: tensor(x) for t, x in placeholders},
        "fetches": [[t.name, tensor(x)] for t, x in zip(tensors, values)],
    }
    if random is not None:
        case["random"] = random
        case["fetches"] = [
            [t.name, [t.dtype.name, list(x.shape), []]] for t, x in zip(tensors, values)
        ]
    if variables and expect is None:
        case["variables"] = {
            v.op.name: [tensor(x), tensor(y)] for v, x, y in zip(variables, before, after)
        }
    if definition.library.function:
        case["functions"] = functions_of(definition)
    if only is not None:
        case["only"] = only
    if tolerance is not None:
        case["tolerance"] = tolerance
    cases.append(case)


placeholders = []


def P(x, shape=None):
    x = np.asarray(x)
    if x.dtype == np.float64:
        x = x.astype(F)
    t = v1.placeholder(x.dtype, x.shape if shape is None else shape)
    placeholders.append((t, x))
    return t


def op(
    name, *inputs, label="", consts=(), expect=None, random=None, only=None, tolerance=None, **attrs
):
    """One operation; inputs with numbers in `consts` are constants of the graph."""
    definition = op_def_registry.get(name)

    def prepare(i, x):
        if isinstance(x, list):
            return [prepare(i, item) for item in x]
        if i in consts:
            return tf.constant(x)
        return P(x)

    def build():
        renamed = list(inspect.signature(getattr(raw, name)).parameters)
        names = [a.name for a in definition.input_arg]
        if not all(n in renamed for n in names):
            names = renamed[: len(names)]
        given = {n: prepare(i, x) for i, (n, x) in enumerate(zip(names, inputs))}
        return getattr(raw, name)(**given, **attrs)

    run(f"{name} {label}".strip(), build, expect, random, only, tolerance=tolerance)


def x(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(F)


exec(open(os.path.join(folder, "tensorflow_cases.py")).read())

# -- the list against the registry -----------------------------------------------------------------

text = open(os.path.join(folder, "../../src/tensorflow/tf_list.inc")).read()
text = re.sub(r"/\*.*?\*/", "", text, flags=re.S).replace("TF_RESOURCE(", "TF(")
faults = 0
listed = {}
for entry in re.findall(r"^TF\((.*?)\)$", text, flags=re.S | re.M):
    parts = re.findall(r'"(?:[^"\\]|\\.)*"|[^,\s]+', entry)
    head, strings = [p for p in parts if p[0] != '"'], re.split(r",\s*(?=\")", entry)
    name, least, most = head[:3]
    groups = re.findall(r'((?:"(?:[^"\\]|\\.)*"\s*)+)', entry)
    attributes_text, outputs_text = [
        "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', g)) for g in groups[-2:]
    ]
    listed[name] = (least, most, attributes_text, outputs_text)


def registry_default(a):
    field = a.default_value.WhichOneof("value")
    if field is None:
        return None
    if field == "list":
        return "[" + ", ".join(str(i) for i in a.default_value.list.i) + "]"
    value = getattr(a.default_value, field)
    if field == "b":
        return "true" if value else "false"
    if field == "f":
        return f"{value:.7g}"
    if field == "s":
        return value.decode().replace("\n", "\\\\n")
    if field == "type":
        return attr_value_pb2.AttrValue(type=value).__str__().split()[1]
    return str(value)


def complain(what):
    global faults
    faults += 1
    print(what)


for name, (least, most, attributes_text, outputs_text) in listed.items():
    definition = op_def_registry.get(name)
    if definition is None:
        complain(f"{name}: TensorFlow has no such operation")
        continue
    own = {}
    for part in re.split(r", (?=[A-Za-z_0-9]+: )", attributes_text) if attributes_text else []:
        key, rest = part.split(": ", 1)
        kind, _, default = rest.partition(" =")
        own[key] = (kind, default.strip() if "=" in rest else None)
    for a in definition.attr:
        if a.type in ("type", "list(type)") and a.name not in own:
            continue
        kind = {"string": "text", "func": "function"}.get(a.type, a.type.replace("string", "text"))
        if a.name not in own:
            if a.name == "N" or a.name.startswith("_"):
                continue
            complain(f"{name}: attribute {a.name}: {a.type} is not listed")
            continue
        have = own[a.name]
        if have[0] != kind and not (a.name == "N"):
            complain(f"{name}: {a.name} is {kind}, not {have[0]}")
        if a.type == "type" and have[1] == "DT_INVALID" or a.name == "N":
            continue
        default = registry_default(a)
        if kind == "shape":
            continue
        if default != have[1] and a.name not in ("num_split", "shape_type"):
            complain(f"{name}: {a.name} has the default {default!r}, not {have[1]!r}")
    for key in own:
        if key not in [a.name for a in definition.attr]:
            complain(f"{name}: TensorFlow knows no attribute {key}")
    lists = [a for a in definition.input_arg if a.number_attr or a.type_list_attr]
    plain = len(definition.input_arg) - len(lists)
    if not lists and (str(plain) != least or str(plain) != most) and name != "PrintV2":
        complain(f"{name}: TensorFlow takes {plain} inputs, the list says {least} to {most}")
    outputs = [a.name for a in definition.output_arg]
    if len(outputs) > 1 and ", ".join(outputs) != outputs_text:
        complain(f"{name}: outputs {outputs}")
covered = {n["op"] for c in cases for n in c["nodes"]}
covered |= {n["op"] for c in cases for f in c.get("functions", []) for n in f["nodes"]}
for name in listed:
    if name not in covered:
        complain(f"{name}: no case")
path = os.path.join(folder, "tensorflow.json")
with open(path, "w") as out:
    out.write('{"cases": [\n')
    out.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
    out.write("\n]}\n")
print(
    f"{len(cases)} cases, {len(listed)} operations, {os.path.getsize(path)} bytes, {faults} faults"
)
sys.exit(faults > 0)
