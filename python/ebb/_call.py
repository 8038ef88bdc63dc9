"""How Python calls libebb: status to exception, options, text that comes in pieces, callbacks.

Every C function that can fail is called as ``check(lib.ebb_...(..., error), error)`` with an
``error = new_error()`` of this thread's own. cffi releases the GIL around every call.
"""

from __future__ import annotations

import os
from typing import Any, Callable

from ebb._errors import exception_of
from ebb._log import deliver
from ebb._native import ffi, lib


def new_error() -> Any:
    """An empty ``ebb_error *``."""
    return ffi.new("ebb_error *")


def check(status: int, error: Any = None) -> None:
    """Raises the exception that belongs to a status other than ``EBB_OK``; delivers the log."""
    if lib.ebb_python_log_pending:
        deliver()
    if status:
        raise exception_of(status, error)


class Keep:
    """Holds what C borrows: texts and arrays that must outlast a call."""

    def __init__(self) -> None:
        self._held: list[Any] = []

    def text(self, value: str | os.PathLike[str] | bytes | None) -> Any:
        """``const char *`` of a text or a path; NULL for None."""
        if value is None:
            return ffi.NULL
        pointer = ffi.new("char[]", os.fsencode(value))
        self._held.append(pointer)
        return pointer

    def texts(self, values: list[str]) -> Any:
        """``const char *const *`` of several texts."""
        return self.hold(ffi.new("char *[]", [self.text(value) for value in values]))

    def hold(self, value: Any) -> Any:
        """Keeps anything; returns it."""
        self._held.append(value)
        return value


def options(kind: str, keep: Keep | None = None, **fields: Any) -> Any:
    """An options struct with ``struct_size`` set: ``options("ebb_load_options", keep, batch=8)``.

    Texts become ``const char *`` held by ``keep``; None leaves a field at its default.
    """
    made = ffi.new(f"{kind} *")
    made.struct_size = ffi.sizeof(kind)
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, (str, os.PathLike)):
            if keep is None:
                raise TypeError(f"{kind}.{name} is a text: it needs a Keep")
            value = keep.text(value)  # noqa: PLW2901
        setattr(made, name, value)
    return made


class Guard:
    """Runs Python for C: keeps the first exception, so that it can be raised after the call."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def run(self, function: Callable[..., Any], *arguments: Any, otherwise: Any) -> Any:
        """``function(*arguments)``; ``otherwise`` if it raised, now or before."""
        if self.failure is not None:
            return otherwise
        try:
            return function(*arguments)
        except BaseException as failure:
            self.failure = failure
            return otherwise

    def finish(self, status: int, error: Any = None) -> None:
        """Raises what Python raised; else what the status says."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            try:
                raise failure
            finally:
                del failure  # or it would hold itself, by its traceback and this frame
        check(status, error)


def keep_failure(kind: Any, failure: BaseException, trace: Any) -> None:
    """What a callback's own lines raise, an interrupt: kept by the Guard behind its ``context``.

    Goes into ``ffi.def_extern(onerror=keep_failure)`` of every callback.
    """
    frame = trace.tb_frame if trace is not None else None
    while frame is not None and not frame.f_code.co_name.startswith("ebb_python_"):
        frame = frame.f_back
    if frame is None or "context" not in frame.f_locals:
        return
    guard = ffi.from_handle(frame.f_locals["context"])
    if guard.failure is None:
        guard.failure = failure


class TextSink(Guard):
    """Collects the pieces that an ``ebb_text_function`` is given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.handle = ffi.new_handle(self)

    def text(self) -> str:
        """All of it."""
        return b"".join(self.pieces).decode(errors="replace")


@ffi.def_extern(onerror=keep_failure)
def ebb_python_text(context: Any, text: Any, length: int) -> bool:
    """One piece of text for a TextSink."""
    ffi.from_handle(context).pieces.append(ffi.unpack(text, length))
    return True


def collect_text(function: Callable[..., int], *arguments: Any, has_error: bool = True) -> str:
    """The text that ``function(*arguments, write, context[, error])`` writes."""
    sink, error = TextSink(), new_error()
    tail = (error,) if has_error else ()
    try:
        sink.finish(function(*arguments, lib.ebb_python_text, sink.handle, *tail), error)
    finally:
        sink.handle = None  # it holds the sink
    return sink.text()
