"""Models with layers that Python computes: cut in front of and behind what the library computes.

    inputs ──> front (Python) ──> core (the library) ──> back (Python) ──> outputs

The front is every layer of texts that leads to something the library computes, or to nothing that
it computes; what the library has to compute in front of such a layer runs in a core of its own.
The back is what turns results into texts. A model without such layers has no ``Split``: nothing
of this is looked at when it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb._texts import is_texts
from ebb.keras import _tree
from ebb.keras._config import Writer
from ebb.keras._data import Ports, Structure, to_data
from ebb.keras._engine import Engine, core_from_text
from ebb.keras._graph import Graph, graph_inside, inlined, is_input
from ebb.keras._host_layer import Array, is_host, wrap
from ebb.keras._input import InputLayer
from ebb.keras._seeds import next_seed
from ebb.keras._symbolic import KerasTensor, Node

Key = tuple[Node, int]
Values = dict[Key, Array]

# Layers that do something else in training: in front of a layer of texts nobody could tell them.
_DIFFERENT = ("Dropout", "Gaussian", "BatchNormalization", "Random")


def has_hosts(graph: Graph) -> bool:
    """Has a graph, or one inside it, layers that Python computes?"""
    for node in graph.nodes:
        if is_host(node.operation):
            return True
        inner = node.trace.graph if node.trace is not None else graph_inside(node)
        if inner is not None and has_hosts(inner):
            return True
    return False


def _opened(node: Node) -> Graph | None:
    """Nested models are opened, layers written in Python only for what is in them."""
    if node.trace is None:
        return graph_inside(node)
    inner: Graph = node.trace.graph
    return inner if has_hosts(inner) else None


def key_of(tensor: KerasTensor) -> Key:
    """Which result of which call a tensor is."""
    assert tensor._node is not None
    return tensor._node, tensor._index


class Fed(list[Any]):
    """Arrays for the core, and the values that it never sees."""

    values: Values


class Piece:
    """A part of the graph that the library computes: from some tensors to others."""

    __slots__ = ("graph", "outputs", "sources", "types")

    def __init__(self, outputs: list[KerasTensor]) -> None:
        self.outputs = [key_of(tensor) for tensor in outputs]
        self.sources: list[Key] = []
        self.types: list[str] = []
        known: dict[Key, KerasTensor] = {}
        used: set[str] = set()
        for node in _needed(outputs):
            if is_input(node) or is_host(node.operation):
                self._cut(node, known, used)
            else:
                _replay(node, known)
        if not self.outputs:  # a model of texts alone
            rows = InputLayer(batch_shape=(None, 1), name="rows").output
            self.graph = Graph([rows], [rows], strict=False)
            return
        inputs = [known[key] for key in self.sources]
        self.graph = Graph(inputs, [known[key] for key in self.outputs], strict=False)

    def _cut(self, node: Node, known: dict[Key, KerasTensor], used: set[str]) -> None:
        """The results of a node become inputs."""
        operation = node.operation
        for index, (shape, dtype) in enumerate(node.specs):
            if dtype == "string":
                raise UnsupportedError(
                    f"{operation.name} gives texts, which only layers such as "
                    "TextVectorization and StringLookup take",
                    "ebb.keras",
                )
            name = operation.name
            while name in used:
                name += "_again"
            used.add(name)
            true = shape
            if is_host(operation):
                true = operation._true_shape(operation._shapes(node.args))
            layer = InputLayer(batch_shape=true, dtype=dtype, name=name)
            known[node, index] = layer.output
            self.sources.append((node, index))
            self.types.append(dtype)

    def arrays(self, values: Values) -> list[Array]:
        """What it is given."""
        if not self.sources:
            rows = next((len(array) for array in values.values() if array.ndim), 1)
            return [np.zeros((rows, 1), np.float32)]
        return [
            np.ascontiguousarray(values[key], kind) for key, kind in zip(self.sources, self.types)
        ]


def _needed(outputs: list[KerasTensor]) -> list[Node]:
    """Calls that lead to tensors, first ones first; none in front of one that Python computes."""
    ordered: list[Node] = []
    seen: set[Node] = set()
    stack = [(tensor._node, False) for tensor in reversed(outputs)]
    while stack:
        node, is_ready = stack.pop()
        assert node is not None
        if is_ready:
            ordered.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if not is_host(node.operation):
                stack.extend((parent._node, False) for parent in reversed(node.parents))
    return ordered


def _replay(node: Node, known: dict[Key, KerasTensor]) -> None:
    """The same call on other tensors."""

    def other(leaf: Any) -> Any:
        return known[key_of(leaf)] if isinstance(leaf, KerasTensor) else leaf

    args, kwargs = _tree.map_structure(other, (node.args, node.kwargs))
    again = Node(node.operation, args, kwargs)
    again.trace = node.trace
    for index, made in enumerate(again.emit(node.specs)):
        known[node, index] = made


class Stage:
    """What the library computes in front of a layer of texts."""

    __slots__ = ("engine", "piece")

    def __init__(self, outputs: list[KerasTensor]) -> None:
        self.piece = Piece(outputs)
        for operation in self.piece.graph.operations:
            if any(word in type(operation).__name__ for word in _DIFFERENT):
                raise UnsupportedError(
                    f"{type(operation).__name__} in front of a layer that Python computes would "
                    "not be told of training; put it behind",
                    operation.name,
                )
        writer = Writer()
        config = writer.graph(self.piece.graph, "stage", "", True)
        text = writer.text("stage", "Functional", config)
        core = core_from_text(text, next_seed())
        self.engine = Engine(core, writer.table, writer.frozen, writer.stateful)
        for variable in self.engine.variables:
            if variable.trainable:
                raise UnsupportedError(
                    "it is in front of a layer that Python computes, where nothing is trained: "
                    "set its layer's `trainable` to False",
                    variable.path,
                )

    def run(self, values: Values) -> None:
        """Adds what it makes of values to them."""
        self.engine.sync()
        made = self.engine.core._predict_arrays(self.piece.arrays(values))
        values.update(zip(self.piece.outputs, made))


class Call:
    """A call of a layer that Python computes."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def run(self, values: Values) -> None:
        """Adds what it makes of values to them."""

        def value(leaf: Any) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            found = values[key_of(leaf)]
            return found if leaf.dtype == "string" else found.astype(leaf.dtype, copy=False)

        args, kwargs = _tree.map_structure(value, (self.node.args, self.node.kwargs))
        values[self.node, 0] = self.node.operation._array(*args, **kwargs)


