"""Small colour images: 50,000 of 32 x 32 pixels in ten classes to train with, 10,000 to test."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras.datasets import _cache, _pickles
from ebb.keras.utils._files import cache_folder

__all__ = ["load_data"]

_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_FOLDERS = ("cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-batches-py")


def read_folder(folders: tuple[str, ...], name: str, address: str) -> Any:
    """A file of the archive, unpacked in one of the places where Keras puts it."""
    for folder in folders:
        path = cache_folder() / folder / name
        if path.exists():
            return _pickles.load(path.read_bytes())
    return _cache.find(f"{folders[-1]}/{name}", f"{address} (unpacked)")


def images_of(data: Any) -> Any:
    """Rows of bytes as images with channels last."""
    return np.asarray(data, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def load_data() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The images and their classes.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: uint8, ``(n, 32, 32, 3)`` and ``(n, 1)``.

    Raises
    ------
    NotFoundError
        A file is not in ``~/.keras/datasets``; says where to get it.
    """
    parts = [read_folder(_FOLDERS, f"data_batch_{k}", _ADDRESS) for k in range(1, 6)]
    test = read_folder(_FOLDERS, "test_batch", _ADDRESS)
    x_train = np.concatenate([images_of(part[b"data"]) for part in parts])
    y_train = np.concatenate([np.asarray(part[b"labels"], np.uint8) for part in parts])
    y_test = np.asarray(test[b"labels"], np.uint8)
    return (x_train, y_train[:, None]), (images_of(test[b"data"]), y_test[:, None])
