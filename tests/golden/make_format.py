"""Makes the model files of tests/golden/format and, beside each, what is in it as text.

The text comes from the live Keras objects (layers, calls, tensors of calls) and from h5py (the
arrays), never from ebb: the test prints the same text from what ebb's readers found.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python3 tests/golden/make_format.py
"""

import io
import json
import os
import shutil
import zipfile

import h5py
import keras
import numpy as np
from keras import layers, ops, tree

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "format")


def noise(model, seed=7):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, w.shape).astype("float32").astype(w.dtype)
                       if np.dtype("float32") != w.dtype else
                       rng.normal(0, 0.5, w.shape).astype("float32") for w in model.get_weights()])


# -- what is in a model -----------------------------------------------------------------------


def calls_of(operation, nodes):
    """Positions in operation._inbound_nodes of the calls that belong to the model."""
    return [i for i, n in enumerate(operation._inbound_nodes) if n in nodes]


def tensor_text(tensor, nodes):
    operation, node, index = tensor._keras_history
    return f"{operation.name}:{calls_of(operation, nodes).index(node)}:{index}"


def describe(model, out, prefix=""):
    out.append(f"{prefix}model {model.name} {type(model).__name__}")
    if isinstance(model, keras.Sequential):
        describe_sequential(model, out, prefix)
        return
    nodes = {n for depth in model._nodes_by_depth.values() for n in depth}
    for number, operation in enumerate(model.operations):
        kind = "layer" if isinstance(operation, layers.Layer) else "operation"
        is_input = isinstance(operation, layers.InputLayer)
        calls = [] if is_input else calls_of(operation, nodes)
        out.append(f"{prefix}{kind} {number} {type(operation).__name__} {operation.name} "
                   f"{len(calls)}")
        for call in calls:
            arguments = operation._inbound_nodes[call].arguments
            leaves = [x for x in tree.flatten([arguments.args, arguments.kwargs])
                      if isinstance(x, keras.KerasTensor)]
            out.append(f"{prefix}call " + " ".join(tensor_text(x, nodes) for x in leaves))
        if isinstance(operation, keras.Model):
            describe(operation, out, prefix + "  ")
    for what, structure in (("input", model._inputs_struct), ("output", model._outputs_struct)):
        if isinstance(structure, dict):
            items = [(k, structure[k]) for k in sorted(structure)]
        else:
            items = [(x._keras_history[0].name, x) for x in tree.flatten(structure)]
        seen = {}
        for name, tensor in items:
            count = seen[name] = seen.get(name, -1) + 1
            name = f"{name}_{count}" if count else name
            out.append(f"{prefix}{what} {name} {tensor_text(tensor, nodes)}")


def describe_sequential(model, out, prefix):
    before = None
    for number, layer in enumerate(model._layers):
        is_input = isinstance(layer, layers.InputLayer)
        out.append(f"{prefix}layer {number} {type(layer).__name__} {layer.name} "
                   f"{0 if is_input else 1}")
        if not is_input:
            out.append(f"{prefix}call {before}:0:0")
        before = layer.name
        if isinstance(layer, keras.Model):
            describe(layer, out, prefix + "  ")
    out.append(f"{prefix}input {model._layers[0].name} {model._layers[0].name}:0:0")
    out.append(f"{prefix}output {before} {before}:0:0")


# -- what is in a file of arrays -----------------------------------------------------------------


def array_text(path, dataset):
    values = dataset[()]
    dtype = str(dataset.dtype)
    if dataset.attrs.get("dtype") == "bfloat16":
        values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        dtype = "bfloat16"
    shape = ",".join(str(n) for n in dataset.shape)
    return f"tensor {path} {dtype} ({shape}) {float(np.sum(np.float64(values))):.4f}"


def describe_tree(group, out, path=""):
    for name in sorted(group):
        child = group[name]
        if not isinstance(child, h5py.Group):
            continue
        if name == "vars":
            out.append(f"group {path or '.'} {len(child)}")
            for k in sorted(child, key=int):
                out.append(array_text(f"{path}/vars/{k}".lstrip("/"), child[k]))
        else:
            describe_tree(child, out, f"{path}/{name}".lstrip("/"))


def describe_layers(group, out):
    names = group.attrs["layer_names"] if "layer_names" in group.attrs else [
        n for k in range(9) for n in group.attrs.get(f"layer_names{k}", [])]
    for name in names:
        name = name.decode() if isinstance(name, bytes) else name
        weights = [w.decode() if isinstance(w, bytes) else w
                   for w in group[name].attrs["weight_names"]]
        out.append(f"group {name} {len(weights)}")
        out.extend(array_text(f"{name}/{w}", group[name][w]) for w in weights)


