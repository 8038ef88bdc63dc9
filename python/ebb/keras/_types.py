"""What arguments of Keras's constructors may be: the aliases of type hints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, Union

if TYPE_CHECKING:
    from ebb.keras._constraint import Constraint
    from ebb.keras._initializer import Initializer
    from ebb.keras._layer import Layer
    from ebb.keras._optimizer import Optimizer
    from ebb.keras._regularizer import Regularizer
    from ebb.keras._schedule import LearningRateSchedule

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
InitializerLike = Union[str, "Initializer", Callable[..., Any], Config, None]
RegularizerLike = Union[str, "Regularizer", Callable[..., Any], Config, None]
ConstraintLike = Union[str, "Constraint", Callable[..., Any], Config, None]
DTypeLike = Union[str, Any, None]
SeedLike = Union[int, Any, None]
LayerLike = Union["Layer", Config]
OptimizerLike = Union[str, "Optimizer", Config]
RateLike = Union[float, "LearningRateSchedule", Callable[[], float], Config]
