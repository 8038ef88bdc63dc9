"""The operators of tensors, and how values become tensors.

Types follow TensorFlow: nothing is promoted. A Python number takes the type of the tensor beside
it if it can be had without loss; two tensors of different types are an error.
"""

from __future__ import annotations

import operator
import sys
from typing import Any

import numpy as np

from ebb import _context, _values
from ebb._apply import one
from ebb._dtype import DType, as_dtype, bool_, float32, float64, int32
from ebb._eager import run_again
from ebb._errors import ArgumentError, DTypeError, UnsupportedError
from ebb._table import Operand
from ebb._values import EagerTensor, Tensor, convert_array


def operand(value: Any, dtype: Any = None, hint: DType | None = None) -> Operand:
    """A value as something ``apply`` takes: tensors stay, others become arrays."""
    maker = getattr(value, "_as_tensor", None)  # variables
    if maker is not None:
        value = maker()
    if isinstance(value, Tensor):
        if dtype is not None and value.dtype is not as_dtype(dtype):
            raise ValueError(
                f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with dtype "
                f"{value.dtype.name}: {value!r}"
            )
        return value
    if isinstance(value, (list, tuple)) and any(_is_symbolic(item) for item in _leaves(value)):
        items = [operand(item, dtype, hint) for item in value]
        kind = next(item.dtype for item in items if isinstance(item, Tensor))
        packed: Tensor = one("Pack", [operand(item, None, kind) for item in items], {"axis": 0})
        return packed
    if type(value).__name__ == "KerasTensor":
        if is_traced(value):
            return value  # type: ignore[no-any-return]
        raise ValueError(
            "a KerasTensor is a symbolic input of a Keras model: functions of tf take tensors. "
            "Use a layer, or the function of the same name in keras.ops"
        )
    return convert_array(value, dtype, hint)


def is_traced(value: Any) -> bool:
    """Is it a symbolic tensor of Keras in a call that is being traced?"""
    known = _context.settings.keras
    return known is not None and known[0](value)


