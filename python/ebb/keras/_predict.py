"""predict() batch by batch: for iterables, progress and callbacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras._callback import CallbackList, hears


class Predictor:
    """One call of predict."""

    def __init__(self, model: Any, core: Any, callbacks: CallbackList | None) -> None:
        self._model = model
        self._core = core
        self._list = callbacks
        self._shows_outputs = callbacks is not None and any(
            hears(one, "predict_end") for one in callbacks.callbacks
        )

    def run(self, data: Any, batch_size: int | None, steps: int | None) -> list[Any]:
        """Arrays by output, of all rows."""
        if self._list is None:
            return self._quietly(data, batch_size, steps)
        self._list.on_predict_begin()
        found = self._batches(data, batch_size, steps)
        self._list.on_predict_end()
        return found

    def _quietly(self, data: Any, batch_size: int | None, steps: int | None) -> list[Any]:
        if not data.is_whole or steps is not None or self._has_fixed_rows():
            return self._batches(data, batch_size, steps)
        # Where a row sees others they are those of its batch, as in Keras; else it is no matter.
        x = data.x if len(data.x) > 1 else data.x[0]
        found = self._core.predict(x, batch_size=batch_size or 32)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def _has_fixed_rows(self) -> bool:
        """Is the number of rows of a batch a part of the model, as where states are kept?"""
        inputs = getattr(self._model, "inputs", None) or ()
        return any(tensor.shape[:1] and tensor.shape[0] is not None for tensor in inputs)

    def _batches(self, data: Any, batch_size: int | None, steps: int | None) -> list[Any]:
        pieces: list[list[Any]] = []
        for step, x in enumerate(self._cut(data, batch_size, steps)):
            if self._list is not None:
                self._list.on_predict_batch_begin(step)
            outputs = self._model._ports.finish(x, self._core._predict_arrays(x))
            pieces.append(outputs)
            if self._shows_outputs and self._list is not None:
                shown = {"outputs": self._model._pack_outputs(outputs)}
                for one in self._list.callbacks:
                    one.on_predict_batch_end(step, shown)
            if self._model.stop_predicting:
                break
        if not pieces:
            raise ValueError("There are no data: the iterable gave no batch.")
        return [
            column[0] if len(column) == 1 else np.concatenate(column) for column in zip(*pieces)
        ]

    @staticmethod
    def _cut(data: Any, batch_size: int | None, steps: int | None) -> Any:
        """Batches of x."""
        if data.is_whole:
            size = batch_size or (32 if steps is None else -(-data.rows // steps))
            starts = range(0, data.rows, size)
            for start in starts if steps is None else starts[:steps]:
                yield [array[start : start + size] for array in data.x]
            return
        step = 0
        while steps is None or step < steps:
            batch = data.next(step == 0)
            if batch is None:
                return
            yield batch[0]
            step += 1
