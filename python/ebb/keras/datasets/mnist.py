"""Handwritten digits: 60,000 images of 28 x 28 pixels to train with, 10,000 to test."""

from __future__ import annotations

from typing import Any

from ebb.keras.datasets import _cache

__all__ = ["load_data"]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"


def load_data(path: str = "mnist.npz") -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The images and their digits.

    Parameters
    ----------
    path : str
        Name of the file in ``~/.keras/datasets``.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: uint8, ``(n, 28, 28)`` and ``(n,)``.

    Raises
    ------
    NotFoundError
        The file is not there; says where to get it.
    """
    found = _cache.find(path, _ADDRESS)
    x_train, y_train, x_test, y_test = _cache.read_npz(
        found, "x_train", "y_train", "x_test", "y_test"
    )
    return (x_train, y_train), (x_test, y_test)
