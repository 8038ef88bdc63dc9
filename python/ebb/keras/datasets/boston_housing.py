"""House prices of Boston in 1978: 506 samples of 13 numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras.datasets import _cache

__all__ = ["load_data"]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/boston_housing.npz"


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The houses and their prices in 1000 $.

    Parameters
    ----------
    path : str
        Name of the file in ``~/.keras/datasets``.
    test_split : float
        Share to test with.
    seed : int
        Of the order.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: float64, ``(n, 13)`` and ``(n,)``.

    Raises
    ------
    NotFoundError
        The file is not there; says where to get it.
    """
    x, y = _cache.read_npz(_cache.find(path, _ADDRESS), "x", "y")
    return _split(x, y, test_split, seed)


def _split(x: Any, y: Any, share: float, seed: int) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - share))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
