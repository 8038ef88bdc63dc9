"""Functions that make, cut and rearrange tensors."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ebb import _context
from ebb._apply import apply, one
from ebb._dtype import Array, DType, TensorShape, as_dtype, bool_, float32, int32
from ebb._errors import ArgumentError, UnsupportedError
from ebb._operators import (
    cast,
    convert,
    dtype_of,
    int_array,
    operand,
    pair,
    rank_of,
    unary,
)
from ebb._texts import begins_with_text, to_texts
from ebb._values import Buffer, EagerTensor, Tensor, convert_array, to_array

newaxis = None


def _scalar(value: Any, dtype: DType = int32) -> Any:
    return np.array(value, dtype.numpy)


def eager_only(name: str, *values: Any) -> list[Array]:
    """The values as arrays; refuses tensors of graphs, for which the shape is not known."""
    found = [operand(value) for value in values]
    if _context.building() is not None or any(
        isinstance(x, Tensor) and x.is_symbolic for x in found
    ):
        raise UnsupportedError(
            "in graphs and tf.function it is not supported: its result depends on values. Call it "
            "on eager tensors, outside of the graph",
            f"tf.{name}",
        )
    return [to_array(x) for x in found]


# -- making ----------------------------------------------------------------------------------------


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A tensor of these values.

    Parameters
    ----------
    value
        A number, nested lists of numbers, or an array. Texts stay an array of str.
    dtype : optional
        None: float32 and int32 for Python's numbers, that of an array otherwise.
    shape : optional
        What the values are put into; a single one fills it.

    Raises
    ------
    TypeError
        The values are no numbers, or do not fit the type or the shape.
    """
    if isinstance(value, Tensor) and value.is_symbolic:
        raise TypeError(f"Expected any non-tensor type, but got a tensor instead: {value}")
    if begins_with_text(value):
        return to_texts(value) if shape is None else to_texts(value).reshape(shape)
    array = convert_array(to_array(value) if isinstance(value, Tensor) else value, dtype)
    if shape is not None:
        dims = TensorShape(shape)
        if array.size == 1 and dims.num_elements() != 1:
            array = np.broadcast_to(array.reshape(()), tuple(dims))
        elif array.size != dims.num_elements():
            raise TypeError(
                f"Eager execution of tf.constant with unsupported shape. Tensor {array} (converted "
                f"from {value}) has {array.size} elements, but got `shape` {dims} with "
                f"{dims.num_elements()} elements)."
            )
        array = array.reshape(tuple(dims))
    graph = _context.building()
    return graph.constant(array, name) if graph is not None else EagerTensor.of(array)


def convert_to_tensor(
    value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None, **_: Any
) -> Any:
    """The value as a tensor; a tensor as it is, texts as an array of str."""
    if begins_with_text(value):
        return to_texts(value)
    return convert(value, dtype, dtype_hint, name)


def _filled(shape: Any, number: Any, dtype: Any, name: str) -> Any:
    kind = as_dtype(dtype)
    if _context.building() is None and not _is_symbolic(shape):
        buffer = Buffer(kind, [int(d) for d in _dims(shape)])  # comes as zeros
        if number:
            buffer.array().fill(number)
        return EagerTensor(buffer)
    return one("Fill", (int_array(shape), np.array(number, kind.numpy)), None, name)


def _is_symbolic(value: Any) -> bool:
    items = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(item, Tensor) and item.is_symbolic for item in items)


def _dims(shape: Any) -> list[int]:
    if isinstance(shape, (int, np.integer)):
        return [int(shape)]
    numbers = [int(d) for d in (to_array(shape) if isinstance(shape, Tensor) else shape)]
    if any(d < 0 for d in numbers):
        raise ArgumentError(f"Dimension {min(numbers)} must be >= 0")
    return numbers


def zeros(shape: Any, dtype: Any = float32, name: str | None = None, layout: Any = None) -> Any:
    """A tensor of zeros. Raises ``tf.errors.ResourceExhaustedError`` if it does not fit."""
    return _filled(shape, 0, dtype, name or "zeros")


def ones(shape: Any, dtype: Any = float32, name: str | None = None, layout: Any = None) -> Any:
    """A tensor of ones."""
    return _filled(shape, 1, dtype, name or "ones")


