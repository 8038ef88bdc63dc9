"""Types in which layers compute and keep their weights."""

from __future__ import annotations

from typing import Any

from ebb.keras import _missing, _policy
from ebb.keras._policy import DTypePolicy

FloatDTypePolicy = DTypePolicy


def get(identifier: Any) -> DTypePolicy:
    """Give the policy that a name, a type or a configuration means."""
    made: DTypePolicy = _policy.policy_get(identifier)
    return made


def serialize(dtype_policy: DTypePolicy) -> Any:
    """Turn a policy into values that JSON has."""
    return dtype_policy.entry()


def deserialize(config: Any, custom_objects: Any = None) -> DTypePolicy:
    """Make a policy of what ``serialize`` gave."""
    return get(config)


__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]

__getattr__ = _missing.guard(__name__, globals())
