"""``load_model``: files to models, with layers that are written in Python where they are known."""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Mapping
from typing import Any, NoReturn

from ebb import _load as native
from ebb._errors import EbbError, FormatError, NotFoundError, UnsupportedError
from ebb.keras import _registry, _tree
from ebb.keras._host_layer import HOSTS
from ebb.keras._serialization import (
    custom_entries,
    deserialize_keras_object,
    sharing_scope,
)
from ebb.keras.saving import _assets, _files, _lambdas, _legacy, _weights

_log = logging.getLogger("ebb")


class UnknownClassError(UnsupportedError, TypeError, ValueError):
    """A file names a class or function that nobody made known: pass ``custom_objects``."""


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Load a model that was saved by Keras, tf.keras or ebb.

    Parameters
    ----------
    filepath : path
        A ``.keras`` file or folder, ``.h5``/``.hdf5``, or a SavedModel folder. A folder that holds
        a graph without layers becomes a model that predicts.
    custom_objects : dict, optional
        Name in the file to class or function of the user's. Layers among them are rebuilt in
        Python and traced; ``register_keras_serializable`` and ``custom_object_scope`` do as well.
    compile : bool
        Compile the model as it was, with the state of its optimizer. False: for inference only,
        which takes about a third of the memory.
    safe_mode : bool
        Code inside a file is never run, whatever is given here.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        There is no such file (for ``.keras`` and unknown endings it is a ValueError too).
    ValueError
        The name has an ending that no format has.
    FormatError (OSError, ValueError)
        The file is damaged.
    UnknownClassError (TypeError, ValueError)
        A class or function is not known; names it.
    UnsupportedError
        Something in the file cannot be run; names it.
    """
    del safe_mode
    try:
        path = _checked_path(filepath)
    except EbbError as failure:
        _log.error("%s: not loaded: %s", filepath, failure.text)
        raise
    with _registry.CustomObjectScope(custom_objects), sharing_scope():
        known = _registry.known_objects()
        if known or _registry.has_lambdas():
            parts = _parts_of(path)
            if parts is not None and _needs_python(parts, known):
                return _load_in_python(parts, known, compile)
        if _names_texts(path):
            parts = _parts_of(path)
            if parts is not None and _has_texts(parts.config):
                return _load_in_python(parts, known, compile)
        try:
            core = native.load(path, keeps_states=True)
        except (UnsupportedError, FormatError) as failure:
            parts = _parts_of(path)
            if parts is not None and (_is_shapeless(parts.config) or _has_texts(parts.config)):
                return _load_in_python(parts, known, compile)
            _explain(path, parts, known, failure)
        return _finish(core, compile, path)


def _checked_path(filepath: str | os.PathLike[str]) -> str:
    """The path, if there is something of a name that can be loaded."""
    path = os.fspath(filepath)
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if os.path.isdir(path):
        return path
    ending = _files.ending(path)
    if not os.path.exists(path):
        if ending in (".h5", ".weights.h5"):
            raise NotFoundError(
                f"[Errno 2] Unable to open file: no such file or directory: '{path}'"
            )
        raise _files.MissingFileError(
            f"File not found: filepath={path}. Please ensure the file is an accessible `.keras` "
            "zip file, a `.h5` file or a SavedModel folder."
        )
    if not ending:
        raise UnknownEndingError(
            f"File format not supported: filepath={path}. Models are loaded from `.keras` files, "
            "`.h5` files and SavedModel folders; name the file so."
        )
    return path


class UnknownEndingError(EbbError, ValueError):
    """The name of a file says no format."""


def _parts_of(path: str) -> _files.FileParts | None:
    """What a file says; None for what has no parts, and for what the loader will complain of."""
    try:
        return _files.read_parts(path)
    except (UnsupportedError, FormatError, NotFoundError):
        return None


def _needs_python(parts: _files.FileParts, known: Mapping[str, Any]) -> bool:
    """Does the model name anything that only Python has? Losses and metrics do not count."""
    settings = parts.compile_config
    if isinstance(settings, dict) and custom_entries(settings.get("optimizer"), list(known)):
        return True  # with the state of the optimizer
    config = parts.config
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "compile_config"}
    entries = custom_entries(config, list(known))
    if _is_lambda_only(entries):
        return any(_is_replaced(entry, known) for entry in entries)
    return bool(entries)


def _is_lambda_only(entries: list[dict[str, Any]]) -> bool:
    """Are there Lambda layers, and nothing else of the user's?"""
    return all(entry.get("class_name") == "Lambda" for entry in entries)


