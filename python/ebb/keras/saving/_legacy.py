"""Configurations of Keras 2 in the words of Keras 3, where a model has layers written in Python.

Models of ebb's own classes are read by the library, which knows all versions; here is what is left
over: how layers are connected, and what input layers are called with.
"""

from __future__ import annotations

from typing import Any

_MODELS = ("Functional", "Model", "Sequential")


def modern_entry(entry: Any, keras_version: str = "") -> dict[str, Any]:
    """A model's configuration of any version, as Keras 3 writes it; changed in place.

    Raises
    ------
    ValueError
        It is no configuration of a model.
    """
    if not isinstance(entry, dict) or "class_name" not in entry:
        raise ValueError(f"no configuration of a model: {str(entry)[:80]}")
    if "module" in entry or keras_version.startswith("3"):
        return entry
    _modernize(entry)
    return entry


def _modernize(entry: dict[str, Any]) -> None:
    """One layer or model, and what is inside it."""
    config = entry.get("config")
    if isinstance(config, list):  # Sequential, up to Keras 2.2
        config = entry["config"] = {"name": "sequential", "layers": config}
    if not isinstance(config, dict):
        return
    if entry["class_name"] == "Model":
        entry["class_name"] = "Functional"
    if "batch_input_shape" in config:
        shape = config.pop("batch_input_shape")
        config["batch_shape" if entry["class_name"] == "InputLayer" else "batch_input_shape"] = (
            shape
        )
    for name in ("layer", "backward_layer", "cell"):
        if isinstance(config.get(name), dict) and "class_name" in config[name]:
            _modernize(config[name])
    layers = config.get("layers")
    if not isinstance(layers, list) or entry["class_name"] not in _MODELS:
        return
    for layer in layers:
        _modernize(layer)
    if entry["class_name"] != "Functional":
        return
    models = {layer.get("name"): layer["class_name"] for layer in layers}
    for layer in layers:
        nodes = layer.get("inbound_nodes") or []
        layer["inbound_nodes"] = [_call(node, models) for node in nodes]
    config["output_layers"] = _outputs(config.get("output_layers"), models)


def _tensor(place: Any, models: dict[Any, str]) -> dict[str, Any]:
    """What stands for the output of a layer's call; calls of models were counted from 1."""
    name, node, index = place[:3]
    node -= models.get(name) in _MODELS
    config = {"shape": None, "dtype": "float32", "keras_history": [name, node, index]}
    return {"class_name": "__keras_tensor__", "config": config}


def _is_reference(value: Any) -> bool:
    """["dense", 0, 0]"""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _argument(value: Any, models: dict[Any, str]) -> Any:
    """A keyword of a call, tensors in it included."""
    if _is_reference(value):
        return _tensor(value, models)
    if isinstance(value, list):
        return [_argument(item, models) for item in value]
    return value


def _call(node: Any, models: dict[Any, str]) -> dict[str, Any]:
    """One call."""
    if isinstance(node, dict) and "args" in node:
        return node
    if isinstance(node, dict):  # dictionaries of tensors
        first = {key: _tensor(place, models) for key, place in node.items()}
        return {"args": [first], "kwargs": {}}
    places = [node] if _is_reference(node) else list(node)
    tensors = [_tensor(place, models) for place in places]
    kwargs: dict[str, Any] = {}
    for place in places:
        kwargs.update(place[3] if len(place) > 3 else {})
    kwargs = {key: _argument(value, models) for key, value in kwargs.items() if value is not None}
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": kwargs}


def _outputs(places: Any, models: dict[Any, str]) -> Any:
    """Where the outputs are; calls of a Sequential are counted from 0 now."""
    if _is_reference(places):
        name, node, index = places[:3]
        return [name, node - (models.get(name) == "Sequential"), index]
    if isinstance(places, dict):
        return {key: _outputs(value, models) for key, value in places.items()}
    return [_outputs(place, models) for place in places or []]


def modern_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """``training_config`` of .h5 files as arguments of compile()."""
    if "optimizer_config" not in settings:
        return dict(settings)
    made = {key: value for key, value in settings.items() if key != "optimizer_config"}
    made.pop("sample_weight_mode", None)
    made["optimizer"] = settings["optimizer_config"]
    return made


def training_config(settings: dict[str, Any]) -> dict[str, Any]:
    """Arguments of compile() as ``training_config`` of .h5 files."""
    names = ("loss", "metrics", "weighted_metrics", "loss_weights")
    optimizer = settings.get("optimizer")
    made = {name: settings.get(name) for name in names}
    if isinstance(optimizer, dict):
        made["optimizer_config"] = {
            "class_name": optimizer["class_name"],
            "config": optimizer["config"],
        }
    return made
