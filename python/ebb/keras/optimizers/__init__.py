"""keras.optimizers: optimizers, and :mod:`schedules <ebb.keras.optimizers.schedules>`."""

from __future__ import annotations

from typing import Any

from ebb._generated.names import OPTIMIZERS as _NAMES
from ebb._generated.optimizers import *  # noqa: F403
from ebb._generated.optimizers import __all__ as _classes
from ebb.keras import _finding, _missing
from ebb.keras._object import deserialize as _deserialize
from ebb.keras._object import serialize as _serialize
from ebb.keras._optimizer import Optimizer
from ebb.keras.optimizers import legacy, schedules

_finder = _finding.Finder("optimizer", _NAMES, globals(), Optimizer)


def get(identifier: Any) -> Any:
    """An optimizer by name, from its configuration, or the one given; None for None.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    return _finder.get(identifier)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The configuration of an optimizer, with its class."""
    return _serialize(optimizer)  # type: ignore[no-any-return]


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The optimizer of a configuration."""
    return _deserialize(config, custom_objects)


__all__ = [  # noqa: PLE0604
    *_classes,
    "Optimizer",
    "deserialize",
    "get",
    "legacy",
    "schedules",
    "serialize",
]

__getattr__ = _missing.guard(__name__, globals())
