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
    Rates of the caller's own class are Python, which cannot run inside a step of training; a
    ``LearningRateScheduler`` callback calls any function once an epoch.
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
