"""``tf.TensorSpec``: the shape and type of a tensor that is not there yet."""

from __future__ import annotations

from typing import Any

from ebb._dtype import TensorShape, as_dtype, float32
from ebb._operators import convert
from ebb._values import Tensor


class TensorSpec:
    """A shape, in which None is any length, a type, and perhaps a name."""

    def __init__(self, shape: Any, dtype: Any = float32, name: str | None = None) -> None:
        self.shape = TensorShape(shape)
        self.dtype = as_dtype(dtype)
        self.name = name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """The spec of a tensor."""
        return cls(tensor.shape, tensor.dtype, name)

    @classmethod
    def from_spec(cls, spec: TensorSpec, name: str | None = None) -> TensorSpec:
        """A copy with another name."""
        return cls(spec.shape, spec.dtype, name or spec.name)

    def is_compatible_with(self, other: Any) -> bool:
        """Could this be the spec of a tensor, or of what another spec describes?"""
        tensor = other if isinstance(other, (TensorSpec, Tensor)) else convert(other)
        return self.dtype is tensor.dtype and self.shape.is_compatible_with(tensor.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype, self.name) == (
            other.shape,
            other.dtype,
            other.name,
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype=tf.{self.dtype.name}, name={self.name!r})"
