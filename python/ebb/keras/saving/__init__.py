"""Saving and loading: the names of ``keras.saving``."""

from ebb.keras import _missing
from ebb.keras._registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    register_lambda,
)
from ebb.keras._serialization import deserialize_keras_object, serialize_keras_object
from ebb.keras.saving._load import load_model
from ebb.keras.saving._save import load_weights, save_model, save_weights

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "register_lambda",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

__getattr__ = _missing.guard(__name__, globals())
