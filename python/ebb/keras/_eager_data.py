"""Batches for steps of training that run in Python: tensors in the caller's own structure.

Sources are those of the library's own loop (_data.py): whole arrays are cut here, everything else
gives its batches itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np

from ebb.keras._data import ENDED, ArrayData, is_array, to_array, unpack
from ebb.keras._seeds import next_seed

Structure = Any


def tensors(structure: Structure) -> Structure:
    """The same structure with tensors for arrays; lists become tuples, doubles float32."""
    if structure is None:
        return None
    if isinstance(structure, Mapping):
        return {key: tensors(item) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)) and not is_array(structure):
        return tuple(tensors(item) for item in structure)
    return _tensor(structure)


def _tensor(leaf: Any) -> Any:
    from ebb._tensor import Tensor

    if isinstance(leaf, Tensor) and str(leaf.dtype.name) != "float64":
        return leaf
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "OUS":
        return leaf  # texts
    array = to_array(leaf)
    return Tensor.from_array(array.astype(np.float32) if array.dtype == np.float64 else array)


def packed(x: Any, y: Any, weight: Any) -> Any:
    """A batch as steps are given it."""
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if weight is None else (x, y, weight)


def _map(structure: Structure, function: Callable[[Any], Any]) -> Structure:
    if structure is None:
        return None
    if isinstance(structure, Mapping):
        return {key: _map(item, function) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)) and not is_array(structure):
        return [_map(item, function) for item in structure]
    return function(structure)


class Feed:
    """Batches of one source, pass after pass.

    ``take(restart)`` gives the next one, None at the end of a pass. ``size`` is the number of
    batches of a pass, None where it is not known.
    """

    size: int | None

    def __init__(self, limit: int | None, class_weight: Mapping[int, float] | None) -> None:
        self.limit = limit
        self._class_weight = class_weight

    def take(self, restart: bool) -> Any:
        """The next batch: x, y and weights in the caller's structure."""
        raise NotImplementedError

    def next(self, restart: bool) -> Any:
        """The next batch as steps are given it; None at the end."""
        item = self.take(restart)
        if item is None:
            return None
        x, y, weight = item
        if self._class_weight:
            from ebb.keras._trainer import class_weights

            if weight is not None or y is None:
                raise ValueError("`class_weight` needs targets, and no sample weights beside it.")
            weight = class_weights(y, self._class_weight)
        return packed(tensors(x), tensors(y), tensors(weight))

    def close(self) -> None:
        """Lets go of iterators."""


class ArrayFeed(Feed):
    """Whole arrays, or a part of their rows, cut into batches."""

    def __init__(
        self,
        data: ArrayData,
        batch_size: int | None,
        *,
        rows: tuple[int, int] | None = None,
        shuffle: bool = False,
        limit: int | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__(limit, class_weight)
        self._parts = (*data.example, data.given_weights)
        self._begin, self._end = rows or (0, data.rows)
        count = self._end - self._begin
        self._rows = batch_size or (32 if limit is None else -(-count // limit))
        self._random = np.random.RandomState(next_seed()) if shuffle else None
        self._count = -(-count // self._rows)
        self.size = self._count
        self._at = 0
        self._order: Any = None

    def take(self, restart: bool) -> Any:
        """The next rows."""
        if restart:
            self._at = 0
            self._order = None
        if self._at >= self._count:
            if self.limit is not None and self._count % self.limit:
                warnings.warn(ENDED, stacklevel=2)
            return None
        if self._order is None and self._random is not None:
            self._order = self._begin + self._random.permutation(self._end - self._begin)
        begin, self._at = self._at * self._rows, self._at + 1
        if self._order is not None:
            chosen: Any = self._order[begin : begin + self._rows]
        else:
            begin += self._begin
            chosen = slice(begin, min(begin + self._rows, self._end))
        return tuple(_map(part, lambda array: array[chosen]) for part in self._parts)


def one_batch(data: ArrayData) -> tuple[Any, Any, Any]:
    """All rows as a batch: x, y and weights, also those that are None, as Keras gives them."""
    x, y = data.example
    return tensors(x), tensors(y), tensors(data.given_weights)


class BatchFeed(Feed):
    """Batches that somebody else gives."""

    def __init__(
        self,
        data: Any,
        *,
        limit: int | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__(limit, class_weight)
        self._data = data
        data.limit = limit
        self.size = data.size

    def take(self, restart: bool) -> Any:
        """The next one."""
        item = self._data.take(restart)
        return None if item is None else unpack(item)

    def close(self) -> None:
        """Lets go of the iterator."""
        self._data.close()


def feed_of(data: Any, batch_size: int | None, **how: Any) -> Feed:
    """A feed of what ``open_data`` gave."""
    if isinstance(data, ArrayData):
        return ArrayFeed(data, batch_size, **how)
    how.pop("shuffle", None)
    return BatchFeed(data, **how)
