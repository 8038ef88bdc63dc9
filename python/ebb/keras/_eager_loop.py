"""fit, evaluate and predict whose steps run in Python: ``train_step`` and its siblings.

Moments, logs and their order are those of the library's own loop (_loop.py): callbacks, History and
the progress bar cannot tell which of the two runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras import _tree
from ebb.keras._callback import CallbackList, plain_logs
from ebb.keras._compiled import CompiledMetrics
from ebb.keras._eager_data import Feed

Logs = dict[str, Any]


class EagerLoop:
    """One call of fit or evaluate. It holds the model for that long, and nothing holds it."""

    def __init__(self, model: Any, callbacks: CallbackList) -> None:
        self._model = model
        self._list = callbacks
        refuse_native(callbacks)

    # -- fit --------------------------------------------------------------------------------------

    def fit(
        self,
        feed: Feed,
        validation: Feed | None,
        *,
        validation_freq: Any,
        validation_steps: int | None,
        epochs: int,
        initial_epoch: int,
        steps: int | None,
    ) -> None:
        """Trains."""
        model, listeners = self._model, self._list
        check_frequency(validation_freq)
        try:
            listeners.on_train_begin()
            last: Logs | None = None
            goes_on = False  # in the middle of a pass over the data
            for epoch in range(initial_epoch, epochs):
                model.reset_metrics()
                listeners.on_epoch_begin(epoch)
                logs, goes_on = self._epoch(feed, steps, goes_on)
                logs = dict(results_of(model, logs))
                if validation is not None and is_due(validation_freq, epoch):
                    told = self.evaluate(validation, validation_steps)
                    logs.update({f"val_{name}": value for name, value in told.items()})
                listeners.on_epoch_end(epoch, logs)
                last = logs
                if model.stop_training:
                    break
            optimizer = model.optimizer
            if epochs > initial_epoch and hasattr(optimizer, "finalize_variable_values"):
                optimizer.finalize_variable_values(model.trainable_weights)
            listeners.on_train_end(logs=last)
        finally:
            feed.close()
            if validation is not None:
                validation.close()

    def _epoch(self, feed: Feed, steps: int | None, goes_on: bool) -> tuple[Logs, bool]:
        """The logs of the last step, and whether the pass over the data is not at its end."""
        model, listeners = self._model, self._list
        logs: Any = {}
        step = 0
        while steps is None or step < steps:
            batch = feed.next(not goes_on)
            if batch is None and goes_on and step == 0:
                batch = feed.next(True)  # the pass ended together with the last epoch
            if batch is None:
                return logs, False
            goes_on = True
            listeners.on_train_batch_begin(step)
            logs = model.train_step(batch)
            listeners.on_train_batch_end(step, logs)
            step += 1
            if model.stop_training:
                break
        return logs, steps is not None

    # -- evaluate ---------------------------------------------------------------------------------

    def evaluate(self, feed: Feed, steps: int | None) -> Logs:
        """Results by sorted name."""
        model, listeners = self._model, self._list
        model.stop_evaluating = False
        listeners.on_test_begin()
        model.reset_metrics()
        logs: Any = {}
        step = 0
        while steps is None or step < steps:
            batch = feed.next(step == 0)
            if batch is None:
                break
            listeners.on_test_batch_begin(step)
            logs = model.test_step(batch)
            listeners.on_test_batch_end(step, logs)
            step += 1
            if model.stop_evaluating:
                break
        told = plain_logs(results_of(model, logs))
        listeners.on_test_end(told)
        return told

    # -- predict ----------------------------------------------------------------------------------

    def predict(self, feed: Feed, steps: int | None) -> Any:
        """Arrays of all rows in the structure that ``predict_step`` gives."""
        model, listeners = self._model, self._list
        listeners.on_predict_begin()
        pieces: list[list[Any]] = []
        structure: Any = None
        step = 0
        while steps is None or step < steps:
            batch = feed.next(step == 0)
            if batch is None:
                break
            listeners.on_predict_batch_begin(step)
            outputs = arrays_of(model.predict_step(batch))
            structure = outputs
            pieces.append(_tree.flatten(outputs))
            listeners.on_predict_batch_end(step, {"outputs": outputs})
            step += 1
            if model.stop_predicting:
                break
        listeners.on_predict_end()
        if not pieces:
            raise ValueError("There are no data: the iterable gave no batch.")
        joined = [
            column[0] if len(column) == 1 else np.concatenate(column) for column in zip(*pieces)
        ]
        return _tree.pack_as(structure, joined)


def arrays_of(structure: Any) -> Any:
    """The same structure with arrays for tensors."""
    return _tree.map_structure(np.asarray, structure)


def results_of(model: Any, logs: Any) -> Logs:
    """Results of the model's metrics, if the last step told of the same ones; else its logs."""
    found: Logs = model.get_metrics_result()
    if isinstance(logs, dict) and set(logs) == set(found):
        return found
    if not isinstance(logs, dict):
        raise ValueError(
            f"train_step() and test_step() return a dict of results by name, got {logs!r}"
        )
    return logs


def ordered(model: Any, logs: Logs) -> Any:
    """Results as a list, in the order of the model's metrics; a number if there is one."""
    names: list[str] = []
    for metric in model.metrics:
        is_group = isinstance(metric, CompiledMetrics)
        names += [one.name for one in metric.metrics] if is_group else [metric.name]
    results = [logs[name] for name in names if name in logs]
    results += [logs[name] for name in sorted(logs) if name not in names]
    return results[0] if len(results) == 1 else results


def check_frequency(freq: Any) -> None:
    """Refuses a ``validation_freq`` that is none."""
    if isinstance(freq, (list, tuple, set, range)):
        return
    if int(freq) != freq or freq < 1:
        raise ValueError(
            f"validation_freq: expected a number of epochs or a list of them, found {freq!r}"
        )


def is_due(freq: Any, epoch: int) -> bool:
    """Is there validation after an epoch?"""
    if isinstance(freq, (list, tuple, set, range)):
        return epoch + 1 in freq
    return (epoch + 1) % int(freq) == 0


def refuse_native(callbacks: Any) -> None:
    """Callbacks that the library runs inside of its own loop have no other."""
    for one in getattr(callbacks, "callbacks", ()):
        name = getattr(one, "_native_name", None)
        if name is not None:
            raise UnsupportedError(
                f"{name} runs inside of the library's loop, and the steps of this model are "
                "Python; save in on_epoch_end of a callback of your own, or use ModelCheckpoint "
                "and CSVLogger",
                "fit",
            )
