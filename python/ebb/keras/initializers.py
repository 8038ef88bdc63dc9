"""Initializers with Keras's names and arguments, and the base of your own."""

from __future__ import annotations

from typing import Any

from ebb._generated import initializers as _generated
from ebb._generated.initializers import *  # noqa: F403
from ebb.keras import _find, _missing
from ebb.keras._initializer import Initializer
from ebb.keras._object import deserialize, serialize


def get(identifier: Any) -> Any:
    """Give the initializer that a name, a configuration or a class means; objects as they are.

    Raises
    ------
    ValueError
        Nobody knows the name; tells the nearest ones.
    """
    return _find.get("initializers", identifier)


__all__ = [  # noqa: PLE0604
    *_generated.__all__,
    "Initializer",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = _missing.guard(__name__, globals())
