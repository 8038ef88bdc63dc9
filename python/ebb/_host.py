"""Operations that numpy does for tensors whose value is there.

``MOVES`` only move or make elements: there is nothing to compute, and each new index would be a
program of its own for the library. ``WIDE`` computes with the types that the library would narrow
(float64, 64-bit and unsigned 32-bit integers), and with tensors that have no elements. Functions
take the inputs of TensorFlow's operation as arrays and its attributes by name.
"""

from __future__ import annotations

import math
from typing import Any, Callable

import numpy as np

from ebb._dtype import Array, as_dtype
from ebb._errors import ArgumentError

Function = Callable[..., Any]


def _ints(x: Any) -> list[int]:
    return [int(i) for i in np.asarray(x).reshape(-1)]


# -- moves -----------------------------------------------------------------------------------------


def _reshape(x: Array, shape: Array, **_: Any) -> Array:
    dims = _ints(shape)
    if dims.count(-1) > 1:
        raise ArgumentError("Only one input size may be -1 [Op:Reshape]")
    known = math.prod(d for d in dims if d != -1)
    if -1 in dims:
        if known == 0 or x.size % known:
            raise ArgumentError(
                f"Input to reshape is a tensor with {x.size} values, but the requested shape "
                f"requires a multiple of {known} [Op:Reshape]"
            )
    elif known != x.size:
        raise ArgumentError(
            f"Input to reshape is a tensor with {x.size} values, but the requested shape has "
            f"{known} [Op:Reshape]"
        )
    return x.reshape(dims)


def _axis(axis: Any, rank: int, op: str) -> int:
    number = int(axis)
    if not -rank <= number < rank:
        raise ArgumentError(
            f"Expected dimension in the range [{-rank}, {rank}), but got {number} [Op:{op}]"
        )
    return number % rank if rank else 0


def _transpose(x: Array, order: Array, **_: Any) -> Array:
    axes = _ints(order)
    if sorted(a % x.ndim if x.ndim else a for a in axes) != list(range(x.ndim)):
        raise ArgumentError(f"transpose expects the {x.ndim} axes, got {axes} [Op:Transpose]")
    return np.transpose(x, axes)


def _squeeze(x: Array, squeeze_dims: Any = (), **_: Any) -> Array:
    if not squeeze_dims:
        return x.squeeze()
    axes = tuple(_axis(a, x.ndim, "Squeeze") for a in squeeze_dims)
    for axis in axes:
        if x.shape[axis] != 1:
            raise ArgumentError(
                f"Can not squeeze dim[{axis}], expected a dimension of 1, got {x.shape[axis]} "
                "[Op:Squeeze]"
            )
    return x.squeeze(axes)


def _concat(*items: Any, **_: Any) -> Array:
    arrays, axis = items[:-1], int(items[-1])
    place = _axis(axis, arrays[0].ndim, "ConcatV2")
    for array in arrays[1:]:
        for i, (a, b) in enumerate(zip(arrays[0].shape, array.shape)):
            if array.ndim != arrays[0].ndim or (a != b and i != place):
                shapes = [str(list(x.shape)).replace(" ", "") for x in (arrays[0], array)]
                raise ArgumentError(
                    f"ConcatOp : Dimension {i} in both shapes must be equal: shape[0] = "
                    f"{shapes[0]} vs. shape[1] = {shapes[1]} [Op:ConcatV2]"
                )
    return np.concatenate(arrays, place)


def _pack(*items: Array, axis: int = 0, **_: Any) -> Array:
    for item in items[1:]:
        if item.shape != items[0].shape:
            shapes = [str(list(x.shape)).replace(" ", "") for x in (items[0], item)]
            raise ArgumentError(
                f"Shapes of all inputs must match: values[0].shape = {shapes[0]} != "
                f"values[1].shape = {shapes[1]} [Op:Pack]"
            )
    return np.stack(items, axis)


def _unpack(x: Array, axis: int = 0, **_: Any) -> list[Array]:
    return list(np.moveaxis(x, axis, 0)) if x.ndim else []