def _leaves(value: Any) -> Any:
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def _is_symbolic(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.is_symbolic
    return hasattr(value, "_as_tensor") and _context.building() is not None


def convert(value: Any, dtype: Any = None, hint: Any = None, name: str | None = None) -> Tensor:
    """A value as a tensor: of the graph that is being built, else an eager one."""
    found = operand(value, dtype, None if hint is None else as_dtype(hint))
    if isinstance(found, Tensor) or not isinstance(found, np.ndarray):
        return found
    graph = _context.building()
    if graph is not None:
        return graph.constant(found, name)
    return EagerTensor.of(found)


def dtype_of(x: Operand) -> DType:
    """The type of an operand."""
    return x.dtype if isinstance(x, Tensor) else as_dtype(x.dtype)


def rank_of(x: Operand) -> int:
    """The number of axes of an operand."""
    return len(x.shape)


def pair(x: Any, y: Any) -> tuple[Operand, Operand]:
    """Two operands; one that is no tensor takes the type of the other if it can."""
    if _has_dtype(x):
        first = operand(x)
        return first, operand(y, None, dtype_of(first))
    if _has_dtype(y):
        second = operand(y)
        return operand(x, None, dtype_of(second)), second
    first = operand(x)
    return first, operand(y, None, dtype_of(first))


def _has_dtype(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "_as_tensor") or is_traced(value)


def _check_pair(op: str, x: Operand, y: Operand) -> None:
    if dtype_of(x) is not dtype_of(y):
        names = [{"float32": "float"}.get(dtype_of(t).name, dtype_of(t).name) for t in (x, y)]
        raise ArgumentError(
            f"cannot compute {op} as input #1(zero-based) was expected to be a {names[0]} tensor "
            f"but is a {names[1]} tensor [Op:{op}]"
        )


def binary(op: str, x: Any, y: Any, name: str | None = None) -> Any:
    """An operation of two tensors of one type, which broadcast."""
    if type(x) is EagerTensor and type(y) is EagerTensor and x.dtype is y.dtype:
        made = run_again(op, x, y)
        return made if made is not None else one(op, (x, y), None, name)
    try:
        x, y = pair(x, y)
    except DTypeError:
        if _is_foreign(x) or _is_foreign(y):
            return NotImplemented
        raise
    _check_pair(op, x, y)
    return one(op, (x, y), None, name)


def _is_foreign(value: Any) -> bool:
    """Something whose own operator should be asked."""
    return not isinstance(value, (Tensor, str, bytes, int, float, list, tuple, np.ndarray)) and (
        value is None or hasattr(type(value), "__radd__")
    )


def unary(op: str, x: Any, name: str | None = None) -> Any:
    """An operation of one tensor."""
    return one(op, (operand(x),), None, name)


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The tensor in another type; itself if it has it."""
    x, kind = operand(x), as_dtype(dtype)
    if not kind.number:
        raise UnsupportedError(f"tensors of type {kind.name} are not supported", "tf.cast")
    if dtype_of(x) is kind:
        return convert(x)
    return one("Cast", (x,), {"DstT": kind}, name or "Cast")


def truediv(x: Any, y: Any, name: str | None = None) -> Any:
    """True division: integers become float64, small ones float32."""
    x, y = pair(x, y)
    _check_pair("RealDiv", x, y)
    kind = dtype_of(x)
    if not kind.is_floating:
        to = float32 if kind.size <= 2 else float64
        x, y = cast(x, to), cast(y, to)
    return one("RealDiv", (x, y), None, name)


def logical(op: str, bits: str, x: Any, y: Any) -> Any:
    """And, or, xor: of truth values, or of the bits of integers."""
    x, y = pair(x, y)
    is_bool = dtype_of(x) is bool_ or dtype_of(y) is bool_
    _check_pair(op if is_bool else bits, x, y)
    return one(op if is_bool else bits, (x, y))


def invert(x: Any) -> Any:
    """Not: of truth values, or of the bits of integers."""
    x = operand(x)
    if dtype_of(x) is bool_:
        return one("LogicalNot", (x,))
    return one("BitwiseXor", (x, np.array(-1).astype(dtype_of(x).numpy)))


def _is_handle(x: Any) -> bool:
    """Tensors of a graph that sessions run are compared as names are."""
    return getattr(x, "is_symbolic", False) and not x.graph.building_function


def equal(x: Any, y: Any) -> Any:
    """Equal, element by element; tensors of different shapes are not equal."""
    if y is None:
        return False
    if _is_handle(x) or _is_handle(y):
        return getattr(x, "is_symbolic", False) and x.same_as(y)
    return _compare("Equal", x, y, False)


def not_equal(x: Any, y: Any) -> Any:
    """Not equal, element by element."""
    if y is None:
        return True
    if _is_handle(x) or _is_handle(y):
        return not equal(x, y)
    return _compare("NotEqual", x, y, True)


def _compare(op: str, x: Any, y: Any, otherwise: bool) -> Any:
    try:
        x, y = pair(x, y)
    except TypeError:
        return otherwise
    _check_pair(op, x, y)
    if None not in tuple(x.shape) and None not in tuple(y.shape):
        try:
            np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
        except ValueError:
            return convert(otherwise)
    return one(op, (x, y))


def matmul(x: Any, y: Any, name: str | None = None, **attributes: Any) -> Any:
    """A product of matrices, or of stacks of them that broadcast.

    ``attributes`` are ``transpose_a`` and ``transpose_b``.
    """
    x, y = pair(x, y)
    _check_pair("MatMul", x, y)
    if rank_of(x) < 2 or rank_of(y) < 2:
        raise ArgumentError(
            f"In[0] and In[1] has different ndims or are no matrices: {list(x.shape)} vs. "
            f"{list(y.shape)} [Op:MatMul]"
        )
    if rank_of(x) == 2 and rank_of(y) == 2:
        return one("MatMul", (x, y), attributes, name)
    turned = {"transpose_a": "adj_x", "transpose_b": "adj_y"}
    return one("BatchMatMulV2", (x, y), {turned[k]: v for k, v in attributes.items()}, name)


# -- indexing --------------------------------------------------------------------------------------

_INDEX_TEXT = (
    "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/"
    "tf.int64 tensors are valid indices, got "
)


def getitem(x: Tensor, index: Any) -> Any:
    """``x[index]`` with integers, slices, ``...``, None and scalar tensors; or a mask of bools."""
    items = index if isinstance(index, tuple) else (index,)
    if len(items) == 1 and _is_mask(items[0]):
        from ebb.tf._arrays import boolean_mask

        return boolean_mask(x, items[0])
    if any(isinstance(item, Tensor) and item.is_symbolic for item in items):
        return _getitem_dynamic(x, items)
    begin, end, strides = [], [], []
    masks = dict.fromkeys(
        ["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"], 0
    )
    for place, item in enumerate(items):
        first, last, step = 0, 0, 1
        if item is Ellipsis:
            masks["ellipsis_mask"] |= 1 << place
        elif item is None:
            masks["new_axis_mask"] |= 1 << place
        elif isinstance(item, slice):
            step = 1 if item.step is None else _number(item.step)
            first, last = _bound(item.start), _bound(item.stop)
            masks["begin_mask"] |= (item.start is None) << place
            masks["end_mask"] |= (item.stop is None) << place
        else:
            first = _number(item)
            last = first + 1
            masks["shrink_axis_mask"] |= 1 << place
        begin.append(first)
        end.append(last)
        strides.append(step)
    _check_bounds(x, items)
    used = {name: mask for name, mask in masks.items() if mask}
    lists = [np.array(numbers, np.int32) for numbers in (begin, end, strides)]
    return one("StridedSlice", (x, *lists), used)


def _is_mask(item: Any) -> bool:
    kind = getattr(item, "dtype", None)
    return kind is not None and as_dtype(kind) is bool_ and len(item.shape) > 0


def _number(item: Any) -> int:
    if isinstance(item, (bool, np.bool_, float, str, list)):
        raise TypeError(f"{_INDEX_TEXT}{item!r}")
    try:
        return operator.index(item)
    except TypeError:
        raise TypeError(f"{_INDEX_TEXT}{item!r}") from None


def _bound(item: Any) -> int:
    return 0 if item is None else max(min(_number(item), 2**31 - 1), -(2**31))


def _check_bounds(x: Tensor, items: tuple[Any, ...]) -> None:
    """Says which index is out of bounds, as TensorFlow does."""
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(x.shape):
        raise ArgumentError(
            f"Index out of range using input dim {len(x.shape)}; input has only {len(x.shape)} "
            "dims [Op:StridedSlice]"
        )
    axis, after = 0, used
    for item in items:
        if item is Ellipsis:
            axis = len(x.shape) - after
        elif item is not None:
            length, after = x.shape[axis], after - 1
            if not isinstance(item, slice) and length is not None:
                number = _number(item)
                if not -length <= number < length:
                    raise ArgumentError(
                        f"slice index {number} of dimension {axis} out of bounds. [Op:StridedSlice]"
                    )
            axis += 1


def _getitem_dynamic(x: Tensor, items: tuple[Any, ...]) -> Any:
    """An index that is known only when the graph runs: along one axis."""
    for place, item in enumerate(items):
        if isinstance(item, Tensor) and item.is_symbolic:
            if item.shape or any(other is None or other is Ellipsis for other in items[:place]):
                raise TypeError(f"{_INDEX_TEXT}{item!r}")
            rest = (*items[:place], slice(None), *items[place + 1 :])
            drop = sum(not isinstance(other, slice) for other in rest[:place])
            part = getitem(x, rest) if any(r != slice(None) for r in rest) else x
            return one("GatherV2", (part, item, np.array(place - drop, np.int32)))
    raise AssertionError("there is a dynamic index")


def int_array(values: Any, dtype: DType = int32) -> Any:
    """A list of integers (axes, a shape) as ``apply`` takes it; tensors of a graph stay."""
    if isinstance(values, EagerTensor):
        values = values.numpy()
    if isinstance(values, (list, tuple)):
        values = [v.numpy() if isinstance(v, EagerTensor) else v for v in values]
        if any(is_traced(v) for v in values):
            return tuple(values)
        if any(_is_symbolic(v) for v in values):
            return one("Pack", [operand(v, None, int32) for v in values], {"axis": 0})
        values = [-1 if v is None else v for v in values]
    found = operand(values)
    if isinstance(found, Tensor):
        return found
    if found.size and found.dtype.kind not in "iu":
        raise DTypeError(f"integers are expected, not {values!r}")
    return found.astype(np.int32 if found.size == 0 or abs(found).max() < 2**31 else dtype.numpy)


_values.operators = sys.modules[__name__]
