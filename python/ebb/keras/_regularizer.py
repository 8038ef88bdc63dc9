"""Regularizers: penalties on weights, computed by the library in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._context import state
from ebb._errors import UnsupportedError
from ebb.keras._object import KerasObject
from ebb.keras._symbolic import any_symbolic
from ebb.keras._variable import to_numpy


class Regularizer(KerasObject):
    """Base of regularizers."""

    def __call__(self, x: Any) -> Any:
        """Give the penalty of an array.

        Parameters
        ----------
        x : array, tensor or Variable

        Returns
        -------
        float; a tensor while a gradient tape is open
        """
        if state.tapes or any_symbolic(x):
            return self._noted(x)
        value = to_numpy(x).astype(np.float64)
        l1, l2 = float(getattr(self, "l1", 0) or 0), float(getattr(self, "l2", 0) or 0)
        if type(self).__name__ in ("L1", "L2", "L1L2"):
            return np.float32(l1 * np.abs(value).sum() + l2 * np.square(value).sum())
        if type(self).__name__ == "OrthogonalRegularizer":
            return self._orthogonal(value)
        raise UnsupportedError(f"{type(self).__name__} is computed in training only")

    def _noted(self, x: Any) -> Any:
        """The same in operations that tapes note."""
        from ebb.keras import ops

        x = ops.convert_to_tensor(x)
        l1, l2 = float(getattr(self, "l1", 0) or 0), float(getattr(self, "l2", 0) or 0)
        if type(self).__name__ in ("L1", "L2", "L1L2"):
            first = ops.multiply(ops.sum(ops.absolute(x)), l1) if l1 else None
            second = ops.multiply(ops.sum(ops.square(x)), l2) if l2 or first is None else None
            return first if second is None else second if first is None else first + second
        if type(self).__name__ == "OrthogonalRegularizer":
            rows = x if getattr(self, "mode", "rows") == "rows" else ops.transpose(x)
            norms = ops.sqrt(ops.sum(ops.square(rows), axis=1, keepdims=True))
            rows = rows / ops.maximum(norms, 1e-6)
            cosines = ops.absolute(ops.matmul(rows, ops.transpose(rows)))
            count = int(rows.shape[0])
            above = np.triu(np.ones((count, count), np.float32), 1)
            factor = float(getattr(self, "factor", 0.01)) / max(count * (count - 1) / 2, 1)
            return ops.multiply(ops.sum(ops.multiply(cosines, above)), factor)
        raise UnsupportedError(f"{type(self).__name__} is computed in training only")

    def _orthogonal(self, value: Any) -> Any:
        """Of the cosines between rows or columns."""
        rows = value if getattr(self, "mode", "rows") == "rows" else value.T
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        cosines = np.abs(rows @ rows.T)
        size = len(rows) * (len(rows) - 1) / 2
        total = np.triu(cosines, 1).sum()
        return np.float32(getattr(self, "factor", 0.01) * total / max(size, 1))