def _slice(x: Array, begin: Array, size: Array, **_: Any) -> Array:
    starts, sizes = _ints(begin), _ints(size)
    ends = [x.shape[i] if n == -1 else starts[i] + n for i, n in enumerate(sizes)]
    for i, (start, end) in enumerate(zip(starts, ends)):
        if not 0 <= start <= end <= x.shape[i]:
            raise ArgumentError(
                f"Expected begin[{i}] in [0, {x.shape[i]}], and size[{i}] in "
                f"[0, {x.shape[i] - start}], but got {start} and {end - start} [Op:Slice]"
            )
    return x[tuple(slice(a, b) for a, b in zip(starts, ends))]


def _split(axis: Array, x: Array, num_split: int = 1, **_: Any) -> list[Array]:
    place = _axis(axis, x.ndim, "Split")
    if x.shape[place] % num_split:
        raise ArgumentError(
            f"Dimension size must be evenly divisible by {num_split} but is {x.shape[place]} "
            "[Op:Split]"
        )
    return np.split(x, num_split, place)


def _split_v(x: Array, sizes: Array, axis: Array, **_: Any) -> list[Array]:
    place, parts = _axis(axis, x.ndim, "SplitV"), _ints(sizes)
    rest = x.shape[place] - sum(n for n in parts if n != -1)
    parts = [rest if n == -1 else n for n in parts]
    if sum(parts) != x.shape[place] or min(parts) < 0:
        raise ArgumentError(
            f"Determined shape must match: sizes {parts} for an axis of {x.shape[place]} "
            "[Op:SplitV]"
        )
    return np.split(x, np.cumsum(parts)[:-1], place)


def _gather(x: Array, indices: Array, axis: Any = 0, batch_dims: int = 0, **_: Any) -> Array:
    place = _axis(axis, x.ndim, "GatherV2")
    length = x.shape[place]
    if indices.size and (indices.min() < 0 or indices.max() >= length):
        bad = int(indices[(indices < 0) | (indices >= length)].reshape(-1)[0])
        raise ArgumentError(f"indices has a value {bad} that is not in [0, {length}) [Op:GatherV2]")
    if not batch_dims:
        return np.take(x, indices, place)
    batch = x.shape[:batch_dims]
    flat = x.reshape((-1, *x.shape[batch_dims:]))
    rows = indices.reshape((-1, *indices.shape[batch_dims:]))
    taken = [np.take(a, i, place - batch_dims) for a, i in zip(flat, rows)]
    return np.stack(taken).reshape((*batch, *taken[0].shape))


def _gather_nd(x: Array, indices: Array, **_: Any) -> Array:
    places = np.moveaxis(indices, -1, 0)
    for axis, place in enumerate(places):
        if place.size and (place.min() < 0 or place.max() >= x.shape[axis]):
            raise ArgumentError(
                f"indices do not index into a tensor of shape {list(x.shape)} [Op:GatherNd]"
            )
    return np.asarray(x[tuple(places)])


def _tile(x: Array, multiples: Array, **_: Any) -> Array:
    return np.tile(x, _ints(multiples))


def _pad(x: Array, paddings: Array, value: Any = 0, **_: Any) -> Array:
    widths = [(int(a), int(b)) for a, b in np.asarray(paddings).reshape(-1, 2)]
    if len(widths) != x.ndim or min((min(w) for w in widths), default=0) < 0:
        raise ArgumentError(
            f"paddings must be {x.ndim} pairs of numbers >= 0, got {widths} [Op:Pad]"
        )
    return np.pad(x, widths, constant_values=np.asarray(value).astype(x.dtype))


def _mirror_pad(x: Array, paddings: Array, mode: str = "REFLECT", **_: Any) -> Array:
    widths = [(int(a), int(b)) for a, b in np.asarray(paddings)]
    return np.pad(x, widths, mode="reflect" if mode.upper() == "REFLECT" else "symmetric")


def _broadcast(x: Array, shape: Array, **_: Any) -> Array:
    try:
        return np.broadcast_to(x, _ints(shape))
    except ValueError:
        raise ArgumentError(
            f"Incompatible shapes: {list(x.shape)} vs. {_ints(shape)} [Op:BroadcastTo]"
        ) from None


def _cast(x: Array, DstT: Any = None, Truncate: bool = False) -> Array:  # noqa: N803
    return x.astype(as_dtype(DstT).numpy)


