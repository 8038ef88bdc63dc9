"""Constraints: what weights are projected to after each step of training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._object import KerasObject
from ebb.keras._variable import to_numpy

_SMALL = 1e-7


class Constraint(KerasObject):
    """Base of constraints."""

    def __call__(self, w: Any) -> Any:
        """Give the projection of an array.

        Parameters
        ----------
        w : array

        Returns
        -------
        numpy.ndarray
        """
        w = to_numpy(w)
        name = type(self).__name__
        if name == "NonNeg":
            return w * (w >= 0)
        axis = getattr(self, "axis", 0)
        axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        norms = np.sqrt(np.square(w).sum(axis=axis, keepdims=True))
        if name == "UnitNorm":
            return w / (norms + _SMALL)
        if name == "MaxNorm":
            wanted = np.clip(norms, 0, self.max_value)  # type: ignore[attr-defined]
        elif name == "MinMaxNorm":
            low, high, rate = (getattr(self, n) for n in ("min_value", "max_value", "rate"))
            wanted = rate * np.clip(norms, low, high) + (1 - rate) * norms
        else:
            raise UnsupportedError(f"{name} is computed in training only")
        return w * (wanted / (norms + _SMALL))
