"""Operations that sum up along axes: sums, means, extremes, running sums, order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras._policy import settings
from ebb.keras.ops._operation import LINALG, MATH, NN, composed, eager, is_symbolic, operation
from ebb.keras.ops._promotion import Array, as_array, floatx, is_float, numpy_dtype, to_float


def axes_of(axis: Any) -> Any:
    """An axis argument as numpy wants it: a tuple for a list."""
    return tuple(axis) if isinstance(axis, list) else axis


def _summed(x: Array) -> Array:
    """Small integers and bools as the 32 bit integers that they are summed in."""
    if x.dtype.kind == "b" or (x.dtype.kind == "i" and x.dtype.itemsize < 4):
        return x.astype(np.int32)
    return x.astype(np.uint32) if x.dtype.kind == "u" and x.dtype.itemsize < 4 else x


def _counted(x: Array) -> Array:
    return x.astype(np.int32) if x.dtype == np.bool_ else x


@operation("Sum")
def sum_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum along axes."""
    x = _summed(x)
    return np.sum(x, axes_of(axis), x.dtype, keepdims=keepdims)


@operation("Mean", promote="float")
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean along axes, a float."""
    return np.mean(x, axes_of(axis), keepdims=keepdims)


def _extreme(function: Any, x: Array, axis: Any, keepdims: bool, initial: Any) -> Any:
    if initial is None:
        return function(x, axis=axes_of(axis), keepdims=keepdims)
    return function(x, axis=axes_of(axis), keepdims=keepdims, initial=as_array(initial).item())


@operation("Max")
def max_(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Largest along axes."""
    return _extreme(np.max, x, axis, keepdims, initial)


