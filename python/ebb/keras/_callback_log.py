"""Callbacks that tell: ProgbarLogger, CSVLogger; LearningRateScheduler, TerminateOnNaN."""

from __future__ import annotations

import csv
import os
from typing import Any, Callable, TextIO

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._callback import Callback, Logs
from ebb.keras._callback_monitor import rate_logs
from ebb.keras._progbar import Progbar, print_message


class ProgbarLogger(Callback):
    """Shows the progress bar; ``fit``, ``evaluate`` and ``predict`` add it unless verbose is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.progbar: Progbar | None = None
        self.target: int | None = None
        self.verbose: Any = 1
        self.epochs = 1
        self._called_in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes verbose, epochs and steps."""
        self.params = params
        verbose = params.get("verbose", 1)
        self.verbose = 1 if verbose in ("auto", True) else verbose
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps")

    def _begin(self) -> None:
        self.seen = 0
        self.progbar = self._bar()

    def _bar(self) -> Progbar:
        return Progbar(self.target, verbose=self.verbose, stateless_metrics=())

    def on_train_begin(self, logs: Logs = None) -> None:
        """From here on validation is silent."""
        self._called_in_fit = True

    def on_test_begin(self, logs: Logs = None) -> None:
        """A new bar, unless this is validation."""
        if not self._called_in_fit:
            self._begin()

    def on_predict_begin(self, logs: Logs = None) -> None:
        """A new bar."""
        self._begin()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """A new bar below the number of the epoch."""
        self._begin()
        if self.verbose and self.epochs > 1:
            print_message(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Moves the bar."""
        self._update(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Moves the bar, unless this is validation."""
        if not self._called_in_fit:
            self._update(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Moves the bar."""
        self._update(batch, None)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Ends the line."""
        self._finish(logs)

    def on_test_end(self, logs: Logs = None) -> None:
        """Ends the line, unless this is validation."""
        if not self._called_in_fit:
            self._finish(logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        """Ends the line."""
        self._finish(logs)

    def _update(self, batch: int, logs: Logs) -> None:
        if self.progbar is None:
            self.progbar = self._bar()
        self.seen = batch + 1
        if self.verbose == 1:
            self.progbar.update(self.seen, (logs or {}).items(), finalize=False)

    def _finish(self, logs: Logs) -> None:
        if self.progbar is None:
            self.progbar = self._bar()
        if self.target is None:
            self.target = self.progbar.target = self.seen
        self.progbar.update(self.target, (logs or {}).items(), finalize=True)


class CSVLogger(Callback):
    """Writes the results of each epoch to a CSV file.

    Parameters
    ----------
    filename : str or os.PathLike
        The file.
    separator : str
        Between columns.
    append : bool
        Goes on with a file that is there instead of writing a new one.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.sep = separator
        self.filename: str = os.fspath(filename)
        self.append = append
        self.writer: Any = None  # a csv.DictWriter
        self.keys: list[str] | None = None
        self.append_header = True
        self.csv_file: TextIO | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Opens the file."""
        if self.append and os.path.exists(self.filename):
            with open(self.filename, encoding="utf-8") as there:
                self.append_header = not there.readline()
        self._close()
        self.csv_file = open(  # noqa: SIM115
            self.filename, "a" if self.append else "w", encoding="utf-8", newline=""
        )
        self.writer = None
        self.keys = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes a row; columns are those of the first one."""
        logs = logs or {}
        if self.csv_file is None:
            return
        if self.keys is None:
            self.keys = sorted(logs)
            if self.keys and not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        if self.writer is None:
            self.writer = csv.DictWriter(
                self.csv_file, fieldnames=["epoch", *self.keys], delimiter=self.sep
            )
            if self.append_header:
                self.writer.writeheader()
        row = {"epoch": epoch}
        row.update((key, _cell(logs.get(key, "NA"))) for key in self.keys)
        self.writer.writerow(row)
        self.csv_file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Closes the file."""
        self._close()
        self.writer = None

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
        self.csv_file = None


def _cell(value: Any) -> Any:
    """A value as it stands in a column."""
    if not isinstance(value, str) and np.ndim(value) > 0:
        return '"[{}]"'.format(", ".join(map(str, value)))
    return value


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, rate)``, or ``schedule(epoch)``, returns the rate as a float.
    verbose : int
        1 tells it.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Asks for the rate and sets it."""
        inner = getattr(self.model.optimizer, "optimizers", None)
        for one in [self.model.optimizer] if inner is None else inner:
            try:
                rate = self.schedule(epoch, float(one.learning_rate))
            except TypeError:
                rate = self.schedule(epoch)
            if not isinstance(rate, (float, np.float32, np.float64)):
                raise ValueError(
                    f"The output of the `schedule` function should be a float. Got: {rate}"
                )
            one.learning_rate = rate
            if self.verbose > 0:
                name = "" if inner is None else f"{one.name} "
                print_message(
                    f"\nEpoch {epoch + 1}: LearningRateScheduler setting {name}learning rate to "
                    f"{rate}."
                )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Adds the rate to the logs."""
        if logs is not None:
            rate_logs(self.model, logs)


class TerminateOnNaN(Callback):
    """Ends training when the loss is not a finite number.

    Parameters
    ----------
    raise_error : bool
        Raises RuntimeError instead.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Looks at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating "
                "training immediately."
            )
        print_message(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True


class RemoteMonitor(Callback):
    """Not there: ebb opens no connections.

    Raises
    ------
    UnsupportedError
        Always. A LambdaCallback that sends its logs does the same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        raise UnsupportedError(
            "RemoteMonitor would open a network connection, which ebb does not; send the logs from "
            "a callback of your own, keras.callbacks.LambdaCallback(on_epoch_end=...)"
        )