def _one_hot(indices: Array, depth: Any, on: Array, off: Array, axis: int = -1, **_: Any) -> Array:
    place = axis if axis >= 0 else indices.ndim + 1 + axis
    shape = [1] * (indices.ndim + 1)
    shape[place] = int(depth)
    hot = np.expand_dims(indices, place) == np.arange(int(depth)).reshape(shape)
    return np.where(hot, on, off)


def _range(start: Array, limit: Array, delta: Array, **_: Any) -> Array:
    if delta == 0:
        raise ArgumentError("Requires delta != 0 [Op:Range]")
    return np.asarray(np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype))


def _linspace(start: Array, stop: Array, num: Array, **_: Any) -> Array:
    if int(num) < 1:
        raise ArgumentError(f"Requires num > 0: {int(num)} [Op:LinSpace]")
    return np.linspace(start, stop, int(num)).astype(start.dtype)


def _reverse(x: Array, axes: Array, **_: Any) -> Array:
    return np.flip(x, tuple(_axis(a, x.ndim, "ReverseV2") for a in np.asarray(axes).reshape(-1)))


def _roll(x: Array, shift: Array, axis: Array, **_: Any) -> Array:
    return np.roll(x, tuple(_ints(shift)), tuple(_ints(axis)))


def _select(condition: Array, x: Array, y: Array, **_: Any) -> Array:
    try:
        return np.where(condition, x, y)
    except ValueError as failure:
        raise ArgumentError(f"condition, x and y do not broadcast: {failure}") from None


def _band_part(x: Array, lower: Array, upper: Array, **_: Any) -> Array:
    rows, columns = x.shape[-2:]
    offset = np.arange(columns) - np.arange(rows)[:, None]
    low, high = int(lower), int(upper)
    keep = ((low < 0) | (-offset <= low)) & ((high < 0) | (offset <= high))
    return np.where(keep, x, np.zeros((), x.dtype))


def _diag(x: Array, **_: Any) -> Array:
    return np.asarray(x[..., None] * np.eye(x.shape[-1], dtype=x.dtype))


def _strided_slice(
    x: Array, begin: Array, end: Array, strides: Array, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
) -> Array:  # fmt: skip
    """A view; masks are TensorFlow's."""
    index: list[Any] = []
    for place, (first, last, step) in enumerate(zip(begin, end, strides)):
        bit = 1 << place
        if ellipsis_mask & bit:
            index.append(Ellipsis)
        elif new_axis_mask & bit:
            index.append(None)
        elif shrink_axis_mask & bit:
            index.append(int(first))
        else:
            start = None if begin_mask & bit else int(first)
            index.append(slice(start, None if end_mask & bit else int(last), int(step)))
    return np.asarray(x[tuple(index)])


MOVES: dict[str, Function] = {
    "Reshape": _reshape, "Transpose": _transpose, "Squeeze": _squeeze, "ConcatV2": _concat,
    "ExpandDims": lambda x, axis, **_: np.expand_dims(x, _axis(axis, x.ndim + 1, "ExpandDims")),
    "Pack": _pack, "Unpack": _unpack, "Slice": _slice,
    "StridedSlice": _strided_slice, "Split": _split, "SplitV": _split_v,
    "GatherV2": _gather, "GatherNd": _gather_nd, "Tile": _tile, "Pad": _pad, "PadV2": _pad,
    "MirrorPad": _mirror_pad, "BroadcastTo": _broadcast, "Cast": _cast, "OneHot": _one_hot,
    "Range": _range, "LinSpace": _linspace, "ReverseV2": _reverse, "Roll": _roll,
    "SelectV2": _select, "MatrixBandPart": _band_part, "MatrixDiag": _diag,
    "MatrixDiagPart": lambda x, **_: np.diagonal(x, axis1=-2, axis2=-1),
    "Identity": lambda x, **_: x, "StopGradient": lambda x, **_: x, "Snapshot": lambda x, **_: x,
    "Shape": lambda x, out_type=None, **_: np.array(x.shape, as_dtype(out_type or "int32").numpy),
    "Size": lambda x, out_type=None, **_: np.array(x.size, as_dtype(out_type or "int32").numpy),
    "Rank": lambda x, **_: np.array(x.ndim, np.int32),
    "Fill": lambda shape, value, **_: np.full(_ints(shape), value, value.dtype),
    "ZerosLike": lambda x, **_: np.zeros_like(x), "OnesLike": lambda x, **_: np.ones_like(x),
    "InvertPermutation": lambda x, **_: np.argsort(x).astype(x.dtype),
    "LogicalAnd": lambda x, y, **_: np.logical_and(x, y),
    "LogicalOr": lambda x, y, **_: np.logical_or(x, y),
    "LogicalNot": lambda x, **_: np.logical_not(x),
}  # fmt: skip


