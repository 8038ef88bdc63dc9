"""What arguments of Keras's constructors may be: the aliases of type hints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, Union

if TYPE_CHECKING:
    import ebb.keras.constraints
    import ebb.keras.initializers
    import ebb.keras.layers
    import ebb.keras.optimizers
    import ebb.keras.regularizers

__all__ = [
    "ActivationLike",
    "ConstraintLike",
    "DTypeLike",
    "FloatOrList",
    "InitializerLike",
    "IntOrList",
    "LayerLike",
    "OptimizerLike",
    "PathLike",
    "RateLike",
    "RegularizerLike",
    "SeedLike",
]

Config = Mapping[str, Any]
PathLike = Union[str, "os.PathLike[str]"]
IntOrList = Union[int, Sequence[Any]]
FloatOrList = Union[float, Sequence[float], Any]
ActivationLike = Union[str, Callable[..., Any], Config, None]
InitializerLike = Union[str, "ebb.keras.initializers.Initializer", Callable[..., Any], Config, None]
RegularizerLike = Union[str, "ebb.keras.regularizers.Regularizer", Callable[..., Any], Config, None]
ConstraintLike = Union[str, "ebb.keras.constraints.Constraint", Callable[..., Any], Config, None]
DTypeLike = Union[str, Any, None]
SeedLike = Union[int, Any, None]
LayerLike = Union["ebb.keras.layers.Layer", Config]
OptimizerLike = Union[str, "ebb.keras.optimizers.Optimizer", Config]
RateLike = Union[
    float, "ebb.keras.optimizers.schedules.LearningRateSchedule", Callable[[], float], Config
]
