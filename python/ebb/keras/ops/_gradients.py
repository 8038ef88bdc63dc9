"""Gradients of functions of ``keras.ops`` that are no part of models: numpy computes both.

Each is given the arguments by name, what was computed, and the gradients of that (None: zeros); it
gives the gradients of the tensors among the arguments, in their order.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ebb.keras.ops._promotion import Array, as_array

Values = dict[str, Any]
Gradient = Callable[[Values, list[Array], list[Any]], list[Any]]


def _swapped(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _sort(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    x, axis = as_array(values["x"]), values["axis"]
    gradient = np.zeros_like(x)
    np.put_along_axis(gradient, np.argsort(x, axis=axis, kind="stable"), upstream[0], axis)
    return [gradient]


def _top_k(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    gradient = np.zeros_like(as_array(values["x"]))
    if upstream[0] is not None:
        np.put_along_axis(gradient, made[1].astype(np.int64), upstream[0], -1)
    return [gradient]


def _on_diagonal(values: Values, gradient: Array) -> list[Any]:
    """Zeros with these numbers on a diagonal."""
    x = np.zeros_like(as_array(values["x"]))
    plane = np.moveaxis(x, (values["axis1"], values["axis2"]), (-2, -1))
    offset = values["offset"]
    first = max(-offset, 0)
    count = min(plane.shape[-2] - first, plane.shape[-1] - max(offset, 0))
    rows = np.arange(count) + first
    plane[..., rows, rows + offset] = gradient
    return [x]


def _diagonal(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    return _on_diagonal(values, upstream[0])


def _trace(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    return _on_diagonal(values, np.asarray(upstream[0])[..., None])


def _inv(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    turned = _swapped(made[0])
    return [-turned @ upstream[0] @ turned]


def _det(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    scale = np.asarray(upstream[0] * made[0])[..., None, None]
    return [scale * _swapped(np.linalg.inv(as_array(values["x"])))]


def _solve(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    a, b = as_array(values["a"]), as_array(values["b"])
    is_vector = b.ndim == a.ndim - 1
    given, x = (v[..., None] if is_vector else v for v in (upstream[0], made[0]))
    right = np.linalg.solve(_swapped(a), given)
    return [-right @ _swapped(x), right[..., 0] if is_vector else right]


def _cholesky(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    lower, given = made[0], upstream[0]
    if values["upper"]:
        lower, given = _swapped(lower), _swapped(given)
    half = np.tril(_swapped(lower) @ given)
    half -= 0.5 * half * np.eye(half.shape[-1], dtype=half.dtype)
    inverse = np.linalg.inv(lower)
    found = _swapped(inverse) @ half @ inverse
    return [0.5 * (found + _swapped(found))]


def _segment_sum(values: Values, made: list[Array], upstream: list[Any]) -> list[Any]:
    return [upstream[0][as_array(values["segment_ids"])], None]


GRADIENTS: dict[str, Gradient] = {
    "cholesky": _cholesky,
    "det": _det,
    "diagonal": _diagonal,
    "inv": _inv,
    "segment_sum": _segment_sum,
    "solve": _solve,
    "sort": _sort,
    "top_k": _top_k,
    "trace": _trace,
}