# -- wide types ------------------------------------------------------------------------------------


def _reduction(function: Function) -> Function:
    def reduce(x: Array, axes: Array, keep_dims: bool = False, **_: Any) -> Array:
        places = tuple(_axis(a, x.ndim, "Reduce") for a in np.asarray(axes).reshape(-1))
        result = function(x, axis=places, keepdims=keep_dims)
        return np.asarray(result).astype(x.dtype)

    return reduce


def _mean(x: Array, axis: Any, keepdims: bool) -> Array:
    if x.dtype.kind != "f":  # TensorFlow divides integers as integers, toward zero
        sums = x.sum(axis=axis, keepdims=keepdims)
        count = math.prod(x.shape[a] for a in axis)
        return np.asarray(np.trunc(sums / max(count, 1)))
    if any(x.shape[a] == 0 for a in axis):
        return np.full(x.sum(axis=axis, keepdims=keepdims).shape, np.nan, x.dtype)
    return np.asarray(x.mean(axis=axis, keepdims=keepdims))


def _max(x: Array, axis: Any, keepdims: bool) -> Array:
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return np.asarray(x.max(axis=axis, keepdims=keepdims, initial=lowest))


def _min(x: Array, axis: Any, keepdims: bool) -> Array:
    highest = np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max
    return np.asarray(x.min(axis=axis, keepdims=keepdims, initial=highest))


def _norm(x: Array, axis: Any, keepdims: bool) -> Array:
    return np.asarray(np.sqrt(np.square(x).sum(axis=axis, keepdims=keepdims)))


def _matmul(x: Array, y: Array, **attributes: Any) -> Array:
    first = attributes.get("transpose_a", False) or attributes.get("adj_x", False)
    second = attributes.get("transpose_b", False) or attributes.get("adj_y", False)
    try:
        left = np.swapaxes(x, -1, -2) if first else x
        right = np.swapaxes(y, -1, -2) if second else y
        return np.asarray(np.matmul(left, right))
    except ValueError:
        shapes = [str(list(a.shape)).replace(" ", "") for a in (x, y)]
        raise ArgumentError(
            f"Matrix size-incompatible: In[0]: {shapes[0]}, In[1]: {shapes[1]} [Op:MatMul]"
        ) from None


def _divide(x: Array, y: Array, **_: Any) -> Array:
    return np.true_divide(x, y).astype(x.dtype)


def _floor_divide(x: Array, y: Array, **_: Any) -> Array:
    if x.dtype.kind in "iu" and np.any(y == 0):
        raise ArgumentError("Integer division by zero [Op:FloorDiv]")
    return np.floor_divide(x, y)


def _arg(function: Function) -> Function:
    def find(x: Array, axis: Array, output_type: Any = "int64", **_: Any) -> Array:
        place = _axis(axis, x.ndim, "ArgMax")
        return np.asarray(function(x, axis=place)).astype(as_dtype(output_type).numpy)

    return find


def _cumulative(function: Function) -> Function:
    def run(
        x: Array, axis: Array, exclusive: bool = False, reverse: bool = False, **_: Any
    ) -> Array:
        place = _axis(axis, x.ndim, "Cumsum")
        x = np.flip(x, place) if reverse else x
        result = function(x, axis=place)
        if exclusive:
            start = np.full_like(x.take([0], place), 0 if function is np.cumsum else 1)
            rest = result.take(range(x.shape[place] - 1), place)
            result = np.concatenate([start, rest], place)
        return np.flip(result, place) if reverse else result

    return run


