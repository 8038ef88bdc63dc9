"""Operations of one and two tensors, element by element, that a model can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras.ops._operation import CORE, MATH, NN, eager, operation
from ebb.keras.ops._promotion import Array, as_array, dtype_name, meet, numpy_dtype
from ebb.keras.ops._special import error_function


def _counted(x: Array) -> Array:
    """Bools as int32."""
    return x.astype(np.int32) if x.dtype == np.bool_ else x


# -- one tensor --------------------------------------------------------------------------------


@operation("Absolute")
def absolute(x: Any) -> Any:
    """Absolute value, element by element."""
    return np.absolute(x)


@operation("Abs")
def abs_(x: Any) -> Any:
    """Absolute value, element by element."""
    return np.absolute(x)


@operation("Fabs", promote="float")
def fabs(x: Any) -> Any:
    """Absolute value as a float."""
    return np.absolute(x)


@operation("Negative")
def negative(x: Any) -> Any:
    """``-x``."""
    return np.negative(x)


@operation("Sign")
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return np.sign(x)


@operation("Square")
def square(x: Any) -> Any:
    """``x * x``; bools become int32."""
    return np.square(_counted(x))


@operation("Sqrt", promote="float")
def sqrt(x: Any) -> Any:
    """Square root; NaN below 0."""
    return np.sqrt(x)


@operation("Rsqrt", promote="float", module=MATH)
def rsqrt(x: Any) -> Any:
    """``1 / sqrt(x)``."""
    return 1 / np.sqrt(x)


@operation("Reciprocal", promote="float")
def reciprocal(x: Any) -> Any:
    """``1 / x``."""
    return 1 / x


@operation("Exp", promote="float")
def exp(x: Any) -> Any:
    """``e ** x``."""
    return np.exp(x)


@operation("Expm1", promote="float")
def expm1(x: Any) -> Any:
    """``exp(x) - 1``, exact near 0."""
    return np.expm1(x)


@operation("Exp2", promote="float")
def exp2(x: Any) -> Any:
    """``2 ** x``."""
    return np.exp2(x)


@operation("Log", promote="float")
def log(x: Any) -> Any:
    """Natural logarithm."""
    return np.log(x)


@operation("Log1p", promote="float")
def log1p(x: Any) -> Any:
    """``log(1 + x)``, exact near 0."""
    return np.log1p(x)


@operation("Log2", promote="float")
def log2(x: Any) -> Any:
    """Logarithm of base 2."""
    return np.log2(x)


@operation("Log10", promote="float")
def log10(x: Any) -> Any:
    """Logarithm of base 10."""
    return np.log10(x)


@operation("Sin", promote="float")
def sin(x: Any) -> Any:
    """Sine."""
    return np.sin(x)


@operation("Cos", promote="float")
def cos(x: Any) -> Any:
    """Cosine."""
    return np.cos(x)


@operation("Tan", promote="float")
def tan(x: Any) -> Any:
    """Tangent."""
    return np.tan(x)


@operation("Arcsin", promote="float")
def arcsin(x: Any) -> Any:
    """Inverse sine."""
    return np.arcsin(x)


@operation("Arccos", promote="float")
def arccos(x: Any) -> Any:
    """Inverse cosine."""
    return np.arccos(x)


@operation("Arctan", promote="float")
def arctan(x: Any) -> Any:
    """Inverse tangent."""
    return np.arctan(x)


@operation("Sinh", promote="float")
def sinh(x: Any) -> Any:
    """Hyperbolic sine."""
    return np.sinh(x)


@operation("Cosh", promote="float")
def cosh(x: Any) -> Any:
    """Hyperbolic cosine."""
    return np.cosh(x)


@operation("Tanh", promote="float")
def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return np.tanh(x)


@operation("Arcsinh", promote="float")
def arcsinh(x: Any) -> Any:
    """Inverse hyperbolic sine."""
    return np.arcsinh(x)


@operation("Arccosh", promote="float")
def arccosh(x: Any) -> Any:
    """Inverse hyperbolic cosine."""
    return np.arccosh(x)


@operation("Arctanh", promote="float")
def arctanh(x: Any) -> Any:
    """Inverse hyperbolic tangent."""
    return np.arctanh(x)


@operation("Floor", promote="float")
def floor(x: Any) -> Any:
    """Largest whole number that is not larger."""
    return np.floor(x)


@operation("Ceil", promote="float")
def ceil(x: Any) -> Any:
    """Smallest whole number that is not smaller."""
    return np.ceil(x)


@operation("Trunc")
def trunc(x: Any) -> Any:
    """Whole part, towards 0."""
    return np.trunc(x).astype(x.dtype)


@operation("Isnan")
def isnan(x: Any) -> Any:
    """Where there is NaN."""
    return np.isnan(x)


@operation("Isfinite")
def isfinite(x: Any) -> Any:
    """Where there is neither NaN nor infinity."""
    return np.isfinite(x)


@operation("Isinf")
def isinf(x: Any) -> Any:
    """Where there is an infinity."""
    return np.isinf(x)


@operation("LogicalNot")
def logical_not(x: Any) -> Any:
    """True where ``x`` is 0."""
    return np.logical_not(x)


@operation("Copy")
def copy(x: Any) -> Any:
    """A copy of its own."""
    return x.copy()


@operation("Conjugate")
def conjugate(x: Any) -> Any:
    """Complex conjugate; real numbers stay."""
    return np.conjugate(x)


@operation("Conjugate")
def conj(x: Any) -> Any:
    """Complex conjugate; real numbers stay."""
    return np.conjugate(x)


@operation("Real")
def real(x: Any) -> Any:
    """Real part; real numbers stay."""
    return np.real(x)


@operation("Deg2rad", promote="float")
def deg2rad(x: Any) -> Any:
    """Degrees to radians."""
    return np.deg2rad(x)


@operation("Rad2deg", promote="float")
def rad2deg(x: Any) -> Any:
    """Radians to degrees."""
    return np.rad2deg(x)


# -- two tensors --------------------------------------------------------------------------------


@operation("Add", "x1 x2", "meet")
def add(x1: Any, x2: Any) -> Any:
    """``x1 + x2``; the sum of bools is their OR."""
    return np.add(x1, x2)


@operation("Subtract", "x1 x2", "meet")
def subtract(x1: Any, x2: Any) -> Any:
    """``x1 - x2``."""
    return np.subtract(x1, x2)


@operation("Multiply", "x1 x2", "meet")
def multiply(x1: Any, x2: Any) -> Any:
    """``x1 * x2``."""
    return np.multiply(x1, x2)


@operation("Divide", "x1 x2", "meet_float")
def divide(x1: Any, x2: Any) -> Any:
    """``x1 / x2``, always a float."""
    return np.divide(x1, x2)


@operation("TrueDivide", "x1 x2", "meet_float")
def true_divide(x1: Any, x2: Any) -> Any:
    """``x1 / x2``, always a float."""
    return np.divide(x1, x2)


@operation("FloorDivide", "x1 x2", "meet")
def floor_divide(x1: Any, x2: Any) -> Any:
    """``x1 // x2``, rounded down."""
    return np.floor_divide(x1, x2)


