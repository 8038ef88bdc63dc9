"""House prices of California in 1990: 20,640 samples of 8 numbers."""

from __future__ import annotations

from typing import Any

from ebb.keras.datasets import _cache
from ebb.keras.datasets.boston_housing import _split

__all__ = ["load_data"]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/california_housing.npz"


def load_data(
    version: str = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The districts and their prices.

    Parameters
    ----------
    version : {"large", "small"}
        All, or the first 600.
    path : str
        Name of the file in ``~/.keras/datasets``.
    test_split : float
        Share to test with.
    seed : int
        Of the order.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: ``(n, 8)`` and ``(n,)``.

    Raises
    ------
    NotFoundError
        The file is not there; says where to get it.
    """
    if version not in ("large", "small"):
        raise ValueError(f'version: expected "large" or "small", found {version!r}')
    x, y = _cache.read_npz(_cache.find(path, _ADDRESS), "x", "y")
    if version == "small":
        x, y = x[:600], y[:600]
    return _split(x, y, test_split, seed)
