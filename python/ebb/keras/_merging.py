"""Merging layers as functions: ``add([a, b])`` is ``Add()([a, b])``."""

from __future__ import annotations

from typing import Any

from ebb._generated import layers as _layers


def add(inputs: Any, **kwargs: Any) -> Any:
    """Add tensors of one shape."""
    return _layers.Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Subtract the second of two tensors from the first."""
    return _layers.Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Multiply tensors element by element."""
    return _layers.Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """Take the mean of tensors element by element."""
    return _layers.Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Take the largest of tensors element by element."""
    return _layers.Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Take the smallest of tensors element by element."""
    return _layers.Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Join tensors along an axis."""
    return _layers.Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Multiply and add up along axes of two tensors."""
    return _layers.Dot(axes=axes, **kwargs)(inputs)