def text_write(name, lines):
    with open(os.path.join(HERE, name + ".txt"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def keras_write(name, model):
    path = os.path.join(HERE, name + ".keras")
    model.save(path)
    lines = []
    describe(model, lines)
    with zipfile.ZipFile(path) as archive:
        with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as f:
            describe_tree(f, lines)
    text_write(name, lines)
    return path, lines


# -- the models ------------------------------------------------------------------------------


def sequential():
    model = keras.Sequential([
        keras.Input((6, 6, 1), name="picture"),
        layers.Conv2D(2, 3, activation="relu", name="first"),
        layers.Flatten(name="flat"),
        layers.Dense(3, activation="softmax", name="last"),
    ], name="sequential")
    noise(model)
    return model


def several():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    x, y = shared(a), shared(b)
    both = layers.Concatenate(name="both")([y, x])
    model = keras.Model([b, a], [layers.Dense(2, name="p")(both), x, shared(a)], name="several")
    noise(model)
    return model


def dicts():
    a, b = keras.Input((4,), name="in_z"), keras.Input((4,), name="in_a")
    x = layers.Dense(2, name="one")(a)
    outputs = {"sum": layers.Add(name="add")([a, b]), "one": x}
    model = keras.Model({"z": a, "a": b}, outputs, name="dicts")
    noise(model)
    return model


def nested():
    i = keras.Input((4,), name="i")
    inner_in = keras.Input((4,), name="inner_in")
    inner = keras.Model(inner_in, layers.Dense(4, name="inner_dense")(inner_in), name="inner")
    chain = keras.Sequential([keras.Input((4,), name="chain_in"),
                              layers.Dense(4, name="chain_dense")], name="chain")
    first = inner(i)
    second = inner(layers.ReLU(name="relu")(first))
    third = chain(second)
    fourth = chain(layers.Add(name="add")([third, first]))
    model = keras.Model(i, [second, fourth, first, third], name="nested")
    noise(model)
    return model


def operations():
    x, y = keras.Input((4, 4), name="x"), keras.Input((4, 4), name="y")
    outputs = [x[:, 1:3], x[:, ::2, -1], x[..., None], 2.0 - x, ops.power(y, 2),
               ops.mean(x, axis=1, keepdims=True), ops.where(x > y, x, 0.0),
               ops.concatenate([y, x], axis=-1),
               ops.split(x, 2, axis=1)[1], ops.add(x, np.ones((4,), "float32"))]
    return keras.Model([x, y], outputs, name="operations")


def wrappers():
    x = keras.Input((5, 3), name="x")
    state = keras.Input((2,), name="state")
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="lstm"), name="both")(x)
    part = keras.Sequential([layers.Dense(3), layers.ReLU()], name="part")
    y = layers.TimeDistributed(part, name="each")(y)
    cells = [layers.GRUCell(2), layers.SimpleRNNCell(2)]
    y = layers.RNN(cells, return_sequences=True, name="cells")(y)
    z = layers.GRU(2, name="gru")(y, initial_state=state)
    a = layers.MultiHeadAttention(1, 2, name="attention")(y, value=x, use_causal_mask=True)
    model = keras.Model([x, state], [z, a], name="wrappers")
    noise(model)
    return model


def half():
    model = keras.Sequential([keras.Input((3,), name="i"),
                              layers.Dense(2, dtype="bfloat16", name="d")], name="half")
    noise(model)
    return model


def compiled():
    model = keras.Sequential([keras.Input((3,), name="i"), layers.Dense(2, name="d"),
                              layers.BatchNormalization(name="n")], name="compiled")
    model.compile("adam", "mse")
    noise(model)
    model.fit(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"), verbose=0)
    return model


# -- other containers ------------------------------------------------------------------------


def zip_deflate(path, name, lines):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(os.path.join(HERE, name + ".keras"), "w",
                                                      zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
    text_write(name, lines)


def zip_unpack(path, name, lines):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    text_write(name, lines)


def h5_write(name, model):
    path = os.path.join(HERE, name + ".h5")
    model.save(path)
    lines = []
    describe(model, lines)
    with h5py.File(path, "r") as f:
        describe_layers(f["model_weights"], lines)
    text_write(name, lines)
    return path, lines


def weights_write(name, model, lines, full_path):
    """Three files of weights only: the old layout, the same with split lists, the new layout."""
    with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8") as f:
        f.write(model.to_json())
    groups = [x for x in lines if x.startswith(("group", "tensor"))]
    for suffix in ("whole", "split"):
        with h5py.File(full_path, "r") as old, h5py.File(
                os.path.join(HERE, f"{name}_{suffix}.h5"), "w") as new:
            for key in old["model_weights"]:
                old.copy(old["model_weights"][key], new, key)
            for key, value in old["model_weights"].attrs.items():
                if key != "layer_names" or suffix == "whole":
                    new.attrs[key] = value
                else:
                    new.attrs["layer_names0"], new.attrs["layer_names1"] = value[:1], value[1:]
        text_write(f"{name}_{suffix}", [x for x in lines if x not in groups] + groups)
    path = os.path.join(HERE, f"{name}.weights.h5")
    model.save_weights(path)
    tree_lines = []
    with h5py.File(path, "r") as f:
        describe_tree(f, tree_lines)
    text_write(f"{name}.weights", [x for x in lines if x not in groups] + tree_lines)


def main():
    keras.utils.set_random_seed(3)
    shutil.rmtree(HERE, ignore_errors=True)
    os.makedirs(HERE)
    path, lines = keras_write("sequential", sequential())
    zip_deflate(path, "deflated", lines)
    zip_unpack(path, "folder", lines)
    for make in (several, dicts, nested, operations, wrappers, half, compiled):
        keras_write(make.__name__, make())
    model = several()
    path, lines = h5_write("legacy", model)
    weights_write("weights", model, lines, path)


if __name__ == "__main__":
    main()
