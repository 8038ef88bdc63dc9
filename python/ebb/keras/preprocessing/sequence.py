"""Sequences of numbers: padding, windows over time, pairs of words."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb.keras.utils._numbers import pad_sequences
from ebb.keras.utils._py_dataset import PyDataset

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]

Array = npt.NDArray[Any]


class TimeseriesGenerator(PyDataset):
    """Windows over a series and what follows them, in batches.

    Parameters
    ----------
    data : array_like
        ``(steps, ...)``.
    targets : array_like
        One for each step; a window's is that of the step after it.
    length : int
        Steps of a window.
    sampling_rate : int
        Steps between two steps of a window.
    stride : int
        Steps between two windows.
    start_index, end_index : int
        The part of the data that is used.
    shuffle : bool
        Whether windows are drawn at random.
    reverse : bool
        Whether steps of a window come backwards.
    batch_size : int
        Windows of a batch.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ValueError(f"data and targets differ in length: {len(data)}, {len(targets)}")
        self.data, self.targets = np.asarray(data), np.asarray(targets)
        self.length, self.sampling_rate, self.stride = length, sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"no window of {length} steps between {self.start_index} and {self.end_index}"
            )

    def __len__(self) -> int:
        span = self.end_index - self.start_index + self.batch_size * self.stride
        return span // (self.batch_size * self.stride)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        """One batch.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        tuple of ndarray
            ``(batch, length / sampling_rate, ...)`` and targets.
        """
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            rows = np.arange(first, last, self.stride)
        steps = np.arange(-self.length, 0, self.sampling_rate)
        samples = self.data[rows[:, None] + steps]
        return samples[:, ::-1] if self.reverse else samples, self.targets[rows]


def make_sampling_table(size: int, sampling_factor: float = 1e-05) -> Array:
    """How likely words are kept, by their rank: the most frequent ones rarely.

    Parameters
    ----------
    size : int
        Words.
    sampling_factor : float
        Frequency from which on words are left out.

    Returns
    -------
    ndarray of float64, ``(size,)``
    """
    gamma = 0.577
    rank = np.arange(size)
    rank[0] = 1
    frequency = rank * (np.log(rank) + gamma) + 0.5 - 1.0 / (12.0 * rank)
    share = sampling_factor * frequency
    table: Array = np.minimum(1.0, share / np.sqrt(share))
    return table


def skipgrams(
    sequence: Any,
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words that are near each other, and pairs with random words.

    Parameters
    ----------
    sequence : list of int
        Words by number; 0 is none.
    vocabulary_size : int
        The largest number plus one.
    window_size : int
        How far words may be apart.
    negative_samples : float
        Random pairs for each pair.
    shuffle : bool
        Whether pairs are mixed.
    categorical : bool
        Whether labels are ``[0, 1]`` and ``[1, 0]``.
    sampling_table : array, optional
        What ``make_sampling_table`` gave.
    seed : int, optional
        Of the order.

    Returns
    -------
    tuple
        Pairs, and labels: 1 for those that were near.
    """
    couples: list[list[int]] = []
    for i, word in enumerate(sequence):
        if not word:
            continue
        if sampling_table is not None and sampling_table[word] < random.random():
            continue
        for j in range(max(0, i - window_size), min(len(sequence), i + window_size + 1)):
            if j != i and sequence[j]:
                couples.append([word, sequence[j]])
    labels: list[Any] = [[0, 1] if categorical else 1] * len(couples)
    if negative_samples > 0:
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        count = int(len(labels) * negative_samples)
        couples += [
            [words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)
        ]
        labels += [[1, 0] if categorical else 0] * count
    if shuffle:
        seed = random.randint(0, 10**6) if seed is None else seed
        random.Random(seed).shuffle(couples)
        random.Random(seed).shuffle(labels)
    return couples, labels
