"""Operations that move elements: shapes, order of axes, copies, joining and taking apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._lengths import filled, is_open, source_of
from ebb.keras.ops._operation import CORE, NN, composed, eager, is_symbolic, operation
from ebb.keras.ops._promotion import Array, as_array, dtype_name, meet, numpy_dtype
from ebb.keras.ops._reduce import axes_of


def lengths_of(shape: Any) -> Any:
    """A shape argument as a tuple of int and None."""
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    items = shape if isinstance(shape, (list, tuple)) else as_array(shape).tolist()
    return tuple(
        None if item is None or source_of(item) is not None else int(item) for item in items
    )


# -- shape -------------------------------------------------------------------------------------


def _prepare_reshape(values: dict[str, Any]) -> Any:
    """Unknown lengths of a symbolic tensor (None) and -1: at most one may stay open."""
    wanted = list(lengths_of(values["newshape"]))
    if None in wanted:
        own = list(values["x"].shape)
        same = len(own) > 0 and own[0] is None and wanted[0] is None
        rest, open_at = own[1:] if same else own, [i for i, n in enumerate(wanted) if n == -1]
        if same and len(open_at) == 1 and None not in rest and None not in wanted[1:]:
            known = math.prod(n for n in wanted[1:] if n != -1)
            wanted[open_at[0]] = math.prod(rest) // known if known else 0
        wanted = [-1 if n is None else n for n in wanted]
    values["newshape"] = wanted


@operation("Reshape", prepare=_prepare_reshape)
def reshape(x: Any, newshape: Any) -> Any:
    """The same elements in another shape."""
    return np.reshape(x, lengths_of(newshape))


@operation("Ravel")
def ravel(x: Any) -> Any:
    """The same elements on one axis."""
    return np.ravel(x)


@operation("ExpandDims")
def expand_dims(x: Any, axis: Any) -> Any:
    """With axes of length 1 put in."""
    return np.expand_dims(x, axes_of(axis))


@operation("Squeeze")
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of length 1."""
    return np.squeeze(x, axes_of(axis))


@operation("Transpose")
def transpose(x: Any, axes: Any = None) -> Any:
    """Axes in another order; by default backwards."""
    return np.transpose(x, axes)


@operation("Swapaxes")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


@operation("Moveaxis")
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the others in their order."""
    return np.moveaxis(x, source, destination)


@operation("Flip")
def flip(x: Any, axis: Any = None) -> Any:
    """Backwards along axes."""
    return np.flip(x, axes_of(axis))


@operation("Flipud")
def flipud(x: Any) -> Any:
    """Backwards along the first axis."""
    return np.flipud(x)


@operation("Fliplr")
def fliplr(x: Any) -> Any:
    """Backwards along the second axis."""
    return np.fliplr(x)


@composed
def rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned by ``k`` times 90 degrees in the plane of two axes."""
    first, second = axes
    turns = k % 4
    if turns == 0:
        return copy_of(array)
    if turns == 2:
        return flip(flip(array, axis=first), axis=second)
    if turns == 1:
        return swapaxes(flip(array, axis=second), first, second)
    return flip(swapaxes(array, first, second), axis=second)


def copy_of(x: Any) -> Any:
    """A copy, through the operation of that name."""
    from ebb.keras.ops._elementwise import copy

    return copy(x)


