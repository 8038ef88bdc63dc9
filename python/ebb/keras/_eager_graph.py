"""Functional models run on numbers call by call, where Python in one of their layers has to run."""

from __future__ import annotations

from typing import Any

from ebb.keras import _tree
from ebb.keras._eager_call import call_eagerly
from ebb.keras._graph import Graph, is_input
from ebb.keras._symbolic import Function, KerasTensor


class _Called:
    """A function of ``keras.ops`` in a graph, as something that is called on numbers."""

    _is_model = False
    _adds_loss = False
    _untraced = None
    activity_regularizer = None

    def __init__(self, function: Function) -> None:
        self._function = function
        self._layers: list[Any] = []
        self._losses: list[Any] = []
        self._eager: Any = None
        self.name = function.name

    def _traces(self) -> bool:
        return False

    def _call_symbolic(self, args: Any, kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


def run_graph(model: Any, graph: Graph, x: Any) -> Any:
    """What the layers of a graph make of numbers, one after the other."""
    known: dict[Any, Any] = {}
    for tensor, value in zip(graph.flat_inputs, _tree.leaves(model._arrange(x))):
        known[tensor._node, tensor._index] = value

    def replaced(leaf: Any) -> Any:
        return known[leaf._node, leaf._index] if isinstance(leaf, KerasTensor) else leaf

    called = model.__dict__.setdefault("_called", {})
    for node in graph.nodes:
        if is_input(node):
            continue
        args, kwargs = _tree.map_structure(replaced, (node.args, node.kwargs))
        operation = node.operation
        if isinstance(operation, Function):
            held = called.get(operation.name)
            if held is None:
                held = called[operation.name] = _Called(operation)
            made = call_eagerly(held, args, kwargs)
        else:
            made = operation(*args, **kwargs)
        for index, value in enumerate(_tree.leaves(made)):
            known[node, index] = value
    return _tree.map_structure(replaced, graph.outputs)
