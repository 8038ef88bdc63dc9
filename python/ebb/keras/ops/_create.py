"""Operations that make tensors from nothing, or from another one's shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ebb.keras._lengths import filled, is_open
from ebb.keras.ops._operation import composed, eager, operation
from ebb.keras.ops._promotion import Array, as_array, common, dtype_name, floatx, numpy_dtype, wrap
from ebb.keras.ops._shape import lengths_of


def _prepare_like(values: dict[str, Any]) -> Any:
    values["dtype"] = dtype_name(values["dtype"])


def _kind_like(x: Array, dtype: Any) -> Any:
    return x.dtype if dtype is None else numpy_dtype(dtype)


@operation("ZerosLike", prepare=_prepare_like)
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of ``x``."""
    return np.zeros(x.shape, _kind_like(x, dtype))


@operation("OnesLike", prepare=_prepare_like)
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of ``x``."""
    return np.ones(x.shape, _kind_like(x, dtype))


@operation("FullLike", "x fill_value", prepare=_prepare_like)
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A number in the shape of ``x``."""
    return np.full(x.shape, fill_value, _kind_like(x, dtype))


@operation("ZerosLike", prepare=_prepare_like)
def empty_like(x: Any, dtype: Any = None) -> Any:
    """Memory in the shape of ``x``: zeros."""
    return np.zeros(x.shape, _kind_like(x, dtype))


def _prepare_filled(values: dict[str, Any]) -> Any:
    """Shapes with lengths that are known when the model runs."""
    if not is_open(values["shape"]):
        return None
    kind = dtype_name(values["dtype"]) or floatx().name
    number = values.get("fill_value", 0)
    if not isinstance(number, (int, float, np.number)):
        return filled(values["shape"], 0, kind) + number
    return filled(values["shape"], float(number), kind)


def _prepare_ones(values: dict[str, Any]) -> Any:
    return _prepare_filled({**values, "fill_value": 1})


@eager("", prepare=_prepare_filled)
def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros."""
    return np.zeros(lengths_of(shape), numpy_dtype(dtype))


@eager("", prepare=_prepare_ones)
def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones."""
    return np.ones(lengths_of(shape), numpy_dtype(dtype))


@eager("", prepare=_prepare_filled)
def empty(shape: Any, dtype: Any = None) -> Any:
    """Memory: zeros."""
    return np.zeros(lengths_of(shape), numpy_dtype(dtype))


@eager("fill_value", prepare=_prepare_filled)
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A number in a shape."""
    return np.full(lengths_of(shape), fill_value, numpy_dtype(dtype))


@eager("")
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803
    """Ones on a diagonal of a matrix of ``N`` rows and ``M`` columns."""
    return np.eye(N, M, k, numpy_dtype(dtype))


@eager("")
def identity(n: int, dtype: Any = None) -> Any:
    """Ones on the main diagonal of a square matrix."""
    return np.eye(n, dtype=numpy_dtype(dtype))


@eager("")
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803
    """Ones on and below a diagonal."""
    return np.tri(N, M, k, numpy_dtype(dtype))


def _numbers_kind(values: list[Any], dtype: Any, floats: bool) -> Any:
    if dtype is not None:
        return numpy_dtype(dtype)
    kind = common([as_array(value).dtype for value in values if value is not None])
    return floatx() if kind.kind in ("iub" if floats else "b") else kind


def _plain(value: Any) -> Any:
    return value if value is None else as_array(value).item()


@eager("")
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Numbers from ``start`` to before ``stop``; with one argument from 0 to before it."""
    kind = _numbers_kind([start, stop, step], dtype, False)
    first, last, by = _plain(start), _plain(stop), _plain(step)
    if last is None:
        first, last = 0, first
    return np.arange(first, last, 1 if by is None else by).astype(kind)


@eager("start stop")
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``num`` numbers at equal distances; the distance too if asked for."""
    kind = _numbers_kind([start, stop], dtype, True)
    function: Any = np.linspace
    made, step = function(start, stop, num, endpoint, True, axis=axis)
    made = np.floor(made) if kind.kind in "iu" else made
    return (made.astype(kind), np.asarray(step, kind)) if retstep else made.astype(kind)


@eager("start stop")
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Powers of ``base`` with exponents at equal distances."""
    kind = _numbers_kind([start, stop], dtype, True)
    return np.logspace(start, stop, num, endpoint, base, axis=axis).astype(kind)


@eager("start stop")
def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Numbers at equal ratios."""
    kind = _numbers_kind([start, stop], dtype, True)
    return np.geomspace(start, stop, num, endpoint, axis=axis).astype(kind)


def _window(made: Array) -> Array:
    return made.astype(floatx())


@eager("")
def bartlett(x: Any) -> Any:
    """Triangular window of ``x`` points."""
    return _window(np.bartlett(_plain(x)))


@eager("")
def blackman(x: Any) -> Any:
    """Blackman window of ``x`` points."""
    return _window(np.blackman(_plain(x)))


@eager("")
def hamming(x: Any) -> Any:
    """Hamming window of ``x`` points."""
    return _window(np.hamming(_plain(x)))


@eager("")
def hanning(x: Any) -> Any:
    """Hann window of ``x`` points."""
    return _window(np.hanning(_plain(x)))


@eager("")
def kaiser(x: Any, beta: Any) -> Any:
    """Kaiser window of ``x`` points."""
    return _window(np.kaiser(_plain(x), _plain(beta)))


@eager()
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """Powers of a vector as columns."""
    return np.vander(x, N, increasing).astype(x.dtype)


@eager("indices")
def unravel_index(indices: Any, shape: Any) -> Any:
    """Flat indices as one index for each axis: a tuple."""
    found = np.unravel_index(indices, lengths_of(shape))
    return tuple(index.astype(indices.dtype) for index in found)


@eager()
def nonzero(x: Any) -> Any:
    """Where something else than 0 is: a tuple of one index array for each axis."""
    return tuple(index.astype(np.int32) for index in np.nonzero(x))


@composed
def array(x: Any, dtype: Any = None) -> Any:
    """A tensor of anything."""
    from ebb.keras.ops.core import convert_to_tensor

    return convert_to_tensor(x, dtype)


@composed
def ndim(x: Any) -> Any:
    """How many axes there are."""
    return len(x.shape) if hasattr(x, "shape") else as_array(x).ndim


@composed
def size(x: Any) -> Any:
    """How many elements there are; None if that is known only when a model runs."""
    lengths = tuple(x.shape) if hasattr(x, "shape") else as_array(x).shape
    return None if None in lengths else math.prod(lengths)


@composed
def vectorize(pyfunc: Any, *, excluded: Any = None, signature: str | None = None) -> Any:
    """A function of single numbers as one of arrays."""
    function = np.vectorize(pyfunc, excluded=excluded, signature=signature)
    return lambda *values: wrap(np.asarray(function(*[as_array(value) for value in values])))