@operation("Repeat")
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every element several times, side by side."""
    return np.repeat(x, as_array(repeats), axis)


def _prepare_tile(values: dict[str, Any]) -> Any:
    """A length as a repeat: along an axis of 1 it is a broadcast."""
    if not is_open(values["repeats"]):
        return None
    x, repeats = values["x"], list(values["repeats"])
    own = [1] * (len(repeats) - len(x.shape)) + list(x.shape)
    repeats = [1] * (len(own) - len(repeats)) + repeats
    if any(source_of(n) is not None and length != 1 for n, length in zip(repeats, own)):
        raise UnsupportedError(
            "tile: a length that is known when the model runs can repeat an axis of length 1 only"
        )
    shape = [n if source_of(n) is not None else 1 for n in repeats]
    rest = [1 if source_of(n) is not None else n for n in repeats]
    return filled(shape, 0, x.dtype) + tile(x, rest)


@operation("Tile", prepare=_prepare_tile)
def tile(x: Any, repeats: Any) -> Any:
    """The whole several times along each axis."""
    return np.tile(x, lengths_of(repeats))


def _prepare_broadcast(values: dict[str, Any]) -> Any:
    if any(source_of(n) is not None for n in values["shape"]):
        return filled(values["shape"], 0, values["x"].dtype) + values["x"]
    return None


@operation("BroadcastTo", prepare=_prepare_broadcast)
def broadcast_to(x: Any, shape: Any) -> Any:
    """In a shape that it broadcasts to."""
    return np.broadcast_to(x, lengths_of(shape))


def _prepare_pad(values: dict[str, Any]) -> Any:
    if values["mode"] not in ("constant", "reflect", "symmetric"):
        raise ValueError(f"pad: mode: expected constant, reflect or symmetric: {values['mode']!r}")
    fill = values["constant_values"]
    if fill is not None and values["mode"] != "constant":
        raise ValueError("pad: constant_values needs the mode 'constant'")
    width = values["pad_width"]
    if not isinstance(width, (int, np.integer)):
        pairs = as_array(width).tolist()
        rank = len(values["x"].shape)
        if isinstance(pairs[0], int):
            pairs = [pairs if len(pairs) == 2 else pairs * 2] * rank
        values["pad_width"] = pairs * rank if len(pairs) == 1 else pairs


@operation("Pad", "x constant_values", prepare=_prepare_pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """With borders: of a number, or of what is inside, mirrored.

    Parameters
    ----------
    x : tensor, array or number
        Any shape.
    pad_width : int, pair, or one pair for each axis
        How much before and after.
    mode : {"constant", "reflect", "symmetric"}
        What is put there; "symmetric" repeats the edge.
    constant_values : number, optional
        For the mode "constant"; 0 by default.

    Returns
    -------
    Tensor, or KerasTensor if ``x`` is one

    Raises
    ------
    ValueError
        ``constant_values`` with another mode.
    """
    _prepare_pad({"mode": mode, "constant_values": constant_values, "pad_width": 0})
    if mode == "constant":
        fill = 0 if constant_values is None else constant_values
        return np.pad(x, pad_width, constant_values=fill)
    function: Any = np.pad
    return function(x, pad_width, mode=mode)


@operation("Roll")
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Moved along an axis; what leaves at the end comes in at the beginning."""
    return np.roll(x, shift, axes_of(axis))


# -- joining -----------------------------------------------------------------------------------


def _prepare_list(values: dict[str, Any]) -> Any:
    name = "xs" if "xs" in values else "x"
    if isinstance(values[name], (list, tuple)):
        values[name] = list(values[name])


@operation("Concatenate", "xs*", prepare=_prepare_list)
def concatenate(xs: Any, axis: int | None = 0) -> Any:
    """Joined along an axis."""
    return np.concatenate(meet(xs), axis)


@operation("Stack", "x*", prepare=_prepare_list)
def stack(x: Any, axis: int = 0) -> Any:
    """Joined along a new axis."""
    return np.stack(meet(x), axis)


@operation("Hstack", "xs*", prepare=_prepare_list)
def hstack(xs: Any) -> Any:
    """Joined along the second axis, vectors along the first."""
    return np.hstack(meet(xs))


@operation("Vstack", "xs*", prepare=_prepare_list)
def vstack(xs: Any) -> Any:
    """Joined along the first axis, vectors as rows."""
    return np.vstack(meet(xs))


@composed
def dstack(xs: Any) -> Any:
    """Joined along the third axis."""
    planes = []
    for x in xs:
        rank = len(x.shape) if hasattr(x, "shape") else as_array(x).ndim
        planes.append(
            reshape(x, (1, -1, 1)) if rank < 2 else expand_dims(x, -1) if rank == 2 else x
        )
    return concatenate(planes, axis=2)


@operation("Append", "x1 x2", "meet")
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """``x2`` behind ``x1`` along an axis, or both flat."""
    return np.append(x1, x2, axis)


# -- taking apart ------------------------------------------------------------------------------


