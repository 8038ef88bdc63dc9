"""Whole arrays as batches, for models of which Python computes a part.

Texts become numbers batch by batch, so that rows are padded as Keras pads them, and no more of
them is held than a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras._data import Ports
from ebb.keras._eager_data import ArrayFeed, Feed


class CutData:
    """Batches of a feed in the model's order: what ``BatchData`` is for iterables."""

    is_whole = False

    def __init__(self, feed: Feed, example: tuple[Any, Any]) -> None:
        self._feed = feed
        self.example = example
        self.size = feed.size
        self.limit: int | None = None
        self._ports: Ports | None = None
        self._needs_y = True

    def bind(self, ports: Ports, needs_y: bool = True) -> None:
        """Tells how batches are brought into the model's order."""
        self._ports, self._needs_y = ports, needs_y

    def steps(self, batch_size: int | None, steps: int | None) -> int | None:
        """Batches of an epoch."""
        del batch_size
        return steps or self.size

    def next(self, restart: bool) -> tuple[list[Any], list[Any], list[Any]] | None:
        """The next batch; None at the end of a pass."""
        item = self._feed.take(restart)
        if item is None:
            return None
        assert self._ports is not None
        x, y, weight = item
        rows = self._ports.x(x)
        if not self._needs_y:
            return rows, [], []
        return rows, self._ports.y(y), self._ports.weights(weight)

    def close(self) -> None:
        """Lets go of the batch."""
        self._feed.close()


def batches(data: Any, ports: Ports, batch_size: int | None, steps: int | None, **how: Any) -> Any:
    """Data as a model is given them: whole arrays cut into batches, if the model needs that."""
    if not ports.is_cut or not data.is_whole:
        return data
    return CutData(ArrayFeed(data, batch_size, limit=steps, **how), data.example)


def for_fit(
    data: Any, validation: Any, ports: Ports, share: float, **how: Any
) -> tuple[Any, Any, float]:
    """The same for data, validation data, and the share of the data that validates.

    Parameters
    ----------
    how : dict
        The arguments of ``fit``: sizes of batches, steps, shuffle.
    """
    if not ports.is_cut:
        return data, validation, share
    size, steps = how["batch_size"], how["validation_steps"]
    size_after = how["validation_batch_size"] or size
    rows = None
    if validation is None and share:
        if not data.is_whole or not 0 <= share < 1:
            raise ValueError(
                f"validation_split: expected a number from 0 to below 1, found {share}"
            )
        count = int(np.floor(data.rows * (1.0 - share)))
        if count in (0, data.rows):
            raise ValueError(
                f"validation_split={share} of {data.rows} rows leaves none to train or validate"
            )
        rows = (0, count)
        validation = batches(data, ports, size_after, steps, rows=(count, data.rows))
    elif validation is not None:
        validation = batches(validation, ports, size_after, steps)
    shuffle = how["shuffle"]
    data = batches(data, ports, size, how["steps_per_epoch"], rows=rows, shuffle=shuffle)
    return data, validation, 0.0
