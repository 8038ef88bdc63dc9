"""Short news as numbers of words: 11,228 in 46 topics."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ebb.keras.datasets import _cache
from ebb.keras.datasets.imdb import _limited

__all__ = ["get_label_names", "get_word_index", "load_data"]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves "
    "ship cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin "
    "strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange "
    "pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The news and their topics.

    Parameters
    ----------
    path : str
        Name of the file in ``~/.keras/datasets``.
    num_words : int, optional
        Words with larger numbers become ``oov_char``.
    skip_top : int
        Words with smaller numbers become ``oov_char``.
    maxlen : int, optional
        Longer news are left out.
    test_split : float
        Share to test with.
    seed : int
        Of the order.
    start_char : int or None
        Put before each text.
    oov_char : int or None
        For left out words; None leaves nothing in their place.
    index_from : int
        Added to all numbers.

    Returns
    -------
    tuple
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists of int, and int64.

    Raises
    ------
    NotFoundError
        The file is not there; says where to get it.
    """
    x, y = _cache.read_npz(_cache.find(path, _ADDRESS + "reuters.npz"), "x", "y")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    rows, labels, _ = _limited(
        list(x[order]), y[order], 0, num_words, skip_top, maxlen, start_char, oov_char, index_from
    )
    cut = int(len(rows) * (1 - test_split))
    return (rows[:cut], labels[:cut]), (rows[cut:], labels[cut:])


def get_label_names() -> tuple[str, ...]:
    """Names of the topics.

    Returns
    -------
    tuple of str
    """
    return tuple(_TOPICS.split())


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Word to number.

    Parameters
    ----------
    path : str
        Name of the file in ``~/.keras/datasets``.

    Returns
    -------
    dict

    Raises
    ------
    NotFoundError
        The file is not there; says where to get it.
    """
    found = _cache.find(path, _ADDRESS + "reuters_word_index.json")
    words: dict[str, int] = json.loads(found.read_text())
    return words
