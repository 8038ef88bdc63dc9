"""Models of Keras to models of ebb and back, in memory.

Keras is imported only by ``to_keras()``. Both go through the JSON of the configuration; weights
are copied layer by layer, in Keras's order.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ebb._errors import ArgumentError, EbbError, ShapeError, StateError, UnsupportedError

Pairs = list[tuple[Any, Any]]


def _name(variable: Any) -> str:
    """``kernel`` of ``dense/kernel:0``."""
    return str(getattr(variable, "name", "")).split(":", 1)[0].rsplit("/", 1)[-1]


def _pairs(theirs: Any, ours: Any) -> Pairs:
    """Every weight of one model with that of the other: layers of the same name, in their order.

    Raises
    ------
    ShapeError
        They are not the same model.
    """
    found: Pairs = []
    by_name = {layer.name: layer for layer in ours.layers}
    layers = [(layer, by_name.get(layer.name)) for layer in theirs.layers]
    if any(other is None for layer, other in layers if layer.weights):
        layers = list(zip(_with_weights(theirs), _with_weights(ours)))
    for layer, other in layers:
        if not layer.weights:
            continue
        found += _layer_pairs(layer, other)
    if len(found) != len(ours.weights):
        raise ShapeError(f"{len(ours.weights)} weights expected, {len(found)} found", ours.name)
    return found


def _with_weights(model: Any) -> list[Any]:
    """Layers that have any."""
    return [layer for layer in model.layers if layer.weights]


def _layer_pairs(theirs: Any, ours: Any) -> Pairs:
    """Weights of one layer."""
    if ours is None or len(theirs.weights) != len(ours.weights):
        count = 0 if ours is None else len(ours.weights)
        raise ShapeError(f"{len(theirs.weights)} weights here, {count} there", theirs.name)
    pairs = list(zip(theirs.weights, ours.weights))
    for there, here in pairs:
        if tuple(there.shape) != tuple(here.shape):
            raise ShapeError(
                f"weight {_name(there)} has shape {tuple(there.shape)} here and "
                f"{tuple(here.shape)} there",
                theirs.name,
            )
    return pairs


def _layers(model: Any) -> Iterator[Any]:
    """Its layers, and those of the models in it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)


def _copy_learned(source: Any, target: Any) -> None:
    """Vocabularies, which are no weights: as they are in files."""
    for one, other in zip(_layers(source), _layers(target)):
        if type(other).__name__ == "Normalization" and hasattr(other, "finalize_state"):
            other.finalize_state()  # Keras computes with a copy of its weights
        if not hasattr(one, "save_assets") or not hasattr(other, "load_assets"):
            continue
        numbers: dict[str, Any] = {}
        one.save_own_variables(numbers)
        other.load_own_variables(numbers)
        with tempfile.TemporaryDirectory() as folder:
            one.save_assets(folder)
            if os.listdir(folder):
                other.load_assets(folder)


