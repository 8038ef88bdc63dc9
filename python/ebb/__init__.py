"""ebb: load, run, train and unload Keras models, with every byte given back.

::

    import ebb

    model = ebb.load("my_model.keras")
    y = model.predict(x)
    del model                            # every byte is back
    print(ebb.memory())

Scripts written for Keras and TensorFlow use ``ebb.keras`` and ``ebb.tf``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ebb._errors import (
    ArgumentError,
    BusyError,
    CancelledError,
    DTypeError,
    EbbError,
    ForkError,
    FormatError,
    InputOutputError,
    InternalError,
    NotFoundError,
    OutOfMemoryError,
    ShapeError,
    StaleHandleError,
    StateError,
    UnsupportedError,
)
from ebb._info import ModelInfo, TensorInfo, WeightInfo
from ebb._load import check_file as check
from ebb._load import from_json, load, loaded, plan, remove, summary
from ebb._memory import Memory, Plan, Receipt
from ebb._model import Model, Weights
from ebb._native import ffi as _ffi
from ebb._native import lib as _lib
from ebb._runtime import Runtime, configure, memory, models, report, runtime, trim
from ebb._scope import Scope, scope

if TYPE_CHECKING:
    import logging

    from ebb import keras, tf
    from ebb._devices import (
        Device,
        PhysicalDevice,
        current_device,
        device,
        device_memory,
        devices,
        divide_device,
        physical_devices,
        reset_peak,
        set_growth,
        set_soft_placement,
        set_visible,
        transfers,
    )
    from ebb._interop import from_keras, to_keras
    from ebb._manage import (
        EachReport,
        LazyModel,
        LeakMonitor,
        MonitorReport,
        Spill,
        collect_idle,
        collect_temporary,
        each_model,
        idle_timer,
        remove_temporary,
        temporary_file,
    )
    from ebb._plot import plot_memory
    from ebb._profile import Profile, Profiler
    from ebb._shrink import (
        Comparison,
        Difference,
        ShrinkReport,
        ShrinkStep,
        compare,
        expand,
        prune,
        quantize,
    )
    from ebb._versions import Registry, RegistryVersion

    #: ``logging.getLogger("ebb")``: loads, unloads and training at INFO, failures at ERROR.
    log: logging.Logger

__version__: str = _ffi.string(_lib.ebb_version()).decode()

#: What is imported when it is first asked for.
_LATER = {
    "Comparison": "ebb._shrink",
    "Device": "ebb._devices",
    "Difference": "ebb._shrink",
    "EachReport": "ebb._manage",
    "LazyModel": "ebb._manage",
    "LeakMonitor": "ebb._manage",
    "MonitorReport": "ebb._manage",
    "PhysicalDevice": "ebb._devices",
    "Profile": "ebb._profile",
    "Profiler": "ebb._profile",
    "Registry": "ebb._versions",
    "RegistryVersion": "ebb._versions",
    "ShrinkReport": "ebb._shrink",
    "ShrinkStep": "ebb._shrink",
    "Spill": "ebb._manage",
    "collect_idle": "ebb._manage",
    "collect_temporary": "ebb._manage",
    "compare": "ebb._shrink",
    "current_device": "ebb._devices",
    "device": "ebb._devices",
    "device_memory": "ebb._devices",
    "devices": "ebb._devices",
    "divide_device": "ebb._devices",
    "each_model": "ebb._manage",
    "expand": "ebb._shrink",
    "from_keras": "ebb._interop",
    "idle_timer": "ebb._manage",
    "keras": "",
    "physical_devices": "ebb._devices",
    "plot_memory": "ebb._plot",
    "prune": "ebb._shrink",
    "quantize": "ebb._shrink",
    "remove_temporary": "ebb._manage",
    "reset_peak": "ebb._devices",
    "set_growth": "ebb._devices",
    "set_soft_placement": "ebb._devices",
    "set_visible": "ebb._devices",
    "temporary_file": "ebb._manage",
    "tf": "",
    "to_keras": "ebb._interop",
    "transfers": "ebb._devices",
}

__all__ = [
    "ArgumentError",
    "BusyError",
    "CancelledError",
    "Comparison",
    "DTypeError",
    "Device",
    "Difference",
    "EachReport",
    "EbbError",
    "ForkError",
    "FormatError",
    "InputOutputError",
    "InternalError",
    "LazyModel",
    "LeakMonitor",
    "Memory",
    "Model",
    "ModelInfo",
    "MonitorReport",
    "NotFoundError",
    "OutOfMemoryError",
    "PhysicalDevice",
    "Plan",
    "Profile",
    "Profiler",
    "Receipt",
    "Registry",
    "RegistryVersion",
    "Runtime",
    "Scope",
    "ShapeError",
    "ShrinkReport",
    "ShrinkStep",
    "Spill",
    "StaleHandleError",
    "StateError",
    "TensorInfo",
    "UnsupportedError",
    "WeightInfo",
    "Weights",
    "check",
    "collect_idle",
    "collect_temporary",
    "compare",
    "configure",
    "current_device",
    "device",
    "device_memory",
    "devices",
    "divide_device",
    "each_model",
    "expand",
    "from_json",
    "from_keras",
    "idle_timer",
    "keras",
    "load",
    "loaded",
    "log",
    "memory",
    "models",
    "physical_devices",
    "plan",
    "plot_memory",
    "prune",
    "quantize",
    "remove",
    "remove_temporary",
    "report",
    "reset_peak",
    "runtime",
    "scope",
    "set_growth",
    "set_soft_placement",
    "set_visible",
    "summary",
    "temporary_file",
    "tf",
    "to_keras",
    "transfers",
    "trim",
]


def __getattr__(name: str) -> Any:
    if name == "log":
        from ebb._log import logger

        return logger()
    if name not in _LATER:
        raise AttributeError(f"module 'ebb' has no attribute {name!r}")
    if not _LATER[name]:
        return importlib.import_module(f"ebb.{name}")
    value = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
