"""How Python calls libebb: status to exception, options, text that comes in pieces, callbacks.

Every C function that can fail is called as ``check(lib.ebb_...(..., error), error)`` with an
``error = new_error()`` of this thread's own. cffi releases the GIL around every call.
"""
from __future__ import annotations

import os
from typing import Any, Callable

from ebb._errors import exception_of
from ebb._native import ffi, lib


def new_error() -> Any:
    """An empty ``ebb_error *``."""
    return ffi.new("ebb_error *")


def check(status: int, error: Any = None) -> None:
    """Raises the exception that belongs to a status other than ``EBB_OK``."""
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
        except BaseException as failure:  # noqa: BLE001
            self.failure = failure
            return otherwise

    def finish(self, status: int, error: Any = None) -> None:
        """Raises what Python raised; else what the status says."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        check(status, error)


class TextSink(Guard):
    """Collects the pieces that an ``ebb_text_function`` is given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.handle = ffi.new_handle(self)

    def text(self) -> str:
        """All of it."""
        return b"".join(self.pieces).decode(errors="replace")


@ffi.def_extern()  # type: ignore[untyped-decorator]
def ebb_python_text(context: Any, text: Any, length: int) -> bool:
    """One piece of text for a TextSink."""
    ffi.from_handle(context).pieces.append(ffi.unpack(text, length))
    return True


def collect_text(function: Callable[..., int], *arguments: Any, has_error: bool = True) -> str:
    """The text that ``function(*arguments, write, context[, error])`` writes."""
    sink, error = TextSink(), new_error()
    tail = (error,) if has_error else ()
    check(function(*arguments, lib.ebb_python_text, sink.handle, *tail), error)
    return sink.text()
