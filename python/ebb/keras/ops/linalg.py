"""Linear algebra: on arrays; ``norm`` can be a part of a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras.ops._operation import composed, eager
from ebb.keras.ops._promotion import Array
from ebb.keras.ops._reduce import norm

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_triangular",
    "svd",
]


def _square(name: str, x: Array) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: expected square matrices, found the shape {x.shape}")


@eager(promote="float")
def cholesky(x: Any, upper: bool = False) -> Any:
    """The lower triangle L with ``L @ L.T == x``, or its transpose."""
    _square("cholesky", x)
    try:
        made = np.linalg.cholesky(x)
    except np.linalg.LinAlgError as failure:
        raise ValueError(f"cholesky: {failure}") from failure
    return np.swapaxes(made, -1, -2) if upper else made


@eager(promote="float")
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrix that has ``x`` as its Cholesky factor."""
    _square("cholesky_inverse", x)
    turned = np.swapaxes(x, -1, -2)
    return np.linalg.inv(turned @ x if upper else x @ turned)


@eager(promote="float")
def det(x: Any) -> Any:
    """Determinants."""
    _square("det", x)
    return np.linalg.det(x)


@eager(promote="float")
def eig(x: Any) -> Any:
    """Eigenvalues and eigenvectors, complex numpy arrays."""
    _square("eig", x)
    values, vectors = np.linalg.eig(x)
    return values.astype(np.complex64), vectors.astype(np.complex64)


@eager(promote="float")
def eigh(x: Any) -> Any:
    """Eigenvalues, rising, and eigenvectors of symmetric matrices."""
    _square("eigh", x)
    values, vectors = np.linalg.eigh(x)
    return values, vectors


@eager(promote="float")
def inv(x: Any) -> Any:
    """Inverse matrices."""
    _square("inv", x)
    return np.linalg.inv(x)


def _lu(x: Array) -> tuple[Array, Array]:
    """One matrix: both triangles in one, and which rows were exchanged."""
    made, count = x.copy(), min(x.shape)
    pivots = np.arange(count, dtype=np.int32)
    for k in range(count):
        at = k + int(np.argmax(np.abs(made[k:, k])))
        pivots[k] = at
        made[[k, at]] = made[[at, k]]
        if made[k, k] != 0:
            made[k + 1 :, k] /= made[k, k]
            made[k + 1 :, k + 1 :] -= np.outer(made[k + 1 :, k], made[k, k + 1 :])
    return made, pivots


@eager(promote="float")
def lu_factor(x: Any) -> Any:
    """Both triangles in one matrix, and the rows that were exchanged."""
    parts = [_lu(matrix) for matrix in x.reshape((-1, *x.shape[-2:]))]
    lower_upper = np.stack([part[0] for part in parts]).reshape(x.shape)
    pivots = np.stack([part[1] for part in parts])
    return lower_upper, pivots.reshape((*x.shape[:-2], -1))


@eager(promote="float")
def qr(x: Any, mode: str = "reduced") -> Any:
    """An orthogonal and an upper triangular matrix whose product is ``x``."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f'qr: mode: expected "reduced" or "complete", found {mode!r}')
    function: Any = np.linalg.qr
    made = function(x, mode)
    return made[0], made[1]


@eager("a b", "meet_float")
def solve(a: Any, b: Any) -> Any:
    """The x with ``a @ x == b``."""
    _square("solve", a)
    if b.ndim == a.ndim - 1:
        return np.linalg.solve(a, b[..., None])[..., 0]
    return np.linalg.solve(a, b)


@eager("a b", "meet_float")
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """The x with ``a @ x == b`` of a triangle; the other half of ``a`` is not read."""
    _square("solve_triangular", a)
    half = np.tril(a) if lower else np.triu(a)
    if b.ndim == a.ndim - 1:
        return np.linalg.solve(half, b[..., None])[..., 0]
    return np.linalg.solve(half, b)


@eager(promote="float")
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values: U, S and V.T, or S alone."""
    function: Any = np.linalg.svd
    made = function(x, full_matrices, compute_uv)
    return (made[0], made[1], made[2]) if compute_uv else made


@eager("a b", "meet_float")
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The x with the least squares of ``a @ x - b``."""
    return np.linalg.lstsq(a, b, rcond)[0]


@eager(promote="float")
def matrix_rank(x: Any, tol: Any = None) -> Any:
    """How many singular values are above ``tol``, int32."""
    return np.asarray(np.linalg.matrix_rank(x, tol), np.int32)


@eager(promote="float")
def pinv(x: Any, rcond: Any = None) -> Any:
    """Pseudo inverse."""
    return np.linalg.pinv(x) if rcond is None else np.linalg.pinv(x, rcond)


@composed
def jvp(fun: Any, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Refused: forward derivatives of Python functions are not computed."""
    raise UnsupportedError("keras.ops.jvp is not supported: the library differentiates models")