class Split:
    """A model's graph in its three parts.

    Attributes
    ----------
    core : Piece
        What the model's own core computes.
    front, back : list of Stage and Call
        What is computed before and after, in order.
    is_trainable : bool
        Whether every output is the core's.
    """

    __slots__ = ("back", "core", "front", "inputs", "is_trainable", "outputs")

    def __init__(self, graph: Graph) -> None:
        flat = inlined(graph, _opened)
        hosts = [node for node in flat.nodes if is_host(node.operation)]
        behind = _behind(flat, hosts)
        self.inputs = [key_of(tensor) for tensor in flat.flat_inputs]
        self.outputs = [key_of(tensor) for tensor in flat.flat_outputs]
        self.front: list[Any] = []
        ready: set[Key] = set()
        for node in hosts:
            if node not in behind:
                staged = [
                    tensor for tensor in dict.fromkeys(node.parents)
                    if not _is_known(tensor) and key_of(tensor) not in ready
                ]  # fmt: skip
                if staged:
                    self.front.append(Stage(staged))
                    ready.update(map(key_of, staged))
                self.front.append(Call(node))
        self.back = [Call(node) for node in hosts if node in behind]
        wanted = list(flat.flat_outputs)
        wanted += [tensor for node in hosts if node in behind for tensor in node.parents]
        self.core = Piece(list(dict.fromkeys(t for t in wanted if not _is_known(t))))
        self.is_trainable = self.outputs == self.core.outputs

    def feed(self, arrays: list[Array]) -> Fed:
        """What the core is given for arrays of the model's inputs."""
        values: Values = dict(zip(self.inputs, arrays))
        for step in self.front:
            step.run(values)
        made = Fed(self.core.arrays(values))
        made.values = values
        return made

    def finish(self, fed: Any, outputs: list[Any]) -> list[Any]:
        """The model's outputs, of those of the core; arrays."""
        if self.is_trainable:
            return outputs
        values = {**fed.values, **dict(zip(self.core.outputs, outputs))}
        for step in self.back:
            step.run(values)
        return [values[key] for key in self.outputs]

    def finish_tensors(self, fed: Fed, outputs: list[Any]) -> list[Any]:
        """The same of tensors: tensors, and arrays of texts."""
        if self.is_trainable:
            return outputs
        return [wrap(made) for made in self.finish(fed, [np.asarray(x) for x in outputs])]


