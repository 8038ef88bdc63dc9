"""Runtimes: the default one, and those that a program opens for itself."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from ebb import _log
from ebb._call import Keep, check, collect_text, new_error, options
from ebb._errors import StateError
from ebb._handle import Handle, core_of
from ebb._memory import Memory, Plan, Receipt, parse_bytes
from ebb._native import ffi, lib

if TYPE_CHECKING:
    from typing_extensions import Self

    from ebb._devices import Device, DeviceScope
    from ebb._model import Model
    from ebb._scope import Scope


class _Link(NamedTuple):
    """A runtime around this place, and those around it.

    Weak: an interrupt may keep a block's end from running; the runtime goes all the same.
    """

    runtime: weakref.ref[Runtime]
    outer: _Link | None


_current: ContextVar[_Link | None] = ContextVar("ebb_runtime", default=None)
_opened: weakref.WeakSet[Runtime] = weakref.WeakSet()


class Runtime(Handle):
    """The root of everything: owns devices, threads, a budget and every model.

    There is a default one (`ebb.runtime`), opened at its first use. Further ones have limits and
    models of their own. Inside ``with ebb.Runtime(...) as runtime:`` everything that names no
    runtime uses this one; at the end it is closed.

    Parameters
    ----------
    bytes_max : int or str, optional
        Limit over all models: a number of bytes or a text like ``"2GiB"``. None: no limit.
    threads : int, optional
        For one prediction. None: the physical cores that this process may use.
    isa : {"portable", "avx2", "avx512"}, optional
        Highest instruction set. None: the best that this CPU has.
    log_level : str or int, optional
        ``"off"``, ``"error"``, ``"warning"``, ``"info"`` or ``"debug"``, or a level of ``logging``:
        what reaches the logger ``"ebb"``.
    no_jit : bool
        Never use libraries that generate code at run time.
    soft_placement : bool
        A device that is not there is replaced by the first one instead of `NotFoundError`.

    Raises
    ------
    ArgumentError, ValueError
        An option outside its range.
    OutOfMemoryError
        There is no memory for it.
    """

    __slots__ = ("_has_gpu",)
    _instead = "open another one: ebb.Runtime()"

    def __init__(
        self,
        *,
        bytes_max: int | str | None = None,
        threads: int | None = None,
        isa: str | None = None,
        log_level: str | int | None = "info",
        no_jit: bool = False,
        soft_placement: bool = False,
    ) -> None:
        super().__init__(lib.ebb_python_close_runtime)
        self._has_gpu: bool | None = None
        keep, error = Keep(), new_error()
        level = _log.log_level(log_level)
        made = options(
            "ebb_runtime_options",
            keep,
            bytes_max=parse_bytes(bytes_max),
            threads=threads,
            isa=isa,
            log_level=level,
            no_jit=no_jit,
            soft_placement=soft_placement,
        )
        if level:
            made.log = ffi.addressof(lib, "ebb_python_log_write")
        check(lib.ebb_runtime_open(made, self._slot("runtime"), error), error)
        _opened.add(self)

    @property
    def handle(self) -> Any:
        """The ``ebb_runtime`` of C. Raises `ForkError` in a child process."""
        return self._checked().runtime

    @property
    def alive(self) -> bool:
        """Is it open, and this process's own?"""
        if self._box.generation != lib.ebb_python_generation:
            return False
        return not lib.ebb_memory_read(self._box.runtime, ffi.new("ebb_memory *"))

    # -- life ----------------------------------------------------------------------------------

    def close(self) -> Receipt:
        """Unloads every model, waiting for calls in flight, ends every thread, and closes.

        Training that runs in other threads is cancelled first. Closing twice is no error.

        Returns
        -------
        Receipt
            What came back.
        """
        receipt, handle = ffi.new("ebb_receipt *"), self.handle
        for entry in self._entries():
            lib.ebb_model_cancel(entry.model)
        status = lib.ebb_runtime_close(handle, receipt)
        _opened.discard(self)
        if status != lib.EBB_E_STALE:
            check(status)
        return Receipt(receipt)

    def __enter__(self) -> Self:
        self._checked()
        _current.set(_Link(weakref.ref(self), _current.get()))
        return self

    def __exit__(self, *failure: object) -> None:
        here = _current.get()
        if here is not None and here.runtime() is self:
            _current.set(here.outer)
        if self._box.generation == lib.ebb_python_generation:
            self.close()

    # -- models --------------------------------------------------------------------------------

    def load(self, path: str | os.PathLike[str], **load: Any) -> Model:
        """Loads a model into this runtime: `ebb.load`."""
        from ebb import _load

        return _load.load(path, runtime=self, **load)

    def plan(self, path: str | os.PathLike[str], **load: Any) -> Plan:
        """What a load would take: `ebb.plan`."""
        from ebb import _load

        return _load.plan(path, runtime=self, **load)

    def check(self, path: str | os.PathLike[str], **load: Any) -> list[str]:
        """Everything in a file that ebb cannot run: `ebb.check`."""
        from ebb import _load

        return _load.check_file(path, runtime=self, **load)

    def summary(self, path: str | os.PathLike[str], **load: Any) -> str:
        """Keras's table of a file: `ebb.summary`."""
        from ebb import _load

        return _load.summary(path, runtime=self, **load)

    def from_json(self, text: str | dict[str, Any], **build: Any) -> Model:
        """A model of Keras's JSON with initial weights: `ebb.from_json`."""
        from ebb import _load

        return _load.from_json(text, runtime=self, **build)

    def models(self) -> list[Model]:
        """The loaded models, the newest first: references that unload nothing when they go."""
        from ebb._model import Model

        return [Model._borrow(entry.model, self) for entry in self._entries()]

    def _entries(self) -> Iterator[Any]:
        """Each ``ebb_model_entry`` of the loaded models: good until the next is asked for."""
        count, none = ffi.new("size_t *"), ffi.NULL
        if lib.ebb_models_list(self.handle, none, count) or count[0] == 0:
            return
        entries = ffi.new("ebb_model_entry[]", count[0] + 8)
        count[0] += 8
        if lib.ebb_models_list(self.handle, entries, count):
            return
        for i in range(min(count[0], len(entries))):
            yield entries[i]  # a place in the array, which it does not keep: this frame does

    # -- memory --------------------------------------------------------------------------------

    def memory(self) -> Memory:
        """The ledger of this runtime now."""
        read = ffi.new("ebb_memory *")
        check(lib.ebb_memory_read(self.handle, read))
        by_model: dict[str, int] = {}
        for entry in self._entries() if read.models else ():
            name = plain = ffi.string(entry.name).decode(errors="replace")
            number = 1
            while name in by_model:
                number += 1
                name = f"{plain}#{number}"
            by_model[name] = int(entry.bytes_live)
        return Memory(read, by_model, self._gpu_bytes(), self)

    def _gpu_bytes(self) -> int:
        if self._has_gpu is None:
            names = [name for name, _ in _physical(self)]
            self._has_gpu = any(not name.startswith("CPU") for name in names)
        if not self._has_gpu:
            return 0
        return sum(d.live for d in self.devices() if not d.name.startswith("CPU"))

    def report(self, format: str = "table") -> str:
        """The ledger of everything that lives here, by owner, class and device.

        Parameters
        ----------
        format : {"table", "json"}
            For people, or one JSON object.
        """
        formats = {"table": lib.EBB_REPORT_TABLE, "json": lib.EBB_REPORT_JSON}
        if format not in formats:
            raise ValueError(f'format: expected "table" or "json", got {format!r}')
        kind = formats[format]
        return collect_text(lib.ebb_memory_report, self.handle, kind, has_error=False)

    def trim(self) -> Receipt:
        """Gives back everything that is kept only for speed."""
        receipt = ffi.new("ebb_receipt *")
        check(lib.ebb_trim(self.handle, receipt))
        return Receipt(receipt)

    # -- devices, scopes -----------------------------------------------------------------------

    def devices(self) -> list[Device]:
        """The logical devices: `ebb.devices`."""
        from ebb._devices import devices

        return devices(runtime=self)

    def device(self, name: str | None) -> DeviceScope:
        """Places what is made in a ``with`` block: `ebb.device`."""
        from ebb._devices import DeviceScope

        return DeviceScope(name, runtime=self)

    def scope(self, tag: str | None = None, *, bytes_max: int | str | None = None) -> Scope:
        """Models that go together: `ebb.scope`."""
        from ebb._scope import Scope

        return Scope(tag, bytes_max=bytes_max, runtime=self)

    def __repr__(self) -> str:
        if not self.alive:
            return "<ebb.Runtime closed>"
        return f"<ebb.Runtime {self.id}: {self.memory()!r}>"


