"""Learning rate schedules: the base class. Numbers are computed by the library."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras import _native_values
from ebb.keras._object import KerasObject, serialize


class LearningRateSchedule(KerasObject):
    """Base of schedules: ``schedule(step)`` is the learning rate of a step, counted from 0.

    Notes
    -----
    A class of the caller's own is called before every step of training.
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step.

        Parameters
        ----------
        step : int
            Steps before this one.

        Returns
        -------
        numpy.float32
        """
        return np.float32(_native_values.schedule(serialize(self), int(np.asarray(step))))


def is_python(rate: Any) -> bool:
    """Is it a schedule whose rates are Python of the caller's own?"""
    return isinstance(rate, LearningRateSchedule) and not str(
        type(rate).__call__.__module__
    ).startswith("ebb.")
