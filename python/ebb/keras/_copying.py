"""Copies and pickles of models, as bytes of a ``.keras`` file, and of layers."""

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


def layer_parts(layer: Any) -> tuple[Any, ...]:
    """What a layer is made of: class, configuration, shapes, weights."""
    config = layer.get_config()
    return type(layer), config, layer.get_build_config(), layer.get_weights()


def layer_again(kind: Any, config: Any, build: Any, weights: Any) -> Any:
    """The layer again, with weights of its own."""
    layer = kind.from_config(config)
    if build:
        layer.build_from_config(build)
    if weights:
        layer.set_weights(weights)
    return layer
