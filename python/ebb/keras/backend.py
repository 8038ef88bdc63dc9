"""What scripts use of ``keras.backend``: names and settings. No model is ever kept here."""

from __future__ import annotations

from typing import Any

from ebb.keras import _missing, _naming
from ebb.keras._symbolic import is_keras_tensor
from ebb.keras._variable import Variable, to_numpy
from ebb.keras.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)


def clear_session(free_memory: bool = True) -> None:
    """Begin with the names of layers and models anew.

    No live model is touched: those have their memory until they go themselves.
    """
    _naming.reset()


def get_uid(prefix: str = "") -> int:
    """Give 1, 2, 3 ... for a prefix."""
    return _naming.get_uid(prefix)


def reset_uids() -> None:
    """Begin with all names anew."""
    _naming.reset()


def is_float_dtype(dtype: Any) -> bool:
    """Tell whether a type is one of floating point numbers."""
    return "float" in str(getattr(dtype, "name", dtype))


def is_int_dtype(dtype: Any) -> bool:
    """Tell whether a type is one of integers."""
    return "int" in standardize_dtype(dtype)


def result_type(*dtypes: Any) -> str:
    """Give the name of the type that values of several types meet in.

    Parameters
    ----------
    *dtypes : str, DType, type or None
        ``int`` and ``float`` are Python's numbers, which give way to the types of tensors.
    """
    from ebb.keras.ops import _promotion

    strong = [_promotion.numpy_dtype(dtype) for dtype in dtypes if dtype not in (int, float)]
    return str(_promotion.common(strong, float in dtypes or not dtypes, int in dtypes).name)


def standardize_dtype(dtype: Any) -> str:
    """Give the name of a type."""
    return floatx() if dtype is None else str(getattr(dtype, "name", dtype))


def get_value(x: Any) -> Any:
    """Give the numbers of a variable or tensor."""
    return to_numpy(x)


def set_value(x: Any, value: Any) -> None:
    """Set the numbers of a variable."""
    x.assign(value)


def count_params(x: Any) -> int:
    """Give the number of elements of a variable or tensor."""
    count = 1
    for length in x.shape:
        count *= int(length)
    return count


def int_shape(x: Any) -> Any:
    """Give the shape of a tensor."""
    return tuple(x.shape)


__all__ = [
    "Variable",
    "backend",
    "clear_session",
    "count_params",
    "epsilon",
    "floatx",
    "get_uid",
    "get_value",
    "image_data_format",
    "int_shape",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "reset_uids",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_value",
    "standardize_dtype",
]


def __getattr__(name: str) -> Any:
    """Functions on tensors, which older scripts call here, are those of keras.ops."""
    from ebb.keras import ops

    found = getattr(ops, name, None) if not name.startswith("__") else None
    return found if found is not None else _guard(name)


_guard = _missing.guard(__name__, globals())
