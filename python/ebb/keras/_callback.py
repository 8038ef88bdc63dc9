"""Callbacks: the base class, lists of them, History.

A callback knows its model by a weak reference: a History or an EarlyStopping that is kept does
not keep the model. Order of calls and contents of logs are Keras's.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

Logs = Optional[dict[str, Any]]

_BATCH_METHODS = {
    "train_begin": ("on_train_batch_begin", "on_batch_begin"),
    "train_end": ("on_train_batch_end", "on_batch_end"),
    "test_begin": ("on_test_batch_begin",),
    "test_end": ("on_test_batch_end",),
    "predict_begin": ("on_predict_batch_begin",),
    "predict_end": ("on_predict_batch_end",),
}


class Callback:
    """Base class of callbacks: derive from it and write the methods that are wanted.

    Attributes
    ----------
    params : dict
        ``verbose``, ``epochs`` and ``steps`` of the call (steps None when not known).
    model : Model or None
        The model that is trained. It is not kept alive: None once it is gone.
    """

    params: Any = None
    _model_reference: Any = None
    _native_name: str | None = None  # of callbacks that the library itself runs

    def __init__(self) -> None:
        self.params = None

    def _native_entry(self) -> Any:
        """Name and configuration, for those that the library runs."""
        raise NotImplementedError

    def _configure(self, **arguments: Any) -> None:
        """Arguments of the constructor become attributes."""
        self._arguments = list(arguments)
        for name, value in arguments.items():
            setattr(self, name, value)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {name: getattr(self, name) for name in getattr(self, "_arguments", ())}

    @property
    def model(self) -> Any:
        """The model that is trained; None before, and once it is gone."""
        reference = self._model_reference
        return None if reference is None else reference()

    @model.setter
    def model(self, model: Any) -> None:
        self._model_reference = None if model is None else weakref.ref(model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes the parameters of the call."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Takes the model."""
        self.model = model

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Older name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Older name of ``on_train_batch_end``."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called before each epoch of ``fit``."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called after each epoch of ``fit``, its validation included.

        ``logs`` has the results, those of validation with ``val_`` in front; what is added to it
        is seen by later callbacks and History.
        """

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before each batch of training."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after each batch of training; ``logs`` has the results of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before each batch of ``evaluate`` and of validation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after each batch of ``evaluate`` and of validation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before each batch of ``predict``."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after each batch of ``predict``; ``logs["outputs"]`` are its predictions."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called when ``fit`` begins."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called when ``fit`` ends, with the logs of the last epoch."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called when ``evaluate`` or validation begins."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called when ``evaluate`` or validation ends, with its results."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called when ``predict`` begins."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called when ``predict`` ends."""


def hears(callback: Callback, kind: str) -> bool:
    """Whether a callback has a method of its own for batches: kind ``"train_end"``, ..."""
    for name in _BATCH_METHODS[kind]:
        own = getattr(type(callback), name, None)
        if name in vars(callback) or own is not getattr(Callback, name):
            return True
    return False


class History(Callback):
    """Results by epoch; ``fit`` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        ``{"loss": [...], "val_loss": [...]}``.
    epoch : list of int
        Numbers of the epochs, from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begins a new list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Adds the results of an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        model = self.model
        if model is not None:
            model.history = self


class LambdaCallback(Callback):
    """A callback of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Called with ``(epoch, logs)``.
    on_train_begin, on_train_end : callable, optional
        Called with ``(logs)``.
    on_train_batch_begin, on_train_batch_end : callable, optional
        Called with ``(batch, logs)``.
    **kwargs
        Any other method of ``Callback`` by name.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        self.__dict__.update(kwargs)
        self.__dict__.update({name: one for name, one in given.items() if one is not None})


def plain_logs(logs: Any) -> dict[str, Any]:
    """Logs by sorted name, numbers as floats: what every callback of a list is given."""
    result: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(plain_logs(value))
            continue
        try:
            result[name] = float(value)
        except (TypeError, ValueError):
            result[name] = value
    return result


def _flatten(callbacks: Any) -> list[Any]:
    """One callback, or any nesting of lists of them, as a list."""
    if callbacks is None:
        return []
    if isinstance(callbacks, (list, tuple)):
        return [one for item in callbacks for one in _flatten(item)]
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    return [callbacks]


class CallbackList(Callback):
    """Several callbacks that are called together, for training loops of the caller's own.

    Parameters
    ----------
    callbacks : list of Callback, optional
        In the order in which they are called.
    add_history : bool
        Adds a History if there is none.
    add_progbar : bool
        Adds a ProgbarLogger if there is none.
    model : Model, optional
        The model they belong to.
    **params
        For ``set_params`` of each.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        from ebb.keras._callback_log import ProgbarLogger  # it derives from Callback

        super().__init__()
        self.callbacks: list[Any] = _flatten(callbacks)
        self._history: History | None = None
        for one in self.callbacks:
            if not hasattr(one, "set_model"):
                raise TypeError(
                    f"callbacks: expected keras.callbacks.Callback objects, got {one!r}"
                )
            if isinstance(one, History):
                self._history = one
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and not any(isinstance(one, ProgbarLogger) for one in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def append(self, callback: Callback) -> None:
        """Adds a callback at the end."""
        self.callbacks.append(callback)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)

    def __len__(self) -> int:
        return len(self.callbacks)

    def __bool__(self) -> bool:
        return True

    def set_params(self, params: dict[str, Any]) -> None:
        """Gives every callback the parameters."""
        self.params = params
        if params:
            for one in self.callbacks:
                one.set_params(params)

    def set_model(self, model: Any) -> None:
        """Gives every callback the model."""
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for one in self.callbacks:
            one.set_model(model)

    def _call(self, method: str, *arguments: Any, logs: Logs) -> None:
        tell(self.callbacks, method, *arguments, logs=plain_logs(logs))

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_batch_begin", batch, logs=logs)

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_batch_end", batch, logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Tells every callback; all see and may change one dict."""
        self._call("on_epoch_end", epoch, logs=logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_train_batch_begin", batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_train_batch_end", batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_test_batch_begin", batch, logs=logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_test_batch_end", batch, logs=logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_predict_batch_begin", batch, logs=logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_predict_batch_end", batch, logs=logs)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_train_end", logs=logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_test_end", logs=logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        """Tells every callback."""
        self._call("on_predict_end", logs=logs)


def tell(callbacks: Iterable[Any], method: str, *arguments: Any, logs: dict[str, Any]) -> None:
    """Calls one method of several callbacks, in order."""
    for one in callbacks:
        getattr(one, method)(*arguments, logs)