def _prepare_split(values: dict[str, Any]) -> Any:
    parts = values["indices_or_sections"]
    if not isinstance(parts, (int, np.integer)):
        values["indices_or_sections"] = as_array(parts).tolist()


def _parts(sections: Any) -> Any:
    return int(sections) if isinstance(sections, (int, np.integer)) else as_array(sections)


@operation("Split", prepare=_prepare_split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """In equal parts, or at indices: a list."""
    return np.split(x, _parts(indices_or_sections), axis)


@operation("ArraySplit", prepare=_prepare_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """In parts of about the same length: a list."""
    return np.array_split(x, _parts(indices_or_sections), axis)


@composed
def hsplit(x: Any, indices_or_sections: Any) -> Any:
    """In parts along the second axis, vectors along the first."""
    rank = len(x.shape) if hasattr(x, "shape") else as_array(x).ndim
    return split(x, indices_or_sections, axis=1 if rank > 1 else 0)


@composed
def vsplit(x: Any, indices_or_sections: Any) -> Any:
    """In parts along the first axis."""
    return split(x, indices_or_sections, axis=0)


@composed
def dsplit(x: Any, indices_or_sections: Any) -> Any:
    """In parts along the third axis."""
    return split(x, indices_or_sections, axis=2)


@operation("Unstack", module=CORE)
def unstack(x: Any, num: int | None = None, axis: int = 0) -> Any:
    """The parts along an axis, without it: a list."""
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack: num is {num}, but axis {axis} has {x.shape[axis]} elements")
    return list(np.moveaxis(x, axis, 0))


# -- picking -----------------------------------------------------------------------------------


def _prepare_get_item(values: dict[str, Any]) -> Any:
    return values["x"][values["key"]]


@operation("GetItem", "x", prepare=_prepare_get_item)
def get_item(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return x[key]


def _prepare_slice(values: dict[str, Any]) -> Any:
    start = lengths_of(values["start_indices"])
    values["start_indices"] = list(start)


@operation("Slice", "inputs start_indices", module=CORE, prepare=_prepare_slice)
def slice_(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """A part: where it starts on each axis, and its shape; -1 is to the end."""
    starts, lengths = lengths_of(start_indices), lengths_of(shape)
    key = tuple(
        slice(start, None if length == -1 else start + length)
        for start, length in zip(starts, lengths)
    )
    return inputs[key]


@eager("inputs updates")
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """A copy with a part replaced by ``updates``, from ``start_indices`` on."""
    made = inputs.copy()
    starts = lengths_of(start_indices)
    made[tuple(slice(at, at + n) for at, n in zip(starts, updates.shape))] = updates
    return made


@eager("indices values")
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros with values added at indices ``(..., rank)``."""
    made = np.zeros(lengths_of(shape), values.dtype)
    np.add.at(made, tuple(np.moveaxis(indices, -1, 0)), values)
    return made


_REDUCTIONS = {
    None: None,
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
}


@eager("inputs indices updates")
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: Any = None) -> Any:
    """A copy with the elements at indices ``(..., axes)`` replaced by, or joined with, updates."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"scatter_update: reduction: no such one as {reduction!r}")
    made, where = inputs.copy(), tuple(np.moveaxis(indices, -1, 0))
    function: Any = _REDUCTIONS[reduction]
    if function is None:
        made[where] = updates
    else:
        function.at(made, where, updates.astype(made.dtype))
    return made


def _inside(x: Array, indices: Array, axis: int | None) -> Array:
    length = x.size if axis is None else x.shape[axis]
    return np.where(indices < 0, indices + length, indices)


@operation("Take", "x indices")
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at indices along an axis, or of the flat tensor."""
    return np.take(x, _inside(x, indices, axis), axis)


@operation("TakeAlongAxis", "x indices")
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """For each place the element at its own index along an axis."""
    if axis is None:
        return np.take_along_axis(x.reshape(-1), indices.reshape(-1).astype(np.int64), None)
    return np.take_along_axis(x, indices.astype(np.int64), axis)


def _prepare_one_hot(values: dict[str, Any]) -> Any:
    if values.pop("sparse"):
        raise ValueError("one_hot: sparse tensors are not supported")
    values["dtype"] = dtype_name(values["dtype"]) or "float32"
    values["sparse"] = False


@operation("OneHot", module=NN, prepare=_prepare_one_hot)
def one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """Rows with a single one; all zero for numbers outside the classes."""
    _prepare_one_hot({"sparse": sparse, "dtype": dtype})
    hot = (x[..., None] == np.arange(num_classes)).astype(numpy_dtype(dtype))
    return hot if axis == -1 else np.moveaxis(hot, -1, axis)


@composed
def multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Any:
    """Which classes there are along the last axis of ``inputs``: zeros and ones."""
    from ebb.keras.ops._reduce import max_

    num_classes = kwargs.pop("num_tokens", num_classes)
    if num_classes is None or kwargs:
        raise ValueError(f"multi_hot: expected num_classes, found {sorted(kwargs) or None}")
    hot = one_hot(inputs, num_classes, axis=axis, dtype=dtype, sparse=sparse)
    rank = len(inputs.shape) if hasattr(inputs, "shape") else as_array(inputs).ndim
    return max_(hot, axis=1 if rank >= 2 else 0)


@operation("Tril")
def tril(x: Any, k: int = 0) -> Any:
    """Zeros above a diagonal."""
    return np.tril(x, k)


@operation("Triu")
def triu(x: Any, k: int = 0) -> Any:
    """Zeros below a diagonal."""
    return np.triu(x, k)


@eager()
def diag(x: Any, k: int = 0) -> Any:
    """A matrix with ``x`` on a diagonal, or the diagonal of a matrix."""
    return np.diag(x, k)


@eager()
def diagflat(x: Any, k: int = 0) -> Any:
    """A matrix with all of ``x`` on a diagonal."""
    return np.diagflat(x, k)


@eager()
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Diagonals of the matrices of two axes; along the last axis of the result."""
    return np.diagonal(x, offset, axis1, axis2)


@eager()
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of a diagonal."""
    kind = np.int32 if x.dtype.kind == "b" or x.dtype.itemsize < 4 else x.dtype
    return np.trace(x, offset, axis1, axis2, kind if x.dtype.kind in "bi" else x.dtype)


@composed
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each place the choice of the first condition that holds."""
    from ebb.keras.ops._elementwise import where

    if len(condlist) != len(choicelist):
        raise ValueError("select: as many conditions as choices are needed")
    made = default
    for condition, choice in reversed(list(zip(condlist, choicelist))):
        made = where(condition, choice, made)
    return made


@eager("")
def meshgrid(*x: Any, indexing: str = "xy") -> Any:
    """Coordinates of every point of a grid: a list of one array for each vector."""
    function: Any = np.meshgrid
    return list(function(*[as_array(item) for item in x], indexing=indexing))


@composed
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along an axis, ``n`` times."""
    for _ in range(n):
        rank = len(a.shape) if hasattr(a, "shape") else as_array(a).ndim
        at = axis % rank
        head = (slice(None),) * at
        later, earlier = get_item(a, (*head, slice(1, None))), get_item(a, (*head, slice(None, -1)))
        is_bool = not is_symbolic(later) and as_array(later).dtype == np.bool_
        a = _unequal(later, earlier) if is_bool else _subtract(later, earlier)
    return a


def _subtract(x1: Any, x2: Any) -> Any:
    from ebb.keras.ops._elementwise import subtract

    return subtract(x1, x2)


def _unequal(x1: Any, x2: Any) -> Any:
    from ebb.keras.ops._elementwise import not_equal

    return not_equal(x1, x2)


@composed
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Reshapes and transposes after a pattern: ``rearrange(x, "b h w c -> b c (h w)")``.

    Parameters
    ----------
    tensor : tensor or array
        One axis for each name or group of the left side.
    pattern : str
        Names of axes; groups in brackets.
    **axes_lengths
        Lengths of names inside groups that do not follow.

    Returns
    -------
    Tensor, or KerasTensor if ``tensor`` is one

    Raises
    ------
    ValueError
        The pattern does not fit.
    """
    from ebb.keras.ops._einops import apply

    return apply(tensor, pattern, axes_lengths)