def _is_replaced(entry: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Is there something to stand in for a Lambda?"""
    function = entry["config"].get("function") if isinstance(entry["config"], dict) else None
    if isinstance(function, dict) and function.get("class_name") == "function":
        return True
    name = (entry["config"] or {}).get("name", "lambda")
    return (
        _registry.find_lambda(name) is not None
        or "Lambda" in known
        or (isinstance(function, str) and function in known)
    )


def _is_shapeless(config: Any) -> bool:
    """Is it a Sequential that was saved before it knew its input?"""
    if not isinstance(config, dict) or config.get("class_name") != "Sequential":
        return False
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(layers, list) or not layers:
        return False
    if inner.get("build_input_shape"):
        return False
    first = layers[0].get("config", {})
    return layers[0].get("class_name") != "InputLayer" and not (
        first.get("batch_input_shape") or first.get("batch_shape") or "layers" in first
    )


def _names_texts(path: str) -> bool:
    """Is the name of such a layer in the configuration of a .keras file?"""
    if not os.path.isdir(path) and _files.ending(path) != ".keras":
        return False
    try:
        text = _files.member(path, "config.json") or ""
    except (EbbError, OSError):
        return False  # said by the loader
    return any(f'"{name}"' in text for name in HOSTS)


def _has_texts(config: Any) -> bool:
    """Has a model a layer that Python computes?"""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("class_name") in HOSTS:
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


def _explain(
    path: str, parts: _files.FileParts | None, known: Mapping[str, Any], failure: EbbError
) -> NoReturn:
    """Raises what the library said; what only Python could make is said in Python's terms."""
    if not isinstance(failure, UnsupportedError):
        raise failure
    entries = custom_entries(parts.config, list(known)) if parts is not None else []
    names = sorted({str(e.get("registered_name") or e["class_name"]) for e in entries})
    if names and not _is_lambda_only(entries):
        raise UnknownClassError(
            f"Could not locate {', '.join(names)}: make classes and functions of your own known "
            "with custom_objects={...}, or @ebb.keras.saving.register_keras_serializable(). "
            f"The library says: {failure}",
            path,
        ) from None
    if names:
        raise UnknownClassError(
            "a Lambda layer holds Python code, which is never run; say what stands in for it with "
            f"ebb.keras.saving.register_lambda(). The library says: {failure}",
            path,
        ) from None
    raise failure


# -- models of ebb's own classes ------------------------------------------------------------------


def _finish(core: Any, compile: bool, path: str) -> Any:
    """The Keras model around a loaded one."""
    from ebb.keras import _rebuild

    try:
        text = core.config_text()
    except UnsupportedError:
        from ebb.keras.saving._graph_model import GraphModel

        return GraphModel(core)
    model = _rebuild.model_from_core(core, json.loads(text), text=text)
    settings = core.compile_config() if compile else None
    if settings:
        _compile(model, settings, path)
    elif compile:
        _log.info("no training configuration in the file: the model was not compiled")
    return model


def _compile(model: Any, settings: Mapping[str, Any], path: str) -> None:
    """Compiled as the file says, with the state of its optimizer."""
    if not _is_custom(settings, list(_registry.known_objects())):
        model._compile_restored(settings)
        return
    model.compile_from_config(_deserialized(settings))
    parts = _parts_of(path)
    if parts is not None and model.compiled:
        _weights.load_optimizer(model, parts)


def _is_custom(part: Any, known: list[str]) -> bool:
    """Does it name a loss or metric of the user's, as .h5 files do by a word alone?"""
    if custom_entries(part, known):
        return True
    parts = (part.get(name) for name in _CUSTOM) if isinstance(part, Mapping) else (part,)
    return any(leaf in known for leaf in _tree.leaves(list(parts)) if isinstance(leaf, str))


_CUSTOM = ("loss", "metrics", "weighted_metrics", "optimizer")


def _deserialized(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of compile(): the user's losses and metrics become objects."""
    known = _registry.known_objects()
    made = dict(settings)
    for name in _CUSTOM:
        if _is_custom(made.get(name), list(known)):
            made[name] = deserialize_keras_object(made[name], known)
    return made


# -- models with classes of the user's ------------------------------------------------------------


def _load_in_python(parts: _files.FileParts, known: Mapping[str, Any], compile: bool) -> Any:
    """A model made of its configuration here, then its weights, then its training."""
    entry = _legacy.modern_entry(copy.deepcopy(parts.config), parts.keras_version)
    entry.pop("compile_config", None)
    known = {"Lambda": _lambdas.Replaced, **known}
    try:
        model = deserialize_keras_object(entry, known)
    except TypeError as failure:
        if isinstance(failure, EbbError) or "Could not locate" not in str(failure):
            raise
        raise UnknownClassError(str(failure), parts.path) from failure
    _weights.load_from_file(model, parts)
    if parts.config is not None and parts.is_by_path:
        _assets.load(model, parts.path)
    if compile and parts.compile_config:
        settings = _legacy.modern_settings(parts.compile_config)
        model.compile_from_config(_deserialized(settings))
        _weights.load_optimizer(model, parts)
    return model
