"""The part of a graph between inputs and outputs, in the order of Keras.

Files keep weights by that order.
Operations are ordered by depth, the deepest first, and within one depth as a walk from the outputs
meets them. Source: keras/src/ops/function.py (map_graph) of Keras 3.15.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Callable

from ebb.keras import _tree
from ebb.keras._symbolic import KerasTensor, Node

_EXPLORED = ("nodes", "operations", "numbers", "_calls")


class Graph:
    """What lies between inputs and outputs.

    Attributes
    ----------
    inputs, outputs : structures of KerasTensor
    nodes : list of Node
        From inputs to outputs.
    operations : list of Operation
        In the order of files.
    numbers : dict of Node to int
        Number of a call among those of its operation that belong to the graph.
    """

    __slots__ = ("_calls", "inputs", "nodes", "numbers", "operations", "outputs")
    _calls: dict[int, list[Node]]
    nodes: list[Node]
    numbers: dict[Node, int]
    operations: list[Any]

    def __init__(self, inputs: Any, outputs: Any, strict: bool = True) -> None:
        self.inputs, self.outputs = inputs, outputs
        flat_inputs, flat_outputs = _tree.flatten(inputs), _tree.flatten(outputs)
        for what, flat in (("inputs", flat_inputs), ("outputs", flat_outputs)):
            if not flat:
                raise ValueError(
                    f"`{what}` argument cannot be empty. Received:\n{inputs=}\n{outputs=}"
                )
        if strict:
            self._explore()
            self._check(flat_inputs)

    def __getattr__(self, name: str) -> Any:
        if name not in _EXPLORED:
            raise AttributeError(name)
        self._explore()
        return getattr(self, name)

    def _explore(self) -> None:
        """Walks it, at once or when somebody asks: a Sequential has a graph after every layer."""
        nodes, met = _walk(self.flat_outputs)
        seen = set(nodes)
        for tensor in self.flat_inputs:  # inputs that lead nowhere stay in the model
            node = tensor._node
            if node is not None and node not in seen and is_input(node):
                seen.add(node)
                nodes.append(node)
        numbers: dict[Node, int] = {}
        by_operation: dict[int, list[Node]] = {}
        for node in sorted(nodes, key=lambda node: node.number):
            calls = by_operation.setdefault(id(node.operation), [])
            numbers[node] = len(calls)
            calls.append(node)
        self.operations = _ordered(nodes, met)
        self.nodes, self.numbers, self._calls = nodes, numbers, by_operation

    @property
    def flat_inputs(self) -> list[KerasTensor]:
        """Inputs without their structure."""
        return _tree.flatten(self.inputs)

    @property
    def flat_outputs(self) -> list[KerasTensor]:
        """Outputs without their structure."""
        return _tree.flatten(self.outputs)

    def calls(self, operation: Any) -> list[Node]:
        """The calls of an operation in the graph, in order."""
        return list(self._calls.get(id(operation), ()))

    def _check(self, flat_inputs: list[KerasTensor]) -> None:
        """Names differ, and every output leads to the inputs."""
        names = Counter(operation.name for operation in self.operations)
        for name, count in names.items():
            if count > 1:
                raise ValueError(
                    f'The name "{name}" is used {count} times in the model. All operation names '
                    "should be unique."
                )
        given = {tensor._node for tensor in flat_inputs}
        for node in self.nodes:
            if is_input(node) and node not in given:
                paths = _disconnected(self.outputs, given)
                raise ValueError(f"Output with path `{paths}` is not connected to `inputs`")


def is_input(node: Node) -> bool:
    """Is it the node of an InputLayer?"""
    return type(node.operation).__name__ == "InputLayer" and not node.parents


def _disconnected(outputs: Any, given: set[Any]) -> str:
    """Where in the outputs the first tensor is that needs something else than the inputs."""
    items: list[tuple[Any, Any]] = list(enumerate(_tree.flatten(outputs)))
    if isinstance(outputs, KerasTensor):
        items = [("", outputs)]
    elif isinstance(outputs, dict):
        items = list(outputs.items())
    for path, tensor in items:
        nodes, _ = _walk(_tree.flatten(tensor))
        if any(is_input(node) and node not in given for node in nodes):
            return str(path)
    return "0"


def _parents(node: Node) -> list[Node]:
    """The nodes that a node depends on."""
    return [parent._node for parent in node.parents if parent._node is not None]


def _walk(outputs: list[KerasTensor]) -> tuple[list[Node], dict[int, int]]:
    """Nodes from inputs to outputs, depth first, without recursion.

    With them, by id of the operation, when the walk met it.
    """
    ordered: list[Node] = []
    met: dict[int, int] = {}
    seen: set[Node] = set()
    for output in outputs:
        stack: list[tuple[Node, Iterator[Node]]] = []
        coming = output._node
        while coming is not None or stack:
            if coming is not None and coming not in seen:
                seen.add(coming)
                met.setdefault(id(coming.operation), len(met))
                stack.append((coming, iter(_parents(coming))))
            coming = None
            if stack:
                coming = next(stack[-1][1], None)
                if coming is None:
                    ordered.append(stack.pop()[0])
    return ordered, met


def _ordered(nodes: list[Node], met: dict[int, int]) -> list[Any]:
    """Operations by depth and by when the walk from the outputs meets them."""
    depths: dict[Node, int] = {}
    of_operation: dict[int, int] = {}
    for node in reversed(nodes):
        depth = max(depths.get(node, 0), of_operation.get(id(node.operation), 0))
        of_operation[id(node.operation)] = depths[node] = depth
        for parent in _parents(node):
            depths[parent] = max(depths.get(parent, 0), depth + 1)
    operations = {id(node.operation): node.operation for node in nodes}
    order = sorted(operations, key=lambda key: (-of_operation[key], met.get(key, -1)))
    return [operations[key] for key in order]


def graph_inside(node: Node) -> Graph | None:
    """The graph of the nested model that a node calls."""
    inner = getattr(node.operation, "_graph", None)
    return inner if isinstance(inner, Graph) else None


def inlined(graph: Graph, inside: Callable[[Node], Graph | None] = graph_inside) -> Graph:
    """The same graph with the layers of nested models in place of the models."""
    known: dict[tuple[Node, int], KerasTensor] = {}
    for tensor in graph.flat_inputs:
        assert tensor._node is not None
        known[tensor._node, tensor._index] = tensor
    _replay(graph.nodes, known, inside)

    def find(tensor: KerasTensor) -> KerasTensor:
        assert tensor._node is not None
        return known[tensor._node, tensor._index]

    outputs = _tree.map_structure(find, graph.outputs)
    return Graph(graph.inputs, outputs, strict=False)


def _replay(
    nodes: list[Node],
    known: dict[tuple[Node, int], KerasTensor],
    inside: Callable[[Node], Graph | None],
) -> None:
    """Makes every call anew on known tensors. Recursion: as deep as models are nested."""

    def replaced(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor) or leaf._node is None:
            return leaf
        return known[leaf._node, leaf._index]

    for node in nodes:
        if is_input(node):
            continue
        inner = inside(node)
        if inner is not None:
            given = [replaced(tensor) for tensor in node.parents]
            own = {
                (tensor._node, tensor._index): value
                for tensor, value in zip(inner.flat_inputs, given)
                if tensor._node is not None
            }
            _replay(inner.nodes, own, inside)
            for index, tensor in enumerate(inner.flat_outputs):
                assert tensor._node is not None
                known[node, index] = own[tensor._node, tensor._index]
            continue
        args, kwargs = _tree.map_structure(replaced, (node.args, node.kwargs))
        again = Node(node.operation, args, kwargs)
        again.trace = node.trace
        for index, made in enumerate(again.emit(node.specs)):
            known[node, index] = made
