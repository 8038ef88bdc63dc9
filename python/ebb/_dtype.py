"""Data types and shapes of tensors, as TensorFlow shows them.

A ``DType`` is one object for each type of the library (and for the names of TensorFlow that the
library has no numbers for: strings and complex ones). It equals its own name, its numpy type and
numpy dtype, so that code written for either goes on working.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ebb._errors import DTypeError, UnsupportedError
from ebb._native import lib

Array = NDArray[Any]


class DType:
    """The type of a tensor's elements: ``tf.float32``.

    Attributes
    ----------
    name : str
        ``"float32"``.
    number : int
        The library's number; 0 for types that it cannot compute with.
    size : int
        Bytes of one element.
    """

    __slots__ = ("_numpy", "name", "number", "size")

    def __init__(self, name: str, number: int, size: int, numpy: DTypeLike | None) -> None:
        self.name = name
        self.number = number
        self.size = size
        self._numpy = None if numpy is None else np.dtype(numpy)

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype; that of ``ml_dtypes`` for bfloat16, which has to be installed."""
        if self._numpy is None:
            if self.name != "bfloat16":
                raise UnsupportedError(f"tensors of type {self.name} are not supported")
            import ml_dtypes  # type: ignore[import-not-found,import-untyped,unused-ignore]

            self._numpy = np.dtype(ml_dtypes.bfloat16)
        return self._numpy

    @property
    def as_numpy_dtype(self) -> Any:
        """The numpy type: ``np.float32``."""
        return self.numpy.type

    @property
    def base_dtype(self) -> DType:
        """The type itself: there are no reference types."""
        return self

    @property
    def real_dtype(self) -> DType:
        """The type itself."""
        return self

    @property
    def is_floating(self) -> bool:
        """Whether this is a float type."""
        return "float" in self.name

    @property
    def is_integer(self) -> bool:
        """Whether this is an integer type; bool is none."""
        return "int" in self.name

    @property
    def is_unsigned(self) -> bool:
        """Whether this is an integer type without negative numbers."""
        return self.name.startswith("uint")

    @property
    def is_complex(self) -> bool:
        """Whether this is a complex type."""
        return self.name.startswith("complex")

    @property
    def is_bool(self) -> bool:
        """Whether this is bool."""
        return self.name == "bool"

    @property
    def is_numpy_compatible(self) -> bool:
        """Whether numpy has the type."""
        return self._numpy is not None

    @property
    def as_datatype_enum(self) -> int:
        """TensorFlow's number of the type."""
        return _TENSORFLOW_NUMBERS[self.name]

    def _limits(self) -> Any:
        if self.is_bool:
            return None
        if self.name == "bfloat16":
            import ml_dtypes

            return ml_dtypes.finfo(ml_dtypes.bfloat16)
        return np.finfo(self.numpy) if self.is_floating else np.iinfo(self.numpy)

    @property
    def min(self) -> Any:
        """The lowest finite number."""
        limits = self._limits()
        return False if limits is None else limits.min

    @property
    def max(self) -> Any:
        """The highest finite number."""
        limits = self._limits()
        return True if limits is None else limits.max

    def is_compatible_with(self, other: Any) -> bool:
        """Whether both are the same type."""
        return bool(self == other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        if other is None:
            return False
        if isinstance(other, str):
            return other == self.name or (self._numpy is not None and _same(self._numpy, other))
        return self._numpy is not None and _same(self._numpy, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


def _same(dtype: np.dtype[Any], other: Any) -> bool:
    try:
        return bool(dtype == other)
    except TypeError:
        return False


float16 = half = DType("float16", lib.EBB_F16, 2, np.float16)
float32 = DType("float32", lib.EBB_F32, 4, np.float32)
float64 = double = DType("float64", lib.EBB_F64, 8, np.float64)
bfloat16 = DType("bfloat16", lib.EBB_BF16, 2, None)
int8 = DType("int8", lib.EBB_I8, 1, np.int8)
int16 = DType("int16", lib.EBB_I16, 2, np.int16)
int32 = DType("int32", lib.EBB_I32, 4, np.int32)
int64 = DType("int64", lib.EBB_I64, 8, np.int64)
uint8 = DType("uint8", lib.EBB_U8, 1, np.uint8)
uint16 = DType("uint16", lib.EBB_U16, 2, np.uint16)
uint32 = DType("uint32", lib.EBB_U32, 4, np.uint32)
uint64 = DType("uint64", lib.EBB_U64, 8, np.uint64)
bool_ = DType("bool", lib.EBB_BOOL, 1, np.bool_)
string = DType("string", 0, 0, None)
complex64 = DType("complex64", 0, 8, None)
complex128 = DType("complex128", 0, 16, None)

_ALL = (
    float16, float32, float64, bfloat16, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    bool_, string, complex64, complex128,
)  # fmt: skip
_BY_NAME: dict[str, DType] = {dtype.name: dtype for dtype in _ALL}
_BY_NAME.update(half=float16, double=float64, float=float32, int=int32, str=string)
BY_NUMBER: dict[int, DType] = {dtype.number: dtype for dtype in _ALL if dtype.number}
_BY_NUMPY: dict[Any, DType] = {
    dtype._numpy: dtype for dtype in _ALL if dtype.number and dtype._numpy is not None
}
_PYTHON: dict[Any, DType] = {float: float32, int: int32, bool: bool_, str: string}
_TENSORFLOW_NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7,
    "complex64": 8, "int64": 9, "bool": 10, "bfloat16": 14, "uint16": 17, "complex128": 18,
    "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip


def as_dtype(value: Any) -> DType:
    """The ``DType`` of a name, a numpy dtype, a Python type or a ``DType``.

    Raises
    ------
    DTypeError
        If there is no such type; it is a ``TypeError`` too.
    """
    if isinstance(value, DType):
        return value
    try:
        if isinstance(value, np.dtype) and value in _BY_NUMPY:
            return _BY_NUMPY[value]
        found = _PYTHON.get(value) or _BY_NAME.get(value) or _BY_NUMPY.get(value)
    except TypeError:
        found = None
    if found is not None:
        return found
    name = getattr(value, "name", None)  # Keras's and ml_dtypes' own objects
    if isinstance(name, str) and name in _BY_NAME:
        return _BY_NAME[name]
    try:
        name = np.dtype(value).name
    except TypeError:
        name = str(value)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith("str") or name == "object":
        return string
    raise DTypeError(f"cannot convert {value!r} to a data type of tensors")


class TensorShape(tuple[Any, ...]):
    """A shape: a tuple of lengths, None for one that is not known.

    Unlike TensorFlow's it always has a known rank, and it is a tuple.
    """

    __slots__ = ()

    def __new__(cls, dims: Iterable[Any] | int | None = ()) -> TensorShape:
        if type(dims) is TensorShape:
            return dims
        if dims is None:
            raise UnsupportedError("shapes of unknown rank are not supported")
        if isinstance(dims, (int, np.integer)):
            dims = (dims,)
        return super().__new__(cls, [length_of(dim) for dim in dims])

    @classmethod
    def of_lengths(cls, dims: tuple[int, ...]) -> TensorShape:
        """Of lengths that are plain numbers: nothing is looked at."""
        return tuple.__new__(cls, dims)

    @property
    def rank(self) -> int:
        """How many axes there are."""
        return len(self)

    ndims = rank

    @property
    def dims(self) -> list[Any]:
        """The lengths as a list."""
        return list(self)

    def as_list(self) -> list[Any]:
        """The lengths as a list."""
        return list(self)

    def is_fully_defined(self) -> bool:
        """Whether every length is known."""
        return None not in tuple(self)

    def num_elements(self) -> Any:
        """The product of the lengths; None where one is not known."""
        if not self.is_fully_defined():
            return None
        product = 1
        for dim in self:
            product *= dim
        return product

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor could have both shapes."""
        other = tuple(TensorShape(other))
        return len(self) == len(other) and all(
            a is None or b is None or a == b for a, b in zip(self, other)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ValueError unless a tensor could have both shapes."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {TensorShape(other)} are incompatible")

    def assert_has_rank(self, rank: int) -> None:
        """Raises ValueError unless there are ``rank`` axes."""
        if len(self) != rank:
            raise ValueError(f"Shape {self} must have rank {rank}")

    def with_rank(self, rank: int) -> TensorShape:
        """The shape itself, if it has ``rank`` axes."""
        self.assert_has_rank(rank)
        return self

    def merge_with(self, other: Any) -> TensorShape:
        """What both shapes know together."""
        self.assert_is_compatible_with(other)
        return TensorShape([b if a is None else a for a, b in zip(self, TensorShape(other))])

    def concatenate(self, other: Any) -> TensorShape:
        """The axes of this shape, then those of the other."""
        return TensorShape((*self, *TensorShape(other)))

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return TensorShape(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return TensorShape(other).concatenate(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, list):
            other = tuple(other)
        return tuple.__eq__(self, other) if isinstance(other, tuple) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __str__(self) -> str:
        return repr(tuple(self))

    def __repr__(self) -> str:
        return f"TensorShape({list(self)})"


def length_of(dim: Any) -> int | None:
    """One length of a shape: None and -1 for one that is not known."""
    if dim is None:
        return None
    dim = getattr(dim, "value", dim) if not isinstance(dim, (int, np.integer)) else dim
    if dim is None:
        return None
    number = int(dim)
    if number < -1:
        raise ValueError(f"Dimension {number} must be >= 0")
    return None if number == -1 else number


def dtypes() -> Iterator[DType]:
    """Every type."""
    return iter(_ALL)
