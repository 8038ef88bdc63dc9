"""What surrounds an operation: the runtime, the graph being built, the device, open tapes.

All of it but the runtime belongs to the thread: a graph that one thread builds is no business of
another. Scopes are stacks whose innermost entry counts.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable

from ebb._call import check, new_error
from ebb._errors import ArgumentError
from ebb._native import ffi, lib
from ebb._runtime import runtime

if TYPE_CHECKING:
    from ebb._graph import Graph

DEVICE_PREFIX = "/job:localhost/replica:0/task:0/device:"


class Place:
    """A place on a stack, taken for as long as this object is there, or until it is left.

    An interrupt may keep the end of a block from running; the block's objects go all the same.
    """

    __slots__ = ("_stack",)

    def __init__(self, stack: dict[int, Any], value: Any) -> None:
        self._stack = stack
        stack[id(self)] = value

    def leave(self) -> None:
        """Gives it back; once more does no harm."""
        self._stack.pop(id(self), None)

    def __del__(self) -> None:
        stack = getattr(self, "_stack", None)
        if stack is not None:
            stack.pop(id(self), None)


def innermost(stack: dict[int, Any]) -> Any:
    """The value of the place that was taken last; None if there is none."""
    return next(reversed(stack.values()), None) if stack else None


class _State(threading.local):
    """Of one thread. Stacks by place: what is entered and can go by itself is held weakly."""

    def __init__(self) -> None:
        self.graphs: dict[int, Graph | None] = {}  # None: back to eager, tf.init_scope
        self.devices: dict[int, str] = {}  # of graphs, in the short form
        self.tapes: dict[int, weakref.ref[Any]] = {}
        self.sessions: dict[int, weakref.ref[Any]] = {}
        self.default: Graph | None = None
        self.device = ffi.new("char[]", 32)


class StayEager(BaseException):
    """Something in a ``tf.function`` needs values: the function is run as plain Python from now on.

    Not an Exception: code of the caller that catches those must not see it.
    """


def need_values(tensor: Any, what: str) -> None:
    """Ends the trace that a tensor belongs to, if it is one of a ``tf.function``."""
    if getattr(tensor, "is_symbolic", False) and tensor.graph.building_function:
        raise StayEager(what)


state = _State()
_device_names: dict[bytes, str] = {}  # of the few devices that there are


class _Settings:
    """Of the process."""

    eager = True
    soft_placement = True
    functions_eager = False
    # Of ebb.keras: is a value symbolic in a call that is traced, and what an operation gives there.
    keras: tuple[Callable[[Any], bool], Callable[..., Any]] | None = None


settings = _Settings()


def tapes() -> list[Any]:
    """The gradient tapes that are open in this thread."""
    if not state.tapes:
        return []
    found = [reference() for reference in state.tapes.values()]
    return [tape for tape in found if tape is not None]


def session() -> Any:
    """The session whose block this is, or None."""
    reference = innermost(state.sessions)
    return reference() if reference is not None else None


def runtime_handle() -> Any:
    """The default runtime, as C takes it."""
    return runtime().handle


def building() -> Graph | None:
    """The graph that operations are added to now; None: they are done at once."""
    if state.graphs:
        return innermost(state.graphs)  # type: ignore[no-any-return]
    return None if settings.eager else default_graph()


def default_graph() -> Graph:
    """The innermost graph; outside of all the thread's own, made on first use."""
    for graph in reversed(state.graphs.values()):
        if graph is not None:
            return graph
    if state.default is None:
        from ebb._graph import Graph

        state.default = Graph()
    return state.default


def device_text(device: str) -> str:
    """The short form of a device string, ``"CPU:1"``; ``""`` if it names no kind."""
    name, error = ffi.new("char[32]"), new_error()
    status = lib.ebb_device_text_read(device.encode(), name, error)
    if status:
        raise ArgumentError(ffi.string(error.text).decode(), ffi.string(error.where).decode())
    return str(ffi.string(name).decode())


def device_now(runtime: Any = None) -> str:
    """Where this thread's eager operations are done: ``"CPU:0"``, that of the library's scope."""
    name = state.device
    runtime = runtime if runtime is not None else runtime_handle()
    if lib.ebb_device_scope_read(runtime, name, ffi.NULL):
        error = new_error()
        check(lib.ebb_device_scope_read(runtime, name, error), error)
    text = ffi.string(name)
    found = _device_names.get(text)
    if found is None:
        found = _device_names[text] = text.decode()
    return found
