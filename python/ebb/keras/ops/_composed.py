"""Operations of one and two tensors that are made of others, and some on arrays only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ebb.keras.ops import _elementwise as e
from ebb.keras.ops._operation import composed, eager, is_symbolic
from ebb.keras.ops._promotion import Array, as_array, meet, numpy_dtype, wrap
from ebb.keras.ops._special import error_function_inverse, error_function_rest


def _is_float(x: Any) -> bool:
    if is_symbolic(x):
        return "float" in x.dtype
    return as_array(x).dtype.kind == "f"


def _false(x: Any) -> Any:
    return e.not_equal(x, x) if not _is_float(x) else e.logical_and(e.isnan(x), e.isfinite(x))


@composed
def fmax(x1: Any, x2: Any) -> Any:
    """The larger of two; the other one where one is NaN."""
    return e.where(e.isnan(x1), x2, e.where(e.isnan(x2), x1, e.maximum(x1, x2)))


@composed
def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of two; the other one where one is NaN."""
    return e.where(e.isnan(x1), x2, e.where(e.isnan(x2), x1, e.minimum(x1, x2)))


@composed
def fmod(x1: Any, x2: Any) -> Any:
    """Remainder with the sign of the dividend."""
    if is_symbolic(x1, x2):
        quotient = e.divide(x1, x2)
        return e.subtract(x1, e.multiply(e.trunc(quotient), x2))
    return wrap(np.fmod(*meet([x1, x2])))


@composed
def isposinf(x: Any) -> Any:
    """Where there is plus infinity."""
    return e.logical_and(e.isinf(x), e.greater(x, 0)) if _is_float(x) else _false(x)


@composed
def isneginf(x: Any) -> Any:
    """Where there is minus infinity."""
    return e.logical_and(e.isinf(x), e.less(x, 0)) if _is_float(x) else _false(x)


@composed
def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN and infinities replaced: by 0 and the bounds of the type if nothing is said."""
    if not _is_float(x):
        return e.copy(x)
    name = x.dtype if is_symbolic(x) else as_array(x).dtype.name
    limit = float(np.finfo(numpy_dtype(name)).max)
    high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
    x = e.where(e.isnan(x), nan, x)
    return e.where(isneginf(x), low, e.where(isposinf(x), high, x))


@composed
def isclose(x1: Any, x2: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Where two differ by at most ``atol + rtol * |x2|``."""
    if not is_symbolic(x1, x2):
        first, second = meet([x1, x2])
        return wrap(np.isclose(first, second, float(rtol), float(atol), equal_nan))
    bound = e.add(e.multiply(e.absolute(x2), float(rtol)), float(atol))
    close = e.less_equal(e.absolute(e.subtract(x1, x2)), bound)
    close = e.logical_or(e.equal(x1, x2), e.logical_and(close, e.isfinite(x2)))
    both = e.logical_and(e.isnan(x1), e.isnan(x2))
    return e.logical_or(close, both) if equal_nan else close


