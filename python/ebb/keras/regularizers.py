"""Regularizers with Keras's names and arguments, and the base of your own."""

from __future__ import annotations

from typing import Any

from ebb._generated import regularizers as _generated
from ebb._generated.regularizers import *  # noqa: F403
from ebb.keras import _find, _missing
from ebb.keras._object import deserialize, serialize
from ebb.keras._regularizer import Regularizer


def get(identifier: Any) -> Any:
    """Give the regularizer that a name, a configuration or a class means; objects as they are.

    Raises
    ------
    ValueError
        Nobody knows the name; tells the nearest ones.
    """
    return _find.get("regularizers", identifier)


__all__ = [  # noqa: PLE0604
    *_generated.__all__,
    "Regularizer",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = _missing.guard(__name__, globals())