def _physical(runtime: Runtime) -> Iterator[tuple[str, Any]]:
    """Name and entry of every piece of hardware; no first use of the devices.

    An entry is good until the next is asked for.
    """
    count = ffi.new("size_t *", 16)
    entries = ffi.new("ebb_physical_device_info[16]")
    check(lib.ebb_physical_devices_list(runtime.handle, entries, count))
    for i in range(min(count[0], 16)):
        yield ffi.string(entries[i].name).decode(), entries[i]


# -- the default runtime -------------------------------------------------------------------------


class _Default:
    """The runtime that is used where none is named, and its options until it is opened."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runtime: Runtime | None = None
        self.options: dict[str, Any] = {}

    def after_fork(self) -> None:
        self.lock = threading.RLock()
        self.runtime = None


_default = _Default()
os.register_at_fork(after_in_child=_default.after_fork)


def runtime() -> Runtime:
    """The runtime of this place: that of the ``with`` block around it, else the default one.

    The default runtime is opened when it is first asked for, with the options of
    `ebb.configure`, and closed when the interpreter ends. A forked child opens one of its own.
    """
    link = _current.get()
    while link is not None:
        here = link.runtime()
        if here is not None:
            return here
        link = link.outer
    default = _default.runtime
    if default is not None:
        return default
    with _default.lock:
        if _default.runtime is None:
            _default.runtime = Runtime(**_default.options)
        return _default.runtime


def configure(**options: Any) -> None:
    """Sets the options of the default runtime, before its first use: those of `ebb.Runtime`.

    Raises
    ------
    StateError
        It is open already: what it was opened with holds until the process ends.
    TypeError
        There is no such option.
    """
    known = Runtime.__init__.__kwdefaults__ or {}
    for name in options:
        if name not in known:
            raise TypeError(f"no such option: {name}; there are {', '.join(sorted(known))}")
    with _default.lock:
        if _default.runtime is not None:
            raise StateError("the default runtime is in use already: configure it before", "ebb")
        _default.options.update(options)


def memory(*, runtime: Runtime | None = None, model: Any = None) -> Memory:
    """The ledger now.

    Parameters
    ----------
    runtime : Runtime, optional
        None: the one of this place.
    model : Model, optional
        Of this model alone: an `ebb.Model` or a model of `ebb.keras`.

    Returns
    -------
    Memory
        ``live``, ``peak``, ``cached``, ``fixed``, ``limit``, ``cpu``, ``gpu``, ``by_class``,
        ``by_model``, ``by_device``.
    """
    if model is not None:
        found: Memory = core_of(model).memory()
        return found
    return (runtime or _here()).memory()


def trim(*, runtime: Runtime | None = None) -> Receipt:
    """Gives back what is kept only for speed: plans for other shapes, free pages of the heap."""
    return (runtime or _here()).trim()


def report(format: str = "table", *, runtime: Runtime | None = None) -> str:
    """Who holds what now, as a table for people or as JSON: `Runtime.report`."""
    return (runtime or _here()).report(format)


def models(*, runtime: Runtime | None = None) -> list[Model]:
    """The loaded models, the newest first: references that unload nothing when they go."""
    return (runtime or _here()).models()


def _close_all() -> None:
    for opened in list(_opened):
        if opened.alive:
            opened.close()


_here = runtime
atexit.register(_close_all)