@operation("Min")
def min_(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Smallest along axes."""
    return _extreme(np.min, x, axis, keepdims, initial)


@operation("Amax")
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest along axes."""
    return np.max(x, axis=axes_of(axis), keepdims=keepdims)


@operation("Amin")
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest along axes."""
    return np.min(x, axis=axes_of(axis), keepdims=keepdims)


@operation("Prod")
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Product along axes."""
    x = _summed(x) if dtype is None else x.astype(numpy_dtype(dtype))
    return np.prod(x, axes_of(axis), x.dtype, keepdims=keepdims)


@operation("Any")
def any_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether anything is true along axes."""
    return np.any(x, axes_of(axis), keepdims=keepdims)


@operation("All")
def all_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether everything is true along axes."""
    return np.all(x, axes_of(axis), keepdims=keepdims)


@operation("Var", promote="float")
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Variance along axes: the mean of squared distances from the mean."""
    return np.var(x, axes_of(axis), keepdims=keepdims)


@operation("Std", promote="float")
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Standard deviation along axes."""
    return np.std(x, axes_of(axis), keepdims=keepdims)


def _prepare_moments(values: dict[str, Any]) -> Any:
    axes = values["axes"]
    values["axes"] = list(axes) if isinstance(axes, (list, tuple)) else [axes]


@operation("Moments", promote="float", module=NN, prepare=_prepare_moments)
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and variance along axes, a pair."""
    axes = axes_of(axes)
    return np.mean(x, axes, keepdims=keepdims), np.var(x, axes, keepdims=keepdims)


@operation("Logsumexp", promote="float", module=MATH)
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` along axes without overflow."""
    axis = axes_of(axis)
    high = np.max(x, axis, keepdims=True)
    high = np.where(np.isfinite(high), high, 0).astype(x.dtype)
    total = np.log(np.sum(np.exp(x - high), axis, keepdims=True)) + high
    if keepdims:
        return total
    return total.reshape(()) if axis is None else np.squeeze(total, axis)


@operation("CountNonzero")
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many are not 0 along axes, int32."""
    return np.asarray(np.count_nonzero(x, axes_of(axis)), np.int32)


@operation("Ptp")
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest minus smallest along axes."""
    return np.ptp(x, axes_of(axis), keepdims=keepdims)


@operation("Average", "x weights", "meet_float")
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Mean along an axis, with a weight for each number if weights are given."""
    return np.average(x, axes_of(axis), weights)


def _index(found: Any) -> Any:
    return np.asarray(found, np.int32)


@operation("Argmax")
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the largest is, int32; of the flat tensor without an axis."""
    return _index(np.argmax(_counted(x), axis, keepdims=keepdims))


@operation("Argmin")
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the smallest is, int32; of the flat tensor without an axis."""
    return _index(np.argmin(_counted(x), axis, keepdims=keepdims))


def _running(function: Any, x: Array, axis: int | None, dtype: Any) -> Any:
    kind = _counted(x).dtype if dtype is None else numpy_dtype(dtype)
    return function(x, axis, np.int32 if kind.kind == "b" else kind)


@operation("Cumsum")
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sum along an axis, or of the flat tensor."""
    return _running(np.cumsum, x, axis, dtype)


@operation("Cumprod")
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running product along an axis, or of the flat tensor."""
    return _running(np.cumprod, x, axis, dtype)


@operation("Norm", promote="float", module=LINALG)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of vectors (one axis) or matrices (two axes).

    Parameters
    ----------
    x : tensor, array or number
        The vectors or matrices.
    ord : number, inf, -inf, "fro" or "nuc", optional
        Which norm; by default the Euclidean one.
    axis : int, pair of int or None
        Where the vectors or matrices are; None: all of ``x`` is one.
    keepdims : bool
        Whether these axes stay, with length 1.

    Returns
    -------
    Tensor, or KerasTensor if ``x`` is one
    """
    if axis is None and x.ndim > 2 and ord is None:
        return np.sqrt(np.sum(x * x, keepdims=keepdims))
    return np.linalg.norm(x, ord, axes_of(axis), keepdims)


# -- arrays only -------------------------------------------------------------------------------


@eager(promote="float")
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle along axes; the mean of two for an even number."""
    return np.median(x, axes_of(axis), keepdims=keepdims).astype(x.dtype)


def _quantile(function: Any, x: Array, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
    found = function(x, as_array(q).astype(np.float64), axes_of(axis), method=method)
    if keepdims:
        found = function(x, as_array(q).astype(np.float64), axes_of(axis), method=method,
                         keepdims=True)  # fmt: skip
    return np.asarray(found).astype(x.dtype)


@eager(promote="float")
def quantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """The number that a share ``q`` of the numbers along axes is below."""
    return _quantile(np.quantile, x, q, axis, method, keepdims)


@eager(promote="float")
def percentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """The number that ``q`` percent of the numbers along axes are below."""
    return _quantile(np.percentile, x, q, axis, method, keepdims)


@eager()
def sort(x: Any, axis: int = -1) -> Any:
    """In rising order along an axis."""
    return np.sort(x, axis, kind="stable")


@eager()
def argsort(x: Any, axis: int | None = -1) -> Any:
    """Indices, int32, that bring an axis into rising order."""
    return _index(np.argsort(_counted(x), axis, kind="stable"))


@eager()
def argpartition(x: Any, kth: int, axis: int = -1) -> Any:
    """Indices, int32: those of the ``kth`` smallest first."""
    return _index(np.argpartition(x, kth, axis))


@eager("x")
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    """The ``k`` largest along the last axis, and where they are (int32)."""
    order = np.flip(np.argsort(np.flip(_counted(x), -1), -1, kind="stable"), -1)[..., :k]
    order = x.shape[-1] - 1 - order
    return np.take_along_axis(x, order, -1), _index(order)


@eager("targets predictions")
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether the class of a row is among its ``k`` largest numbers."""
    own = np.take_along_axis(predictions, targets[..., None].astype(np.int64), -1)
    return ((predictions > own).sum(-1) < k) & np.isfinite(own[..., 0])


@eager("sorted_sequence values")
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where values would go in a sorted vector, int32."""
    return _index(np.searchsorted(sorted_sequence, values, "right" if side == "right" else "left"))


@eager("x bins")
def digitize(x: Any, bins: Any) -> Any:
    """In which bin each number is, int32; a number on a bound is in the upper bin."""
    return _index(np.searchsorted(bins, x, "right"))


@eager("x weights")
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each integer from 0 on is there, or the sum of its weights; rows one by one."""
    rows = x.reshape(-1, x.shape[-1]).astype(np.int64)
    length = max(int(rows.max()) + 1 if rows.size else 0, minlength)
    scale = None if weights is None else np.broadcast_to(weights, x.shape).reshape(rows.shape)
    counts = [
        np.bincount(row, None if scale is None else scale[i], length) for i, row in enumerate(rows)
    ]
    kind = np.dtype(np.int32) if scale is None else scale.dtype
    return np.asarray(counts, kind).reshape((*x.shape[:-1], length))


@eager()
def histogram(x: Any, bins: Any = 10, range: Any = None) -> Any:
    """How many numbers are in each of ``bins`` equal bins, and the bounds of the bins."""
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"histogram: bins: expected a positive integer, found {bins!r}")
    counts, edges = np.histogram(x, bins, range)
    kind = x.dtype if is_float(x.dtype) else floatx()
    return counts.astype(kind), edges.astype(kind)


