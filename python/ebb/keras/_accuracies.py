"""Accuracies and correlations as functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras._data import to_array
from ebb.keras._loss import tensor_of
from ebb.keras._policy import settings

Array = np.ndarray[Any, Any]


def _same_rank(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """An axis of length 1 at the end makes no difference."""
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        y_true = y_true[..., 0] if y_pred.ndim > 1 else y_true
        y_pred = y_pred if y_pred.ndim > 1 else y_pred[..., None]
    elif y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        y_pred = y_pred[..., 0] if y_true.ndim > 1 else y_pred
        y_true = y_true if y_true.ndim > 1 else y_true[..., None]
    return y_true, y_pred


def _told(matches: Any) -> Any:
    return tensor_of(np.asarray(matches, np.float32))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1.0 where a prediction is on the right side of the threshold.

    Parameters
    ----------
    y_true, y_pred : array
        Of the same shape.
    threshold : float
        Predictions above it are 1.

    Returns
    -------
    Tensor
        In the shape of ``y_true``.
    """
    truth, guess = _same_rank(to_array(y_true, "y_true"), to_array(y_pred, "y_pred"))
    return _told(truth == (guess > threshold).astype(truth.dtype))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1.0 where the largest prediction is that of the class; targets are one-hot.

    Parameters
    ----------
    y_true, y_pred : array
        ``(..., classes)``.

    Returns
    -------
    Tensor
        ``(...,)``.
    """
    truth, guess = to_array(y_true, "y_true"), to_array(y_pred, "y_pred")
    return _told(truth.argmax(-1) == guess.argmax(-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1.0 where the largest prediction is that of the class; targets are class numbers.

    Parameters
    ----------
    y_true : array
        ``(...,)`` or ``(..., 1)``.
    y_pred : array
        ``(..., classes)``.

    Returns
    -------
    Tensor
        ``(...,)``.
    """
    truth, guess = to_array(y_true, "y_true"), to_array(y_pred, "y_pred")
    if truth.ndim == guess.ndim and truth.shape[-1] == 1:
        truth = truth[..., 0]
    return _told(truth == guess.argmax(-1))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1.0 where the class is among the ``k`` largest predictions; targets are one-hot.

    Parameters
    ----------
    y_true, y_pred : array
        ``(..., classes)``.
    k : int
        How many may be larger, and one.

    Returns
    -------
    Tensor
        ``(...,)``.
    """
    return sparse_top_k_categorical_accuracy(to_array(y_true, "y_true").argmax(-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Any:
    """1.0 where the class is among the ``k`` largest predictions; targets are class numbers.

    Parameters
    ----------
    y_true : array
        ``(...,)``.
    y_pred : array
        ``(..., classes)``; with ``from_sorted_ids`` class numbers, the best one first.
    k : int
        How many may be larger, and one.
    from_sorted_ids : bool
        Predictions are class numbers.

    Returns
    -------
    Tensor
        ``(...,)``.
    """
    truth, guess = to_array(y_true, "y_true"), to_array(y_pred, "y_pred")
    if from_sorted_ids:
        return _told((guess[..., :k] == truth[..., None]).any(-1))
    own = np.take_along_axis(guess, truth[..., None].astype(np.int64), -1)
    return _told(((guess > own).sum(-1) < k) & np.isfinite(own[..., 0]))


def _centered(y_true: Any, y_pred: Any, axis: int) -> tuple[Array, Array, Array, Array]:
    """Both without their means, and the means."""
    guess = to_array(y_pred, "y_pred").astype(np.float32)
    truth, guess = _same_rank(to_array(y_true, "y_true").astype(np.float32), guess)
    means = [array.mean(axis, keepdims=True) for array in (truth, guess)]
    return truth - means[0], guess - means[1], means[0], means[1]


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """How well one rises where the other does, from -1 to 1.

    Parameters
    ----------
    y_true, y_pred : array
        Of the same shape.
    axis : int
        Along which they are compared.

    Returns
    -------
    Tensor
        Without that axis.
    """
    truth, guess, _, _ = _centered(y_true, y_pred, axis)
    spread = truth.std(axis, keepdims=True) * guess.std(axis, keepdims=True)
    return _told((truth * guess / spread).mean(axis))


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """How well predictions are the targets themselves, from -1 to 1.

    Parameters
    ----------
    y_true, y_pred : array
        Of the same shape.
    axis : int
        Along which they are compared.

    Returns
    -------
    Tensor
        Without that axis.
    """
    truth, guess, mean_true, mean_pred = _centered(y_true, y_pred, axis)
    # Keras takes the targets' distance from the mean of the predictions.
    together = (truth + mean_true - mean_pred) * guess
    apart = truth.var(axis, keepdims=True) + guess.var(axis, keepdims=True)
    apart = apart + (mean_true - mean_pred) ** 2 + np.float32(settings.epsilon)
    return _told((2 * together / apart).mean(axis))
