"""Arithmetic: elementwise functions, reductions, products of matrices."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ebb._apply import apply, one
from ebb._dtype import as_dtype, bool_, float32, int32, int64
from ebb._operators import (
    binary,
    cast,
    convert,
    dtype_of,
    equal,
    int_array,
    not_equal,
    operand,
    pair,
    rank_of,
    truediv,
    unary,
)
from ebb._operators import matmul as _matmul
from ebb._values import EagerTensor, Tensor
from ebb.tf._arrays import eager_only, reshape, transpose

Function = Callable[..., Any]

_NAMES = {"AddV2": "Add"}  # of nodes


def _named(function: Function, name: str, doc: str) -> Function:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _unary(name: str, op: str) -> Function:
    def function(x: Any, name: str | None = None) -> Any:
        return unary(op, x, name or op)

    return _named(function, name, f"``{name}`` of each element.")


def _binary(name: str, op: str) -> Function:
    def function(x: Any, y: Any, name: str | None = None) -> Any:
        return binary(op, x, y, name or _NAMES.get(op, op))

    return _named(function, name, f"``{name}`` of two tensors of one type, which broadcast.")


def _reduction(name: str, op: str) -> Function:
    def function(
        input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
    ) -> Any:
        return reduce(op, input_tensor, axis, keepdims, name)

    return _named(function, name, f"``{name}`` over axes; over all of them without ``axis``.")


def reduce(op: str, x: Any, axis: Any, keepdims: bool, name: str | None = None) -> Any:
    """A reduction over axes; None is all of them."""
    x = operand(x, None, bool_ if op in ("Any", "All") else None)
    axes = list(range(rank_of(x))) if axis is None else axis
    places = np.asarray(axes, np.int32).reshape(-1) if axes == [] else int_array(axes)
    return one(op, (x, places), {"keep_dims": bool(keepdims)} if keepdims else None, name)


abs = _unary("abs", "Abs")
negative = _unary("negative", "Neg")
sign = _unary("sign", "Sign")
square = _unary("square", "Square")
sqrt = _unary("sqrt", "Sqrt")
rsqrt = _unary("rsqrt", "Rsqrt")
reciprocal = _unary("reciprocal", "Reciprocal")
exp = _unary("exp", "Exp")
expm1 = _unary("expm1", "Expm1")
log = _unary("log", "Log")
log1p = _unary("log1p", "Log1p")
sin = _unary("sin", "Sin")
cos = _unary("cos", "Cos")
tan = _unary("tan", "Tan")
asin = _unary("asin", "Asin")
acos = _unary("acos", "Acos")
atan = _unary("atan", "Atan")
sinh = _unary("sinh", "Sinh")
cosh = _unary("cosh", "Cosh")
tanh = _unary("tanh", "Tanh")
asinh = _unary("asinh", "Asinh")
acosh = _unary("acosh", "Acosh")
atanh = _unary("atanh", "Atanh")
erf = _unary("erf", "Erf")
erfc = _unary("erfc", "Erfc")
floor = _unary("floor", "Floor")
ceil = _unary("ceil", "Ceil")
round = _unary("round", "Round")
rint = _unary("rint", "Rint")
sigmoid = _unary("sigmoid", "Sigmoid")
logical_not = _unary("logical_not", "LogicalNot")
is_nan = _unary("is_nan", "IsNan")
is_inf = _unary("is_inf", "IsInf")
is_finite = _unary("is_finite", "IsFinite")
softplus = _unary("softplus", "Softplus")
softsign = _unary("softsign", "Softsign")
add = _binary("add", "AddV2")
subtract = _binary("subtract", "Sub")
multiply = _binary("multiply", "Mul")
floordiv = _binary("floordiv", "FloorDiv")
floormod = _binary("floormod", "FloorMod")
mod = _binary("mod", "FloorMod")
pow = _binary("pow", "Pow")
maximum = _binary("maximum", "Maximum")
minimum = _binary("minimum", "Minimum")
atan2 = _binary("atan2", "Atan2")
squared_difference = _binary("squared_difference", "SquaredDifference")
divide_no_nan = _binary("divide_no_nan", "DivNoNan")
multiply_no_nan = _binary("multiply_no_nan", "MulNoNan")
xdivy = _binary("xdivy", "Xdivy")
xlogy = _binary("xlogy", "Xlogy")
xlog1py = _binary("xlog1py", "Xlog1py")
less = _binary("less", "Less")
less_equal = _binary("less_equal", "LessEqual")
greater = _binary("greater", "Greater")
greater_equal = _binary("greater_equal", "GreaterEqual")
logical_and = _binary("logical_and", "LogicalAnd")
logical_or = _binary("logical_or", "LogicalOr")
reduce_sum = _reduction("reduce_sum", "Sum")
reduce_mean = _reduction("reduce_mean", "Mean")
reduce_max = _reduction("reduce_max", "Max")
reduce_min = _reduction("reduce_min", "Min")
reduce_prod = _reduction("reduce_prod", "Prod")
reduce_any = _reduction("reduce_any", "Any")
reduce_all = _reduction("reduce_all", "All")
reduce_euclidean_norm = _reduction("reduce_euclidean_norm", "EuclideanNorm")


def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """True division."""
    return truediv(x, y, name)


def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """A number times a tensor."""
    return binary("Mul", scalar, x, name)


def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Any:
    """One of the two, not both."""
    return not_equal(operand(x, bool_), operand(y, bool_))


def add_n(inputs: Any, name: str | None = None) -> Any:
    """The sum of several tensors."""
    items = [operand(item) for item in inputs]
    return one("AddN", items, {"N": len(items)}, name)


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """The tensor with what is beyond the bounds set to them."""
    x = operand(t)
    return binary("Maximum", binary("Minimum", x, clip_value_max), clip_value_min, name)


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """The tensor, scaled down if its norm is above ``clip_norm``."""
    x = convert(t)
    norm = reduce("EuclideanNorm", x, axes, True)
    return binary("Mul", x, truediv(clip_norm, binary("Maximum", norm, clip_norm)))


def global_norm(t_list: Any, name: str | None = None) -> Any:
    """The norm of all elements of several tensors."""
    squares = [reduce("Sum", unary("Square", t), None, False) for t in t_list if t is not None]
    return unary("Sqrt", add_n(squares))


def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> Any:
    """Tensors scaled down together if their norm is above ``clip_norm``; and that norm."""
    norm = global_norm(t_list) if use_norm is None else use_norm
    scale = truediv(clip_norm, binary("Maximum", norm, clip_norm))
    return [None if t is None else binary("Mul", t, scale) for t in t_list], norm


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False,
    output_type: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """The product of two matrices, or of stacks of them that broadcast."""
    turned = {"transpose_a": transpose_a or adjoint_a, "transpose_b": transpose_b or adjoint_b}
    return _matmul(a, b, name, **{key: True for key, value in turned.items() if value})


def matvec(a: Any, b: Any, transpose_a: bool = False, name: str | None = None, **_: Any) -> Any:
    """The product of a matrix and a vector."""
    from ebb.tf._arrays import expand_dims, squeeze

    return squeeze(matmul(a, expand_dims(b, -1), transpose_a), -1)


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Any:
    """The sum of products over these axes of both."""
    x, y = convert(a), convert(b)
    if isinstance(axes, (int, np.integer)):
        first = list(range(x.ndim - int(axes), x.ndim))
        second = list(range(int(axes)))
    else:
        first, second = (list(np.atleast_1d(np.asarray(part))) for part in axes)
    first, second = [int(i) % x.ndim for i in first], [int(i) % y.ndim for i in second]
    rest_x = [i for i in range(x.ndim) if i not in first]
    rest_y = [i for i in range(y.ndim) if i not in second]
    dims = [x.shape[i] for i in rest_x] + [y.shape[i] for i in rest_y]
    inner = int(np.prod([x.shape[i] for i in first], dtype=np.int64))
    left = reshape(transpose(x, rest_x + first), [-1, inner])
    right = reshape(transpose(y, second + rest_y), [inner, -1])
    return reshape(matmul(left, right), [-1 if d is None else d for d in dims])


def einsum(equation: str, *inputs: Any, **_: Any) -> Any:
    """Sums of products, told by letters: ``"ij,jk->ik"``."""
    items = [operand(item) for item in inputs]
    return one("Einsum", items, {"equation": equation.replace(" ", ""), "N": len(items)})


def cumsum(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Sums of the elements up to each place."""
    attributes = {"exclusive": exclusive, "reverse": reverse}
    return one("Cumsum", (operand(x), int_array(axis)), attributes, name)


