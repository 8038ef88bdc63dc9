"""Models of Python from configurations, and from native models that were loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ebb.keras import _known, _symbolic, _tree
from ebb.keras._config import MODELS, Writer
from ebb.keras._engine import Engine
from ebb.keras._object import deserialize
from ebb.keras._registry import CustomObjectScope
from ebb.keras._serialization import sharing_scope
from ebb.keras._symbolic import Function


class _NotYet(Exception):
    """A tensor of a call that has not been made."""


def functional_from_config(cls: type, config: dict[str, Any], custom_objects: Any = None) -> Any:
    """A functional model of its configuration."""
    config = dict(config)
    entries = config.pop("layers")
    ends = config.pop("input_layers"), config.pop("output_layers")
    name, trainable = config.pop("name", None), config.pop("trainable", None)
    calls = _Calls(entries, custom_objects)
    whole = {"layers": entries, "input_layers": ends[0], "output_layers": ends[1]}
    with _known.telling("Functional", {"name": name or "model", **whole}, calls.layers):
        calls.run()

    def tensor(place: list[Any]) -> Any:
        layer, node, index = place
        return calls.tensor(layer, node - calls.offsets[layer], index)

    inputs, outputs = (_map_places(tensor, end) for end in ends)
    if trainable is not None:
        config["trainable"] = trainable
    return cls(inputs=inputs, outputs=outputs, name=name, **config)


def _map_places(function: Any, structure: Any) -> Any:
    """Structures whose leaves are ``[layer, call, tensor]``."""
    if isinstance(structure, dict):
        return {key: _map_places(function, value) for key, value in structure.items()}
    if len(structure) == 3 and isinstance(structure[0], str):
        return function(structure)
    return [_map_places(function, item) for item in structure]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


class _Calls:
    """Layers of a configuration, called as soon as their arguments are there."""

    def __init__(self, entries: list[dict[str, Any]], custom_objects: Any) -> None:
        self.made: dict[str, list[list[Any]]] = {}
        self.offsets: dict[str, int] = {}
        self.waiting: dict[str, list[Any]] = {}
        self.layers: dict[str, Any] = {}
        for entry in entries:
            name = entry.get("name") or entry["config"]["name"]
            layer = _operation(entry, custom_objects)
            self.layers[name] = layer
            self.offsets[name] = 1 if entry["class_name"] in MODELS else 0
            self.waiting[name] = list(entry.get("inbound_nodes") or ())
            self.made[name] = []
            if type(layer).__name__ == "InputLayer":
                self.made[name].append([layer.output])

    def tensor(self, layer: str, node: int, index: int) -> Any:
        """What a call gave."""
        calls = self.made.get(layer)
        if calls is None:
            raise ValueError(f"The configuration has no layer '{layer}'.")
        if node >= len(calls):
            raise _NotYet
        return calls[node][index]

    def run(self) -> None:
        """Makes every call."""
        while any(self.waiting.values()):
            before = sum(map(len, self.waiting.values()))
            for name, nodes in self.waiting.items():
                while nodes and self._call(name, nodes[0]):
                    nodes.pop(0)
            if sum(map(len, self.waiting.values())) == before:
                stuck = [name for name, nodes in self.waiting.items() if nodes]
                raise ValueError(
                    "Invalid Functional model configuration. The graph of the Functional model "
                    "either has loops or disconnected nodes. The following nodes failed to be "
                    f"resolved: {stuck}"
                )

    def _call(self, name: str, node: Any) -> bool:
        """Makes a call; False: it has to wait."""
        try:
            args = [self._value(value) for value in node["args"]]
            kwargs = {key: self._value(value) for key, value in node["kwargs"].items()}
        except _NotYet:
            return False
        outputs = self.layers[name](*args, **kwargs)
        self.made[name].append(_tree.flatten(outputs))
        return True

    def _value(self, value: Any) -> Any:
        """An argument."""
        if _is_tensor(value):
            return self.tensor(*value["config"]["keras_history"])
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict) and "class_name" not in value:
            return {key: self._value(item) for key, item in value.items()}
        return deserialize(value)


def _operation(entry: dict[str, Any], custom_objects: Any) -> Any:
    """A layer or a function of keras.ops."""
    module = str(entry.get("module") or "")
    if module.startswith(("keras.src.ops", "keras.ops")):
        config = dict(entry["config"])
        name = config.pop("name", None)
        return Function(module, entry["class_name"], deserialize(config), name=name)
    return deserialize(entry, custom_objects)


def model_from_core(
    core: Any,
    config: dict[str, Any],
    custom_objects: Mapping[str, Any] | None = None,
    text: str | None = None,
) -> Any:
    """The Keras model of a native model that was loaded.

    Parameters
    ----------
    core : ebb.Model
        Belongs to the new model from now on.
    config : dict
        ``core.config()``: module, class_name, config.
    custom_objects : dict, optional
        Classes of the user.
    text : str, optional
        Of the configuration.

    Returns
    -------
    Model
    """
    tracing = _symbolic.tracing
    before = tracing.deferred, tracing.source
    tracing.deferred, tracing.source = True, None
    inner = config.get("config")
    if text is not None and isinstance(inner, dict) and "layers" in inner:
        tracing.source = (inner["layers"], text)
    try:
        with sharing_scope(), CustomObjectScope(custom_objects):
            model = deserialize(config, custom_objects)
    finally:
        tracing.deferred, tracing.source = before
    attach(model, core)
    return model


def attach(model: Any, core: Any) -> None:
    """A native model becomes the core of a model of Python with the same layers."""
    if model._run_graph is None:
        model._build_from_core(core)
    writer = Writer(is_brief=True)
    model._graph_entry(writer, model._run_graph, model.name, "", True)
    for variable in writer.table.values():
        variable._pending = variable._home = None  # the core has the numbers
    model._engine = Engine(core, writer.table, writer.frozen, writer.stateful)