def fill(dims: Any, value: Any, name: str | None = None, layout: Any = None) -> Any:
    """A tensor of one value."""
    found = operand(value)
    if isinstance(found, Tensor):
        return one("Fill", (int_array(dims), found), None, name)
    return _filled(dims, found[()], as_dtype(found.dtype), name or "Fill")


def zeros_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Any:
    """Zeros of the shape of a tensor."""
    made = unary("ZerosLike", input, name)
    return made if dtype is None else cast(made, dtype)


def ones_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Any:
    """Ones of the shape of a tensor."""
    made = unary("OnesLike", input, name)
    return made if dtype is None else cast(made, dtype)


def eye(
    num_rows: int, num_columns: int | None = None, batch_shape: Any = None, dtype: Any = float32,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Identity matrices."""
    matrix = np.eye(int(num_rows), num_columns, dtype=as_dtype(dtype).numpy)
    return constant(np.broadcast_to(matrix, (*_dims(batch_shape or ()), *matrix.shape)))


def range_(
    start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = None
) -> Any:
    """Numbers from ``start`` up to ``limit``, which is not one of them, in steps of ``delta``."""
    if limit is None:
        start, limit = 0, start
    parts = [operand(part) for part in (start, limit, delta)]
    kinds = [dtype_of(part) for part in parts]
    order = ["int32", "int64", "float16", "float32", "float64"]
    kind = as_dtype(dtype) if dtype else max(kinds, key=lambda k: order.index(k.name))
    ends = [part if dtype_of(part) is kind else cast(part, kind) for part in parts]
    return one("Range", [_known(end) for end in ends], None, name)


def _known(x: Any) -> Any:
    return x.numpy() if isinstance(x, EagerTensor) else x


def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Any:
    """``num`` numbers from ``start`` to ``stop``, both of them included."""
    first, last = pair(start, stop)
    if not dtype_of(first).is_floating:
        first, last = cast(first, float32), cast(last, float32)
    if rank_of(first) == 0 and rank_of(last) == 0:
        return one("LinSpace", (first, last, _known(int_array(num))), None, name)
    a, b = eager_only("linspace", first, last)
    return EagerTensor.of(np.linspace(a, b, int(num), axis=axis).astype(a.dtype))


def one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: int | None = None,
    dtype: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """Vectors that are ``on_value`` at an index, and ``off_value`` elsewhere."""
    kind = as_dtype(dtype) if dtype is not None else None
    if kind is None:
        given = on_value if on_value is not None else off_value
        kind = float32 if given is None else dtype_of(operand(given))
    on = operand(1 if on_value is None else on_value, kind)
    off = operand(0 if off_value is None else off_value, kind)
    inputs = (operand(indices), int_array(depth), on, off)
    return one("OneHot", inputs, {"axis": -1 if axis is None else axis}, name)


def meshgrid(*args: Any, indexing: str = "xy", name: str | None = None) -> list[Any]:
    """Coordinates of a grid."""
    items = [convert(arg) for arg in args]
    rank = len(items)
    order = list(range(rank))
    if indexing == "xy" and rank > 1:
        order[:2] = [1, 0]
    dims: list[Any] = [1] * rank
    for place, item in zip(order, items):
        dims[place] = item.shape[0]
    made = []
    for place, item in zip(order, items):
        lengths = [1] * rank
        lengths[place] = -1
        made.append(broadcast_to(reshape(item, lengths), dims))
    return made


# -- shapes ----------------------------------------------------------------------------------------


def shape(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    """The shape as a tensor."""
    return one("Shape", (operand(input),), {"out_type": as_dtype(out_type or int32)}, name)


def size(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    """The number of elements."""
    return one("Size", (operand(input),), {"out_type": as_dtype(out_type or int32)}, name)


def rank(input: Any, name: str | None = None) -> Any:
    """The number of axes."""
    return unary("Rank", input, name)


def identity(input: Any, name: str | None = None) -> Any:
    """The tensor itself, as a new one."""
    return unary("Identity", input, name)


def stop_gradient(input: Any, name: str | None = None) -> Any:
    """The tensor itself; gradients do not pass."""
    return unary("StopGradient", input, name)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Any:
    """The same elements in another shape; one length may be -1."""
    return one("Reshape", (operand(tensor), int_array(shape)), None, name)


def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str | None = None) -> Any:
    """Axis ``i`` of the result is axis ``perm[i]``; all of them reversed without ``perm``."""
    x = operand(a)
    order = range(rank_of(x) - 1, -1, -1) if perm is None else perm
    return one(
        "Transpose", (x, int_array(list(order) if isinstance(order, range) else order)), None, name
    )


def expand_dims(input: Any, axis: Any, name: str | None = None) -> Any:
    """One more axis, of length 1."""
    if begins_with_text(input):
        return np.expand_dims(to_texts(input), axis)
    return one("ExpandDims", (operand(input), int_array(axis)), None, name)


def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Any:
    """Without the axes of length 1, or these of them."""
    axes = [] if axis is None else [int(a) for a in np.atleast_1d(to_array(axis))]
    return one("Squeeze", (operand(input),), {"squeeze_dims": axes}, name)


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Any:
    """The tensor, if it has this shape; None is any length."""
    tensor = convert(x)
    if not tensor.shape.is_compatible_with(shape):
        raise ArgumentError(
            f"Shape of tensor {tensor.shape} is not compatible with expected shape "
            f"{TensorShape(shape)}. [Op:EnsureShape]"
        )
    return tensor


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Any:
    """The tensor repeated along axes of length 1, up to this shape."""
    return one("BroadcastTo", (operand(input), int_array(shape)), None, name)


def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The shape of two tensors together."""
    return TensorShape(np.broadcast_shapes(tuple(shape_x), tuple(shape_y)))


def tile(input: Any, multiples: Any, name: str | None = None) -> Any:
    """The tensor repeated along each axis."""
    return one("Tile", (operand(input), int_array(multiples)), None, name)


def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Any:
    """Each element (or each part along an axis) repeated."""
    x = convert(input)
    if axis is None:
        x, axis = reshape(x, [-1]), 0
    axis = axis % x.ndim
    counts = np.atleast_1d(to_array(repeats))
    length = x.shape[axis]
    if length is None:
        raise UnsupportedError("the length of the axis has to be known", "tf.repeat")
    indices = np.repeat(np.arange(length), counts if counts.size > 1 else int(counts[0]))
    return gather(x, indices.astype(np.int32), axis=axis)


# -- several ---------------------------------------------------------------------------------------


def _items(values: Any, hint: Any = None) -> list[Any]:
    if isinstance(values, Tensor):
        return list(values)
    first = next((v for v in values if isinstance(v, Tensor) or hasattr(v, "_as_tensor")), None)
    kind = hint if first is None else first.dtype
    return [operand(v, None, kind) for v in values]


def concat(values: Any, axis: Any, name: str | None = None) -> Any:
    """Tensors one after the other along an axis."""
    items = _items(values if isinstance(values, (list, tuple)) else [values])
    if len(items) == 1:
        return identity(items[0])
    return one("ConcatV2", [*items, int_array(axis)], None, name)


def stack(values: Any, axis: int = 0, name: str | None = None) -> Any:
    """Tensors of one shape along a new axis."""
    items = _items(values)
    if not items:
        raise ArgumentError("stack expects at least one tensor")
    return one("Pack", items, {"axis": int(axis)}, name)


def unstack(
    value: Any, num: int | None = None, axis: int = 0, name: str | None = None
) -> list[Any]:
    """The parts of a tensor along an axis."""
    x = operand(value)
    number = x.shape[axis] if num is None else num
    if number is None:
        raise ValueError(f"Cannot infer argument `num` from shape {x.shape}")
    if number != x.shape[axis] and x.shape[axis] is not None:
        raise ValueError(f"num is {number}, but the axis has {x.shape[axis]} elements")
    return [] if number == 0 else apply("Unpack", (x,), {"num": int(number), "axis": axis}, name)


def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None,
    name: str | None = None,
) -> list[Any]:  # fmt: skip
    """A tensor in equal parts, or in parts of given lengths."""
    x = operand(value)
    place = _known(int_array(axis))
    if isinstance(num_or_size_splits, (int, np.integer)):
        return apply("Split", (place, x), {"num_split": int(num_or_size_splits)}, name)
    sizes = _known(int_array(num_or_size_splits))
    return apply("SplitV", (x, sizes, place), {"num_split": len(sizes)}, name)


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Any:
    """``size`` elements from ``begin`` on along each axis; -1 = up to the end."""
    return one("Slice", (operand(input_), int_array(begin), int_array(size)), None, name)


def strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0,
    end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
    var: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """What ``x[begin:end:strides]`` is; the masks are TensorFlow's."""
    first = int_array(begin)
    steps = np.ones(len(first), np.int32) if strides is None else int_array(strides)
    masks = {
        "begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask,
    }  # fmt: skip
    return one("StridedSlice", (operand(input_), first, int_array(end), steps), masks, name)


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The tensor with elements before and after along each axis.

    ``mode`` is ``CONSTANT``, ``REFLECT`` or ``SYMMETRIC``.
    """
    x, widths = operand(tensor), int_array(paddings)
    if mode.upper() == "CONSTANT":
        if not isinstance(constant_values, Tensor) and constant_values == 0:
            return one("Pad", (x, widths), None, name)
        return one("PadV2", (x, widths, operand(constant_values, dtype_of(x))), None, name)
    if mode.upper() not in ("REFLECT", "SYMMETRIC"):
        raise ValueError(f"Unknown padding mode: {mode}")
    return one("MirrorPad", (x, widths), {"mode": mode.upper()}, name)


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Any:
    """The tensor with the order of these axes turned."""
    return one("ReverseV2", (operand(tensor), np.atleast_1d(int_array(axis))), None, name)


def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Any:
    """The tensor with elements moved along axes; those that fall off come in at the front."""
    places = [np.atleast_1d(int_array(v)) for v in (shift, axis)]
    return one("Roll", (operand(input), *places), None, name)


# -- choosing --------------------------------------------------------------------------------------


def gather(
    params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Parts of a tensor along an axis, by their indices."""
    place = int_array(batch_dims if axis is None else axis)
    found = operand(indices)
    if not isinstance(found, Tensor) and found.size == 0:
        found = found.astype(np.int32)
    return one("GatherV2", (operand(params), found, place), {"batch_dims": int(batch_dims)}, name)