def _is_known(tensor: KerasTensor) -> bool:
    """Is it an input, or what Python computed?"""
    node = tensor._node
    assert node is not None
    return is_input(node) or is_host(node.operation)


def _behind(graph: Graph, hosts: list[Node]) -> set[Node]:
    """Calls that the library computes something for, but nothing of."""
    late: set[Node] = set()  # something in front of it is the library's
    for node in graph.nodes:
        parents = [parent._node for parent in node.parents if parent._node is not None]
        if any(parent in late or not (is_input(parent) or is_host(parent.operation))
               for parent in parents):  # fmt: skip
            late.add(node)
    leading: set[Node] = set()  # something behind it is the library's
    for node in reversed(graph.nodes):
        if node in leading or not is_host(node.operation):
            leading.update(p._node for p in node.parents if p._node is not None)
    return {node for node in hosts if node in late and node not in leading}


def split(graph: Graph) -> Split | None:
    """The parts of a graph; None: the library computes all of it."""
    return Split(graph) if has_hosts(graph) else None


# -- data -----------------------------------------------------------------------------------------


class HostPorts(Ports):
    """Inputs and outputs of a model that is split: its inputs may be texts."""

    is_cut = True  # arrays are cut into batches by Python

    def __init__(self, ports: Ports, parts: Split, graph: Graph, keys: list[str] | None) -> None:
        inputs = [
            (node.operation.name, node.specs[index][0])
            for node, index in map(key_of, graph.flat_inputs)
        ]
        super().__init__(ports.model, inputs, ports.outputs, keys, None)
        self.output_keys = ports.output_keys
        self._parts = parts
        self._types = [tensor.dtype for tensor in graph.flat_inputs]

    def x(self, structure: Structure) -> list[Array]:
        """Arrays for the core, of texts and numbers for the model."""
        leaves = self._leaves(structure)
        arrays = []
        for index, (leaf, kind) in enumerate(zip(leaves, self._types)):
            array = to_data(leaf, "x")
            if is_texts(array) != (kind == "string"):
                expected, found = ("texts", "numbers") if kind == "string" else ("numbers", "texts")
                raise ValueError(
                    f"input '{self.inputs[index][0]}' of model '{self.model}': expected {expected} "
                    f"({kind}), found {found} ({array.dtype})"
                )
            arrays.append(self._input(index, array))
        return self._parts.feed(arrays)

    def finish(self, x: list[Any], outputs: list[Any]) -> list[Any]:
        """What the model gives, of what its core made of ``x``."""
        return self._parts.finish(x, outputs)

    def y(self, structure: Structure) -> list[Array]:
        """Arrays for the outputs, all of which have to be numbers that the library computes."""
        if not self._parts.is_trainable:
            raise UnsupportedError(
                "an output comes from a layer that Python computes (a lookup, a vectorizer): it "
                "can be predicted, but has no loss. Train the model that ends before it",
                self.model,
            )
        return super().y(structure)
