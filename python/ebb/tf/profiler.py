"""``tf.profiler``: the memory profiler of ebb under TensorFlow's names.

``start`` and ``stop`` write ``LOGDIR/plugins/profile/TIME/``: a table, JSON, a drawing, and a trace
that chrome://tracing and Perfetto show.
"""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

from ebb import _context
from ebb._call import check, new_error
from ebb._eager import handle
from ebb._errors import StateError
from ebb._native import ffi, lib


class _Running:
    """The profiler that runs."""

    def __init__(self, logdir: str) -> None:
        self.logdir = os.fspath(logdir)
        self.box = handle(lib.ebb_python_close_profiler)
        slot, error = ffi.addressof(self.box, "profiler"), new_error()
        status = lib.ebb_profiler_start(_context.runtime_handle(), ffi.NULL, slot, error)
        check(status, error)

    def write(self) -> None:
        """Ends the profile and writes it."""
        error = new_error()
        check(lib.ebb_profiler_stop(self.box.profiler))
        folder = os.path.join(self.logdir, "plugins", "profile", time.strftime("%Y_%m_%d_%H_%M_%S"))
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "").encode()
        check(lib.ebb_profiler_save(self.box.profiler, path, error), error)


_running: list[_Running] = []


class ProfilerOptions:
    """Settings of a profile; all are accepted."""

    def __init__(self, host_tracer_level: int = 2, python_tracer_level: int = 0,
                 device_tracer_level: int = 1, delay_ms: Any = None) -> None:  # fmt: skip
        self.host_tracer_level = host_tracer_level
        self.python_tracer_level = python_tracer_level
        self.device_tracer_level = device_tracer_level
        self.delay_ms = delay_ms


def start(logdir: str, options: Any = None) -> None:
    """Starts the profiler.

    Raises
    ------
    RuntimeError
        It runs already.
    """
    if _running:
        raise StateError("Another profiler is running.")
    _running.append(_Running(logdir))


def stop(save: bool = True) -> None:
    """Stops the profiler and writes its files.

    Raises
    ------
    RuntimeError
        None runs.
    """
    if not _running:
        raise StateError("Cannot export profiling results. No profiler is running.")
    running = _running.pop()
    if save:
        running.write()
    ffi.release(running.box)


class Profile:
    """A ``with`` block that is profiled."""

    def __init__(self, logdir: str, options: Any = None) -> None:
        self._logdir = logdir

    def __enter__(self) -> None:
        start(self._logdir)

    def __exit__(self, *failure: object) -> None:
        stop()


class Trace:
    """A ``with`` block that is marked on the timeline."""

    def __init__(self, name: str, **_: Any) -> None:
        self._name = name

    def __enter__(self) -> Trace:
        if _running:
            lib.ebb_profiler_mark(_running[-1].box.profiler, self._name.encode()[:47])
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def set_metadata(self, **_: Any) -> None:
        """Accepted."""


experimental = SimpleNamespace(
    start=start, stop=stop, Profile=Profile, Trace=Trace, ProfilerOptions=ProfilerOptions
)