def _numbers(variable: Any) -> Any:
    """An array of a variable of any backend."""
    value = getattr(variable, "value", variable)
    value = value() if callable(value) else value
    for method in ("detach", "cpu"):  # PyTorch
        if hasattr(value, method) and not isinstance(value, np.ndarray):
            value = getattr(value, method)()
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def from_keras(
    model: Any,
    *,
    compile: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Make a model of ebb.keras like a model of Keras 3 or tf.keras that is in memory.

    Parameters
    ----------
    model : keras.Model
        Built; Sequential or functional, or of a class with ``get_config()`` for which
        ``custom_objects`` has one of ebb.
    compile : bool
        Take the settings of ``compile()`` and the optimizer's state along.
    custom_objects : dict, optional
        Name to class or function, made with ebb.keras.

    Returns
    -------
    ebb.keras.Model
        With copies of the weights: neither model knows of the other.

    Raises
    ------
    StateError
        The model is not built.
    UnsupportedError
        It has something that ebb cannot run; names it.
    """
    from ebb.keras.saving import _memory

    if not hasattr(model, "to_json") or not hasattr(model, "layers"):
        raise ArgumentError(f"expected a model of Keras, got {type(model).__name__}", "from_keras")
    if not getattr(model, "built", True):
        raise StateError("the model is not built yet: call it on data, or give it an input shape")
    try:
        text = model.to_json()
    except NotImplementedError as failure:
        raise UnsupportedError(
            f"the model's class {type(model).__name__} has no get_config(); make it functional: "
            f"{failure}",
            "from_keras",
        ) from failure
    made = _memory.model_of_text(text, custom_objects)
    for theirs, ours in _pairs(model, made):
        ours.assign(_numbers(theirs))
    _copy_learned(model, made)
    if compile and getattr(model, "compiled", getattr(model, "optimizer", None) is not None):
        _compile_like(made, model)
    return made


def _compile_like(made: Any, model: Any) -> None:
    """Settings of compile(), and the state of the optimizer where it has any."""
    from ebb.keras.saving import _memory

    config = model.get_compile_config()
    if not config:
        return
    _memory.compile_with(made, json.loads(json.dumps(config, default=_plain)))
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not getattr(optimizer, "built", False):
        return
    state = _variables(optimizer)
    made._ready()
    own = list(made.optimizer.variables)
    if len(state) == len(own) - 1:  # tf.keras keeps no learning rate among them
        own = [variable for variable in own if _name(variable) != "learning_rate"]
    _copy_state(state, own, made.name)


def _variables(optimizer: Any) -> list[Any]:
    """Of an optimizer of Keras 3 or tf.keras."""
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)


def _copy_state(source: Iterable[Any], target: Iterable[Any], where: str) -> None:
    """One optimizer's variables to the other's, in their order; all or none."""
    pairs = [(_numbers(theirs), ours) for theirs, ours in zip(source, target)]
    for value, ours in pairs:
        if tuple(np.shape(value)) != tuple(ours.shape):
            raise ShapeError(f"optimizer variable {_name(ours)} has another shape", where)
    for value, ours in pairs:
        ours.assign(value)


def _plain(value: Any) -> Any:
    """Numbers of numpy and of tensors for JSON."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "numpy"):
        return value.numpy().tolist()
    return str(value)


def to_keras(
    model: Any,
    *,
    compile: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Make a model of Keras 3 like a model of ebb.keras; Keras must be installed.

    Parameters
    ----------
    model : ebb.keras.Model
        Built.
    compile : bool
        Take the settings of ``compile()`` and the optimizer's state along.
    custom_objects : dict, optional
        Name to class or function, made with Keras.

    Returns
    -------
    keras.Model
        With copies of the weights.

    Raises
    ------
    UnsupportedError
        Keras is not installed.
    StateError
        The model is not built.
    """
    from ebb.keras.saving._save import config_of

    try:
        import keras
    except ImportError as failure:
        raise UnsupportedError(
            "to_keras() needs Keras: `pip install keras` and a backend", "to_keras"
        ) from failure
    if getattr(model, "_core_or_none", None) is None:
        raise StateError("the model is not built yet: call it on data, or give it an input shape")
    entry = config_of(model)
    settings = entry.pop("compile_config", None)
    made = keras.models.model_from_json(json.dumps(entry), custom_objects=custom_objects)
    for ours, theirs in _pairs(model, made):
        theirs.assign(_numbers(ours))
    _copy_learned(model, made)
    if compile and settings and getattr(model, "compiled", False):
        made.compile_from_config(settings)
        _state_to_keras(model, made)
    return made


def _state_to_keras(model: Any, made: Any) -> None:
    """The optimizer's variables, where training has made them."""
    optimizer = model.optimizer
    try:
        state = list(optimizer.variables) if optimizer is not None else []
    except EbbError:
        state = []
    if len(state) <= 2 or made.optimizer is None:
        return
    made.optimizer.build(made.trainable_variables)
    _copy_state(state, _variables(made.optimizer), model.name)
