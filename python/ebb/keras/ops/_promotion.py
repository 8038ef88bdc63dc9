"""Which type operands meet in, by Keras's rules: not numpy's.

Any float type wins over integers, integers over bool. A Python number has no type of its own: 2.5
makes floats of integers, but leaves float16 what it is. Integers that have no common type become
``floatx``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._dtype import as_dtype
from ebb._tensor import Tensor, to_array
from ebb.keras._policy import settings

Array = npt.NDArray[Any]
Kind = np.dtype[Any]

_FLOATX = np.dtype(np.float32)
_INTX = np.dtype(np.int32)
_BOOL = np.dtype(np.bool_)


def floatx() -> Kind:
    """The type of floats that were given none."""
    name = settings.floatx
    return _FLOATX if name == "bfloat16" else np.dtype(name)


def numpy_dtype(dtype: Any) -> Kind:
    """The numpy dtype of a name, a numpy type or a ``DType``; ``floatx`` for None."""
    if dtype is None:
        return floatx()
    return as_dtype(dtype).numpy


def dtype_name(dtype: Any) -> str | None:
    """The name of a dtype, None for None."""
    return None if dtype is None else as_dtype(dtype).name


def is_float(kind: Kind) -> bool:
    """Whether a numpy dtype is a float type."""
    return kind.kind == "f" or kind.name == "bfloat16"


def as_array(x: Any) -> Array:
    """Anything as a numpy array; Python floats become ``floatx``, Python integers int32."""
    if isinstance(x, np.ndarray):
        return x if type(x) is np.ndarray else np.asarray(x)  # a mask is no part of the numbers
    if isinstance(x, bool):
        return np.asarray(x)
    if isinstance(x, float):
        return np.asarray(x, floatx())
    if isinstance(x, int):
        return np.asarray(x, _INTX if -(2**31) <= x < 2**31 else np.int64)
    if isinstance(x, (list, tuple)):
        return _from_list(x)
    return to_array(x)


def _leaf(x: Any) -> Any:
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return x


def _from_list(x: Sequence[Any]) -> Array:
    leaf = _leaf(x)
    if isinstance(leaf, (bool, int, float)):
        made = np.asarray(x)
        if made.dtype == np.float64:
            return made.astype(floatx())
        if made.dtype == np.int64 and (
            made.size == 0 or (made.min() >= -(2**31) and made.max() < 2**31)
        ):
            return made.astype(_INTX)
        return made
    if isinstance(leaf, (list, tuple)):
        return np.asarray(x, floatx())
    return np.stack([as_array(item) for item in x]) if x else np.zeros((0,), floatx())


def common(kinds: Sequence[Kind], has_weak_float: bool = False, has_weak_int: bool = False) -> Kind:
    """The type that arrays of these types meet in."""
    floats = [kind for kind in kinds if is_float(kind)]
    if floats:
        names = {kind.name for kind in floats}
        return (
            np.dtype(np.float32)
            if names == {"float16", "bfloat16"}
            else max(floats, key=lambda kind: kind.itemsize)
        )
    if has_weak_float:
        return floatx()
    integers = [kind for kind in kinds if kind.kind in "iu"]
    if integers:
        met = np.result_type(*integers)
        return met if met.kind in "iu" else floatx()
    other = [kind for kind in kinds if kind.kind == "c"]
    if other:
        return np.result_type(*other)
    return _INTX if has_weak_int else _BOOL


def meet(values: Sequence[Any], floats: bool = False) -> list[Any]:
    """All values (None stays) as arrays of the type they meet in; with ``floats`` a float type."""
    arrays = [None if value is None else as_array(value) for value in values]
    weak_float = any(type(value) is float for value in values)
    weak_int = any(type(value) is int for value in values)
    strong = [
        array.dtype
        for value, array in zip(values, arrays)
        if array is not None and type(value) not in (float, int)
    ]
    kind = common(strong, weak_float, weak_int)
    if floats and kind.kind in "iub":
        kind = floatx()
    return [None if array is None else array.astype(kind, copy=False) for array in arrays]


def to_float(value: Any) -> Array:
    """An array of floats: integers and bools become ``floatx``."""
    array = as_array(value)
    return array.astype(floatx()) if array.dtype.kind in "iub" else array


def wrap(result: Any) -> Any:
    """Arrays as tensors, inside tuples and lists too; complex ones stay arrays."""
    if isinstance(result, (np.ndarray, np.generic)):
        return result if result.dtype.kind in "cOUS" else Tensor.from_array(np.asarray(result))
    if isinstance(result, (tuple, list)):
        return type(result)(wrap(item) for item in result)
    return result
