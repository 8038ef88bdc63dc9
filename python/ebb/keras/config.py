"""Settings that hold for everything that is made afterwards."""

from __future__ import annotations

from ebb.keras import _missing, _policy
from ebb.keras._policy import (
    DTypePolicy,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from ebb.keras._policy import set_policy as set_dtype_policy
from ebb.keras._progbar import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)


def floatx() -> str:
    """Give the type of layers that are given none."""
    return _policy.settings.floatx


def epsilon() -> float:
    """Give the small number that keeps divisors away from 0."""
    return _policy.settings.epsilon


def image_data_format() -> str:
    """Give where images have their channels."""
    return _policy.settings.image_data_format


def dtype_policy() -> DTypePolicy:
    """Give the policy of layers that are given none."""
    return _policy.settings.policy


def backend() -> str:
    """Give the name of what computes: "ebb"."""
    return "ebb"


def disable_traceback_filtering() -> None:
    """Nothing to do: tracebacks are whole."""


def enable_traceback_filtering() -> None:
    """Nothing to do: tracebacks are whole."""


def is_traceback_filtering_enabled() -> bool:
    """Tell whether tracebacks are shortened: they never are."""
    return False


def disable_flash_attention() -> None:
    """Nothing to do: attention gives the same numbers whatever computes it."""


def enable_flash_attention() -> None:
    """Nothing to do: attention gives the same numbers whatever computes it."""


def is_flash_attention_enabled() -> bool:
    """Tell whether attention must not be computed in one piece: it may."""
    return False


def is_nnx_enabled() -> bool:
    """Tell whether layers are modules of Flax: they are not."""
    return False


__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]

__getattr__ = _missing.guard(__name__, globals())
