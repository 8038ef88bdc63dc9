"""Arrays to the views of C and back: no copy where the memory is dense already.

Anything with the buffer protocol, ``__dlpack__`` or ``__array__`` is an array here, and so are
nested lists of numbers. What is contiguous is borrowed for the call; what is not is copied once.
The library converts types itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import ArgumentError, DTypeError, ShapeError
from ebb._native import ffi, lib

Array = npt.NDArray[Any]

RANK_MAX = 8

#: ``ebb_dtype`` of numpy's types, in the byte order of this machine.
CODES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): lib.EBB_F32,
    np.dtype(np.float16): lib.EBB_F16,
    np.dtype(np.float64): lib.EBB_F64,
    np.dtype(np.int8): lib.EBB_I8,
    np.dtype(np.int16): lib.EBB_I16,
    np.dtype(np.int32): lib.EBB_I32,
    np.dtype(np.int64): lib.EBB_I64,
    np.dtype(np.uint8): lib.EBB_U8,
    np.dtype(np.uint16): lib.EBB_U16,
    np.dtype(np.uint32): lib.EBB_U32,
    np.dtype(np.uint64): lib.EBB_U64,
    np.dtype(np.bool_): lib.EBB_BOOL,
}
#: numpy's types of ``ebb_dtype``; numpy has no bfloat16, so that is read as float32.
DTYPES: dict[int, np.dtype[Any]] = {code: dtype for dtype, code in CODES.items()}
DTYPES[lib.EBB_BF16] = np.dtype(np.float32)

_CPU_DEVICES = (1, 3)  # DLPack: CPU, and host memory that CUDA has pinned
_VIEWS = ffi.typeof("ebb_views *")
_VIEW_LIST = ffi.typeof("ebb_view[]")


@functools.lru_cache(maxsize=64)
def dtype_name(code: int) -> str:
    """``"float32"`` ... of an ``ebb_dtype``."""
    return ffi.string(lib.ebb_dtype_name(code)).decode()


def to_array(value: Any, name: str = "input", expected: str = "an array of numbers") -> Array:
    """A dense array of one of the library's types: ``value`` itself where it is one.

    bfloat16 arrays (of ml_dtypes) stay what they are.

    Raises
    ------
    ShapeError
        Rows of different lengths, or more than 8 axes.
    DTypeError
        Objects, texts, complex numbers ...: no type of the library.
    ArgumentError
        Its memory belongs to another device.
    """
    array = value if type(value) is np.ndarray else _converted(value, name, expected)
    if array.dtype not in CODES and array.dtype.name != "bfloat16":
        array = _native_order(array, name, expected)
    if array.ndim > RANK_MAX:
        raise ShapeError(f"expected at most {RANK_MAX} axes, got {array.ndim}", name)
    return array if array.flags.c_contiguous else array.copy(order="C")


def _converted(value: Any, name: str, expected: str) -> Array:
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        shared = _from_dlpack(value, name)
        if shared is not None:
            return shared
    try:
        return np.asarray(value)
    except (ValueError, OverflowError) as failure:
        raise ShapeError(f"expected {expected}, got {_what(value)}: {failure}", name) from failure
    except Exception as failure:
        raise DTypeError(f"expected {expected}, got {_what(value)}: {failure}", name) from failure


def _from_dlpack(value: Any, name: str) -> Array | None:
    """The memory of another library's tensor; None where numpy cannot look at it."""
    device = value.__dlpack_device__() if hasattr(value, "__dlpack_device__") else (1, 0)
    if int(device[0]) not in _CPU_DEVICES:
        raise ArgumentError(
            f"this {_what(value)} is not in the memory of the CPU: copy it there first", name
        )
    if getattr(value, "requires_grad", False):
        value = value.detach()
    try:
        return np.from_dlpack(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return None


def _native_order(array: Array, name: str, expected: str) -> Array:
    native = array.dtype.newbyteorder("=")
    if native in CODES:
        return array.astype(native)
    got = str(array.dtype)
    if got == "object":
        got = f"objects ({_what(array.flat[0]) if array.size else 'none'})"
    raise DTypeError(f"expected {expected}, got {got}", name)


def _what(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def fill_view(view: Any, array: Array, *, writable: bool = False) -> Any:
    """Sets an ``ebb_view`` to an array's memory. Returns what must live as long as the view."""
    if array.dtype not in CODES:
        array = array.view(np.uint16)
        view.dtype = lib.EBB_BF16
    else:
        view.dtype = CODES[array.dtype]
    view.rank = array.ndim
    view.dims[0 : array.ndim] = array.shape
    memory = ffi.from_buffer(array, require_writable=writable)
    view.data = memory
    return memory


class Views:
    """``ebb_views`` of several arrays, which are borrowed for as long as this object lives."""

    __slots__ = ("_memory", "arrays", "c", "items")

    def __init__(self, arrays: Sequence[Array], *, writable: bool = False) -> None:
        self.arrays = arrays
        self.items = ffi.new(_VIEW_LIST, len(arrays))
        self._memory = [
            fill_view(self.items[i], array, writable=writable) for i, array in enumerate(arrays)
        ]
        self.c = ffi.new(_VIEWS)
        self.c.items, self.c.count = self.items, len(arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def view_of(array: Array, *, writable: bool = False) -> tuple[Any, Any]:
    """``ebb_view *`` of one array, and what must live as long as that."""
    view = ffi.new("ebb_view *")
    return view, fill_view(view, array, writable=writable)


def to_output(value: Any, name: str) -> Array:
    """An array that results can be written into, as it is.

    Raises
    ------
    ArgumentError
        It cannot be written, or is not contiguous, or is no array.
    """
    if not isinstance(value, np.ndarray):
        try:
            shared = np.asarray(memoryview(value))
        except TypeError:
            raise ArgumentError(f"out: expected an array, got {_what(value)}", name) from None
        return to_output(shared, name)
    array: Array = value
    if not array.flags.writeable:
        raise ArgumentError("out: the array is read-only; give one that can be written", name)
    if not array.flags.c_contiguous:
        raise ArgumentError("out: the array is not contiguous; give one in C order", name)
    if array.dtype not in CODES and array.dtype.name != "bfloat16":
        raise DTypeError(f"out: expected an array of numbers, got {array.dtype}", name)
    if array.ndim > RANK_MAX:
        raise ShapeError(f"out: expected at most {RANK_MAX} axes, got {array.ndim}", name)
    return array


def is_array(value: Any) -> bool:
    """Is it one array, rather than a list of them?"""
    return isinstance(value, np.ndarray) or any(
        hasattr(value, method) for method in ("__dlpack__", "__array__", "__array_interface__")
    )
