"""keras.callbacks: what is told of each moment of training, evaluation and prediction."""

from __future__ import annotations

import json
import os
from typing import Any

from ebb._generated import callbacks as _generated
from ebb.keras import _missing
from ebb.keras._callback import Callback, CallbackList, History, LambdaCallback
from ebb.keras._callback_log import (
    CSVLogger,
    LearningRateScheduler,
    ProgbarLogger,
    RemoteMonitor,
    TerminateOnNaN,
)
from ebb.keras._callback_monitor import (
    EarlyStopping,
    ModelCheckpoint,
    MonitorCallback,
    ReduceLROnPlateau,
)


def _entry(callback: Any) -> tuple[str, str]:
    """Name and configuration for the library; paths as texts."""
    config = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in callback.get_config().items()
        if value is not None
    }
    return callback._native_name, json.dumps(config)


class TensorBoard(_generated.TensorBoard):
    """Writes the results for TensorBoard: see the table of ``ebb._generated.callbacks``."""

    __doc__ = _generated.TensorBoard.__doc__
    _native_name = "TensorBoard"
    _native_entry = _entry


class BackupAndRestore(_generated.BackupAndRestore):
    """Keeps the state of training in a folder, and goes on from there."""

    __doc__ = _generated.BackupAndRestore.__doc__
    _native_name = "BackupAndRestore"
    _native_entry = _entry


class SwapEMAWeights(_generated.SwapEMAWeights):
    """Evaluates and saves with moving averages of the weights."""

    __doc__ = _generated.SwapEMAWeights.__doc__
    _native_name = "SwapEMAWeights"
    _native_entry = _entry


__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__ = _missing.guard(__name__, globals())
