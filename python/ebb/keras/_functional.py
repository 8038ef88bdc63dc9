"""Functional models: everything between given inputs and outputs."""

from __future__ import annotations

import warnings
from typing import Any

from ebb.keras import _tree
from ebb.keras._config import graph_config
from ebb.keras._graph import Graph, is_input
from ebb.keras._input import InputLayer
from ebb.keras._layer import Layer
from ebb.keras._model import Model
from ebb.keras._object import serialize
from ebb.keras._symbolic import Function, KerasTensor, Node


class Functional(Model):
    """What ``keras.Model(inputs, outputs)`` gives."""

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        set_up(self, inputs, outputs, name=name, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Give the layers and how they are connected, as Keras 3 writes them."""
        if type(self).__init__ is not Functional.__init__:
            own = type(self).__init__
            if not _takes_graph(own):
                return Layer.get_config(self)
        assert self._graph is not None
        return graph_config(self._graph, self.name, self.trainable, entry_of)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a model of what ``get_config()`` gave."""
        from ebb.keras._rebuild import functional_from_config

        return functional_from_config(cls, config, custom_objects)


def _takes_graph(constructor: Any) -> bool:
    """Does a constructor take inputs and outputs?"""
    import inspect

    names = list(inspect.signature(constructor).parameters)
    return "inputs" in names and "outputs" in names


def entry_of(operation: Any) -> dict[str, Any]:
    """An operation as Keras serializes it."""
    if isinstance(operation, Function):
        return operation.entry()
    made: dict[str, Any] = serialize(operation)
    return made


def make_functional(kind: type) -> None:
    """Classes of the user whose constructor gives inputs and outputs become functional ones."""
    if issubclass(kind, Functional) or kind is Model:
        return
    for base in kind.__mro__:
        if Model in base.__bases__:
            base.__bases__ = tuple(Functional if b is Model else b for b in base.__bases__)
            return


def set_up(model: Any, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
    """A model of inputs and outputs."""
    trainable = kwargs.pop("trainable", None)
    _check(inputs, outputs)
    if isinstance(inputs, dict):
        for key, tensor in inputs.items():
            if isinstance(tensor, KerasTensor) and key != tensor.name:
                warnings.warn(
                    "When providing `inputs` as a dict, all keys in the dict must match the names "
                    f"of the corresponding tensors. Received key '{key}' mapping to value {tensor} "
                    f"which has name '{tensor.name}'. Change the tensor name to '{key}' (via "
                    f"`Input(..., name='{key}')`)",
                    stacklevel=3,
                )
    if not all(t._node is not None and is_input(t._node) for t in _tree.leaves(inputs)):
        inputs, outputs = begin_at(inputs, outputs)
    Layer.__init__(model, name=name, **kwargs)
    model._graph = Graph(inputs, outputs)
    if trainable is not None:
        model._trainable = bool(trainable)
    model.built = True
    model._engine_begin()


def _check(inputs: Any, outputs: Any) -> None:
    """All of them are symbolic tensors."""
    for what, structure in (("inputs", inputs), ("outputs", outputs)):
        for leaf in _tree.leaves(structure):
            if not isinstance(leaf, KerasTensor):
                raise ValueError(
                    f"All `{what}` values must be KerasTensors. Received: {what}={structure} "
                    f"including invalid value {leaf} of type {type(leaf)}"
                )


def begin_at(inputs: Any, outputs: Any) -> Any:
    """The graph from tensors in the middle of another one on, which become inputs."""
    known: dict[Any, Any] = {}

    def replaced(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        return known.get((leaf._node, leaf._index), leaf)

    for tensor in _tree.flatten(inputs):
        if tensor._node is not None and is_input(tensor._node):
            known[tensor._node, tensor._index] = tensor
            continue
        name = f"{tensor.name}CLONE"
        layer = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        known[tensor._node, tensor._index] = layer.output
    for node in _between(known, _tree.flatten(outputs)):
        args, kwargs = _tree.map_structure(replaced, (node.args, node.kwargs))
        again = Node(node.operation, args, kwargs)
        again.trace = node.trace
        for index, made in enumerate(again.emit(node.specs)):
            known[node, index] = made
    return _tree.map_structure(replaced, inputs), _tree.map_structure(replaced, outputs)


def _between(known: dict[Any, Any], outputs: Any) -> Any:
    """Nodes that lead from known tensors to outputs, each after those it needs."""
    ordered: list[Node] = []
    seen: set[Any] = set()
    stack = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, is_ready = stack.pop()
        node = tensor._node
        if is_ready:
            ordered.append(node)
            continue
        if node is None or node in seen or (node, tensor._index) in known or is_input(node):
            continue
        seen.add(node)
        stack.append((tensor, True))
        stack.extend((parent, False) for parent in reversed(node.parents))
    return ordered
