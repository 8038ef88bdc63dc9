"""Clothes: 60,000 images of 28 x 28 pixels in ten classes to train with, 10,000 to test."""

from __future__ import annotations

from typing import Any

from ebb.keras.datasets import _cache

__all__ = ["load_data"]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def load_data() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The images and their classes.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: uint8, ``(n, 28, 28)`` and ``(n,)``.

    Raises
    ------
    NotFoundError
        A file is not in ``~/.keras/datasets/fashion-mnist``; says where to get it.
    """
    parts = [
        _cache.read_idx(_cache.find(f"fashion-mnist/{name}", _ADDRESS + name)) for name in _FILES
    ]
    return (parts[0], parts[1]), (parts[2], parts[3])
