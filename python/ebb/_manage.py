"""Models over a long life.

Wrappers that load on first use, many files one after the other, predictions on disk, temporary
files, a leak monitor.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

from ebb._arrays import to_array, view_of
from ebb._call import Guard, Keep, TextSink, check, keep_failure, new_error, options
from ebb._errors import EbbError, StaleHandleError, exception_of
from ebb._handle import Handle, core_of
from ebb._load import load_options
from ebb._memory import Receipt, parse_bytes
from ebb._model import Model, deadline_ns
from ebb._native import ffi, lib
from ebb._predict import Data
from ebb._runtime import Runtime
from ebb._runtime import runtime as _here
from ebb._scope import Scope

if TYPE_CHECKING:
    from typing_extensions import Self

Path = Union[str, "os.PathLike[str]"]

_NEVER = 2**64 - 1


# -- loaded on first use -------------------------------------------------------------------------


class LazyInfo(NamedTuple):
    """What a `LazyModel` did so far; ``evictions``: unloads to make room for another."""

    loaded: bool
    users: int
    live: int
    idle_seconds: float
    loads: int
    unloads: int
    evictions: int


class Acquired(Handle):
    """The model of a `LazyModel`, which stays loaded until the end of the ``with`` block."""

    __slots__ = ("_lazy", "_model")
    _instead = "acquire it again: lazy.acquire()"

    def __init__(self, lazy: LazyModel) -> None:
        super().__init__()
        self._lazy = lazy
        error, held = new_error(), ffi.new("ebb_python_acquired *")
        held.generation = lib.ebb_python_generation
        held.lazy = lazy.handle
        self._box = ffi.gc(held, lib.ebb_python_release_acquired)
        check(lib.ebb_lazy_acquire(held.lazy, ffi.addressof(held, "model"), error), error)
        self._model = lazy._borrowed(held.model)

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    def close(self) -> None:
        """Releases it: from now on the model is idle."""
        lib.ebb_python_release_acquired(self._checked())

    def __enter__(self) -> Model:
        return self._model

    def __exit__(self, *failure: object) -> None:
        self.close()


class LazyModel(Handle):
    """A file that becomes a model when it is used, and goes when it is idle.

    A load that finds no room under a limit unloads idle wrappers under that limit, the least
    recently used first; models that were not loaded by a wrapper are never touched.

    Parameters
    ----------
    path : path
        A file that is missing is found at the first use.
    idle : float, optional
        Seconds unused after which it is unloaded, at the next call on any wrapper, by
        `ebb.collect_idle` or `ebb.idle_timer`. None: never.
    wait : float
        Seconds that a load waits for room while others are in use.
    runtime : Runtime, optional
    **load
        As for `ebb.load`.
    """

    __slots__ = ("_model", "_runtime", "path")
    _instead = "make another one of the same file: ebb.LazyModel(path)"

    def __init__(
        self,
        path: Path,
        *,
        idle: float | None = 300.0,
        wait: float = 0.0,
        runtime: Runtime | None = None,
        **load: Any,
    ) -> None:
        super().__init__(lib.ebb_python_close_lazy)
        self._runtime = runtime or _here()
        self._model: Model | None = None
        self.path = os.fspath(path)
        keep, error = Keep(), new_error()
        made = options(
            "ebb_lazy_options",
            idle_ns=_NEVER if idle is None else deadline_ns(idle),
            wait_ns=0 if not wait else deadline_ns(wait),
        )
        made.load = load_options(keep, self._runtime, load)
        slot, name = self._slot("lazy"), keep.text(path)
        check(lib.ebb_lazy_open(self._runtime.handle, name, made, slot, error), error)

    @property
    def handle(self) -> Any:
        """The ``ebb_lazy`` of C."""
        return self._checked().lazy

    def _borrowed(self, handle: Any) -> Model:
        if self._model is None or self._model.id != handle.id:
            self._model = Model._borrow(handle, self._runtime)
        return self._model

    def acquire(self) -> Acquired:
        """``with lazy.acquire() as model:`` loaded if it is not, and kept for the block.

        Raises
        ------
        NotFoundError, FormatError, OutOfMemoryError
            As `ebb.load`; the next call tries again.
        """
        return Acquired(self)

    def predict(self, x: Data, **how: Any) -> Any:
        """Loads if need be, and predicts: `Model.predict`."""
        with Acquired(self) as model:
            return model.predict(x, **how)

    __call__ = predict

    def unload(self) -> Receipt:
        """Unloads now; the next use loads again. No error when it is not loaded.

        Raises
        ------
        BusyError
            It is in use.
        """
        error, receipt = new_error(), ffi.new("ebb_receipt *")
        check(lib.ebb_lazy_unload(self.handle, receipt, error), error)
        return Receipt(receipt)

    @property
    def info(self) -> LazyInfo:
        """What it did so far."""
        c = ffi.new("ebb_lazy_info *")
        check(lib.ebb_lazy_info_read(self.handle, c))
        return LazyInfo(
            bool(c.is_loaded), int(c.users), int(c.bytes_live), c.idle_ns / 1e9, int(c.loads),
            int(c.unloads), int(c.evictions),
        )  # fmt: skip

    def close(self, *, deadline: float | None = None) -> Receipt:
        """Waits until it is released, unloads and closes.

        Raises
        ------
        BusyError
            The deadline passed; it goes on.
        StaleHandleError
            It was closed already.
        """
        error, receipt = new_error(), ffi.new("ebb_receipt *")
        made = options("ebb_unload_options", deadline_ns=deadline_ns(deadline))
        check(lib.ebb_lazy_close(self.handle, made, receipt, error), error)
        return Receipt(receipt)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(StaleHandleError):
            self.close()


def collect_idle(*, runtime: Runtime | None = None) -> Receipt:
    """Unloads every `LazyModel` that has been idle for its time."""
    receipt = ffi.new("ebb_receipt *")
    check(lib.ebb_idle_collect((runtime or _here()).handle, receipt))
    return Receipt(receipt)


def idle_timer(seconds: float, *, runtime: Runtime | None = None) -> None:
    """Starts a thread that collects idle models every so many seconds; 0 ends it."""
    error = new_error()
    interval = 0 if not seconds else deadline_ns(seconds)
    check(lib.ebb_idle_timer((runtime or _here()).handle, interval, error), error)


# -- many files ----------------------------------------------------------------------------------


class EachReport(NamedTuple):
    """What `each_model` did.

    Attributes
    ----------
    results : list
        What the function returned, file by file.
    done, failed, prefetched : int
        Files; those of ``done`` that were loaded ahead of their turn.
    bytes_peak : int
        Highest live bytes of the models of the run.
    load_seconds, wait_seconds, work_seconds, seconds : float
        Loading; of that, while the function was not at work; in the function; in all.
    receipt : Receipt
        Everything that came and went.
    """

    results: list[Any]
    done: int
    failed: int
    prefetched: int
    bytes_peak: int
    load_seconds: float
    wait_seconds: float
    work_seconds: float
    seconds: float
    receipt: Receipt


class _Each(Guard):
    """Answers the callbacks of C with functions of Python."""

    def __init__(
        self,
        runtime: Runtime,
        paths: list[Path],
        function: Callable[[Model, Path], Any],
        failed: Callable[[Path, EbbError], object] | None,
    ) -> None:
        super().__init__()
        self.runtime, self.paths, self.function, self.failed = runtime, paths, function, failed
        self.results: list[Any] = []
        self.handle = ffi.new_handle(self)

    def work(self, handle: Any, index: int) -> bool:
        """With one model."""
        model = Model._borrow(handle, self.runtime)
        self.results.append(self.function(model, self.paths[index]))
        return True

    def told(self, index: int, error: Any) -> bool:
        """Of a file that could not be loaded."""
        if self.failed is None:
            return False
        return self.failed(self.paths[index], exception_of(error.status, error)) is not False


@ffi.def_extern(onerror=keep_failure)
def ebb_python_each(context: Any, model: Any, index: int, path: Any) -> bool:
    """One model for _Each."""
    each: _Each = ffi.from_handle(context)
    return bool(each.run(each.work, model, index, otherwise=False))


@ffi.def_extern(onerror=keep_failure)
def ebb_python_each_failed(context: Any, index: int, path: Any, error: Any) -> bool:
    """One failure for _Each."""
    each: _Each = ffi.from_handle(context)
    return bool(each.run(each.told, index, error, otherwise=False))


def each_model(
    paths: Sequence[Path],
    function: Callable[[Model, Path], Any],
    *,
    bytes_max: int | str | None = None,
    prefetch: bool = True,
    failed: Callable[[Path, EbbError], object] | None = None,
    runtime: Runtime | None = None,
    **load: Any,
) -> EachReport:
    """Loads each file, gives it to a function and unloads it, the next one loading meanwhile.

    Parameters
    ----------
    paths : list of paths
    function : callable
        ``function(model, path)``; what it returns is collected. The model is unloaded afterwards.
        What it raises ends the run and is raised here; ``StopIteration`` only ends it.
    bytes_max : int or str, optional
        For the models of this run together.
    prefetch : bool
        False: never two models at once.
    failed : callable, optional
        ``failed(path, error)`` is told of a file that could not be loaded; returning False ends
        the run. None: the first such error is raised.
    runtime : Runtime, optional
    **load
        As for `ebb.load`, for every file.

    Returns
    -------
    EachReport
    """
    here, files = runtime or _here(), list(paths)
    keep, error, done = Keep(), new_error(), ffi.new("ebb_each_report *")
    each = _Each(here, files, function, failed)
    made = options("ebb_each_options", bytes_max=parse_bytes(bytes_max), no_prefetch=not prefetch)
    made.load = load_options(keep, here, load)
    if failed is not None:
        made.failed = lib.ebb_python_each_failed
    names = keep.texts([os.fspath(path) for path in files])
    status = lib.ebb_models_each(
        here.handle, names, len(files), made, lib.ebb_python_each, each.handle, done, error
    )
    if isinstance(each.failure, StopIteration):
        each.failure, status = None, lib.EBB_OK
    each.finish(status, error)
    return EachReport(
        each.results, int(done.done), int(done.failed), int(done.prefetched),
        int(done.bytes_peak), done.load_ns / 1e9, done.wait_ns / 1e9, done.work_ns / 1e9,
        done.time_ns / 1e9, Receipt(ffi.addressof(done, "receipt")),
    )  # fmt: skip


# -- predictions on disk -------------------------------------------------------------------------


class _Progress(Guard):
    """Answers the callback of C with a function of Python."""

    def __init__(self, function: Callable[[int, int], object]) -> None:
        super().__init__()
        self.function = function
        self.handle = ffi.new_handle(self)

    def tell(self, done: int, total: int) -> bool:
        """Rows so far."""
        return self.function(done, total) is not False


@ffi.def_extern(onerror=keep_failure)
def ebb_python_progress(context: Any, rows_done: int, rows_total: int) -> bool:
    """One step for _Progress; also where an interrupt is answered."""
    progress: _Progress = ffi.from_handle(context)
    return bool(progress.run(progress.tell, rows_done, rows_total, otherwise=False))


def predict_files(
    model: Model,
    inputs: Path | Sequence[Path],
    outputs: Path | Sequence[Path],
    batch_size: int | None,
    progress: Callable[[int, int], object] | None,
) -> None:
    """`Model.predict_files`."""
    keep, error = Keep(), new_error()
    told = _Progress(progress if progress is not None else lambda done, total: None)
    made = options("ebb_stream_options", batch=batch_size)
    made.progress, made.context = lib.ebb_python_progress, told.handle
    lists = []
    for given, ports in ((inputs, model._inputs), (outputs, model._outputs)):
        names = [given] if isinstance(given, (str, os.PathLike)) else list(given)
        if len(names) != len(ports):
            raise ValueError(f"expected {len(ports)} files, got {len(names)}")
        lists.append(keep.texts([os.fspath(name) for name in names]))
    told.finish(lib.ebb_model_predict_files(model.handle, *lists, made, error), error)


class Spill(Handle):
    """A ``.npy`` file that grows batch by batch, and gets its name when it is closed.

    ::

        with ebb.Spill("predictions.npy") as spill:
            for batch in batches:
                spill.append(model.predict(batch))

    A block that ends with an error leaves nothing behind.

    Parameters
    ----------
    path : path
        Ends with ``.npy``.
    runtime : Runtime, optional

    Attributes
    ----------
    rows : int or None
        How many there are, once it is closed.
    """

    __slots__ = ("_runtime", "path", "rows")
    _instead = "open another file: ebb.Spill(path)"

    def __init__(self, path: Path, *, runtime: Runtime | None = None) -> None:
        super().__init__(lib.ebb_python_close_spill)
        self._runtime = runtime or _here()
        self.path = os.fspath(path)
        self.rows: int | None = None
        keep, error = Keep(), new_error()
        slot, name = self._slot("spill"), keep.text(path)
        check(lib.ebb_spill_open(self._runtime.handle, name, slot, error), error)

    @property
    def handle(self) -> Any:
        """The ``ebb_spill`` of C."""
        return self._checked().spill

    def append(self, rows: Any) -> None:
        """Appends rows; the first batch fixes the type and the other axes.

        Raises
        ------
        ShapeError, DTypeError
            Not like the rows before.
        InputOutputError
            They could not be written; the rows before are as they were.
        """
        error = new_error()
        view, memory = view_of(to_array(rows, self.path))
        check(lib.ebb_spill_append(self.handle, view, error), error)
        del memory

    def close(self) -> int:
        """Writes the header, forces the file to disk and gives it its name; returns the rows.

        Raises
        ------
        StateError
            Nothing was appended.
        InputOutputError
            Nothing of it is left.
        """
        rows, error = ffi.new("uint64_t *"), new_error()
        check(lib.ebb_spill_close(self.handle, rows, error), error)
        self.rows = int(rows[0])
        return self.rows

    def discard(self) -> None:
        """Throws it away."""
        status = lib.ebb_spill_discard(self.handle)
        if status != lib.EBB_E_STALE:
            check(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *rest: object) -> None:
        if kind is None and self.rows is None:
            self.close()
        else:
            self.discard()


# -- temporary files -----------------------------------------------------------------------------


def temporary_file(
    suffix: str | None = None,
    *,
    folder: Path | None = None,
    is_folder: bool = False,
    model: Any = None,
    scope: Scope | None = None,
    runtime: Runtime | None = None,
) -> str:
    """Makes an empty file or folder that only this user can read, and that goes with its owner.

    Parameters
    ----------
    suffix : str, optional
        End of its name: ``".npy"``.
    folder : path, optional
        Where; None: ``$TMPDIR``, or ``/tmp``.
    is_folder : bool
        A folder, whatever will be in it.
    model : Model, optional
    scope : Scope, optional
        Its owner: the receipt of its unload lists the file. Both None: the runtime.
    runtime : Runtime, optional

    Returns
    -------
    str
        Its path.

    Raises
    ------
    NotFoundError, InputOutputError, ArgumentError
        No such folder; it cannot be made; a suffix with a slash.
    """
    keep, error, path = Keep(), new_error(), ffi.new("char[]", 4096)
    made = options("ebb_temporary_options", keep, folder=folder, suffix=suffix, is_folder=is_folder)
    owner = None if model is None else core_of(model)
    if owner is not None:
        made.model = owner.handle
    if scope is not None:
        made.scope = scope.handle
    holder = owner if owner is not None else scope
    here = runtime or (holder.runtime if holder is not None else _here())
    check(lib.ebb_temporary_file(here.handle, made, path, len(path), error), error)
    return os.fsdecode(ffi.string(path))


def remove_temporary(path: Path, *, runtime: Runtime | None = None) -> None:
    """Removes one of them now. It may be gone already."""
    keep, error = Keep(), new_error()
    here = (runtime or _here()).handle
    check(lib.ebb_temporary_remove(here, keep.text(path), error), error)


def collect_temporary(folder: Path | None = None) -> Receipt:
    """Removes what processes that are gone left in a folder; files of those that live stay."""
    keep, error, receipt = Keep(), new_error(), ffi.new("ebb_receipt *")
    check(lib.ebb_temporary_collect(keep.text(folder), receipt, error), error)
    return Receipt(receipt)


# -- leak monitor --------------------------------------------------------------------------------


class MonitorReport(NamedTuple):
    """What a check found; true if every watched model is gone with all its bytes.

    Attributes
    ----------
    text : str
        A line for each model.
    watched, gone, loaded, leaked : int
        ``leaked``: unloaded, but bytes of it are still held. 0 in every known case.
    bytes : int
        Live bytes of the models that are not gone.
    live_before, live_now : int
        The whole runtime, when the monitor opened and now.
    """

    text: str
    watched: int
    gone: int
    loaded: int
    leaked: int
    bytes: int
    live_before: int
    live_now: int

    def __bool__(self) -> bool:
        return self.gone == self.watched

    def __str__(self) -> str:
        return self.text


class LeakMonitor(Handle):
    """Watches models by weak references, and their bytes by the ledger; keeps none alive.

    ::

        monitor = ebb.LeakMonitor()
        monitor.watch(model, "first")
        del model
        print(monitor.check())               # first: Model successfully garbage collected
    """

    __slots__ = ("_runtime",)
    _instead = "open another one: ebb.LeakMonitor()"

    def __init__(self, *, runtime: Runtime | None = None) -> None:
        super().__init__(lib.ebb_python_close_monitor)
        self._runtime = runtime or _here()
        error = new_error()
        slot = self._slot("monitor")
        check(lib.ebb_monitor_open(self._runtime.handle, slot, error), error)

    @property
    def handle(self) -> Any:
        """The ``ebb_monitor`` of C."""
        return self._checked().monitor

    def watch(self, model: Any, label: str | None = None) -> None:
        """Begins to watch a model; None: under its own name."""
        keep, error, core = Keep(), new_error(), core_of(model)
        status = lib.ebb_monitor_watch(self.handle, core.handle, keep.text(label), error)
        check(status, error)

    def clear(self) -> None:
        """Watches none any more."""
        check(lib.ebb_monitor_clear(self.handle))

    def check(self) -> MonitorReport:
        """Looks at every watched model, in the order they were watched."""
        sink, error, c = TextSink(), new_error(), ffi.new("ebb_monitor_report *")
        status = lib.ebb_monitor_check(self.handle, lib.ebb_python_text, sink.handle, c, error)
        sink.finish(status, error)
        return MonitorReport(
            sink.text(), int(c.watched), int(c.gone), int(c.loaded), int(c.leaked), int(c.bytes),
            int(c.live_before), int(c.live_now),
        )  # fmt: skip

    def close(self) -> None:
        """Gives its own memory back. Closing twice is no error."""
        status = lib.ebb_monitor_close(self.handle)
        if status != lib.EBB_E_STALE:
            check(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
