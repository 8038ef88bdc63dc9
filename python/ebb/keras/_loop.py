"""One call of fit or evaluate: what the library tells of every moment, passed on to callbacks.

Callbacks that the library runs itself stand among those of Python in the order in which the
caller gave them: each run of Python callbacks between them is one function for the library.
Results of one moment are one dict, which every callback sees and may change.
"""

from __future__ import annotations

from typing import Any, Callable

from ebb import _training
from ebb._call import Guard, Keep
from ebb._native import ffi, lib
from ebb.keras._callback import Callback, CallbackList, hears, plain_logs, tell
from ebb.keras._callback_log import ProgbarLogger
from ebb.keras._optimizer import has_python_rate

Logs = dict[str, Any]


class Group:
    """Python callbacks that follow one another, and which of them hear of batches."""

    def __init__(self, callbacks: list[Any]) -> None:
        self.callbacks = callbacks
        self.train_begin = [one for one in callbacks if hears(one, "train_begin")]
        self.train_end = [one for one in callbacks if hears(one, "train_end")]
        self.test_begin = [one for one in callbacks if hears(one, "test_begin")]
        self.test_end = [one for one in callbacks if hears(one, "test_end")]


class Loop:
    """A call of the library with callbacks.

    Nothing that it holds refers to it: an interrupt at any moment leaves no cycle behind.
    """

    def __init__(self, model: Any, core: Any, callbacks: CallbackList) -> None:
        self._model = model
        self._core = core
        self._list = callbacks
        self._guard = Guard()
        self._in_fit = False
        self._scheduled = model.optimizer if has_python_rate(model.optimizer) else None
        self._logs: Logs = {}
        self._last: Logs | None = None  # of the last epoch, for on_train_end
        self._keys: dict[tuple[int, int], list[str]] = {}
        # Somebody else's code may look at the weights between two steps.
        self._is_watched = any(type(one) is not ProgbarLogger for one in callbacks.callbacks)
        self._has_native = any(one._native_name is not None for one in callbacks.callbacks)

    # -- calls ------------------------------------------------------------------------------------

    def fit(self, data: Any, validation: Any, validation_freq: Any, how: Logs) -> None:
        """Trains."""
        self._in_fit = True
        if how["epochs"] <= how["initial_epoch"]:
            self._list.on_train_begin()
            self._list.on_train_end()
            return
        keep = Keep()
        how = {name: value for name, value in how.items() if value is not None}
        if validation is not None:
            how["validation"] = self._data(keep, validation, how.get("validation_steps"))
        how.update(_frequency(keep, validation_freq))
        given = self._data(keep, data, how.get("steps_per_epoch"))
        try:
            _training.fit(self._core.handle, given, self._guard, keep, self._entries(), **how)
        finally:
            self._model._weights_changed()
            self._close(data, validation)

    def evaluate(self, data: Any, how: Logs) -> list[float]:
        """Evaluates; results in the order of the library."""
        keep = Keep()
        given = self._data(keep, data, how.get("steps"))
        entries = self._entries()
        try:
            return _training.evaluate(self._core.handle, given, self._guard, keep, entries, **how)
        finally:
            self._close(data)

    def _close(self, *data: Any) -> None:
        for one in data:
            if one is not None and not one.is_whole:
                one.close()

    def _data(self, keep: Keep, data: Any, limit: int | None) -> Any:
        """``ebb_data *``."""
        if data.is_whole:
            return _training.array_data(keep, data.x, data.y, data.weights)
        data.limit = limit
        return _training.function_data(keep, self._guard, data.next, self._in_fit)

    def _entries(self) -> list[Any]:
        """Callbacks for the library: functions over groups, and names with configurations."""
        if type(self._list) is not CallbackList:
            return [self._listener([self._list], True, True)]
        groups: list[Any] = [[]]
        for one in self._list.callbacks:
            if one._native_name is not None:
                groups += [one, []]
            groups[-1].append(one)
        entries = []
        for index, group in enumerate(groups):
            if isinstance(group, Callback):
                entries.append(group._native_entry())
            elif group or index in (0, len(groups) - 1):
                entries.append(self._listener(group, index == 0, index == len(groups) - 1))
        return entries

    def _listener(self, callbacks: list[Any], is_first: bool, is_last: bool) -> Any:
        """A function that the library calls with events."""
        group = Group(callbacks)

        def told(event: Any) -> bool:
            _MOMENTS[event.moment](self, group, event, is_first)
            return self._goes_on() if is_last else True

        return told

    def _goes_on(self) -> bool:
        model = self._model
        return not (model.stop_training if self._in_fit else model.stop_evaluating)

    # -- moments ----------------------------------------------------------------------------------

    def _read(self, event: Any, is_first: bool) -> Logs:
        """Results of this moment, by sorted name."""
        if not is_first:
            return self._logs
        count = event.log_count
        key = (event.moment, count)
        names = self._keys.get(key)
        logs = event.logs
        if names is None:
            names = [ffi.string(logs[i].name).decode() for i in range(count)]
            self._keys[key] = names
        self._logs = {name: logs[i].value for i, name in enumerate(names)}
        return self._logs

    def _empty(self, is_first: bool) -> Logs:
        if is_first:
            self._logs = {}
        return self._logs

    def _train_begin(self, group: Group, event: Any, is_first: bool) -> None:
        tell(group.callbacks, "on_train_begin", logs=self._empty(is_first))

    def _train_end(self, group: Group, event: Any, is_first: bool) -> None:
        if is_first:
            self._model._weights_changed()
            self._logs = plain_logs(self._last)
        tell(group.callbacks, "on_train_end", logs=self._logs)

    def _epoch_begin(self, group: Group, event: Any, is_first: bool) -> None:
        tell(group.callbacks, "on_epoch_begin", event.epoch, logs=self._empty(is_first))

    def _epoch_end(self, group: Group, event: Any, is_first: bool) -> None:
        if is_first:
            self._model._weights_changed()
        logs = self._read(event, is_first)
        if is_first:
            self._last = dict(logs)
        tell(group.callbacks, "on_epoch_end", event.epoch, logs=logs)

    def _batch_begin(self, group: Group, event: Any, is_first: bool) -> None:
        if is_first and self._scheduled is not None:
            self._scheduled._before_step()
        if group.train_begin:
            logs = self._empty(is_first)
            tell(group.train_begin, "on_train_batch_begin", event.step, logs=logs)
        elif is_first:
            self._logs = {}

    def _batch_end(self, group: Group, event: Any, is_first: bool) -> None:
        if is_first and self._is_watched:
            self._model._weights_changed()
        if group.train_end or (is_first and self._has_native):
            logs = self._read(event, is_first)
            tell(group.train_end, "on_train_batch_end", event.step, logs=logs)

    def _test_begin(self, group: Group, event: Any, is_first: bool) -> None:
        tell(group.callbacks, "on_test_begin", logs=self._empty(is_first))

    def _test_end(self, group: Group, event: Any, is_first: bool) -> None:
        tell(group.callbacks, "on_test_end", logs=self._read(event, is_first))

    def _test_batch_begin(self, group: Group, event: Any, is_first: bool) -> None:
        if group.test_begin:
            logs = self._empty(is_first)
            tell(group.test_begin, "on_test_batch_begin", event.step, logs=logs)
        elif is_first:
            self._logs = {}

    def _test_batch_end(self, group: Group, event: Any, is_first: bool) -> None:
        if group.test_end or (is_first and self._has_native):
            logs = self._read(event, is_first)
            tell(group.test_end, "on_test_batch_end", event.step, logs=logs)