def cumprod(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Products of the elements up to each place."""
    attributes = {"exclusive": exclusive, "reverse": reverse}
    return one("Cumprod", (operand(x), int_array(axis)), attributes, name)


def argmax(input: Any, axis: Any = None, output_type: Any = int64, name: str | None = None) -> Any:
    """The index of the largest element along an axis."""
    attributes = {"output_type": as_dtype(output_type)}
    return one("ArgMax", (operand(input), int_array(0 if axis is None else axis)), attributes, name)


def argmin(input: Any, axis: Any = None, output_type: Any = int64, name: str | None = None) -> Any:
    """The index of the smallest element along an axis."""
    attributes = {"output_type": as_dtype(output_type)}
    return one("ArgMin", (operand(input), int_array(0 if axis is None else axis)), attributes, name)


def top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = int32,
          name: str | None = None) -> Any:  # fmt: skip
    """The ``k`` largest elements of the last axis, and where they are."""
    return TopK(*apply("TopKV2", (operand(input), int_array(k)), {"sorted": bool(sorted)}, name))


class TopK(tuple):  # type: ignore[type-arg]
    """Two tensors: ``values`` and ``indices``."""

    def __new__(cls, values: Any, indices: Any) -> TopK:
        return super().__new__(cls, (values, indices))

    @property
    def values(self) -> Any:
        """The elements."""
        return self[0]

    @property
    def indices(self) -> Any:
        """Where they are."""
        return self[1]


def _centred(x: Any, axis: Any, keepdims: bool) -> Any:
    x = convert(x)
    mean = reduce("Mean", x, axis, True)
    return reduce("Mean", binary("SquaredDifference", x, mean), axis, keepdims)


def reduce_variance(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """The variance over axes."""
    return _centred(input_tensor, axis, keepdims)


def reduce_std(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """The standard deviation over axes."""
    return unary("Sqrt", _centred(input_tensor, axis, keepdims))


def reduce_logsumexp(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """The logarithm of the sum of exponentials over axes."""
    x = convert(input_tensor)
    top = one("StopGradient", (reduce("Max", x, axis, True),))
    total = unary("Log", reduce("Sum", unary("Exp", binary("Sub", x, top)), axis, True))
    result = binary("AddV2", total, top)
    return result if keepdims else reduce("Max", result, axis, False)


def count_nonzero(
    input: Any, axis: Any = None, keepdims: bool = False, dtype: Any = int64,
    name: str | None = None,
) -> Any:  # fmt: skip
    """How many elements are not zero."""
    x = convert(input)
    ones = cast(not_equal_zero(x), int32)
    return cast(reduce("Sum", ones, axis, keepdims), dtype)


def not_equal_zero(x: Tensor) -> Any:
    """Where a tensor is not zero."""
    return one("NotEqual", (x, np.zeros((), x.dtype.numpy)))


def bincount(arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None,
             dtype: Any = int32, **_: Any) -> Any:  # fmt: skip
    """How often each number is there. Eager only."""
    numbers, *rest = eager_only("math.bincount", arr, *([] if weights is None else [weights]))
    counts = np.bincount(
        numbers.reshape(-1), rest[0].reshape(-1) if rest else None, int(minlength or 0)
    )
    counts = counts[: int(maxlength)] if maxlength is not None else counts
    return EagerTensor.of(counts.astype(float32.numpy if rest else as_dtype(dtype).numpy))


def confusion_matrix(
    labels: Any, predictions: Any, num_classes: Any = None, weights: Any = None,
    dtype: Any = int32, name: str | None = None,
) -> Any:  # fmt: skip
    """How often each label was given each prediction. Eager only."""
    truth, guess = eager_only("math.confusion_matrix", labels, predictions)
    count = int(num_classes) if num_classes is not None else int(max(truth.max(), guess.max())) + 1
    result = np.zeros((count, count), as_dtype(dtype).numpy)
    amount = 1 if weights is None else np.asarray(weights).reshape(-1)
    np.add.at(result, (truth.reshape(-1), guess.reshape(-1)), amount)
    return EagerTensor.of(result)


def _segment(name: str, start: float, change: Any) -> Function:
    def function(data: Any, segment_ids: Any, num_segments: Any = None, name_: Any = None) -> Any:
        values, places = eager_only(f"math.{name}", data, segment_ids)
        count = int(num_segments) if num_segments is not None else int(places.max()) + 1
        result = np.full((count, *values.shape[places.ndim :]), start, values.dtype)
        change(result, places, values)
        return EagerTensor.of(result)

    return _named(function, name, f"``{name}``: rows put together by their segment. Eager only.")


segment_sum = _segment("segment_sum", 0, np.add.at)
unsorted_segment_sum = _segment("unsorted_segment_sum", 0, np.add.at)


def in_top_k(targets: Any, predictions: Any, k: int, name: str | None = None) -> Any:
    """Is the target among the ``k`` largest predictions of its row? Eager only."""
    wanted, scores = eager_only("math.in_top_k", targets, predictions)
    own = np.take_along_axis(scores, wanted[:, None].astype(np.int64), 1)
    return EagerTensor.of((scores > own).sum(axis=1) < k)


def equal_(x: Any, y: Any, name: str | None = None) -> Any:
    """Where two tensors are equal."""
    x, y = pair(x, y)
    return equal(x, y) if dtype_of(x) is not dtype_of(y) else one("Equal", (x, y), None, name)


def not_equal_(x: Any, y: Any, name: str | None = None) -> Any:
    """Where two tensors are not equal."""
    x, y = pair(x, y)
    return (
        not_equal(x, y) if dtype_of(x) is not dtype_of(y) else one("NotEqual", (x, y), None, name)
    )


__all__ = [
    "abs", "acos", "acosh", "add", "add_n", "argmax", "argmin", "asin", "asinh", "atan", "atan2",
    "atanh", "bincount", "ceil", "clip_by_global_norm", "clip_by_norm", "clip_by_value",
    "confusion_matrix", "cos", "cosh", "count_nonzero", "cumprod", "cumsum", "divide",
    "divide_no_nan", "einsum", "erf", "erfc", "exp", "expm1", "floor", "floordiv", "floormod",
    "global_norm", "greater", "greater_equal", "in_top_k", "is_finite", "is_inf", "is_nan",
    "less", "less_equal", "log", "log1p", "logical_and", "logical_not", "logical_or",
    "logical_xor", "matmul", "matvec", "maximum", "minimum", "mod", "multiply", "multiply_no_nan",
    "negative", "pow", "reciprocal", "reduce_all", "reduce_any", "reduce_euclidean_norm",
    "reduce_logsumexp", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_std",
    "reduce_sum", "reduce_variance", "rint", "round", "rsqrt", "scalar_mul", "segment_sum",
    "sigmoid", "sign", "sin", "sinh", "softplus", "softsign", "sqrt", "square",
    "squared_difference", "subtract", "tan", "tanh", "tensordot", "top_k", "truediv",
    "unsorted_segment_sum", "xdivy", "xlog1py", "xlogy",
]  # fmt: skip
