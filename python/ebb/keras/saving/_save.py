"""``save_model``, ``save_weights``, ``load_weights``, ``export``: models into files.

A model of ebb's own classes is written by the library; one with classes of the user's by its
configuration in Python, with the weights where Keras looks for them.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

from ebb import _training
from ebb._errors import EbbError, StateError, UnsupportedError
from ebb._native import lib
from ebb.keras._host_layer import is_host
from ebb.keras._optimizer import has_python_rate
from ebb.keras._serialization import custom_entries, serialize_keras_object, sharing_scope
from ebb.keras.saving import _assets, _files, _legacy, _paths, _weights


class ExistingFileError(EbbError, FileExistsError):
    """There is a file of that name, and ``overwrite=False`` was given."""


def _core_of(model: Any) -> Any:
    """The native model with the newest weights; None before it is built."""
    if getattr(model, "_core_or_none", None) is None:
        return None
    model._sync()
    return model._core


def _keep(path: str, overwrite: bool) -> None:
    """Refuses to replace a file where that was asked for."""
    if not overwrite and os.path.exists(path):
        raise ExistingFileError("there is a file of this name, and overwrite=False", path)


def save_model(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
    **kwargs: Any,
) -> None:
    """Save a model: configuration, weights, and if it is compiled its training.

    The file appears whole or not at all, and Keras 3 reads it.

    Parameters
    ----------
    model : Model
    filepath : path
        ``.keras``, or ``.h5``/``.hdf5``.
    overwrite : bool
        Replace a file of that name.
    zipped : bool, optional
        Only True, or None.
    include_optimizer : bool
        With the optimizer's state, which is about two thirds of the file.
    save_format : str, optional
        Of Keras 2; the ending says it.

    Raises
    ------
    ValueError
        Another ending.
    FileExistsError
        ``overwrite=False`` and there is one.
    InputOutputError (OSError)
        It cannot be written.
    UnsupportedError
        A lambda in the configuration.
    """
    path = os.fspath(filepath)
    kwargs.pop("save_format", None)
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    if zipped is False:
        raise UnsupportedError("folders are not written; expected zipped=True", path)
    kind = _files.ending(path)
    if kind not in (".keras", ".h5"):
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for "
            "the native Keras format (recommended) or a `.h5` extension. Use "
            "`model.export(filepath)` if you want to export a SavedModel for use with "
            f"TFLite/TFServing/etc. Received: filepath={filepath}."
        )
    _keep(path, overwrite)
    core = _core_of(model)
    # A schedule in Python, a metric of the user's ... are nothing that the library could write.
    settings = getattr(model, "_settings", None)
    of_python = has_python_rate(getattr(model, "optimizer", None)) or (
        settings is not None and settings.why_eager is not None
    )
    is_plain = core is not None and _paths.is_plain(model) and not of_python
    if is_plain and not custom_entries(config_of(model, with_training=False)):
        _save_native(model, core, path, include_optimizer)
    else:
        _save_in_python(model, path, kind, include_optimizer)


def _save_native(model: Any, core: Any, path: str, include_optimizer: bool) -> None:
    """By the library, which must have been told of compile(): it is for the time of saving."""
    settings = getattr(model, "_settings", None) if model.compiled else None
    was_compiled = bool(lib.ebb_model_compiled(core.handle))
    if settings is None or not include_optimizer:
        core.save(path, include_optimizer=include_optimizer)
        return
    model._ready()
    has_state = model.optimizer is not None and model.optimizer._lend(core)
    try:
        core.save(path, include_optimizer=was_compiled or has_state)
    finally:
        if not was_compiled:  # nobody has trained yet: the state is that of a fresh optimizer
            _training.uncompile(core.handle)
            model._ready_for = None


def config_of(model: Any, with_training: bool = True) -> dict[str, Any]:
    """The model's entry, as in config.json."""
    with sharing_scope():
        entry: dict[str, Any] = serialize_keras_object(model)
    if not with_training or not entry.get("compile_config"):
        entry.pop("compile_config", None)
    return entry


def _save_in_python(model: Any, path: str, kind: str, include_optimizer: bool) -> None:
    """A model with classes of the user's, or one that is not built."""
    entry = config_of(model, with_training=include_optimizer)
    if kind == ".keras":
        parts = _weights.parts_by_path(model, include_optimizer)
        with _assets.written(model) as assets:
            _assets.write(path, assets, parts, entry)
        return
    _warn_of_words(model, path)
    settings = entry.pop("compile_config", None)
    training = _legacy.training_config(settings) if settings else None
    parts = _weights.parts_by_layer(model, include_optimizer)
    _files.write_parts(path, parts, entry, training)


