"""Weights of models with layers written in Python, from files and into them."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from ebb._errors import ArgumentError, EbbError, FormatError, ShapeError, UnsupportedError
from ebb.keras.saving import _files, _paths

_log = logging.getLogger("ebb")


class _Mismatch(EbbError):
    """A weight that does not fit; caught where mismatches are skipped."""


def _assign(variables: list[Any], arrays: list[Any], where: str) -> None:
    """Sets the weights of one group, if all of them fit."""
    if len(variables) != len(arrays):
        raise _Mismatch(f"expected {len(variables)} weights, the file has {len(arrays)}", where)
    for variable, array in zip(variables, arrays):
        if tuple(variable.shape) != tuple(array.shape):
            raise _Mismatch(
                f"weight {variable.name}: expected shape {tuple(variable.shape)}, the file has "
                f"{tuple(array.shape)}",
                where,
            )
    for variable, array in zip(variables, arrays):
        variable.assign(array)


class _Skipper:
    """Raises what does not fit, or counts it."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.skipped: list[str] = []

    def assign(self, variables: list[Any], arrays: list[Any], where: str) -> None:
        """As _assign."""
        try:
            _assign(variables, arrays, where)
        except _Mismatch as failure:
            if not self.skip:
                raise ShapeError(failure.text, failure.where) from None
            self.skipped.append(where)
            _log.warning("skipped %s", failure)


def load_from_file(
    model: Any, parts: _files.FileParts, by_name: bool = False, skip_mismatch: bool = False
) -> list[str]:
    """Sets every weight of a model; the names of what was skipped.

    Raises
    ------
    ShapeError
        A weight does not fit.
    FormatError
        The file has no weights for a layer.
    """
    skipper = _Skipper(skip_mismatch)
    with _files.Arrays(parts.path) as arrays:
        if parts.is_by_path:
            if by_name:
                raise UnsupportedError(
                    "by_name needs a file that keeps weights by layer (.h5)", parts.path
                )
            _load_by_path(model, arrays, skipper)
        elif by_name:
            _load_by_name(model, arrays, parts, skipper)
        else:
            _load_by_order(model, arrays, parts, skipper)
    return skipper.skipped


def _stored(arrays: _files.Arrays, path: str) -> dict[str, Any]:
    """The arrays of ``<path>/vars``, by their number or name."""
    head = f"{path}/vars/" if path else "vars/"
    return {name[len(head) :]: arrays[name] for name in arrays if name.startswith(head)}


def _load_by_path(model: Any, arrays: _files.Arrays, skipper: _Skipper) -> None:
    """.keras and .weights.h5"""
    for place in _paths.walk(model):
        found = _stored(arrays, place.path)
        if _paths.loads_itself(place.owner):
            place.owner.load_own_variables(found)
            continue
        if not found and place.variables:
            if skipper.skip:
                skipper.skipped.append(place.path)
                continue
            raise FormatError(
                f"the file has no weights for layer '{place.owner.name}', expected them at "
                f"{place.path}/vars",
                "weights",
            )
        ordered = [found[key] for key in sorted(found, key=_number)]
        skipper.assign(place.variables, ordered, place.path)


def _number(key: str) -> tuple[int, str]:
    """Numbers in their order, names after them."""
    return (int(key), "") if key.isdigit() else (1 << 60, key)


def legacy_weights(layer: Any) -> list[Any]:
    """Weights of a layer in the order of .h5 files: trainable ones first."""
    return _paths._natural_first(layer.weights)


