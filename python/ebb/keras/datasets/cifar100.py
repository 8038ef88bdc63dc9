"""Small colour images: 50,000 of 32 x 32 pixels in 100 classes to train with, 10,000 to test."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras.datasets.cifar10 import images_of, read_folder

__all__ = ["load_data"]

_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_FOLDERS = ("cifar-100-python-target/cifar-100-python", "cifar-100-python")


def load_data(label_mode: str = "fine") -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The images and their classes.

    Parameters
    ----------
    label_mode : {"fine", "coarse"}
        100 classes or 20.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: uint8, ``(n, 32, 32, 3)`` and ``(n, 1)``.

    Raises
    ------
    NotFoundError
        A file is not in ``~/.keras/datasets``; says where to get it.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f'label_mode: expected "fine" or "coarse", found {label_mode!r}')
    key = f"{label_mode}_labels".encode()
    made = []
    for name in ("train", "test"):
        part = read_folder(_FOLDERS, name, _ADDRESS)
        made.append((images_of(part[b"data"]), np.asarray(part[key], np.uint8)[:, None]))
    return made[0], made[1]
