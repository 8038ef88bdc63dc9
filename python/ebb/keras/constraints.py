"""Constraints with Keras's names and arguments, and the base of your own."""

from __future__ import annotations

from typing import Any

from ebb._generated import constraints as _generated
from ebb._generated.constraints import *  # noqa: F403
from ebb.keras import _find, _missing
from ebb.keras._constraint import Constraint
from ebb.keras._object import deserialize, serialize


def get(identifier: Any) -> Any:
    """Give the constraint that a name, a configuration or a class means; objects as they are.

    Raises
    ------
    ValueError
        Nobody knows the name; tells the nearest ones.
    """
    return _find.get("constraints", identifier)


__all__ = [  # noqa: PLE0604
    *_generated.__all__,
    "Constraint",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = _missing.guard(__name__, globals())
