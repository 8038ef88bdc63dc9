"""keras.metrics: metrics as classes and as functions."""

from __future__ import annotations

from typing import Any

from ebb._generated import metrics as _generated
from ebb._generated.metrics import *  # noqa: F403
from ebb._generated.metrics import __all__ as _classes
from ebb._generated.names import METRICS as _NAMES
from ebb.keras import _finding, _missing, _naming
from ebb.keras._accuracies import (
    binary_accuracy,
    categorical_accuracy,
    concordance_correlation,
    pearson_correlation,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from ebb.keras._metric import MeanMetricWrapper, Metric, ValuesMetric
from ebb.keras._object import deserialize as _deserialize
from ebb.keras._object import serialize as _serialize
from ebb.keras.losses import (
    KLD,
    MAE,
    MAPE,
    MSE,
    MSLE,
    bce,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    circle,
    cosine_similarity,
    ctc,
    dice,
    hinge,
    huber,
    huber_loss,
    kl_divergence,
    kld,
    kullback_leibler_divergence,
    log_cosh,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)


class Mean(ValuesMetric, _generated.Mean):  # type: ignore[no-redef]
    __doc__ = _generated.Mean.__doc__


class Sum(ValuesMetric, _generated.Sum):  # type: ignore[no-redef]
    __doc__ = _generated.Sum.__doc__


_accuracies = [
    binary_accuracy,
    categorical_accuracy,
    concordance_correlation,
    pearson_correlation,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
]
for _one in _accuracies:
    _one._ebb_name = _one.__name__  # type: ignore[attr-defined]
_finder = _finding.Finder("metric", _NAMES, globals(), Metric)
# What these are is told by the shapes that training sees; until then this comes nearest.
_BY_SHAPE = {
    "accuracy": "Accuracy", "acc": "Accuracy",
    "crossentropy": "BinaryCrossentropy", "ce": "BinaryCrossentropy",
}  # fmt: skip


def get(identifier: Any) -> Any:
    """A metric by name, from its configuration, or the one given; None for None.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if isinstance(identifier, str) and identifier in _BY_SHAPE:
        return globals()[_BY_SHAPE[identifier]]()
    return _finder.get(identifier)


def _of_compile(identifier: Any) -> Any:
    """The object behind a metric of compile(), named as History names it."""
    found = get(identifier)
    name = identifier if isinstance(identifier, str) else None
    if not isinstance(found, Metric):
        name = _naming.snake_case(getattr(found, "__name__", type(found).__name__))
        found = MeanMetricWrapper(found)
    if name is not None and found is not identifier:
        found.name = name
    return found


def serialize(metric: Any) -> Any:
    """The configuration of a metric, with its class."""
    return _serialize(metric)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The metric of a configuration or a name."""
    return get(config) if isinstance(config, str) else _deserialize(config, custom_objects)


__all__ = [  # noqa: PLE0604
    *_classes,
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "bce",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "concordance_correlation",
    "cosine_similarity",
    "ctc",
    "dice",
    "hinge",
    "huber",
    "huber_loss",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "pearson_correlation",
    "poisson",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
    "tversky",
    "MeanMetricWrapper",
    "Metric",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = _missing.guard(__name__, globals())
