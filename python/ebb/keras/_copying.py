"""Copies and pickles of models: what a ``.keras`` file would hold, as bytes."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any


def to_bytes(model: Any) -> bytes:
    """A model with its weights and training.

    Raises
    ------
    ValueError
        It has not been built.
    UnsupportedError, NotImplementedError
        A layer that files cannot hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def from_bytes(data: bytes) -> Any:
    """The model again."""
    from ebb.keras.saving import load_model

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        path.write_bytes(data)
        return load_model(path)
