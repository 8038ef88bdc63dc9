"""``tf.linalg``: matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._apply import one
from ebb._errors import ArgumentError, UnsupportedError
from ebb._operators import convert, int_array, operand, unary
from ebb._values import EagerTensor
from ebb.tf._arrays import eager_only, eye, transpose
from ebb.tf._math import einsum, global_norm, matmul, matvec, reduce, tensordot

__all__ = [
    "band_part", "cholesky", "cross", "det", "diag", "diag_part", "eigh", "eigvalsh", "einsum",
    "eye", "global_norm", "inv", "lstsq", "matmul", "matrix_transpose", "matvec", "norm",
    "normalize", "pinv", "qr", "set_diag", "slogdet", "solve", "svd", "tensor_diag", "tensordot",
    "trace", "triangular_solve",
]  # fmt: skip


def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The norm of vectors: ``"euclidean"``, 1, 2, ``np.inf``, or another number."""
    x, keep = convert(tensor), bool(keepdims)
    if ord in ("euclidean", "fro", 2):
        return reduce("EuclideanNorm", x, axis, keep)
    if ord == np.inf:
        return reduce("Max", unary("Abs", x), axis, keep)
    if ord == 1:
        return reduce("Sum", unary("Abs", x), axis, keep)
    if not isinstance(ord, (int, float)) or ord <= 0:
        raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
    return reduce("Sum", unary("Abs", x) ** float(ord), axis, keep) ** (1.0 / ord)


def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None,
              name: str | None = None) -> tuple[Any, Any]:  # fmt: skip
    """The tensor, divided by its norm; and the norm."""
    length = norm(tensor, ord, axis, True)
    return convert(tensor) / length, length


def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Any:
    """The last two axes exchanged."""
    x = convert(a)
    order = list(range(x.ndim))
    order[-2], order[-1] = order[-1], order[-2]
    return transpose(x, order)


adjoint = matrix_transpose


def diag(diagonal: Any, name: str = "diag", k: int = 0, **_: Any) -> Any:
    """Matrices with these diagonals."""
    if k:
        raise UnsupportedError("only the main diagonal is supported", "tf.linalg.diag")
    return unary("MatrixDiag", diagonal)


tensor_diag = diag


def diag_part(input: Any, name: str = "diag_part", k: int = 0, **_: Any) -> Any:
    """The diagonals of matrices."""
    if k:
        raise UnsupportedError("only the main diagonal is supported", "tf.linalg.diag_part")
    return unary("MatrixDiagPart", input)


def set_diag(input: Any, diagonal: Any, name: str = "set_diag", k: int = 0) -> Any:
    """Matrices with their diagonals replaced. Eager only."""
    x, values = eager_only("linalg.set_diag", input, diagonal)
    result = x.copy()
    index = np.arange(min(x.shape[-2:]))
    result[..., index, index] = values
    return EagerTensor.of(result)


def trace(x: Any, name: str | None = None) -> Any:
    """The sum of the diagonal."""
    return reduce("Sum", unary("MatrixDiagPart", x), [-1], False)


def band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Any:
    """Matrices with zeros outside of a band; -1 keeps a whole side."""
    return one("MatrixBandPart", (operand(input), int_array(num_lower), int_array(num_upper)))


def cross(a: Any, b: Any, name: str | None = None) -> Any:
    """The cross product of vectors of three elements. Eager only."""
    x, y = eager_only("linalg.cross", a, b)
    return EagerTensor.of(np.cross(x, y))


def _numpy(name: str, function: Any, *values: Any) -> Any:
    arrays = eager_only(f"linalg.{name}", *values)
    try:
        result = function(*arrays)
    except np.linalg.LinAlgError as failure:
        raise ArgumentError(f"{failure} [Op:{name}]") from None
    if isinstance(result, tuple):
        return tuple(EagerTensor.of(np.asarray(part)) for part in result)
    return EagerTensor.of(np.asarray(result))


def det(input: Any, name: str | None = None) -> Any:
    """Determinants. Eager only."""
    return _numpy("det", np.linalg.det, input)


def slogdet(input: Any, name: str | None = None) -> Any:
    """Sign and logarithm of determinants. Eager only."""
    return _numpy("slogdet", lambda x: tuple(np.linalg.slogdet(x)), input)


def inv(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Inverse matrices. Eager only."""
    return _numpy("inv", np.linalg.inv, input)


def pinv(a: Any, rcond: Any = None, name: str | None = None) -> Any:
    """Pseudoinverse matrices. Eager only."""
    return _numpy("pinv", np.linalg.pinv, a)


def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Solutions of systems of linear equations. Eager only."""
    return _numpy("solve", np.linalg.solve, matrix, rhs)


def triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Any:
    """Solutions of triangular systems. Eager only."""

    def compute(a: Any, b: Any) -> Any:
        part = np.tril(a) if lower else np.triu(a)
        return np.linalg.solve(np.swapaxes(part, -1, -2) if adjoint else part, b)

    return _numpy("triangular_solve", compute, matrix, rhs)


def lstsq(matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True,
          name: str | None = None) -> Any:  # fmt: skip
    """Least squares. Eager only."""

    def compute(a: Any, b: Any) -> Any:
        turned = np.swapaxes(a, -1, -2)
        return np.linalg.solve(
            turned @ a + l2_regularizer * np.eye(a.shape[-1]), turned @ b
        ).astype(a.dtype)

    return _numpy("lstsq", compute, matrix, rhs)


def cholesky(input: Any, name: str | None = None) -> Any:
    """Cholesky factors. Eager only."""
    return _numpy("cholesky", np.linalg.cholesky, input)


def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """Orthogonal and triangular factors. Eager only."""
    if full_matrices:
        return _numpy("qr", lambda x: tuple(np.linalg.qr(x, "complete")), input)
    return _numpy("qr", lambda x: tuple(np.linalg.qr(x)), input)


def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True,
        name: str | None = None) -> Any:  # fmt: skip
    """Singular values and vectors: ``s, u, v``. Eager only."""

    def compute(x: Any) -> Any:
        if not compute_uv:
            return np.linalg.svd(x, compute_uv=False)
        u, s, v = np.linalg.svd(x, full_matrices)
        return s, u, np.swapaxes(v, -1, -2)

    return _numpy("svd", compute, tensor)


def eigh(tensor: Any, name: str | None = None) -> Any:
    """Eigenvalues and eigenvectors of symmetric matrices. Eager only."""
    return _numpy("eigh", lambda x: tuple(np.linalg.eigh(x)), tensor)


def eigvalsh(tensor: Any, name: str | None = None) -> Any:
    """Eigenvalues of symmetric matrices. Eager only."""
    return _numpy("eigvalsh", np.linalg.eigvalsh, tensor)