@operation("Mod", "x1 x2", "meet")
def mod(x1: Any, x2: Any) -> Any:
    """Remainder with the sign of the divisor."""
    return np.mod(x1, x2)


@operation("Maximum", "x1 x2", "meet")
def maximum(x1: Any, x2: Any) -> Any:
    """The larger of two; NaN where one is."""
    return np.maximum(x1, x2)


@operation("Minimum", "x1 x2", "meet")
def minimum(x1: Any, x2: Any) -> Any:
    """The smaller of two; NaN where one is."""
    return np.minimum(x1, x2)


@operation("Arctan2", "x1 x2", "meet_float")
def arctan2(x1: Any, x2: Any) -> Any:
    """Angle of the point ``(x2, x1)``."""
    return np.arctan2(x1, x2)


@operation("LogicalAnd", "x1 x2")
def logical_and(x1: Any, x2: Any) -> Any:
    """True where both are."""
    return np.logical_and(x1, x2)


@operation("LogicalOr", "x1 x2")
def logical_or(x1: Any, x2: Any) -> Any:
    """True where one is."""
    return np.logical_or(x1, x2)


@operation("LogicalXor", "x1 x2")
def logical_xor(x1: Any, x2: Any) -> Any:
    """True where exactly one is."""
    return np.logical_xor(x1, x2)


@operation("Equal", "x1 x2", "meet")
def equal(x1: Any, x2: Any) -> Any:
    """``x1 == x2``."""
    return np.equal(x1, x2)


@operation("NotEqual", "x1 x2", "meet")
def not_equal(x1: Any, x2: Any) -> Any:
    """``x1 != x2``."""
    return np.not_equal(x1, x2)


@operation("Less", "x1 x2", "meet")
def less(x1: Any, x2: Any) -> Any:
    """``x1 < x2``."""
    return np.less(x1, x2)


@operation("LessEqual", "x1 x2", "meet")
def less_equal(x1: Any, x2: Any) -> Any:
    """``x1 <= x2``."""
    return np.less_equal(x1, x2)


@operation("Greater", "x1 x2", "meet")
def greater(x1: Any, x2: Any) -> Any:
    """``x1 > x2``."""
    return np.greater(x1, x2)


