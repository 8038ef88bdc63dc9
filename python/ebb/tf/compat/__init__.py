"""``tf.compat``: ``v1`` is TensorFlow 1's face, ``v2`` is ``tf`` itself."""

from __future__ import annotations

from typing import Any

from ebb.tf.compat import v1

__all__ = ["v1", "v2"]


def as_str(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes or a text as a text."""
    return bytes_or_text.decode(encoding) if isinstance(bytes_or_text, bytes) else bytes_or_text


as_text = as_str


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Bytes or a text as bytes."""
    return bytes_or_text.encode(encoding) if isinstance(bytes_or_text, str) else bytes_or_text


def __getattr__(name: str) -> Any:
    if name == "v2":
        from ebb import tf

        return tf
    raise AttributeError(f"module 'ebb.tf.compat' has no attribute '{name}'")