def _load_by_order(
    model: Any, arrays: _files.Arrays, parts: _files.FileParts, skipper: _Skipper
) -> None:
    """.h5: layers that have weights, one after the other."""
    layers = [layer for layer in model.layers if layer.weights]
    groups = [group for group in parts.groups if group[1] and group[0] != _TOP]
    if not layers and groups and getattr(model, "_core_or_none", None) is None:
        raise UnsupportedError(
            f"a .h5 file does not say for which shapes a model of class {type(model).__name__} was "
            "built; save it as .keras, or build the model and call load_weights()",
            parts.path,
        )
    if len(layers) != len(groups):
        raise ArgumentError(
            f"Layer count mismatch when loading weights from file. Model expected {len(layers)} "
            f"layers, found {len(groups)} saved layers.",
            parts.path,
        )
    for layer, (_, names) in zip(layers, groups):
        skipper.assign(legacy_weights(layer), [arrays[name] for name in names], layer.name)


_TOP = "top_level_model_weights"


def _load_by_name(
    model: Any, arrays: _files.Arrays, parts: _files.FileParts, skipper: _Skipper
) -> None:
    """.h5: layers of the same name; others keep what they have."""
    groups = dict(parts.groups)
    for layer in model.layers:
        names = groups.get(layer.name)
        if names and layer.weights:
            skipper.assign(legacy_weights(layer), [arrays[name] for name in names], layer.name)


# -- optimizer ------------------------------------------------------------------------------------


def load_optimizer(model: Any, parts: _files.FileParts) -> bool:
    """Sets the state of a compiled model's optimizer; was there one that fits?"""
    if not parts.optimizer or model.optimizer is None:
        return False
    model._optimizer_ready()
    variables = list(model.optimizer.variables)
    with _files.Arrays(parts.path) as arrays:
        state = [arrays[name] for name in parts.optimizer]
    if len(state) != len(variables):
        _log.warning(
            "skipped the state of the optimizer: it has %d variables, the file %d",
            len(variables),
            len(state),
        )
        return False
    for variable, value in zip(variables, state):
        if tuple(variable.shape) != tuple(np.shape(value)):
            _log.warning("skipped the state of the optimizer: %s has another shape", variable.name)
            return False
    for variable, value in zip(variables, state):
        variable.assign(value)
    return True


# -- to be written --------------------------------------------------------------------------------


def parts_by_path(model: Any, with_optimizer: bool) -> list[_files.Part]:
    """Every weight as .keras and .weights.h5 have it."""
    made: list[_files.Part] = []
    for place in _paths.walk(model):
        head = f"{place.path}/vars" if place.path else "vars"
        if _paths.saves_itself(place.owner):
            store: dict[str, Any] = {}
            place.owner.save_own_variables(store)
            made += [
                _files.Part(f"{head}/{key}", np.asarray(value)) for key, value in store.items()
            ]
            continue
        made += [
            _files.Part(f"{head}/{number}", np.asarray(variable._read()))
            for number, variable in enumerate(place.variables)
        ]
    made += [
        _files.Part(f"optimizer/vars/{number}", value)
        for number, value in enumerate(optimizer_state(model) if with_optimizer else [])
    ]
    return made


def optimizer_state(model: Any) -> list[Any]:
    """The variables of the optimizer as arrays; none before training."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not getattr(model, "compiled", False):
        return []
    state = [np.asarray(variable.numpy()) for variable in optimizer.variables]
    return [value.astype(np.int64) if value.dtype == np.int32 else value for value in state]


def parts_by_layer(model: Any, with_optimizer: bool) -> list[_files.Part]:
    """Every weight as .h5 has it."""
    made: list[_files.Part] = []
    for layer in model.layers:
        weights = legacy_weights(layer)
        made += [] if weights else [_files.Part(None, None, layer.name)]
        used: set[str] = set()
        for variable in weights:
            name = variable.path
            while name in used:
                name += "_1"
            used.add(name)
            made.append(_files.Part(name, np.asarray(variable._read()), layer.name))
    if with_optimizer and model.optimizer is not None:
        names = [variable.path for variable in model.optimizer.variables]
        values = zip(names, optimizer_state(model))
        made += [_files.Part(f"{i}_{name}", value) for i, (name, value) in enumerate(values)]
    return made
