"""Tensors for the rest of the package: the classes, and the operators that come with them.

``Tensor.from_array`` makes an eager tensor, ``to_array`` reads anything that has a value,
``is_symbolic`` tells tensors of graphs, and ``call_model`` puts a model into the graph of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebb import _context, _operators
from ebb._dtype import DType, TensorShape, as_dtype
from ebb._graph import Graph, SymbolicTensor
from ebb._operators import convert
from ebb._values import Buffer, EagerTensor, Tensor, to_array


def is_symbolic(value: Any) -> bool:
    """Is this a tensor of a graph, which has no value here?"""
    return isinstance(value, SymbolicTensor)


def building_graph() -> Graph | None:
    """The graph (or the trace of a ``tf.function``) that is being built; None: eager."""
    return _context.building()


def call_model(core: Any, inputs: Sequence[Any], owner: Any = None) -> list[Any]:
    """Calls a model on tensors of a graph: a node that does not keep the model alive.

    Parameters
    ----------
    core : ebb.Model
    inputs : sequence
        One for each input of the model, in its order; at least one is a tensor of a graph.
    owner : object, optional
        What the model belongs to: a trace of a ``tf.function`` is given back when it, or the
        model, goes.

    Returns
    -------
    list of Tensor
        One for each output.
    """
    graphs = [x.graph for x in inputs if isinstance(x, SymbolicTensor)]
    graph = graphs[0] if graphs else _context.default_graph()
    made: list[Any] = graph.call_model(core, [_operators.operand(x) for x in inputs], owner)
    return made


__all__ = [
    "Buffer", "DType", "EagerTensor", "Graph", "SymbolicTensor", "Tensor", "TensorShape",
    "as_dtype", "building_graph", "call_model", "convert", "is_symbolic", "to_array",
]  # fmt: skip
