"""Regularizers: penalties on weights, computed by the library in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._object import KerasObject
from ebb.keras._variable import to_numpy


class Regularizer(KerasObject):
    """Base of regularizers."""

    def __call__(self, x: Any) -> Any:
        """Give the penalty of an array.

        Parameters
        ----------
        x : array

        Returns
        -------
        float
        """
        value = to_numpy(x).astype(np.float64)
        l1, l2 = float(getattr(self, "l1", 0) or 0), float(getattr(self, "l2", 0) or 0)
        if type(self).__name__ in ("L1", "L2", "L1L2"):
            return np.float32(l1 * np.abs(value).sum() + l2 * np.square(value).sum())
        if type(self).__name__ == "OrthogonalRegularizer":
            return self._orthogonal(value)
        raise UnsupportedError(f"{type(self).__name__} is computed in training only")

    def _orthogonal(self, value: Any) -> Any:
        """Of the cosines between rows or columns."""
        rows = value if getattr(self, "mode", "rows") == "rows" else value.T
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        cosines = np.abs(rows @ rows.T)
        size = len(rows) * (len(rows) - 1) / 2
        total = np.triu(cosines, 1).sum()
        return np.float32(getattr(self, "factor", 0.01) * total / max(size, 1))
