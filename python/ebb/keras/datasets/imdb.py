"""Film reviews as numbers of words: 25,000 to train with, 25,000 to test."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ebb.keras.datasets import _cache

__all__ = ["get_word_index", "load_data"]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The reviews and whether they are good.

    Parameters
    ----------
    path : str
        Name of the file in ``~/.keras/datasets``.
    num_words : int, optional
        Words with larger numbers become ``oov_char``.
    skip_top : int
        Words with smaller numbers become ``oov_char``.
    maxlen : int, optional
        Longer reviews are left out.
    seed : int
        Of the order.
    start_char : int or None
        Put before each review.
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
    if kwargs:
        raise TypeError(f"load_data: unknown arguments {sorted(kwargs)}")
    found = _cache.find(path, _ADDRESS + "imdb.npz")
    x_train, y_train, x_test, y_test = _cache.read_npz(
        found, "x_train", "y_train", "x_test", "y_test"
    )
    random = np.random.RandomState(seed)
    parts = []
    for x, y in ((x_train, y_train), (x_test, y_test)):
        order = np.arange(len(x))
        random.shuffle(order)
        parts.append((list(x[order]), y[order]))
    rows = parts[0][0] + parts[1][0]
    labels = np.concatenate([parts[0][1], parts[1][1]])
    rows, labels, kept = _limited(
        rows, labels, len(parts[0][0]), num_words, skip_top, maxlen, start_char, oov_char,
        index_from,
    )  # fmt: skip
    return (rows[:kept], labels[:kept]), (rows[kept:], labels[kept:])


def _limited(
    rows: list[Any], labels: Any, train: int, num_words: int | None, skip_top: int,
    maxlen: int | None, start_char: int | None, oov_char: int | None, index_from: int,
) -> tuple[Any, Any, int]:  # fmt: skip
    """Rows with the words that are asked for, and how many of the first ``train`` are left."""
    if start_char is not None:
        rows = [[start_char, *(word + index_from for word in row)] for row in rows]
    elif index_from:
        rows = [[word + index_from for word in row] for row in rows]
    keep = [i for i, row in enumerate(rows) if not maxlen or len(row) < maxlen]
    rows, labels, train = [rows[i] for i in keep], labels[keep], sum(i < train for i in keep)
    if not rows:
        raise ValueError(f"maxlen: no text is shorter than {maxlen} words")
    top = num_words or max(max(row, default=0) for row in rows) + 1
    if oov_char is not None:
        rows = [[w if skip_top <= w < top else oov_char for w in row] for row in rows]
    else:
        rows = [[w for w in row if skip_top <= w < top] for row in rows]
    made = np.empty(len(rows), object)
    made[:] = rows
    return made, labels, train


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
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
    found = _cache.find(path, _ADDRESS + "imdb_word_index.json")
    words: dict[str, int] = json.loads(found.read_text())
    return words
