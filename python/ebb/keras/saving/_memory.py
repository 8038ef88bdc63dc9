"""Models of texts that are in memory: ``model_from_json``, and what ``ebb.from_keras`` needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ebb import _load as native
from ebb.keras import _registry
from ebb.keras._serialization import custom_entries, deserialize_keras_object, sharing_scope
from ebb.keras.saving import _lambdas, _legacy
from ebb.keras.saving._load import _deserialized


def model_of_text(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A model with new weights, not compiled, of a configuration of any version of Keras.

    Raises
    ------
    ValueError
        It is no JSON of a model.
    TypeError
        It names a class that nobody knows.
    UnsupportedError
        It has something that ebb cannot run.
    """
    from ebb.keras import _rebuild

    entry = json.loads(text)
    if not isinstance(entry, dict) or "class_name" not in entry:
        raise ValueError("expected the JSON of a model: an object with class_name and config")
    entry.pop("compile_config", None)
    with _registry.CustomObjectScope(custom_objects), sharing_scope():
        known = _registry.known_objects()
        if "module" in entry or custom_entries(entry, list(known)):
            entry = _legacy.modern_entry(entry, str(entry.get("keras_version", "")))
            return deserialize_keras_object(entry, {"Lambda": _lambdas.Replaced, **known})
        core = native.from_json(text)
        return _rebuild.model_from_core(core, core.config())


def compile_with(model: Any, settings: Mapping[str, Any]) -> None:
    """Compiles a model with settings that JSON holds."""
    model.compile_from_config(_deserialized(_legacy.modern_settings(dict(settings))))


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model of the text of ``model.to_json()``.

    Parameters
    ----------
    json_string : str
        Of any version of Keras.
    custom_objects : dict, optional
        Name to class or function of the user's.

    Returns
    -------
    Model
        With new weights; compiled if the text says how.

    Raises
    ------
    ValueError
        It is no JSON of a model.
    TypeError
        It names a class that nobody knows.
    """
    try:
        entry = json.loads(json_string)
    except RecursionError:
        raise ValueError("json_string: brackets are nested too deeply for a model") from None
    model = model_of_text(json_string, custom_objects)
    settings = entry.get("compile_config") if isinstance(entry, dict) else None
    if settings:
        with _registry.CustomObjectScope(custom_objects):
            compile_with(model, settings)
    return model
