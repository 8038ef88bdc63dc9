"""Computing in 16 bits with weights in 32."""

from __future__ import annotations

from ebb.keras import _missing
from ebb.keras._policy import DTypePolicy
from ebb.keras._policy import DTypePolicy as Policy
from ebb.keras._policy import set_policy as set_dtype_policy
from ebb.keras._policy import set_policy as set_global_policy
from ebb.keras.config import dtype_policy
from ebb.keras.config import dtype_policy as global_policy
from ebb.keras.optimizers import LossScaleOptimizer

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]

__getattr__ = _missing.guard(__name__, globals())