def gather_nd(params: Any, indices: Any, batch_dims: int = 0, name: str | None = None) -> Any:
    """Parts of a tensor by indices along its first axes."""
    if batch_dims:
        raise UnsupportedError("batch_dims other than 0 are not supported", "tf.gather_nd")
    return one("GatherNd", (operand(params), operand(indices)), None, name)


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """``x`` where the condition holds, else ``y``; without both the indices where it holds."""
    if x is None and y is None:
        (array,) = eager_only("where", condition)
        return EagerTensor.of(np.argwhere(array).astype(np.int64))
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    first, second = pair(x, y)
    if dtype_of(first) is not dtype_of(second):
        raise ArgumentError(
            f"cannot compute SelectV2 as input #2(zero-based) was expected to be a "
            f"{dtype_of(first).name} tensor but is a {dtype_of(second).name} tensor [Op:SelectV2]"
        )
    return one("SelectV2", (operand(condition, None, bool_), first, second), None, name)


def boolean_mask(tensor: Any, mask: Any, axis: int | None = None, name: str = "") -> Any:
    """The parts of a tensor where the mask holds."""
    values, keep = eager_only("boolean_mask", tensor, mask)
    place = axis or 0
    if values.shape[place : place + keep.ndim] != keep.shape:
        raise ValueError(
            f"Shapes {values.shape[place : place + keep.ndim]} and {keep.shape} are incompatible"
        )
    return EagerTensor.of(values[(slice(None),) * place + (keep.astype(bool),)])


def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = bool_, name: str | None = None
) -> Any:
    """True for the first ``lengths[i]`` places of row ``i``."""
    x = convert(lengths)
    longest = int(to_array(x).max()) if maxlen is None else int(maxlen)
    steps = np.arange(longest).astype(x.dtype.numpy)
    mask = one("Less", (convert(steps), expand_dims(x, -1)), None, name)
    return mask if as_dtype(dtype) is bool_ else cast(mask, dtype)


def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = int32,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Where values would be inserted in a sorted sequence."""
    rows, wanted = eager_only("searchsorted", sorted_sequence, values)
    places = [
        np.searchsorted(a, v, "right" if side == "right" else "left")
        for a, v in zip(rows.reshape(-1, rows.shape[-1]), wanted.reshape(-1, wanted.shape[-1]))
    ]
    result = np.stack(places).reshape(wanted.shape)
    return EagerTensor.of(result.astype(as_dtype(out_type).numpy))


def unique(x: Any, out_idx: Any = int32, name: str | None = None) -> Any:
    """The different elements in the order in which they first appear, and each one's index."""
    return unique_with_counts(x, out_idx)[:2]


