"""Configurations of models: for Python (``get_config()``, as Keras writes it) and for the core.

The two differ where only Python knows a class: for the core a layer or model that was written in
Python becomes the nested model of what its ``call`` was traced to, and first values that are
arrays become zeros (they are set afterwards). While the core's configuration is written, the table
of its weights is made: name in the core to Variable.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Callable

from ebb.keras import _tree
from ebb.keras._graph import Graph
from ebb.keras._serialization import serialize_keras_object
from ebb.keras._symbolic import Function, KerasTensor, Node, tensor_entry

MODELS = ("Functional", "Model")  # whose calls are counted from 1 in outputs


class Writer:
    """Writes the core's configuration of one model.

    Attributes
    ----------
    table : dict of str to Variable
        By the name of the weight in the core.
    frozen : dict of str to bool
        Layers with weights by the name that the core gives them: may training not change them?
    stateful : dict of str to Layer
        Layers that keep states, by the same names.
    is_brief : bool
        Only these are wanted: what is written is empty.
    """

    def __init__(self, is_brief: bool = False) -> None:
        self.is_brief = is_brief
        self.table: dict[str, Any] = {}
        self.frozen: dict[str, bool] = {}
        self.stateful: dict[str, Any] = {}

    def text(self, name: str, class_name: str, config: dict[str, Any]) -> str:
        """The text of the whole model."""
        entry = {"module": "keras", "class_name": class_name, "config": config}
        return json.dumps({**entry, "registered_name": None})

    def graph(self, graph: Graph, name: str, prefix: str, trainable: bool) -> dict[str, Any]:
        """The config of a functional model; ``prefix`` with "/" for one inside another."""
        names = _unique_names(graph.operations)

        def entry(operation: Any) -> dict[str, Any]:
            return self.entry(operation, names[id(operation)], prefix, graph, trainable)

        if self.is_brief:
            for operation in graph.operations:
                if not isinstance(operation, Function) or operation.is_variable:
                    entry(operation)
            return {}
        return graph_config(graph, name, trainable, entry, names, is_core=True)

    def entry(
        self, operation: Any, name: str, prefix: str, graph: Graph | None, trainable: bool
    ) -> dict[str, Any]:
        """One operation: module, class_name, config, registered_name."""
        if isinstance(operation, Function) and not operation.is_variable:
            made = operation.entry()
            made["config"]["name"] = name
            return made
        calls = graph.calls(operation) if graph is not None else []
        made = operation._core_entry(self, name, prefix, calls, trainable)
        return made  # type: ignore[no-any-return]


def _unique_names(operations: list[Any]) -> dict[int, str]:
    """By id; what a layer written in Python calls may have the same name twice."""
    counts: Counter[str] = Counter()
    names: dict[int, str] = {}
    for operation in operations:
        name = operation.name
        while counts[name]:
            name = f"{operation.name}_{counts[operation.name]}"
            counts[operation.name] += 1
        counts[name] += 1
        names[id(operation)] = name
    return names


def graph_config(
    graph: Graph,
    name: str,
    trainable: bool,
    entry_of: Callable[[Any], dict[str, Any]],
    names: dict[int, str] | None = None,
    is_core: bool = False,
) -> dict[str, Any]:
    """The config of a functional model as Keras 3 writes it."""
    names = names or {id(operation): operation.name for operation in graph.operations}
    layers, offsets = [], {}
    for operation in graph.operations:
        made = entry_of(operation)
        offsets[id(operation)] = 1 if made["class_name"] in MODELS else 0
        called = [
            call_config(graph, node, names, is_core)
            for node in graph.calls(operation)
            if node.parents or (is_core and type(operation).__name__ != "InputLayer")
        ]
        shown = {**made, "name": names[id(operation)], "inbound_nodes": called}
        layers.append(shown)

    def place(tensor: KerasTensor) -> list[Any]:
        node = tensor._node
        assert node is not None
        number = graph.numbers[node] + offsets[id(node.operation)]
        return [names[id(node.operation)], number, tensor._index]

    return {
        "name": name,
        "trainable": trainable,
        "layers": layers,
        "input_layers": _tree.map_structure(place, graph.inputs),
        "output_layers": _tree.map_structure(place, graph.outputs),
    }


def call_config(
    graph: Graph, node: Node, names: dict[int, str], is_core: bool = False
) -> dict[str, Any]:
    """The arguments of one call."""

    def refer(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        made = leaf._node
        assert made is not None
        return tensor_entry(leaf, names[id(made.operation)], graph.numbers[made], leaf._index)

    training = node.kwargs.get("training")
    fixed = is_core and node.in_call and isinstance(training, bool)
    more = {"training_fixed": training} if fixed else {}
    if is_core and node.operation_is_model:
        tensors = [refer(tensor) for tensor in node.parents]
        kwargs = {"training": training, **more} if isinstance(training, bool) else {}
        return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": kwargs}
    return {
        "args": serialize_keras_object(_tree.map_structure(refer, list(node.args))),
        "kwargs": {**serialize_keras_object(_tree.map_structure(refer, node.kwargs)), **more},
    }
