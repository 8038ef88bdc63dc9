"""Shapes, types and loops."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ebb._errors import UnsupportedError
from ebb._tensor import Tensor
from ebb.keras import _lengths, _tree
from ebb.keras._symbolic import KerasTensor, tracing
from ebb.keras.ops._elementwise import cast, saturate_cast, stop_gradient
from ebb.keras.ops._operation import composed, is_symbolic
from ebb.keras.ops._promotion import as_array, dtype_name, numpy_dtype, wrap
from ebb.keras.ops._shape import scatter, scatter_update, slice_update, stack, unstack
from ebb.keras.ops._shape import slice_ as slice

__all__ = [
    "associative_scan",
    "cast",
    "cond",
    "convert_to_numpy",
    "convert_to_tensor",
    "custom_gradient",
    "dtype",
    "fori_loop",
    "is_tensor",
    "map",
    "saturate_cast",
    "scan",
    "scatter",
    "scatter_update",
    "shape",
    "slice",
    "slice_update",
    "stop_gradient",
    "switch",
    "unstack",
    "vectorized_map",
    "while_loop",
]


@composed
def shape(x: Any) -> Any:
    """The shape as a tuple.

    Lengths that are known only when a model runs are None; in a call that is traced they are
    tensors of int32.
    """
    if tracing.depth and isinstance(x, KerasTensor) and None in x.shape:
        return _lengths.lengths(x)
    return tuple(x.shape) if hasattr(x, "shape") else as_array(x).shape


@composed
def dtype(x: Any) -> Any:
    """The name of the element type."""
    return x.dtype if is_symbolic(x) and isinstance(x, KerasTensor) else as_array(x).dtype.name


@composed
def is_tensor(x: Any) -> Any:
    """Whether this is a tensor: eager or symbolic."""
    return isinstance(x, (Tensor, KerasTensor))


@composed
def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """A tensor of anything; symbolic tensors are cast if a type is given."""
    if sparse or ragged:
        raise UnsupportedError("sparse and ragged tensors are not supported")
    if is_symbolic(x):
        return x if dtype is None or dtype_name(dtype) == x.dtype else cast(x, dtype)
    array = as_array(x)
    return wrap(array if dtype is None else array.astype(numpy_dtype(dtype)))


@composed
def convert_to_numpy(x: Any) -> Any:
    """A numpy array of its own."""
    if is_symbolic(x):
        raise ValueError("convert_to_numpy: a symbolic tensor has no numbers")
    return np.array(as_array(x))


def _eager_only(name: str, *values: Any) -> None:
    if is_symbolic(values):
        raise UnsupportedError(
            f"keras.ops.{name} with symbolic tensors cannot be a part of a model: its functions "
            "are Python code; use keras.ops.where, or a loop in Python with a fixed length"
        )


@composed
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What one of two functions gives: of the first one if the condition holds."""
    _eager_only("cond", pred)
    return true_fn() if bool(as_array(pred)) else false_fn()


@composed
def switch(index: Any, branches: Any, *operands: Any) -> Any:
    """What one of several functions gives; the index is cut to those there are."""
    _eager_only("switch", index)
    return branches[min(max(int(as_array(index)), 0), len(branches) - 1)](*operands)


@composed
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """Calls ``body`` with what it gave before, as long as the condition holds."""
    _eager_only("while_loop", loop_vars)
    is_many, count = isinstance(loop_vars, (list, tuple)), 0
    held = tuple(loop_vars) if is_many else (loop_vars,)
    while bool(as_array(cond(*held))) and (
        maximum_iterations is None or count < maximum_iterations
    ):
        made = body(*held)
        held = tuple(made) if isinstance(made, (list, tuple)) else (made,)
        count += 1
    return type(loop_vars)(held) if is_many else held[0]


@composed
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Calls ``body_fun(i, value)`` for each i from ``lower`` to before ``upper``.

    With plain numbers as bounds the body may work on symbolic tensors: it is repeated in the model.
    """
    _eager_only("fori_loop", lower, upper)
    value = init_val
    for i in range(int(as_array(lower)), int(as_array(upper))):
        value = body_fun(i, value)
    return value


def _stacked(items: list[Any]) -> Any:
    if not items:
        return None
    columns = list(zip(*[_tree.flatten(item) for item in items]))
    return _tree.pack_as(items[0], [stack(list(column), axis=0) for column in columns])


def _rows(xs: Any) -> list[Any]:
    columns = [list(unstack(leaf, axis=0)) for leaf in _tree.leaves(xs)]
    return [_tree.pack_as(xs, row) for row in zip(*columns)]


@composed
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Calls a function on every row, and stacks what it gives."""
    return _stacked([f(row) for row in _rows(xs)])


@composed
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """Calls a function on every row, and stacks what it gives."""
    return _stacked([function(row) for row in _rows(elements)])


@composed
def scan(
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> Any:
    """Calls ``f(carry, row)`` on every row with the carry that it gave before.

    Parameters
    ----------
    f : callable
        Gives ``(carry, y)``.
    init : tensor or structure
        The first carry.
    xs : tensor or structure, optional
        Rows along the first axis.
    length : int, optional
        How many steps if there are no rows.
    reverse : bool
        Whether rows are taken from the last to the first.
    unroll : int or bool
        Has no effect.

    Returns
    -------
    tuple
        The last carry, and every y stacked in the order of the rows.
    """
    if xs is None and length is None:
        raise ValueError("scan: expected xs or length")
    rows: list[Any] = [None] * int(length or 0) if xs is None else _rows(xs)
    carry, made = init, []
    for row in reversed(rows) if reverse else rows:
        carry, y = f(carry, row)
        made.append(y)
    if reverse:
        made.reverse()
    return carry, None if not made or made[0] is None else _stacked(made)


@composed
def associative_scan(
    f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """Running results of a function of two rows along an axis."""
    from ebb.keras.ops._shape import moveaxis

    rows = _rows(_tree.map_structure(lambda leaf: moveaxis(leaf, axis, 0), elems))
    if reverse:
        rows.reverse()
    made = rows[:1]
    for row in rows[1:]:
        made.append(f(made[-1], row))
    if reverse:
        made.reverse()
    return _tree.map_structure(lambda leaf: moveaxis(leaf, 0, axis), _stacked(made))


@composed
def custom_gradient(f: Callable[..., Any]) -> Any:
    """Makes a function whose gradient is computed by a function of its own.

    ``f(*x)`` gives ``(y, gradient)``, as for ``tf.custom_gradient``. Python of the caller's own is
    no part of a model: a layer that calls it is run on numbers.
    """
    from ebb.tf._custom_gradient import custom_gradient as make

    made = make(f)

    def call(*args: Any, **kwargs: Any) -> Any:
        _eager_only("custom_gradient", args, kwargs)
        return made(*args, **kwargs)

    return call