@eager()
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The different numbers, in rising order; where each is first, and how often, if asked for."""
    function: Any = np.unique
    found = function(x, return_index, return_inverse, return_counts, axis)
    parts = list(found) if isinstance(found, tuple) else [found]
    if size is not None:
        at = 0 if axis is None else axis
        fill = parts[0].min() if fill_value is None and parts[0].size else (fill_value or 0)
        short = size - parts[0].shape[at]
        if short > 0:
            widths = [(0, 0)] * parts[0].ndim
            widths[at] = (0, short)
            parts[0] = np.pad(parts[0], widths, constant_values=fill)
        parts[0] = np.take(parts[0], np.arange(size), at)
    parts = [parts[0], *(_index(part) for part in parts[1:])]
    return tuple(parts) if len(parts) > 1 else parts[0]


# -- without NaN -------------------------------------------------------------------------------


def _filled(x: Array, fill: float) -> Array:
    return np.where(np.isnan(x), np.asarray(fill, x.dtype), x) if is_float(x.dtype) else x


@eager()
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum along axes; NaN counts as 0."""
    x = _summed(_filled(x, 0))
    return np.sum(x, axes_of(axis), x.dtype, keepdims=keepdims)


@eager()
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product along axes; NaN counts as 1."""
    x = _summed(_filled(x, 1))
    return np.prod(x, axes_of(axis), x.dtype, keepdims=keepdims)


@eager(promote="float")
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean along axes of what is not NaN."""
    return np.nanmean(x, axes_of(axis), keepdims=keepdims)


@eager(promote="float")
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Variance along axes of what is not NaN."""
    return np.nanvar(x, axes_of(axis), keepdims=keepdims)


@eager(promote="float")
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Standard deviation along axes of what is not NaN."""
    return np.nanstd(x, axes_of(axis), keepdims=keepdims)


@eager()
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest along axes of what is not NaN."""
    return np.nanmax(x, axes_of(axis), keepdims=keepdims)


@eager()
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest along axes of what is not NaN."""
    return np.nanmin(x, axes_of(axis), keepdims=keepdims)


@eager(promote="float")
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle along axes of what is not NaN."""
    return np.nanmedian(x, axes_of(axis), keepdims=keepdims).astype(x.dtype)


@eager(promote="float")
def nanquantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Quantile along axes of what is not NaN."""
    return _quantile(np.nanquantile, x, q, axis, method, keepdims)


@eager(promote="float")
def nanpercentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Percentile along axes of what is not NaN."""
    return _quantile(np.nanpercentile, x, q, axis, method, keepdims)


@eager()
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sum; NaN counts as 0."""
    return _running(np.cumsum, _filled(x, 0), axis, dtype)


