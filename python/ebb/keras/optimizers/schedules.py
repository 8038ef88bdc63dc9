"""keras.optimizers.schedules: learning rates that follow the number of steps."""

from __future__ import annotations

from typing import Any

from ebb._generated.schedules import *  # noqa: F403
from ebb._generated.schedules import __all__ as _classes
from ebb.keras import _missing
from ebb.keras._object import deserialize as _deserialize
from ebb.keras._object import serialize as _serialize
from ebb.keras._schedule import LearningRateSchedule


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """The configuration of a schedule, with its class."""
    return _serialize(learning_rate_schedule)  # type: ignore[no-any-return]


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The schedule of a configuration."""
    return _deserialize(config, custom_objects)


__all__ = [*_classes, "LearningRateSchedule", "deserialize", "serialize"]  # noqa: PLE0604

__getattr__ = _missing.guard(__name__, globals())
