"""Functions that numpy does not have, in float64: the error function, its inverse, Bessel's i0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def error_function(x: Array) -> Array:
    """Error function, in the type of ``x``."""
    return np.asarray(_erf(x), np.float64).astype(x.dtype)


def error_function_rest(x: Array) -> Array:
    """1 - erf(x) without cancellation."""
    return np.asarray(_erfc(x), np.float64).astype(x.dtype)


def error_function_inverse(x: Array) -> Array:
    """The y with erf(y) = x: a first guess by Winitzki's formula, then four Newton steps."""
    wide = np.asarray(x, np.float64)
    inside = np.where(np.abs(wide) < 1, wide, 0)
    rest = np.log1p(-inside * inside)
    first = 2 / (math.pi * 0.147) + rest / 2
    y = np.sign(inside) * np.sqrt(np.sqrt(first * first - rest / 0.147) - first)
    for _ in range(4):
        slope = 2 / math.sqrt(math.pi) * np.exp(-y * y)
        y = y - (np.asarray(_erf(y), np.float64) - inside) / slope
    edge = np.where(np.abs(wide) == 1, np.copysign(np.inf, wide), np.nan)
    return np.where(np.abs(wide) < 1, y, edge).astype(x.dtype)