def unique_with_counts(x: Any, out_idx: Any = int32, name: str | None = None) -> Any:
    """As ``unique``, with how often each one is there."""
    (array,) = eager_only("unique", x)
    _, first, index, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    kind = as_dtype(out_idx).numpy
    parts = array[first[order]], back[index.reshape(-1)].astype(kind), counts[order].astype(kind)
    return tuple(EagerTensor.of(part) for part in parts)


def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Any:
    """The elements in order along an axis."""
    x = convert(values)
    if x.is_symbolic:
        return _sorted_by_top_k(x, axis, direction)[0]
    result = np.sort(to_array(x), axis=axis)
    return EagerTensor.of(np.flip(result, axis) if direction == "DESCENDING" else result)


def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The indices that put the elements in order along an axis."""
    x = convert(values)
    if x.is_symbolic:
        return _sorted_by_top_k(x, axis, direction)[1]
    array = to_array(x)
    if direction == "DESCENDING":
        array = -array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    return EagerTensor.of(np.argsort(array, axis=axis, kind="stable").astype(np.int32))


def _sorted_by_top_k(x: Tensor, axis: int, direction: str) -> list[Any]:
    if axis not in (-1, x.ndim - 1) or x.shape[-1] is None:
        raise UnsupportedError("in graphs only the last axis is sorted", "tf.sort")
    turned = unary("Neg", x) if direction == "ASCENDING" else x
    values, indices = apply("TopKV2", (turned, _scalar(x.shape[-1])))
    return [unary("Neg", values) if direction == "ASCENDING" else values, indices]


def _scatter(name: str, change: Callable[[Array, Any, Array], None]) -> Callable[..., Any]:
    def function(tensor: Any, indices: Any, updates: Any, name_: str | None = None) -> Any:
        values, places, new = eager_only(name, tensor, indices, updates)
        result = values.copy()
        change(result, tuple(np.moveaxis(places, -1, 0)), new)
        return EagerTensor.of(result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The tensor with elements changed at indices: ``{name}``. Eager only."
    return function


def _set(result: Array, place: Any, new: Array) -> None:
    result[place] = new


tensor_scatter_nd_update = _scatter("tensor_scatter_nd_update", _set)
tensor_scatter_nd_add = _scatter("tensor_scatter_nd_add", np.add.at)
tensor_scatter_nd_sub = _scatter("tensor_scatter_nd_sub", np.subtract.at)
tensor_scatter_nd_max = _scatter("tensor_scatter_nd_max", np.maximum.at)
tensor_scatter_nd_min = _scatter("tensor_scatter_nd_min", np.minimum.at)


def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Any:
    """Zeros with elements added at indices. Eager only."""
    places, new = eager_only("scatter_nd", indices, updates)
    result = np.zeros(_dims(shape), new.dtype)
    np.add.at(result, tuple(np.moveaxis(places, -1, 0)), new)
    return EagerTensor.of(result)


def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """The value as an array where it is known without a run; else None."""
    return None if isinstance(tensor, Tensor) and tensor.is_symbolic else to_array(tensor)


def is_tensor(x: Any) -> bool:
    """Is this a tensor or a variable?"""
    return isinstance(x, Tensor) or hasattr(x, "_as_tensor")


__all__ = [
    "argsort", "boolean_mask", "broadcast_static_shape", "broadcast_to", "concat", "constant",
    "convert_to_tensor", "ensure_shape", "expand_dims", "eye", "fill", "gather", "gather_nd",
    "get_static_value", "identity", "is_tensor", "linspace", "meshgrid", "one_hot", "ones",
    "ones_like", "pad", "rank", "repeat", "reshape", "reverse", "roll", "scatter_nd",
    "searchsorted", "sequence_mask", "shape", "size", "sort", "split", "squeeze", "stack",
    "stop_gradient", "strided_slice", "tensor_scatter_nd_add", "tensor_scatter_nd_max",
    "tensor_scatter_nd_min", "tensor_scatter_nd_sub", "tensor_scatter_nd_update", "tile",
    "transpose", "unique", "unique_with_counts", "unstack", "where", "zeros", "zeros_like",
]  # fmt: skip
