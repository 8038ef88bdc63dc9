"""Datasets of windows over time, and datasets cut in two."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._dataset import Dataset, map_structure
from ebb._tensor import to_array

Array = npt.NDArray[Any]


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataset:
    """Windows over a series, in batches.

    Parameters
    ----------
    data : array_like
        ``(steps, ...)``.
    targets : array_like or None
        ``(steps, ...)``: ``targets[i]`` belongs to the window that begins at step i.
    sequence_length : int
        Steps of a window.
    sequence_stride : int
        Steps between the beginnings of two windows.
    sampling_rate : int
        Steps between two steps of a window.
    batch_size : int or None
        None gives single windows.
    shuffle : bool
        Whether windows come in a random order.
    seed : int, optional
        Of the order.
    start_index, end_index : int, optional
        The part of the data that is used.
    format : str
        Has no effect.

    Returns
    -------
    Dataset
        Elements ``(windows, targets)``, or windows alone.

    Raises
    ------
    ValueError
        A number does not fit the data.
    """
    series = to_array(data)
    for name, value in (("sequence_length", sequence_length), ("sampling_rate", sampling_rate),
                        ("sequence_stride", sequence_stride)):  # fmt: skip
        if not 0 < value <= len(series):
            raise ValueError(f"{name}: expected 1 to {len(series)} steps, found {value}")
    start = 0 if start_index is None else start_index
    end = len(series) if end_index is None else end_index
    if not 0 <= start < end <= len(series):
        raise ValueError(f"start_index and end_index: {start} to {end} of {len(series)} steps")
    wanted = None if targets is None else to_array(targets)
    count = end - start - (sequence_length - 1) * sampling_rate
    if wanted is not None:
        count = min(count, len(wanted))
    begins = np.arange(0, max(count, 0), sequence_stride)
    if shuffle:
        np.random.RandomState(random.randrange(2**31) if seed is None else seed).shuffle(begins)
    steps = np.arange(sequence_length) * sampling_rate

    def element(at: Any) -> Any:
        window = series[at[..., None] + steps + start]
        return window if wanted is None else (window, wanted[at + start])

    size = 1 if batch_size is None else batch_size

    def batches() -> Any:
        for first in range(0, len(begins), size):
            at = begins[first : first + size]
            yield element(at[0] if batch_size is None else at)

    return Dataset(batches, -(-len(begins) // size))


def _rows(dataset: Any) -> list[Any]:
    if isinstance(dataset, Dataset):
        return list(dataset._source())
    if isinstance(dataset, (tuple, list)) and dataset and hasattr(dataset[0], "shape"):
        return list(Dataset.from_tensor_slices(tuple(dataset))._source())
    if hasattr(dataset, "shape"):
        return list(Dataset.from_tensor_slices(dataset)._source())
    if isinstance(dataset, Iterable):
        return [map_structure(to_array, item) for item in dataset]
    raise TypeError(f"split_dataset: {type(dataset).__name__} holds no samples")


def _count(size: Any, total: int, name: str) -> int | None:
    if size is None:
        return None
    if isinstance(size, float):
        if not 0 < size < 1:
            raise ValueError(f"{name}: a share is between 0 and 1, found {size}")
        return round(size * total)
    if not 0 <= size <= total:
        raise ValueError(f"{name}: there are {total} samples, found {size}")
    return int(size)


def split_dataset(
    dataset: Any,
    left_size: Any = None,
    right_size: Any = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Cuts a dataset in two.

    Parameters
    ----------
    dataset : Dataset, array, tuple of arrays, or list
        Samples; all are held in memory.
    left_size, right_size : int or float, optional
        Numbers, or shares, of samples; one of them is enough.
    shuffle : bool
        Whether samples are mixed before.
    seed : int, optional
        Of the order.
    preferred_backend
        Has no effect.

    Returns
    -------
    tuple of Dataset
        Single samples, not batches.

    Raises
    ------
    ValueError
        Both sizes are missing, or do not fit.
    """
    rows = _rows(dataset)
    left = _count(left_size, len(rows), "left_size")
    right = _count(right_size, len(rows), "right_size")
    if left is None and right is None:
        raise ValueError("split_dataset: expected left_size or right_size")
    left = len(rows) - (right or 0) if left is None else left
    right = len(rows) - left if right is None else right
    if left + right > len(rows):
        raise ValueError(f"split_dataset: {left} and {right} are more than {len(rows)} samples")
    if shuffle:
        random.Random(seed).shuffle(rows)

    def part(items: list[Any]) -> Dataset:
        return Dataset(lambda: iter(items), len(items))

    return part(rows[:left]), part(rows[left : left + right])


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

    Parameters
    ----------
    x, y, sample_weight
        None for what is missing.

    Returns
    -------
    object or tuple
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Three parts of ``x``, ``(x, y)`` or ``(x, y, sample_weight)``; None for what is missing.

    Parameters
    ----------
    data : object or tuple
        What a dataset gives.

    Returns
    -------
    tuple

    Raises
    ------
    ValueError
        A tuple of more than three parts.
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"expected x, (x, y) or (x, y, sample_weight), found {len(data)} parts")
    x, y, sample_weight = [*list(data), None, None][:3]
    return x, y, sample_weight
