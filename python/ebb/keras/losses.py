"""keras.losses: losses as classes and as functions."""

from __future__ import annotations

from typing import Any

from ebb._generated.losses import *  # noqa: F403
from ebb._generated.losses import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Circle,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
)
from ebb._generated.losses import __all__ as _classes
from ebb._generated.names import LOSSES as _NAMES
from ebb.keras import _finding, _missing
from ebb.keras._loss import Loss, function_of
from ebb.keras._object import deserialize as _deserialize
from ebb.keras._object import serialize as _serialize

# Losses of samples, under the names of any version of Keras.
mean_squared_error = function_of(MeanSquaredError, "mean_squared_error")
mse = function_of(MeanSquaredError, "mse")
mean_absolute_error = function_of(MeanAbsoluteError, "mean_absolute_error")
mae = function_of(MeanAbsoluteError, "mae")
mean_absolute_percentage_error = function_of(
    MeanAbsolutePercentageError, "mean_absolute_percentage_error"
)
mape = function_of(MeanAbsolutePercentageError, "mape")
mean_squared_logarithmic_error = function_of(
    MeanSquaredLogarithmicError, "mean_squared_logarithmic_error"
)
msle = function_of(MeanSquaredLogarithmicError, "msle")
cosine_similarity = function_of(CosineSimilarity, "cosine_similarity")
huber = function_of(Huber, "huber")
huber_loss = function_of(Huber, "huber_loss")
log_cosh = function_of(LogCosh, "log_cosh")
poisson = function_of(Poisson, "poisson")
kl_divergence = function_of(KLDivergence, "kl_divergence")
kld = function_of(KLDivergence, "kld")
kullback_leibler_divergence = function_of(KLDivergence, "kullback_leibler_divergence")
hinge = function_of(Hinge, "hinge")
squared_hinge = function_of(SquaredHinge, "squared_hinge")
categorical_hinge = function_of(CategoricalHinge, "categorical_hinge")
binary_crossentropy = function_of(BinaryCrossentropy, "binary_crossentropy")
bce = function_of(BinaryCrossentropy, "bce")
binary_focal_crossentropy = function_of(BinaryFocalCrossentropy, "binary_focal_crossentropy")
categorical_crossentropy = function_of(CategoricalCrossentropy, "categorical_crossentropy")
categorical_focal_crossentropy = function_of(
    CategoricalFocalCrossentropy, "categorical_focal_crossentropy"
)
categorical_generalized_cross_entropy = function_of(
    CategoricalGeneralizedCrossEntropy, "categorical_generalized_cross_entropy"
)
sparse_categorical_crossentropy = function_of(
    SparseCategoricalCrossentropy, "sparse_categorical_crossentropy"
)
dice = function_of(Dice, "dice")
tversky = function_of(Tversky, "tversky")
circle = function_of(Circle, "circle")
ctc = function_of(CTC, "ctc")
MSE = mse
MAE = mae
MAPE = mape
MSLE = msle
KLD = kld
logcosh = log_cosh
_functions = [
    "mean_squared_error",
    "mse",
    "mean_absolute_error",
    "mae",
    "mean_absolute_percentage_error",
    "mape",
    "mean_squared_logarithmic_error",
    "msle",
    "cosine_similarity",
    "huber",
    "huber_loss",
    "log_cosh",
    "poisson",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "binary_crossentropy",
    "bce",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "sparse_categorical_crossentropy",
    "dice",
    "tversky",
    "circle",
    "ctc",
    "MSE",
    "MAE",
    "MAPE",
    "MSLE",
    "KLD",
    "logcosh",
]

_finder = _finding.Finder("loss", _NAMES, globals(), Loss)


class Reduction:
    """Names of reductions, as older code has them."""

    AUTO = "sum_over_batch_size"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    SUM = "sum"
    NONE = None


def get(identifier: Any) -> Any:
    """A loss by name (a function), from its configuration, or the one given; None for None.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if isinstance(identifier, str) and identifier in _functions:
        return globals()[identifier]
    return _finder.get(identifier)


def serialize(loss: Any) -> Any:
    """The configuration of a loss, with its class; the name of a function."""
    return _serialize(loss)


def deserialize(name: Any, custom_objects: Any = None) -> Any:
    """The loss of a configuration or a name."""
    return get(name) if isinstance(name, str) else _deserialize(name, custom_objects)


__all__ = [  # noqa: PLE0604
    *_classes,
    *_functions,
    "Loss",
    "Reduction",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = _missing.guard(__name__, globals())
