"""ebb.keras: scripts written for Keras, with only the imports changed; memory back at ``del``.

The names are those of Keras 3. ``import ebb.tf as tf`` has the same as ``tf.keras``.
"""

from __future__ import annotations

from ebb.keras import (
    _constant,  # noqa: F401  what is used later is here already: nothing is imported in between
    _eager_call,  # noqa: F401
    _missing,
    _tf_calls,  # noqa: F401
    _tracing,  # noqa: F401
    activations,
    applications,
    backend,
    callbacks,
    config,
    constraints,
    datasets,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    mixed_precision,
    models,
    ops,
    optimizers,
    preprocessing,
    random,
    regularizers,
    saving,
    tree,
    utils,
    wrappers,
)
from ebb.keras._initializer import Initializer
from ebb.keras._input import Input
from ebb.keras._layer import InputSpec, Layer
from ebb.keras._loss import Loss
from ebb.keras._metric import Metric
from ebb.keras._model import Model
from ebb.keras._optimizer import Optimizer
from ebb.keras._policy import DTypePolicy
from ebb.keras._regularizer import Regularizer
from ebb.keras._sequential import Sequential
from ebb.keras._symbolic import Function, KerasTensor, Operation
from ebb.keras._variable import Variable
from ebb.keras.dtype_policies import FloatDTypePolicy

__version__ = "3.15.0"


def version() -> str:
    """Give the version of Keras whose names these are."""
    return __version__


__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Function",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "version",
    "wrappers",
]

__getattr__ = _missing.guard(__name__, globals())
