"""Stand-ins for ``Lambda`` layers of files, whose code is never run."""

from __future__ import annotations

from typing import Any

from ebb.keras import _registry, _wrappers
from ebb.keras._layer import Layer
from ebb.keras._serialization import deserialize_keras_object, serialize_dict

_OWN = ("name", "trainable", "dtype", "activity_regularizer")


class Lambda(_wrappers.Lambda):
    """A function in the place of a file's own; it is written back as the file had it."""

    _keras_name = ("keras.layers", "Lambda")
    original: dict[str, Any]

    def get_config(self) -> dict[str, Any]:
        """As in the file."""
        return {**self.original, "name": self.name}


class Replaced:
    """What makes a ``Lambda`` of a file: looks up what was registered for its name."""

    __name__ = "Lambda"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The replacement, with the layer's name.

        Raises
        ------
        UnsupportedError
            Nothing is registered, and the function is code, not a name.
        """
        name = str(config.get("name", "lambda"))
        function = _registry.find_lambda(name)
        if function is None:
            function = deserialize_keras_object(config.get("function"))
        if isinstance(function, str):
            function = _registry.get_registered_object(function)
        if not callable(function):
            function = deserialize_keras_object({"class_name": "__lambda__", "config": {}})
        if isinstance(function, type) and issubclass(function, Layer):
            return function(name=name)
        more = {key: config[key] for key in _OWN if key in config}
        made = Lambda(function, arguments=config.get("arguments"), **more)
        made.original = serialize_dict(config)
        return made
