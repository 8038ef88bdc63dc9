"""Operations that multiply and sum over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras._symbolic import operation_node
from ebb.keras.ops._operation import NUMPY, composed, eager, is_symbolic, operation
from ebb.keras.ops._promotion import Array, meet


def _kept(result: Any, *operands: Array) -> Any:
    """Products of bools are bools in numpy and sums of int32 in Keras."""
    made = np.asarray(result)
    return made.astype(operands[0].dtype) if made.dtype != operands[0].dtype else made


@operation("Matmul", "x1 x2", "meet")
def matmul(x1: Any, x2: Any) -> Any:
    """Product of matrices; axes before the last two broadcast."""
    return np.matmul(x1, x2)


@operation("Dot", "x1 x2", "meet")
def dot(x1: Any, x2: Any) -> Any:
    """Sums over the last axis of ``x1`` and the last but one of ``x2``."""
    return _kept(np.dot(x1, x2), x1)


@operation("Inner", "x1 x2", "meet")
def inner(x1: Any, x2: Any) -> Any:
    """Sums over the last axes of both."""
    return _kept(np.inner(x1, x2), x1)


@operation("Outer", "x1 x2", "meet")
def outer(x1: Any, x2: Any) -> Any:
    """Every element of the flat ``x1`` times every one of the flat ``x2``."""
    return np.outer(x1, x2)


@operation("Vdot", "x1 x2", "meet")
def vdot(x1: Any, x2: Any) -> Any:
    """Sum of the products of both, flat."""
    return _kept(np.vdot(x1, x2), x1)


@operation("Tensordot", "x1 x2", "meet")
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sums over pairs of axes: the last of ``x1`` with the first of ``x2``, or those listed."""
    return np.tensordot(x1, x2, axes)


@composed
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Einstein sum: ``einsum("bij,bjk->bik", x, y)``.

    Parameters
    ----------
    subscripts : str
        One letter for each axis; letters that are not on the right side are summed over.
    *operands : tensors or arrays
        One for each list of letters.

    Returns
    -------
    Tensor, or KerasTensor if an operand is one
    """
    if kwargs:
        raise ValueError(f"einsum: unknown arguments {sorted(kwargs)}")
    if is_symbolic(operands):
        return operation_node(NUMPY, "Einsum", {"subscripts": subscripts}, operands)
    return _einsum(subscripts, *operands)


@eager("")
def _einsum(subscripts: str, *operands: Any) -> Any:
    """On arrays."""
    arrays = meet(operands)
    return _kept(np.einsum(subscripts, *arrays), *arrays)


@composed
def cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Vector product of vectors of length 2 or 3."""
    if is_symbolic(x1, x2):
        return _cross_symbolic(
            x1, x2, *((axis,) * 3 if axis is not None else (axisa, axisb, axisc))
        )
    return _cross(x1, x2, axisa, axisb, axisc, axis)


def _cross_symbolic(x1: Any, x2: Any, axisa: int, axisb: int, axisc: int) -> Any:
    from ebb.keras import ops

    x1, x2 = ops.moveaxis(x1, axisa, -1), ops.moveaxis(x2, axisb, -1)
    if x1.shape[-1] != 3 or x2.shape[-1] != 3:
        raise ValueError("cross: symbolic vectors must have length 3")
    turned = [ops.roll(x, shift, axis=-1) for x, shift in ((x1, -1), (x2, -2), (x1, -2), (x2, -1))]
    made = ops.subtract(ops.multiply(turned[0], turned[1]), ops.multiply(turned[2], turned[3]))
    return ops.moveaxis(made, -1, axisc)


@eager("x1 x2", "meet")
def _cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """On arrays; numpy itself gives up vectors of length 2."""
    if axis is not None:
        axisa = axisb = axisc = axis
    u, v = np.moveaxis(x1, axisa, 0), np.moveaxis(x2, axisb, 0)
    last = u[0] * v[1] - u[1] * v[0]
    if len(u) == 2 and len(v) == 2:
        return last
    zero = np.zeros_like(u[0])
    p, q = u[2] if len(u) == 3 else zero, v[2] if len(v) == 3 else zero
    return np.moveaxis(np.stack([u[1] * q - p * v[1], p * v[0] - u[0] * q, last]), 0, axisc)


@eager("x1 x2", "meet")
def kron(x1: Any, x2: Any) -> Any:
    """Kronecker product: ``x2`` times every element of ``x1``."""
    return np.kron(x1, x2)