@composed
def allclose(
    x1: Any, x2: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether two are close everywhere."""
    from ebb.keras.ops._reduce import all_

    return all_(isclose(x1, x2, rtol, atol, equal_nan))


@composed
def logaddexp2(x1: Any, x2: Any) -> Any:
    """``log2(2 ** x1 + 2 ** x2)`` without overflow."""
    near = e.negative(e.absolute(e.subtract(x1, x2)))
    rest = e.multiply(e.log1p(e.exp2(near)), 1 / math.log(2))
    return e.add(e.maximum(x1, x2), rest)


@composed
def heaviside(x1: Any, x2: Any) -> Any:
    """0 below 0, 1 above it, ``x2`` at 0."""
    step = e.where(e.less(x1, 0), 0.0, 1.0)
    made = e.where(e.equal(x1, 0), x2, step)
    return e.where(e.isnan(x1), x1, made) if _is_float(x1) else made


@composed
def sinc(x: Any) -> Any:
    """``sin(pi x) / (pi x)``, 1 at 0."""
    if is_symbolic(x):
        angle = e.multiply(x, math.pi)
        is_zero = e.equal(angle, 0.0)
        return e.where(is_zero, 1.0, e.divide(e.sin(angle), e.where(is_zero, 1.0, angle)))
    return _sinc(x)


@eager("x", "float")
def _sinc(x: Any) -> Any:
    """On arrays."""
    return np.sinc(x).astype(x.dtype)


@composed
def cbrt(x: Any) -> Any:
    """Cube root, of negative numbers too."""
    if is_symbolic(x):
        return e.multiply(e.sign(x), e.power(e.absolute(x), 1.0 / 3.0))
    return _cbrt(x)


@eager("x", "float")
def _cbrt(x: Any) -> Any:
    """On arrays."""
    return np.cbrt(x)


@composed
def ldexp(x1: Any, x2: Any) -> Any:
    """``x1 * 2 ** x2``."""
    return e.multiply(x1, e.exp2(x2))


@composed
def erfc(x: Any) -> Any:
    """``1 - erf(x)``."""
    return e.subtract(1.0, e.erf(x)) if is_symbolic(x) else _erfc(x)


@eager("x", "float")
def _erfc(x: Any) -> Any:
    """On arrays, without cancellation."""
    return error_function_rest(x)


@eager("x", "float")
def erfinv(x: Any) -> Any:
    """The ``y`` with ``erf(y) = x``."""
    return error_function_inverse(x)


@composed
def signbit(x: Any) -> Any:
    """Where the sign is minus; of -0.0 too, but in a model not there."""
    return e.less(x, 0) if is_symbolic(x) else wrap(np.signbit(as_array(x)))


@composed
def isreal(x: Any) -> Any:
    """Where there is no imaginary part."""
    return e.logical_not(_false(x)) if is_symbolic(x) else wrap(np.isreal(as_array(x)))


@composed
def imag(x: Any) -> Any:
    """Imaginary part: zeros for real numbers."""
    if is_symbolic(x):
        return e.multiply(x, 0.0)
    return wrap(np.imag(as_array(x)))


@eager("x", "float")
def angle(x: Any) -> Any:
    """Angle of complex numbers; pi for negative ones."""
    return np.angle(x).astype(x.real.dtype)


@eager("x", "float")
def i0(x: Any) -> Any:
    """Modified Bessel function of order 0."""
    return np.i0(x).reshape(x.shape).astype(x.dtype)


@eager("x1 x2", "meet_float")
def nextafter(x1: Any, x2: Any) -> Any:
    """The next number after ``x1`` in the direction of ``x2``."""
    return np.nextafter(x1, x2)


@eager("x1 x2", "meet")
def gcd(x1: Any, x2: Any) -> Any:
    """Greatest common divisor."""
    return np.gcd(x1, x2)


@eager("x1 x2", "meet")
def lcm(x1: Any, x2: Any) -> Any:
    """Least common multiple."""
    return np.lcm(x1, x2)


@eager("x1 x2", "meet")
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Which elements of ``x1`` are among those of ``x2``."""
    return np.isin(x1, x2, assume_unique, invert)


# -- bits --------------------------------------------------------------------------------------


def _integers(name: str, x: Array) -> Array:
    if x.dtype.kind not in "iub":
        raise TypeError(f"{name}: expected integers or bools, found {x.dtype}")
    return x


@eager("x y", "meet")
def bitwise_and(x: Any, y: Any) -> Any:
    """Bits that are set in both."""
    return np.bitwise_and(_integers("bitwise_and", x), y)


@eager("x y", "meet")
def bitwise_or(x: Any, y: Any) -> Any:
    """Bits that are set in one of both."""
    return np.bitwise_or(_integers("bitwise_or", x), y)


@eager("x y", "meet")
def bitwise_xor(x: Any, y: Any) -> Any:
    """Bits that are set in exactly one."""
    return np.bitwise_xor(_integers("bitwise_xor", x), y)


@eager()
def bitwise_invert(x: Any) -> Any:
    """All bits turned over."""
    return np.invert(_integers("bitwise_invert", x))


bitwise_not = bitwise_invert


@eager("x y", "meet")
def bitwise_left_shift(x: Any, y: Any) -> Any:
    """Bits moved up."""
    return np.left_shift(_integers("bitwise_left_shift", x), y)


left_shift = bitwise_left_shift


@eager("x y", "meet")
def bitwise_right_shift(x: Any, y: Any) -> Any:
    """Bits moved down."""
    return np.right_shift(_integers("bitwise_right_shift", x), y)


right_shift = bitwise_right_shift


@eager()
def view(x: Any, dtype: Any = None) -> Any:
    """The same bytes read as another type."""
    return x if dtype is None else np.ascontiguousarray(x).view(numpy_dtype(dtype))
