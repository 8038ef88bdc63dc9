"""Scopes: models that go together."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from ebb._call import Keep, check, new_error, options
from ebb._errors import StaleHandleError
from ebb._handle import Handle
from ebb._memory import Memory, Receipt, html_table, parse_bytes
from ebb._native import ffi, lib
from ebb._runtime import Runtime
from ebb._runtime import runtime as _here

if TYPE_CHECKING:
    from typing_extensions import Self


class _Link(NamedTuple):
    """A scope around this place, and those around it.

    Weak: an interrupt may keep a block's end from running; the scope goes all the same.
    """

    scope: weakref.ref[Scope]
    outer: _Link | None


_current: ContextVar[_Link | None] = ContextVar("ebb_scope", default=None)


class Scope(Handle):
    """A part of a runtime's memory; the models in it go with it: `ebb.scope`.

    Attributes
    ----------
    tag : str
    receipt : Receipt or None
        What came back, once it is closed.
    """

    __slots__ = ("_parent", "_runtime", "receipt", "tag")
    _instead = "open another one: ebb.scope()"

    def __init__(
        self,
        tag: str | None = None,
        *,
        bytes_max: int | str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        super().__init__(lib.ebb_python_close_scope)
        self._runtime = runtime or _here()
        self.tag = tag if tag is not None else "scope"
        self.receipt: Receipt | None = None
        self._parent = current_scope(self._runtime)
        keep, error = Keep(), new_error()
        made = options("ebb_scope_options", keep, tag=tag, bytes_max=parse_bytes(bytes_max))
        if self._parent is not None:
            made.parent = self._parent.handle
        status = lib.ebb_scope_open(self._runtime.handle, made, self._slot("scope"), error)
        check(status, error)

    @property
    def handle(self) -> Any:
        """The ``ebb_scope`` of C."""
        return self._checked().scope

    @property
    def runtime(self) -> Runtime:
        """Where it is."""
        return self._runtime

    @property
    def alive(self) -> bool:
        """Is it open?"""
        if self._box.generation != lib.ebb_python_generation:
            return False
        return not lib.ebb_scope_memory_read(self._box.scope, ffi.new("ebb_memory *"))

    def memory(self) -> Memory:
        """The ledger of everything in it."""
        read = ffi.new("ebb_memory *")
        check(lib.ebb_scope_memory_read(self.handle, read))
        return Memory(read, {})

    def close(self) -> Receipt:
        """Unloads everything in it and in the scopes inside it; calls in flight finish first.

        Closing twice is no error.

        Raises
        ------
        StateError
            Called by a callback of training in the scope.
        """
        receipt, error = ffi.new("ebb_receipt *"), new_error()
        try:
            check(lib.ebb_scope_close(self.handle, receipt, error), error)
        except StaleHandleError:
            return self.receipt or Receipt(receipt)
        self.receipt = Receipt(receipt)
        return self.receipt

    def __enter__(self) -> Self:
        self._checked()
        _current.set(_Link(weakref.ref(self), _current.get()))
        return self

    def __exit__(self, *failure: object) -> None:
        here = _current.get()
        if here is not None and here.scope() is self:
            _current.set(here.outer)
        if self._box.generation == lib.ebb_python_generation:
            self.close()

    def __repr__(self) -> str:
        if not self.alive:
            return f"<ebb.Scope {self.tag!r} closed>"
        return f"<ebb.Scope {self.tag!r}: {self.memory().live:,} bytes>"

    def _repr_html_(self) -> str:
        if self.receipt is not None:
            return self.receipt._repr_html_()
        return self.memory()._repr_html_() if self.alive else html_table(f"scope {self.tag}", [])


def scope(
    tag: str | None = None, *, bytes_max: int | str | None = None, runtime: Runtime | None = None
) -> Scope:
    """A scope: all that is loaded or built in its block, also by ``ebb.keras``, goes at its end.

    One fold of a cross-validation, one trial of a tuner, is one scope::

        for fold in range(5):
            with ebb.scope(f"fold {fold}") as s:
                model = build()
                model.fit(...)
            print(s.receipt)

    Scopes nest. The scope around a call is that of its thread, or task of ``asyncio``. Models that
    are still named afterwards raise `StaleHandleError`.

    Parameters
    ----------
    tag : str, optional
        In reports.
    bytes_max : int or str, optional
        Limit over everything in it.
    runtime : Runtime, optional

    Raises
    ------
    ArgumentError
        16 scopes are inside each other already.
    """
    return Scope(tag, bytes_max=bytes_max, runtime=runtime)


def current_scope(runtime: Runtime) -> Scope | None:
    """The innermost scope around this call that is open in a runtime."""
    link = _current.get()
    while link is not None:
        scope = link.scope()
        if scope is not None and scope._runtime is runtime and scope.alive:
            return scope
        link = link.outer
    return None
