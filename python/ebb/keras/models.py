"""Models: Sequential, functional, subclassed; loading, saving and copying them."""

from __future__ import annotations

from ebb.keras import _missing
from ebb.keras._cloning import clone_model
from ebb.keras._functional import Functional
from ebb.keras._model import Model
from ebb.keras._sequential import Sequential
from ebb.keras.saving import load_model, save_model
from ebb.keras.saving._memory import model_from_json

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]

__getattr__ = _missing.guard(__name__, globals())
