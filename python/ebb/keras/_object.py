"""What all configurable objects of ebb.keras have in common: arguments, get_config, from_config."""

from __future__ import annotations

from typing import Any, TypeVar

from ebb.keras._serialization import deserialize_keras_object, serialize_keras_object

Kind = TypeVar("Kind", bound="KerasObject")

serialize = serialize_keras_object
deserialize = deserialize_keras_object


class KerasObject:
    """Base of layers, optimizers, losses, metrics, initializers ...

    A constructor hands what is left of its keywords to ``super().__init__()`` and its own arguments
    to ``_configure()``: they become attributes, and the object's configuration.
    """

    _arguments: tuple[str, ...] = ()

    def __init__(self, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}() got an unexpected keyword argument "
                f"'{next(iter(kwargs))}'; it takes {', '.join(self._arguments) or 'none'}"
            )

    def _configure(self, **values: Any) -> None:
        """Sets attributes and remembers that they are the object's arguments."""
        for name, value in values.items():
            setattr(self, name, value)
        more = tuple(name for name in values if name not in self._arguments)
        self._arguments = (*self._arguments, *more)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make an object like this one.

        Returns
        -------
        dict
            Values that JSON has.
        """
        return {name: serialize(getattr(self, name)) for name in self._arguments}

    @classmethod
    def from_config(cls: type[Kind], config: dict[str, Any]) -> Kind:
        """Make an object of what ``get_config()`` gave."""
        return cls(**config)


def nested(value: Any) -> Any:
    """An argument that a configuration may give as JSON: the object; anything else as it is."""
    if isinstance(value, dict) and "class_name" in value and "config" in value:
        return deserialize(value)
    return value