def _top_k(x: Array, k: Array, **_: Any) -> list[Array]:
    order = np.argsort(-x if x.dtype.kind in "f" else ~x, axis=-1, kind="stable")[..., : int(k)]
    return [np.take_along_axis(x, order, -1), order.astype(np.int32)]


def _softmax(x: Array, **_: Any) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True)) if x.size else x
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _log_softmax(x: Array, **_: Any) -> Array:
    x = x - x.max(axis=-1, keepdims=True) if x.size else x
    return np.asarray(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)))


def _elementwise(function: Function) -> Function:
    def compute(*arrays: Array, **_: Any) -> Array:
        result = np.asarray(function(*arrays))
        return result if result.dtype.kind == "b" else result.astype(arrays[0].dtype)

    return compute


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _zero_where(function: Function) -> Function:
    """X = 0 gives 0, whatever the function says."""
    return lambda x, y: np.where(x == 0, np.zeros((), x.dtype), function(x, y))


_ELEMENTWISE: dict[str, Function] = {
    "Neg": np.negative, "Abs": np.abs, "Sign": np.sign, "Square": np.square, "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x), "Reciprocal": lambda x: 1 / x, "Exp": np.exp,
    "Expm1": np.expm1, "Log": np.log, "Log1p": np.log1p, "Sin": np.sin, "Cos": np.cos,
    "Tan": np.tan, "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Sinh": np.sinh,
    "Cosh": np.cosh, "Tanh": np.tanh, "Asinh": np.arcsinh, "Acosh": np.arccosh,
    "Atanh": np.arctanh, "Floor": np.floor, "Ceil": np.ceil, "Round": np.round, "Rint": np.rint,
    "Erf": lambda x: _erf(x) if x.size else x, "Erfc": lambda x: 1 - _erf(x) if x.size else x,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Relu": lambda x: np.maximum(x, 0),
    "Relu6": lambda x: np.clip(x, 0, 6), "Elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "Softplus": lambda x: np.logaddexp(x, 0), "Softsign": lambda x: x / (1 + np.abs(x)),
    "IsNan": np.isnan, "IsInf": np.isinf, "IsFinite": np.isfinite,
    "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply, "Maximum": np.maximum,
    "Minimum": np.minimum, "Pow": np.power, "Atan2": np.arctan2, "FloorMod": np.mod,
    "SquaredDifference": lambda x, y: np.square(x - y), "Equal": np.equal,
    "NotEqual": np.not_equal, "Less": np.less, "LessEqual": np.less_equal,
    "Greater": np.greater, "GreaterEqual": np.greater_equal,
    "DivNoNan": lambda x, y: np.where(y == 0, 0, x / np.where(y == 0, 1, y)),
    "MulNoNan": lambda x, y: np.where(y == 0, 0, x * y), "Xdivy": _zero_where(np.divide),
    "Xlogy": _zero_where(lambda x, y: x * np.log(y)),
    "ClipByValue": np.clip,
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
    "LeftShift": np.left_shift, "RightShift": np.right_shift,
    "AddN": lambda *items: sum(items[1:], items[0]),
}  # fmt: skip

WIDE: dict[str, Function] = {
    **{name: _elementwise(function) for name, function in _ELEMENTWISE.items()},
    "RealDiv": _divide, "FloorDiv": _floor_divide, "MatMul": _matmul, "BatchMatMulV2": _matmul,
    "Sum": _reduction(np.sum), "Mean": _reduction(_mean), "Max": _reduction(_max),
    "Min": _reduction(_min), "Prod": _reduction(np.prod), "Any": _reduction(np.any),
    "All": _reduction(np.all), "EuclideanNorm": _reduction(_norm), "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin), "Cumsum": _cumulative(np.cumsum),
    "Cumprod": _cumulative(np.cumprod), "TopKV2": _top_k, "Softmax": _softmax,
    "LogSoftmax": _log_softmax, "BiasAdd": lambda x, b, **_: x + b,
    "L2Loss": lambda x, **_: np.asarray(np.square(x).sum() / 2).astype(x.dtype),
    "Einsum": lambda *x, equation="", **_: np.einsum(equation, *x),
}  # fmt: skip