@operation("GreaterEqual", "x1 x2", "meet")
def greater_equal(x1: Any, x2: Any) -> Any:
    """``x1 >= x2``."""
    return np.greater_equal(x1, x2)


@operation("Power", "x1 x2", "meet")
def power(x1: Any, x2: Any) -> Any:
    """``x1 ** x2``."""
    return np.power(x1, x2)


@operation("DivideNoNan", "x1 x2", "meet_float")
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """``x1 / x2``, 0 where ``x2`` is 0."""
    return np.where(x2 == 0, np.zeros_like(x1), np.divide(x1, x2))


@operation("Logaddexp", "x1 x2", "meet_float")
def logaddexp(x1: Any, x2: Any) -> Any:
    """``log(exp(x1) + exp(x2))`` without overflow."""
    return np.logaddexp(x1, x2)


@operation("Hypot", "x1 x2", "meet_float")
def hypot(x1: Any, x2: Any) -> Any:
    """``sqrt(x1 ** 2 + x2 ** 2)``."""
    return np.hypot(x1, x2)


@operation("Where", "condition x1 x2")
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """``x1`` where the condition holds, else ``x2``; with the condition alone: where it holds."""
    if x1 is None or x2 is None:
        return tuple(index.astype(np.int32) for index in np.nonzero(condition))
    return np.where(condition.astype(bool), *meet([x1, x2]))


@operation("Round", promote="float")
def round_(x: Any, decimals: int = 0) -> Any:
    """To the nearest; halves to the even one."""
    return np.round(x, decimals)


@operation("Clip")
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Into the range from ``x_min`` to ``x_max``."""
    x, low, high = meet([_counted(x), _number(x_min), _number(x_max)])
    return np.clip(x, low, high)


def _number(x: Any) -> Any:
    return x if isinstance(x, (bool, int, float)) else as_array(x)


def _prepare_cast(values: dict[str, Any]) -> Any:
    values["dtype"] = dtype_name(values["dtype"])


@operation("Cast", module=CORE, prepare=_prepare_cast)
def cast(x: Any, dtype: Any) -> Any:
    """To another type; floats lose their fraction."""
    return x.astype(numpy_dtype(dtype))


@eager()
def saturate_cast(x: Any, dtype: Any) -> Any:
    """To another type; numbers outside its range become its bounds."""
    kind = numpy_dtype(dtype)
    if kind.kind == "b":
        return x.astype(kind)
    limits: Any = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    low, high = limits.min, limits.max
    if x.dtype.kind in "iu":
        own = np.iinfo(x.dtype)
        low, high = max(low, own.min), min(high, own.max)
    return np.clip(x, low, high).astype(kind)


@operation("StopGradient", "variable", module=CORE)
def stop_gradient(variable: Any) -> Any:
    """The same numbers, seen as constants by training."""
    return variable.copy()


# -- activations -------------------------------------------------------------------------------


@operation("Relu", module=NN)
def relu(x: Any) -> Any:
    """``max(x, 0)``."""
    return np.maximum(x, np.zeros((), x.dtype))


@operation("Relu6", module=NN)
def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``."""
    return np.clip(x, np.zeros((), x.dtype), np.full((), 6, x.dtype))


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


def _softplus(x: Array) -> Array:
    made: Array = np.logaddexp(x, np.zeros((), x.dtype))
    return made


@operation("Sigmoid", promote="float", module=NN)
def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return _sigmoid(x)


@operation("LogSigmoid", promote="float", module=NN)
def log_sigmoid(x: Any) -> Any:
    """``log(sigmoid(x))`` without underflow."""
    return -_softplus(-x)


@operation("Softplus", promote="float", module=NN)
def softplus(x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    return _softplus(x)


@operation("Softsign", promote="float", module=NN)
def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    return x / (1 + np.abs(x))


@operation("Silu", promote="float", module=NN)
def silu(x: Any) -> Any:
    """``x * sigmoid(x)``, also called swish."""
    return x * _sigmoid(x)


swish = silu


@operation("HardSigmoid", promote="float", module=NN)
def hard_sigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6``."""
    return np.clip(x / 6 + 0.5, 0, 1).astype(x.dtype)


@operation("HardSilu", promote="float", module=NN)
def hard_silu(x: Any) -> Any:
    """``x * hard_sigmoid(x)``, also called hard swish."""
    return (x * np.clip(x / 6 + 0.5, 0, 1)).astype(x.dtype)


hard_swish = hard_silu


@operation("HardTanh", promote="float", module=NN)
def hard_tanh(x: Any) -> Any:
    """Into the range from -1 to 1."""
    return np.clip(x, -1, 1)


@operation("TanhShrink", promote="float", module=NN)
def tanh_shrink(x: Any) -> Any:
    """``x - tanh(x)``."""
    return x - np.tanh(x)


@operation("Selu", promote="float", module=NN)
def selu(x: Any) -> Any:
    """Scaled ELU: keeps mean and variance through many layers."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return (scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))).astype(x.dtype)


@operation("SparsePlus", promote="float", module=NN)
def sparse_plus(x: Any) -> Any:
    """0 up to -1, ``x`` from 1 on, ``(x + 1) ** 2 / 4`` between them."""
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)).astype(x.dtype)


