"""Graphs of TensorFlow as JSON: what make_tensorflow.py and make_tensorflow_graphs.py share."""

import numpy as np
from tensorflow.python.framework import tensor_util


def number(x):
    x = x.item() if hasattr(x, "item") else x
    if isinstance(x, float):
        return float(f"{x:.9g}") if np.isfinite(x) else repr(x).replace("inf", "Infinity")
    return x


def tensor(x):
    x = np.asarray(x)
    if x.dtype == object or x.dtype.kind in "SU":
        return ["string", list(x.shape), [t.decode("latin1") for t in x.ravel().tolist()]]
    if x.dtype.kind == "V" or str(x.dtype) == "bfloat16":
        return ["bfloat16", list(x.shape), [number(float(v)) for v in x.ravel()]]
    return [str(x.dtype), list(x.shape), [number(v) for v in x.ravel()]]


def shape_of(shape):
    return None if shape.unknown_rank else [d.size for d in shape.dim]


def one_attribute(value, field):
    if field == "s":
        return value.decode("latin1")
    if field == "shape":
        return shape_of(value)
    if field == "tensor":
        return tensor(tensor_util.MakeNdarray(value))
    if field == "func":
        return value.name
    return value


KINDS = {
    "i": "int",
    "f": "float",
    "b": "bool",
    "s": "text",
    "type": "type",
    "shape": "shape",
    "tensor": "tensor",
    "func": "function",
}


def attributes(node):
    result = []
    for name in sorted(node.attr):
        value = node.attr[name]
        field = value.WhichOneof("value")
        if field is None or name.startswith("_") or name in ("config_proto", "output_shapes"):
            continue
        if field != "list":
            result.append([name, KINDS[field], one_attribute(getattr(value, field), field)])
            continue
        found = [k for k in KINDS if len(getattr(value.list, k))]
        field = found[0] if found else "i"
        items = [one_attribute(v, field) for v in getattr(value.list, field)]
        result.append([name, f"list({KINDS[field]})", items])
    return result


def nodes_of(nodes):
    return [
        {"name": n.name, "op": n.op, "inputs": list(n.input), "attributes": attributes(n)}
        for n in nodes
    ]


def functions_of(graph):
    return [
        {
            "name": f.signature.name,
            "arguments": [[a.name, a.type] for a in f.signature.input_arg],
            "results": [[a.name, a.type, f.ret[a.name]] for a in f.signature.output_arg],
            "nodes": nodes_of(f.node_def),
        }
        for f in graph.library.function
    ]
