"""Tensors whose value is there: memory of the library, counted by its ledger.

A ``Buffer`` owns one array of the library and gives it back when the last reference goes; numpy
reads it in place. A ``Tensor`` is what operations take and give: an ``EagerTensor`` with a buffer,
or a tensor of a graph (``ebb._graph``). What an operation needs besides its tensors (prepared
plans) is given back together with the last buffer, so that memory is exact once tensors are gone.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ebb import _context
from ebb._call import check, new_error
from ebb._dtype import BY_NUMBER, Array, DType, TensorShape, as_dtype, bfloat16, float32
from ebb._errors import ArgumentError, DTypeError, OutOfMemoryError, UnsupportedError
from ebb._native import ffi, lib

_RANK_MAX = 8  # EBB_RANK_MAX
_ARRAY = ffi.typeof("ebb_python_array *")

operators: Any = None  # the module ebb._operators, which puts itself here


class Kept:
    """What operations keep for the next call. Buffers hold it: it goes with the last one."""

    __slots__ = ("__weakref__", "is_crowded", "items", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_crowded = False  # from then on the order is that of the last use
        self.items: OrderedDict[Any, Any] = OrderedDict()

    def find(self, key: Any) -> Any:
        """What is kept under this key, or None."""
        found = self.items.get(key)
        if found is not None and self.is_crowded:
            with self.lock:
                if key in self.items:  # another thread may have made room
                    self.items.move_to_end(key)
        return found

    def add(self, key: Any, value: Any, count_max: int) -> None:
        """Keeps something; the one not used for longest makes room."""
        with self.lock:
            self.items[key] = value
            self.is_crowded = len(self.items) * 2 > count_max
            if len(self.items) > count_max:
                self.items.popitem(last=False)


_kept: weakref.WeakValueDictionary[int, Kept] = weakref.WeakValueDictionary()
_kept_last: tuple[int, Any] = (0, None)  # what was asked for last: nearly always the same
_kept_lock = threading.Lock()


def kept_of(runtime: Any) -> Kept:
    """What the operations of a runtime keep: as long as the caller, or a buffer, holds it."""
    global _kept_last
    number, last = runtime.id, _kept_last
    found = last[1]() if last[0] == number else None
    if found is not None:
        return found  # type: ignore[no-any-return]
    with _kept_lock:
        found = _kept.get(number)
        if found is None:
            found = _kept[number] = Kept()
        _kept_last = (number, weakref.ref(found))
        return found


class Buffer:
    """An array of the library on one device. numpy reads it through ``__array_interface__``."""

    __slots__ = ("__weakref__", "_kept", "box", "device", "dtype", "shape")

    def __init__(self, dtype: DType, shape: Sequence[int], device: str | None = None) -> None:
        self.dtype = dtype
        self.shape = TensorShape(shape)
        self.device = device if device is not None else _context.device_now()
        if not dtype.number:
            raise UnsupportedError(f"tensors of type {dtype.name} are not supported")
        if len(self.shape) > _RANK_MAX:
            raise ArgumentError(f"tensors have at most {_RANK_MAX} axes, not {len(shape)}")
        self.box = ffi.gc(ffi.new(_ARRAY), lib.ebb_python_close_array)
        view = self.box.view
        view.dtype, view.rank, view.dims = dtype.number, len(self.shape), self.shape
        runtime = _context.runtime_handle()
        self._kept = kept_of(runtime)
        if lib.ebb_python_open_array(runtime, self.device.encode(), self.box, ffi.NULL):
            self._open_again(runtime)

    @classmethod
    def made(cls, box: Any, dtype: DType, shape: TensorShape, device: str, kept: Kept) -> Buffer:
        """Around an array that an operation has opened."""
        self = cls.__new__(cls)
        self.box, self.dtype, self.shape = box, dtype, shape
        self.device, self._kept = device, kept
        return self

    def _open_again(self, runtime: Any) -> None:
        """It was refused: now with room for the words."""
        error, dtype = new_error(), self.dtype
        status = lib.ebb_python_open_array(runtime, self.device.encode(), self.box, error)
        if status == lib.EBB_E_MEMORY:
            text = ffi.string(error.text).decode(errors="replace")
            raise OutOfMemoryError(
                f"when allocating tensor with shape{list(self.shape)} and type {dtype.name} on "
                f"{_context.DEVICE_PREFIX}{self.device}: {text}"
            )
        check(status, error)

    @property
    def pointer(self) -> int:
        """Address of the first element."""
        return int(self.box.address)

    @property
    def view(self) -> Any:
        """Type, shape and memory: an ``ebb_view *``."""
        return ffi.addressof(self.box, "view")

    def _check(self) -> None:
        """The memory is there as long as its runtime is; a fork has its own copy."""
        if not lib.ebb_python_has_array(self.box):
            check(lib.ebb_array_read(self.box.array, ffi.NULL, ffi.NULL))

    def data(self) -> Any:
        """The memory as C takes it, for as long as the buffer is there."""
        self._check()
        return self.box.view.data

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "data": (self.box.address, False),
            "shape": tuple(self.shape),
            "typestr": "<u2" if self.dtype is bfloat16 else self.dtype.numpy.str,
            "version": 3,
        }

    def array(self) -> Array:
        """The memory as a numpy array that can be written and keeps the buffer."""
        self._check()
        array = np.asarray(self)
        return array.view(self.dtype.numpy) if self.dtype is bfloat16 else array


def _unhashable(self: Any) -> int:
    raise TypeError("Tensor is unhashable. Instead, use tensor.ref() as the key.")


class Reference:
    """A tensor as a key of dictionaries: ``tensor.ref()``."""

    __slots__ = ("_held",)

    def __init__(self, held: Any) -> None:
        self._held = held

    def deref(self) -> Any:
        """The tensor."""
        return self._held

    def __hash__(self) -> int:
        return id(self._held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and other._held is self._held


class Tensor:
    """What operations take and give.

    Attributes
    ----------
    shape : TensorShape
        A tuple; None where a length is known only when a graph runs.
    dtype : DType
    device : str
        ``"/job:localhost/replica:0/task:0/device:CPU:0"``.
    """

    __slots__ = ("__weakref__",)
    __array_priority__ = 100  # numpy leaves array + tensor to the tensor

    shape: TensorShape
    dtype: DType
    device: str
    is_symbolic = False

    if TYPE_CHECKING:  # of eager tensors, or those of graphs, only

        def numpy(self) -> Any: ...
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...
        def __round__(self, digits: int = 0) -> Any: ...
        def __dlpack__(self, **arguments: Any) -> Any: ...
        def __dlpack_device__(self) -> Any: ...
        def eval(self, feed_dict: Any = None, session: Any = None) -> Any: ...
        @property
        def name(self) -> str: ...
        @property
        def op(self) -> Any: ...

        graph: Any

    @staticmethod
    def from_array(array: Any, dtype: Any = None, device: str | None = None) -> EagerTensor:
        """An eager tensor with a copy of the array's values."""
        return EagerTensor.of(np.asarray(array), dtype, device)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    def get_shape(self) -> TensorShape:
        """The shape."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Checks that the tensor may have this shape."""
        self.shape.assert_is_compatible_with(shape)

    def ref(self) -> Reference:
        """A hashable reference to the tensor."""
        return Reference(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("Scalar tensor has no `len()`")
        if self.shape[0] is None:
            raise TypeError("the length of this tensor is known only when the graph runs")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("Cannot iterate over a scalar tensor.")
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, index: Any) -> Any:
        return operators.getitem(self, index)

    def __eq__(self, other: object) -> Any:
        return operators.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return operators.not_equal(self, other)

    __hash__ = _unhashable

    def __add__(self, other: Any) -> Any:
        return operators.binary("AddV2", self, other)

    def __radd__(self, other: Any) -> Any:
        return operators.binary("AddV2", other, self)

    def __sub__(self, other: Any) -> Any:
        return operators.binary("Sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return operators.binary("Sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return operators.binary("Mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return operators.binary("Mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return operators.truediv(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return operators.truediv(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return operators.binary("FloorDiv", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return operators.binary("FloorDiv", other, self)

    def __mod__(self, other: Any) -> Any:
        return operators.binary("FloorMod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return operators.binary("FloorMod", other, self)

    def __pow__(self, other: Any) -> Any:
        return operators.binary("Pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return operators.binary("Pow", other, self)

    def __matmul__(self, other: Any) -> Any:
        return operators.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return operators.matmul(other, self)

    def __lt__(self, other: Any) -> Any:
        return operators.binary("Less", self, other)

    def __le__(self, other: Any) -> Any:
        return operators.binary("LessEqual", self, other)

    def __gt__(self, other: Any) -> Any:
        return operators.binary("Greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return operators.binary("GreaterEqual", self, other)

    def __and__(self, other: Any) -> Any:
        return operators.logical("LogicalAnd", "BitwiseAnd", self, other)

    def __rand__(self, other: Any) -> Any:
        return operators.logical("LogicalAnd", "BitwiseAnd", other, self)

    def __or__(self, other: Any) -> Any:
        return operators.logical("LogicalOr", "BitwiseOr", self, other)

    def __ror__(self, other: Any) -> Any:
        return operators.logical("LogicalOr", "BitwiseOr", other, self)

    def __xor__(self, other: Any) -> Any:
        return operators.logical("NotEqual", "BitwiseXor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return operators.logical("NotEqual", "BitwiseXor", other, self)

    def __invert__(self) -> Any:
        return operators.invert(self)

    def __neg__(self) -> Any:
        return operators.unary("Neg", self)

    def __abs__(self) -> Any:
        return operators.unary("Abs", self)


class EagerTensor(Tensor):
    """A tensor whose value is there. It never changes.

    Its memory is an array of the library: ``ebb.memory()`` counts it until the tensor, and every
    numpy array that reads it in place, are gone.
    """

    __slots__ = ("buffer",)

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer

    @classmethod
    def of(cls, array: Array, dtype: Any = None, device: str | None = None) -> EagerTensor:
        """A tensor with a copy of the array's values, converted to ``dtype`` if that is given."""
        kind = as_dtype(array.dtype if dtype is None else dtype)
        buffer = Buffer(kind, TensorShape.of_lengths(array.shape), device)
        if array.dtype is kind.numpy and array.flags.c_contiguous and array.size:
            ffi.memmove(buffer.box.view.data, array.reshape(-1).view(np.uint8), array.nbytes)
        else:
            np.copyto(buffer.array(), array, casting="unsafe")
        return cls(buffer)

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The shape, a tuple."""
        return self.buffer.shape

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The type of the elements."""
        return self.buffer.dtype

    @property
    def device(self) -> str:  # type: ignore[override]
        """Where the memory is."""
        return _context.DEVICE_PREFIX + self.buffer.device

    backing_device = device

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.dtype.size * int(self.shape.num_elements())

    def view(self) -> Array:
        """The value as a numpy array without a copy, which cannot be written."""
        array = self.buffer.array()
        array.flags.writeable = False
        return array

    def numpy(self) -> Any:
        """The value as a numpy array of its own; a numpy number for a tensor without axes."""
        array = self.buffer.array()
        return array.copy() if array.ndim else array[()]

    def _refused(self, what: str) -> AttributeError:
        return AttributeError(f"Tensor.{what} is undefined when eager execution is enabled.")

    @property
    def name(self) -> str:
        """Only tensors of graphs have names."""
        raise self._refused("name")

    @property
    def op(self) -> Any:
        """Only tensors of graphs have operations."""
        raise self._refused("op")

    @property
    def graph(self) -> Any:
        """Only tensors of graphs have graphs."""
        raise self._refused("graph")

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value: nothing has to be run."""
        return self.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.view()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.buffer.array().__dlpack__(**arguments)

    def __dlpack_device__(self) -> Any:
        return self.buffer.array().__dlpack_device__()

    def __bool__(self) -> bool:
        return bool(self.view())

    def __int__(self) -> int:
        return int(self.view())

    def __float__(self) -> float:
        return float(self.view())

    def __complex__(self) -> complex:
        return complex(self.view())

    def __index__(self) -> int:
        return int(self.view().__index__())

    def __round__(self, digits: int = 0) -> Any:
        return round(float(self.view()), digits)

    def __format__(self, spec: str) -> str:
        return format(self.numpy(), spec)

    def __str__(self) -> str:
        return f"tf.Tensor({self.numpy()}, shape={self.shape}, dtype={self.dtype.name})"

    def __repr__(self) -> str:
        value = self.numpy()
        text = repr(value) if self.shape else str(value)
        return f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}, numpy={text}>"

    def __copy__(self) -> EagerTensor:
        return self

    def __deepcopy__(self, memo: Any) -> EagerTensor:
        return EagerTensor.of(self.view(), self.dtype, self.buffer.device)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tensor.from_array, (self.numpy(),)


def to_array(value: Any) -> Array:
    """Anything that has a value as a numpy array, without a copy where that is possible.

    Tensors and variables give read-only views. Python numbers become float32, int32 and bool, as
    tensors would; arrays keep their type.

    Raises
    ------
    TypeError
        For tensors of a graph: they have no value before a session runs.
    """
    if isinstance(value, EagerTensor):
        return value.view()
    if isinstance(value, Tensor):
        _context.need_values(value, "code that works on numbers")
        raise TypeError(f"{value!r} has no value here: it is a tensor of a graph")
    if isinstance(value, np.ndarray):
        return value
    return array_of(value)


def array_of(value: Any, dtype: DType | None = None) -> Array:
    """A Python value as a numpy array, of TensorFlow's default type for it."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
        value = [to_array(item) for item in value]
    plain = isinstance(value, (bool, int, float, list, tuple, range))
    try:
        array = np.asarray(value)
    except ValueError as failure:
        raise ValueError("Can't convert non-rectangular Python sequence to Tensor.") from failure
    if not plain or dtype is not None or _has_numpy(value):
        return array
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and (
        array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)
    ):
        return array.astype(np.float32 if array.size == 0 else np.int32)
    return array


def _has_numpy(value: Any) -> bool:
    """Does a list hold numpy values, which keep their type?"""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return hasattr(value, "dtype")


def convert_array(value: Any, dtype: Any = None, hint: DType | None = None) -> Array:
    """A value as an array of ``dtype``; of the type ``hint`` if it can be had without loss.

    Raises
    ------
    TypeError
        If a number with a fraction is to become an integer, or a text a number.
    """
    kind = None if dtype is None else as_dtype(dtype)
    array = array_of(value, kind or hint)
    if array.dtype.kind == "c":
        raise UnsupportedError(f"tensors of type {array.dtype} are not supported")
    if array.dtype.kind in "USO":
        what = "strings" if array.dtype.kind in "US" else type(value).__name__
        raise DTypeError(f"cannot make a tensor of {what}: tensors hold numbers and bools")
    if kind is None and hint is not None:
        fits = np.can_cast(array.dtype, hint.numpy, "same_kind") or (
            array.dtype.kind in "iu" and hint.is_floating
        )
        kind = hint if fits and array.dtype.kind != "b" else None
        if kind is None and not isinstance(value, (np.ndarray, np.generic)):
            array = array_of(value)
    if kind is None:
        return array
    target = kind.numpy
    if array.dtype == target:
        return array
    is_python = not isinstance(value, (np.ndarray, np.generic))
    if is_python and kind.is_integer and array.dtype.kind == "f":
        raise DTypeError(f"Cannot convert {value!r} to EagerTensor of dtype {kind.name}")
    if is_python and (array.dtype.kind == "b") != kind.is_bool and array.size:
        raise DTypeError(f"Cannot convert {value!r} to EagerTensor of dtype {kind.name}")
    return array.astype(target)


def empty(dtype: DType, dims: Sequence[int], device: str | None = None) -> Buffer:
    """New memory, all zero."""
    return Buffer(dtype, dims, device)


def dtype_of_number(number: int) -> DType:
    """The type of the library's number."""
    return BY_NUMBER[number]


default_float = float32