@operation("SparseSigmoid", promote="float", module=NN)
def sparse_sigmoid(x: Any) -> Any:
    """0 up to -1, 1 from 1 on, ``(x + 1) / 2`` between them."""
    return np.clip((x + 1) / 2, 0, 1).astype(x.dtype)


@operation("LeakyRelu", promote="float", module=NN)
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """``x``, times the slope where it is negative."""
    return np.where(x < 0, x * negative_slope, x).astype(x.dtype)


@operation("Elu", promote="float", module=NN)
def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x``, and ``alpha * (exp(x) - 1)`` where it is negative."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x).astype(x.dtype)


@operation("Celu", promote="float", module=NN)
def celu(x: Any, alpha: float = 1.0) -> Any:
    """``x``, and ``alpha * (exp(x / alpha) - 1)`` where it is negative."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / alpha), x).astype(x.dtype)


@operation("HardShrink", promote="float", module=NN)
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """``x``, and 0 within the threshold around 0."""
    return np.where(np.abs(x) > threshold, x, 0).astype(x.dtype)


@operation("SoftShrink", promote="float", module=NN)
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """``x`` moved towards 0 by the threshold."""
    return (np.sign(x) * np.maximum(np.abs(x) - threshold, 0)).astype(x.dtype)


@operation("Squareplus", promote="float", module=NN)
def squareplus(x: Any, b: float = 4) -> Any:
    """``(x + sqrt(x ** 2 + b)) / 2``."""
    return ((x + np.sqrt(x * x + b)) / 2).astype(x.dtype)


@operation("Threshold", promote="float", module=NN)
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """``x`` above the threshold, else the default value."""
    return np.where(x > threshold, x, default_value).astype(x.dtype)


@operation("Gelu", promote="float", module=NN)
def gelu(x: Any, approximate: bool = True) -> Any:
    """``x`` times the normal distribution up to ``x``; approximated by tanh, or exact."""
    if approximate:
        inner = 0.7978845608028654 * (x + 0.044715 * x**3)
        return (0.5 * x * (1 + np.tanh(inner))).astype(x.dtype)
    return (0.5 * x * (1 + error_function(x / np.sqrt(2.0)))).astype(x.dtype)


def _softmax(x: Array, axis: Any, is_log: bool = False) -> Array:
    axes = tuple(axis) if isinstance(axis, list) else axis
    moved = x - np.max(x, axis=axes, keepdims=True)
    total = np.sum(np.exp(moved), axis=axes, keepdims=True)
    made: Array = moved - np.log(total) if is_log else np.exp(moved) / total
    return made


@operation("Softmax", promote="float", module=NN)
def softmax(x: Any, axis: Any = -1) -> Any:
    """Probabilities: positive, sum 1 along an axis or several."""
    return _softmax(x, axis)


@operation("LogSoftmax", promote="float", module=NN)
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """``log(softmax(x))`` without underflow."""
    return _softmax(x, axis, True)


@operation("Glu", promote="float", module=NN)
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of an axis times the sigmoid of the second."""
    if x.shape[axis] % 2:
        raise ValueError(f"glu: expected an even axis, found {x.shape[axis]}")
    first, second = np.split(x, 2, axis)
    return first * _sigmoid(second)


@operation("Sparsemax", promote="float", module=NN)
def sparsemax(x: Any, axis: int = -1) -> Any:
    """Like softmax, with zeros where numbers are small."""
    moved = np.moveaxis(x, axis, -1)
    ordered = np.flip(np.sort(moved, -1), -1)
    sums = np.cumsum(ordered, -1)
    count = np.arange(1, x.shape[axis] + 1, dtype=x.dtype)
    support = 1 + count * ordered > sums
    size = support.sum(-1, keepdims=True).astype(x.dtype)
    bound = ((sums * support).sum(-1, keepdims=True) - 1) / size
    return np.moveaxis(np.maximum(moved - bound, 0), -1, axis).astype(x.dtype)


@operation("Erf", promote="float", module=MATH)
def erf(x: Any) -> Any:
    """Error function."""
    return error_function(x)