@eager()
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running product; NaN counts as 1."""
    return _running(np.cumprod, _filled(x, 1), axis, dtype)


def _nanarg(function: Any, x: Array, axis: int | None, keepdims: bool, fill: float) -> Any:
    found = function(_filled(x, fill), axis, keepdims=keepdims)
    empty = np.all(np.isnan(x), axis, keepdims=keepdims) if is_float(x.dtype) else False
    return _index(np.where(empty, -1, found))


@eager()
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the largest is that is not NaN; -1 where all are."""
    return _nanarg(np.argmax, x, axis, keepdims, -np.inf)


@eager()
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the smallest is that is not NaN; -1 where all are."""
    return _nanarg(np.argmin, x, axis, keepdims, np.inf)


# -- segments ----------------------------------------------------------------------------------


def _segments(function: Any, data: Array, ids: Array, count: int | None, start: Any) -> Array:
    number = int(ids.max()) + 1 if count is None and ids.size else int(count or 0)
    made = np.full((number, *data.shape[1:]), start, data.dtype)
    kept = (ids >= 0) & (ids < number)
    function.at(made, ids[kept], data[kept])
    return made


def _limits(data: Array) -> Any:
    return np.finfo(data.dtype) if is_float(data.dtype) else np.iinfo(data.dtype)


@eager("data segment_ids")
def segment_sum(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """Sums of the rows that have the same id."""
    return _segments(np.add, data, segment_ids, num_segments, 0)


@eager("data segment_ids")
def segment_prod(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """Products of the rows that have the same id."""
    return _segments(np.multiply, data, segment_ids, num_segments, 1)


@eager("data segment_ids")
def segment_max(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """Largest of the rows that have the same id; the lowest number where there is none."""
    low = -np.inf if is_float(data.dtype) else _limits(data).min
    return _segments(np.maximum, data, segment_ids, num_segments, low)


@eager("data segment_ids")
def segment_min(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """Smallest of the rows that have the same id; the highest number where there is none."""
    high = np.inf if is_float(data.dtype) else _limits(data).max
    return _segments(np.minimum, data, segment_ids, num_segments, high)


@eager("y x")
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Area below the line through points, by trapezoids."""
    y = to_float(y)
    heights = np.moveaxis(y, axis, -1)
    widths: Any = dx if x is None else np.diff(np.moveaxis(x, axis, -1) if x.ndim > 1 else x)
    return ((heights[..., 1:] + heights[..., :-1]) / 2 * widths).sum(-1).astype(y.dtype)


@eager(promote="float")
def corrcoef(x: Any) -> Any:
    """Correlation of the rows with each other."""
    return np.corrcoef(x).astype(x.dtype)


@eager("x1 x2", "meet_float")
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """Sums of products of two vectors at every shift."""
    function: Any = np.correlate
    return function(x1, x2, mode)


@composed
def normalize(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """Divides by the norm along an axis.

    Parameters
    ----------
    x : tensor, array or number
        Any shape.
    axis : int or tuple of int
        The axes of the norm.
    order : number
        Of the norm.
    epsilon : float, optional
        The smallest divisor; by default ``keras.config.epsilon()``.

    Returns
    -------
    Tensor, or KerasTensor if ``x`` is one
    """
    from ebb.keras import ops

    least = float(settings.epsilon) if epsilon is None else epsilon
    axis = axes_of(axis)
    if order == 2:
        x = ops.cast(x, "float32") if not is_symbolic(x) and not is_float(as_array(x).dtype) else x
        square = ops.sum(ops.square(x), axis=axis, keepdims=True)
        return ops.multiply(x, ops.rsqrt(ops.maximum(square, least * least)))
    length = ops.norm(x, ord=order, axis=axis, keepdims=True)
    return ops.divide(x, ops.maximum(length, least))
