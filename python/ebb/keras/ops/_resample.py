"""Images in other sizes and places: weights of the pixels that one new pixel is mixed of."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ebb.keras.ops._promotion import Array


def _triangle(x: Array) -> Array:
    made: Array = np.maximum(1 - np.abs(x), 0)
    return made


def _cubic(x: Array, a: float = -0.5) -> Array:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: float) -> Callable[[Array], Array]:
    return lambda x: np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0)


_KERNELS: dict[str, Callable[[Array], Array]] = {
    "linear": _triangle,
    "bilinear": _triangle,
    "cubic": _cubic,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}


def weights_of(
    length: int, wanted: int, scale: float, move: float, method: str, antialias: bool
) -> Array:
    """(length, wanted): how much of each old pixel is in each new one."""
    if method not in _KERNELS:
        raise ValueError(f"expected one of {sorted(_KERNELS)}, found {method!r}")
    wide = max(1 / scale, 1.0) if antialias else 1.0
    at = (np.arange(wanted) + 0.5) / scale - move / scale - 0.5
    if method == "bicubic" and not antialias:  # TensorFlow reads a table of 1024 steps
        at = np.floor(at) + np.rint((at - np.floor(at)) * 1024) / 1024
    distance = np.abs(at[None, :] - np.arange(length)[:, None]) / wide
    weights = _KERNELS[method](distance)
    total = weights.sum(0, keepdims=True)
    weights = np.where(np.abs(total) > 1e-6, weights / np.where(total != 0, total, 1), 0)
    inside = (at >= -0.5) & (at <= length - 0.5)
    return np.where(inside[None, :], weights, 0).astype(np.float32)


def apply_axis(x: Array, axis: int, weights: Array) -> Array:
    """Mixes the elements of an axis."""
    made = np.tensordot(x, weights.astype(x.dtype), ([axis], [0]))
    return np.moveaxis(made, -1, axis)


def resize_axis(x: Array, axis: int, wanted: int, method: str, antialias: bool) -> Array:
    """One axis in another length."""
    length = x.shape[axis]
    if method == "nearest":
        at = np.floor((np.arange(wanted) + 0.5) * (length / wanted)).astype(np.int64)
        picked: Array = np.take(x, np.minimum(at, length - 1), axis)
        return picked
    if length == wanted:
        return x
    return apply_axis(x, axis, weights_of(length, wanted, wanted / length, 0, method, antialias))


def _reflect(at: Array, length: int, mode: str) -> Array:
    if mode == "nearest":
        return np.clip(at, 0, length - 1)
    if mode == "wrap":
        return at % length
    if mode == "mirror":
        period = max(2 * (length - 1), 1)
        at = at % period
        return np.where(at >= length, period - at, at)
    if mode == "reflect":
        at = at % (2 * length)
        return np.where(at >= length, 2 * length - 1 - at, at)
    return at


_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def sample(x: Array, coordinates: list[Array], order: int, mode: str, fill: Any) -> Array:
    """Values of an array at places between its elements."""
    if mode not in _MODES:
        raise ValueError(f"fill_mode: expected one of {_MODES}, found {mode!r}")
    corners: list[list[tuple[Array, Array]]] = []
    for at in coordinates:
        if order == 0:
            corners.append([(np.floor(at + 0.5).astype(np.int64), np.ones((), np.float32))])
            continue
        low = np.floor(at)
        share = (at - low).astype(np.float32)
        first = low.astype(np.int64)
        corners.append([(first, 1 - share), (first + 1, share)])
    total: Any = 0
    for choice in np.ndindex(*[len(c) for c in corners]):
        index, weight, inside = [], np.float32(1), True
        for axis, k in enumerate(choice):
            place, share = corners[axis][k]
            length = x.shape[axis]
            inside = inside & (place >= 0) & (place < length)
            index.append(np.clip(_reflect(place, length, mode), 0, length - 1))
            weight = weight * share
        value = x[tuple(index)]
        if mode == "constant":
            value = np.where(inside, value, np.asarray(fill, x.dtype))
        total = total + value * weight
    made = np.asarray(total)
    return np.round(made).astype(x.dtype) if x.dtype.kind in "iu" else made.astype(x.dtype)
