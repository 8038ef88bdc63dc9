"""Callbacks that watch a value of the logs: EarlyStopping, ModelCheckpoint, ReduceLROnPlateau."""

from __future__ import annotations

import os
import warnings
import weakref
from typing import Any, Callable

import numpy as np

from ebb.keras._callback import Callback, Logs
from ebb.keras._metric import direction_of
from ebb.keras._progbar import print_message


def rate_logs(model: Any, logs: dict[str, Any]) -> None:
    """Adds the learning rate, or those of several optimizers."""
    inner = getattr(model.optimizer, "optimizers", None)
    if inner is None:
        logs["learning_rate"] = float(model.optimizer.learning_rate)
        return
    for one in inner:
        logs[f"learning_rate_{one.name}"] = float(one.learning_rate)


class MonitorCallback(Callback):
    """What callbacks share that watch whether a value falls or rises.

    Parameters
    ----------
    monitor : str
        Name in the logs.
    mode : str
        ``"min"``, ``"max"``, or ``"auto"``: losses fall, a metric does what its class says.
    baseline : float, optional
        Best value to begin with.
    min_delta : float
        Smaller changes are none.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best: Any = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], Any] | None = None

    def _set_monitor_op(self) -> None:
        """Finds out what is better."""
        if self.monitor_op is not None:
            return
        rises = {"min": False, "max": True}.get(self.mode)
        if rises is None:
            rises = self._direction()
        self.monitor_op = np.greater if rises else np.less
        if not rises:
            self.min_delta *= -1

    def _direction(self) -> bool:
        """Whether more is better, by the name and the model's metrics."""
        name = self.monitor[4:] if self.monitor.startswith("val_") else self.monitor
        held = getattr(self.model, "metrics", ())
        for metric in [one for group in held for one in getattr(group, "metrics", [group])]:
            direction = direction_of(metric)
            if metric.name == name and direction is not None:
                return direction == "up"
        if name == "loss":
            return False
        raise ValueError(
            f"{type(self).__name__}: whether '{self.monitor}' should rise or fall is not known; "
            "pass mode='max' or mode='min'."
        )

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        """Whether a value is better; anything is better than None. Compared in float32."""
        if reference is None:
            return True
        assert self.monitor_op is not None
        return bool(self.monitor_op(np.float32(value - self.min_delta), np.float32(reference)))