def _frequency(keep: Keep, freq: Any) -> dict[str, Any]:
    """Fields of ebb_fit_options for validation_freq."""
    if isinstance(freq, (list, tuple, set, range)):
        epochs = sorted({int(one) - 1 for one in freq if int(one) > 0})
        items = keep.hold(ffi.new("uint32_t[]", epochs or [2**32 - 1]))
        return {"validation_epochs": items, "validation_epoch_count": max(1, len(epochs))}
    if int(freq) != freq or freq < 1:
        raise ValueError(
            f"validation_freq: expected a number of epochs or a list of them, found {freq!r}"
        )
    return {"validation_freq": int(freq)}


_MOMENTS: dict[int, Callable[[Loop, Group, Any, bool], None]] = {
    int(lib.EBB_TRAIN_BEGIN): Loop._train_begin,
    int(lib.EBB_TRAIN_END): Loop._train_end,
    int(lib.EBB_EPOCH_BEGIN): Loop._epoch_begin,
    int(lib.EBB_EPOCH_END): Loop._epoch_end,
    int(lib.EBB_BATCH_BEGIN): Loop._batch_begin,
    int(lib.EBB_BATCH_END): Loop._batch_end,
    int(lib.EBB_TEST_BEGIN): Loop._test_begin,
    int(lib.EBB_TEST_END): Loop._test_end,
    int(lib.EBB_TEST_BATCH_BEGIN): Loop._test_batch_begin,
    int(lib.EBB_TEST_BATCH_END): Loop._test_batch_end,
}