def _warn_of_words(model: Any, path: str) -> None:
    """.h5 files keep no vocabulary but one that was given to a constructor."""
    for place in _paths.walk(model):
        is_whole = is_host(place.owner) and not place.path.endswith("/_lookup_layer")
        if is_whole and place.owner._is_lost_without_assets:
            warnings.warn(
                f"{path}: the format .h5 has no place for the vocabulary that layer "
                f"'{place.owner.name}' learned; save the model as .keras",
                stacklevel=5,
            )


def save_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    max_shard_size: float | None = None,
    **kwargs: Any,
) -> None:
    """Save the weights alone.

    Parameters
    ----------
    model : Model
    filepath : path
        Ends with ``.weights.h5``.
    overwrite : bool
        Replace a file of that name.
    max_shard_size : float, optional
        Not supported.

    Raises
    ------
    ValueError
        Another ending; the model is not built.
    FileExistsError
        ``overwrite=False`` and there is one.
    """
    path = os.fspath(filepath)
    kwargs.pop("save_format", None)
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    if max_shard_size is not None:
        raise UnsupportedError("weights are written to one file", path)
    if not path.endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={path}")
    _keep(path, overwrite)
    core = _core_of(model)
    if core is not None and _paths.is_plain(model):
        core.save(path)
    else:
        _files.write_parts(path, _weights.parts_by_path(model, True))


def load_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    skip_mismatch: bool = False,
    by_name: bool = False,
    **kwargs: Any,
) -> None:
    """Set the weights of a model from a file; its own configuration is not looked at.

    Parameters
    ----------
    model : Model
        Built.
    filepath : path
        ``.keras``, ``.weights.h5``, or ``.h5`` of a whole model or weights alone.
    skip_mismatch : bool
        Layers whose weights do not fit keep theirs.
    by_name : bool
        Only layers of the same names; for ``.h5``.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The weights do not fit; nothing is changed in a model of ebb's own classes.
    FormatError (OSError)
        The file is damaged.
    """
    path = os.fspath(filepath)
    kwargs.pop("objects_to_skip", None)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    if not _files.ending(path) and not os.path.isdir(path):
        raise ValueError(
            f"File format not supported: filepath={path}. Weights are loaded from `.keras`, "
            "`.weights.h5` and `.h5` files."
        )
    if by_name and not path.endswith((".h5", ".hdf5")):
        raise ValueError(
            f"`by_name` only supports loading legacy '.h5' or '.hdf5' files. Received: {filepath}"
        )
    core = _core_of(model)
    if core is None and not _paths.is_plain(model):
        raise ValueError(
            "Unable to load weights into a model that was not built yet: call it, or build()."
        )
    if core is not None and _paths.is_plain(model):
        core.load_weights(path, by_name=by_name, skip_mismatch=skip_mismatch)
        model._weights_changed()
        return
    if core is None:
        raise ValueError(
            f"You are loading weights into the model '{model.name}', which has not been built: "
            "give it an input shape, or call it on data."
        )
    if not os.path.exists(path):
        raise _files.MissingFileError("there is no such file", path)
    parts = _files.read_parts(path)
    _weights.load_from_file(model, parts, by_name, skip_mismatch)
    if parts.config is not None and parts.is_by_path:
        _assets.load(model, path)


def export(
    model: Any, filepath: str | os.PathLike[str], format: str = "tf_saved_model", **kwargs: Any
) -> None:
    """Write a model as a SavedModel folder, for TensorFlow and TensorFlow Serving.

    Parameters
    ----------
    model : Model
        Built.
    filepath : path
        The folder; one that is a SavedModel, or empty, is replaced.
    format : {"tf_saved_model"}
    verbose : bool or "auto", optional
        Prints what was written.

    Raises
    ------
    UnsupportedError
        Another format; an operation that TensorFlow has not.
    StateError
        The model is not built.
    """
    verbose = kwargs.pop("verbose", "auto")
    for ignored in ("input_signature", "opset_version", "jax2tf_kwargs", "is_static"):
        kwargs.pop(ignored, None)
    if kwargs:
        raise ValueError(f"Unrecognized arguments: {list(kwargs)}")
    if format != "tf_saved_model":
        raise UnsupportedError(f"expected format='tf_saved_model', got {format!r}", "export")
    core = _core_of(model)
    if core is None:
        raise StateError(
            "the model has not been built yet: call it, or give it an input shape", model.name
        )
    if model._parts is not None:
        raise UnsupportedError(
            "layers that Python computes (texts, lookups) have no place in a SavedModel; export "
            "the model that begins behind them, or save this one as .keras",
            model.name,
        )
    path = os.fspath(filepath)
    core.export(path)
    if verbose is True or verbose == 1:
        print(f"Saved artifact at '{path}'.")


def to_json(model: Any, **kwargs: Any) -> str:
    """Give the configuration of a model as text.

    Parameters
    ----------
    model : Model
    **kwargs
        For ``json.dumps``.

    Returns
    -------
    str
        ``model_from_json`` makes a model with new weights of it.
    """
    return json.dumps(config_of(model), **kwargs)
