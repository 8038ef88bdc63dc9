"""Losses of symbolic tensors, for losses of the caller's own that are made of them.

The same formulas as the library's, in operations; one number a sample. Source of the formulas:
keras/src/losses/losses.py of Keras 3.15.
"""

from __future__ import annotations

from typing import Any, Callable

from ebb._errors import UnsupportedError
from ebb.keras import _symbolic, ops

EPSILON = 1e-7


def is_symbolic(*tensors: Any) -> bool:
    """Whether any of them is a tensor without a value."""
    return any(_symbolic.is_keras_tensor(one) for one in tensors)


def _mean(values: Any) -> Any:
    return ops.mean(values, axis=-1)


def _squared(y: Any, p: Any) -> Any:
    return _mean(ops.square(y - p))


def _absolute(y: Any, p: Any) -> Any:
    return _mean(ops.abs(y - p))


def _percentage(y: Any, p: Any) -> Any:
    return 100.0 * _mean(ops.abs((y - p) / ops.maximum(ops.abs(y), EPSILON)))


def _logarithmic(y: Any, p: Any) -> Any:
    first, second = ops.log(ops.maximum(p, EPSILON) + 1.0), ops.log(ops.maximum(y, EPSILON) + 1.0)
    return _mean(ops.square(first - second))


def _cosine(y: Any, p: Any, axis: int = -1) -> Any:
    return -ops.sum(ops.normalize(y, axis=axis) * ops.normalize(p, axis=axis), axis=axis)


def _huber(y: Any, p: Any, delta: float = 1.0) -> Any:
    error = ops.abs(y - p)
    near, far = 0.5 * ops.square(error), delta * error - 0.5 * delta * delta
    return _mean(ops.where(error <= delta, near, far))


def _log_cosh(y: Any, p: Any) -> Any:
    error = p - y
    return _mean(error + ops.softplus(error * -2.0) - 0.6931471805599453)


def _poisson(y: Any, p: Any) -> Any:
    return _mean(p - y * ops.log(p + EPSILON))


def _divergence(y: Any, p: Any) -> Any:
    y, p = ops.clip(y, EPSILON, 1.0), ops.clip(p, EPSILON, 1.0)
    return ops.sum(y * ops.log(y / p), axis=-1)


def _signs(y: Any) -> Any:
    """Targets of 0 and 1 as -1 and 1."""
    is_binary = ops.all(ops.logical_or(ops.equal(y, 0.0), ops.equal(y, 1.0)))
    return ops.where(is_binary, 2.0 * y - 1.0, y)


def _hinge(y: Any, p: Any) -> Any:
    return _mean(ops.maximum(1.0 - _signs(y) * p, 0.0))


def _squared_hinge(y: Any, p: Any) -> Any:
    return _mean(ops.square(ops.maximum(1.0 - _signs(y) * p, 0.0)))


def _categorical_hinge(y: Any, p: Any) -> Any:
    right, wrong = ops.sum(y * p, axis=-1), ops.max((1.0 - y) * p, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


def _binary(
    y: Any, p: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(y, p, from_logits=from_logits), axis=axis)


def _categorical(
    y: Any, p: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + label_smoothing / y.shape[axis]
    return ops.categorical_crossentropy(y, p, from_logits=from_logits, axis=axis)


def _sparse(
    y: Any, p: Any, from_logits: bool = False, ignore_class: Any = None, axis: int = -1
) -> Any:
    if ignore_class is not None:
        raise UnsupportedError("ignore_class inside of a loss of your own")
    return ops.sparse_categorical_crossentropy(
        ops.cast(y, "int32"), p, from_logits=from_logits, axis=axis
    )


_FORMULAS: dict[str, Callable[..., Any]] = {
    "MeanSquaredError": _squared,
    "MeanAbsoluteError": _absolute,
    "MeanAbsolutePercentageError": _percentage,
    "MeanSquaredLogarithmicError": _logarithmic,
    "CosineSimilarity": _cosine,
    "Huber": _huber,
    "LogCosh": _log_cosh,
    "Poisson": _poisson,
    "KLDivergence": _divergence,
    "Hinge": _hinge,
    "SquaredHinge": _squared_hinge,
    "CategoricalHinge": _categorical_hinge,
    "BinaryCrossentropy": _binary,
    "CategoricalCrossentropy": _categorical,
    "SparseCategoricalCrossentropy": _sparse,
}


def _same_rank(y: Any, p: Any) -> tuple[Any, Any]:
    """Targets and predictions where one has an axis of length 1 more at the end than the other."""
    first, second = len(y.shape), len(p.shape)
    if first == second + 1 and y.shape[-1] == 1:
        return (y, ops.expand_dims(p, -1)) if second == 1 else (ops.squeeze(y, -1), p)
    if second == first + 1 and p.shape[-1] == 1:
        return (ops.expand_dims(y, -1), p) if first == 1 else (y, ops.squeeze(p, -1))
    return y, p


def values(class_name: str, config: dict[str, Any], y_true: Any, y_pred: Any) -> Any:
    """The losses of samples of a class of ebb with these arguments.

    Raises
    ------
    UnsupportedError
        There is no formula for the class.
    """
    formula = _FORMULAS.get(class_name)
    if formula is None:
        raise UnsupportedError(f"keras.losses.{class_name} inside of a loss of your own")
    own = {key: one for key, one in config.items() if key not in ("name", "reduction", "dtype")}
    return formula(*_same_rank(y_true, y_pred), **own)


def reduced(losses: Any, reduction: Any) -> Any:
    """Losses of samples as one number."""
    if reduction in (None, "none"):
        return losses
    return ops.sum(losses) if reduction == "sum" else ops.mean(losses)
