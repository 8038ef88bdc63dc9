"""Batches by number: the base class that users derive from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class PyDataset:
    """Batches by number, made by the user's own class.

    Derive from it and write ``__getitem__(index)``, which returns ``(inputs, targets)`` or
    ``(inputs, targets, sample_weights)`` of one batch, and ``__len__``, the number of batches.
    ``fit``, ``evaluate`` and ``predict`` take such an object as ``x``.

    Parameters
    ----------
    workers, use_multiprocessing, max_queue_size
        Kept as attributes. Batches are fetched in the thread that trains, one at a time, so that
        no batch is held longer than it is used.
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """One batch.

        Parameters
        ----------
        index : int
            From 0 to ``num_batches - 1``.

        Returns
        -------
        tuple
            ``(inputs, targets)`` or ``(inputs, targets, sample_weights)``.

        Raises
        ------
        NotImplementedError
            The derived class has no such method.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    @property
    def num_batches(self) -> int | None:
        """How many batches; None for a stream without an end."""
        length = getattr(self, "__len__", None)
        return None if length is None else int(length())

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch: shuffle here."""

    def __iter__(self) -> Iterator[Any]:
        """Every batch once, in order."""
        index, count = 0, self.num_batches
        while count is None or index < count:
            yield self[index]
            index += 1


Sequence = PyDataset
