"""One operation of TensorFlow's registry in three ways: done at once, added to a graph, traced.

``apply("MatMul", [a, b], {"transpose_b": True})`` looks where it stands: inside a graph (or a
traced function) it adds a node; otherwise the operation is done, and open gradient tapes note it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebb import _context
from ebb._eager import run
from ebb._table import Attributes, Operand
from ebb._values import Tensor

# What TensorFlow calls the operations of its Python operators and functions.
_NAMES = {
    "AddV2": "add", "Sub": "sub", "Mul": "mul", "RealDiv": "truediv", "FloorDiv": "floordiv",
    "FloorMod": "mod", "ConcatV2": "concat", "Pack": "stack", "Transpose": "transpose",
    "StridedSlice": "strided_slice", "Fill": "Fill", "SelectV2": "SelectV2", "OneHot": "one_hot",
    "Unpack": "unstack", "Split": "split", "SplitV": "split", "ResizeBilinear": "resize",
    "Range": "range", "Pow": "pow", "RandomStandardNormal": "random_normal",
}  # fmt: skip


def apply(
    op: str,
    inputs: Sequence[Operand],
    attributes: Attributes | None = None,
    name: str | None = None,
) -> list[Any]:
    """Does an operation, or adds it to the graph; all its outputs.

    Parameters
    ----------
    op : str
        Its name in TensorFlow's registry: ``"AddV2"``.
    inputs : sequence of Tensor and ndarray
        Arrays have the type that the operation takes; nothing is converted here.
    attributes : mapping, optional
    name : str, optional
        Of the node; only graphs have names.
    """
    graph = _context.building()
    for x in inputs:
        if graph is None and isinstance(x, Tensor) and x.is_symbolic:
            graph = x.graph
    if graph is not None:
        return graph.add(op, inputs, attributes or {}, name or _NAMES.get(op, op))
    try:
        outputs = run(op, inputs, attributes or {})
    except Exception:
        known = _context.settings.keras
        if known is None or not any(map(known[0], inputs)):
            raise
        return [known[1](op, inputs, attributes or {})]  # tf in a call that is traced
    for tape in _context.tapes():
        tape.note(op, inputs, attributes or {}, outputs)
    return outputs


def one(
    op: str,
    inputs: Sequence[Operand],
    attributes: Attributes | None = None,
    name: str | None = None,
) -> Any:
    """``apply`` for operations with one output."""
    return apply(op, inputs, attributes, name)[0]