class EarlyStopping(MonitorCallback):
    """Ends training when a value has not got better for some epochs.

    Parameters
    ----------
    monitor : str
        Name in the logs.
    min_delta : float
        Smaller changes are none.
    patience : int
        Epochs without a change before training ends.
    verbose : int
        1 tells when training ends and which weights come back.
    mode : str
        ``"auto"``, ``"min"`` or ``"max"``.
    baseline : float, optional
        Only values better than this count.
    restore_best_weights : bool
        Gives the model the weights of the best epoch when training ends.
    start_from_epoch : int
        Epochs before this one do not count.

    Attributes
    ----------
    best, best_epoch, stopped_epoch, wait
        As they stand.
    best_weights : list of numpy.ndarray or None
        Kept with the model: None once it is gone.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    @property
    def best_weights(self) -> Any:
        """Weights of the best epoch."""
        return getattr(self.model, "_kept_weights", {}).get(self)

    @best_weights.setter
    def best_weights(self, weights: Any) -> None:
        model = self.model
        if model is None:
            return
        if not hasattr(model, "_kept_weights"):
            object.__setattr__(model, "_kept_weights", weakref.WeakKeyDictionary())
        if weights is None:
            model._kept_weights.pop(self, None)
        else:
            model._kept_weights[self] = weights

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begins anew."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Looks at the value."""
        self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Gives the best weights back to the model."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_message(f"Epoch {self.stopped_epoch + 1}: early stopping")
        weights = self.best_weights
        if self.restore_best_weights and weights is not None:
            if self.verbose > 0:
                print_message(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(weights)

    def get_monitor_value(self, logs: Logs) -> Any:
        """The value in the logs; None, with a warning, if it is not there."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs or {})}",
                stacklevel=2,
            )
        return value


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, while it is trained.

    Parameters
    ----------
    filepath : str or os.PathLike
        Ends in ``.keras`` or ``.h5``; with ``save_weights_only`` in ``.weights.h5``. May have
        fields: ``"{epoch:02d}-{val_loss:.2f}.keras"``.
    monitor, mode
        Value that tells what is best.
    verbose : int
        1 tells what is saved.
    save_best_only : bool
        Only when the value got better.
    save_weights_only : bool
        Weights instead of the whole model.
    save_freq : "epoch" or int
        After each epoch, or after so many batches.
    initial_value_threshold : float, optional
        Best value to begin with.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath: str = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._batches = 0
        self._last_batch = -1
        self._current_epoch = 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"save_freq: expected 'epoch' or a number of batches, found {save_freq!r}"
            )
        if save_weights_only and not self.filepath.endswith(".weights.h5"):
            raise ValueError(
                "filepath: with save_weights_only=True it must end in `.weights.h5`, found "
                f"{self.filepath!r}"
            )
        if not self.filepath.endswith((".keras", ".h5")):
            raise ValueError(
                f"filepath: it must end in `.keras` (or `.h5`), found {self.filepath!r}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remembers the epoch."""
        self._current_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Saves after every ``save_freq`` batches."""
        if self.save_freq == "epoch":
            return
        self._batches += batch + 1 if batch <= self._last_batch else batch - self._last_batch
        self._last_batch = batch
        if self._batches >= self.save_freq:
            self._batches = 0
            self._save_model(self._current_epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Saves after an epoch."""
        self._set_monitor_op_if_needed()
        if self.save_freq == "epoch":
            self._save_model(epoch, None, logs or {})

    def _set_monitor_op_if_needed(self) -> None:
        if self.save_best_only:
            self._set_monitor_op()

    def _is_wanted(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        """Whether to save now; tells why or why not."""
        if not self.save_best_only:
            self._tell(f"\nEpoch {epoch + 1}: saving model to {path}")
            return True
        self._set_monitor_op()
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=4)
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            self._tell(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {best}")
            return False
        self._tell(
            f"\nEpoch {epoch + 1}: {self.monitor} improved from {best} to {current:.5f}, "
            f"saving model to {path}"
        )
        self.best = current
        return True

    def _tell(self, text: str) -> None:
        if self.verbose > 0:
            print_message(text)

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        """The path with its fields filled in."""
        fields: dict[str, Any] = {"epoch": epoch + 1, **logs}
        if batch is not None:
            fields.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**fields)
        except KeyError as missing:
            raise KeyError(
                f"filepath {self.filepath!r} has a field {missing} that is not in the logs: "
                f"{list(fields)}"
            ) from None

    def _save_model(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._is_wanted(epoch, logs, path):
            return
        if os.path.isdir(path):
            raise OSError(f"filepath: {path} is a folder; give the name of a file")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        self._tell(f"\nEpoch {epoch + 1}: finished saving model to {path}")


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a value has not got better for some epochs.

    Parameters
    ----------
    monitor, mode, min_delta
        What is watched.
    factor : float
        What the rate is multiplied by; below 1.
    patience : int
        Epochs without a change before the rate is lowered.
    verbose : int
        1 tells the new rate.
    cooldown : int
        Epochs after that in which nothing happens.
    min_lr : float
        Lowest rate.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        del kwargs  # Keras takes and drops what older versions had
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"factor: expected a number below 1.0, found {factor}")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begins anew."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether a change is not long ago."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Looks at the value; adds the rate to the logs."""
        self._set_monitor_op()
        logs = logs if logs is not None else {}
        rate_logs(self.model, logs)
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not "
                f"available. Available metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        """Lowers the rate of every optimizer that is above the lowest one."""
        inner = getattr(self.model.optimizer, "optimizers", None)
        changed = False
        for one in [self.model.optimizer] if inner is None else inner:
            rate = float(one.learning_rate)
            if rate <= np.float32(self.min_lr):
                continue
            rate = max(rate * self.factor, self.min_lr)
            one.learning_rate = rate
            changed = True
            if self.verbose > 0:
                name = "" if inner is None else f" {one.name}"
                print_message(
                    f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing{name} learning rate to "
                    f"{rate}."
                )
        return changed
