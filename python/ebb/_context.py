"""What surrounds an operation: the runtime, the graph being built, the device, open tapes.

All of it but the runtime belongs to the thread: a graph that one thread builds is no business of
another. Scopes are stacks whose innermost entry counts.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ebb._call import check, new_error
from ebb._errors import ArgumentError
from ebb._native import ffi, lib
from ebb._runtime import runtime

if TYPE_CHECKING:
    from ebb._graph import Graph

DEVICE_PREFIX = "/job:localhost/replica:0/task:0/device:"


class _State(threading.local):
    """Of one thread."""

    def __init__(self) -> None:
        self.graphs: list[Graph | None] = []  # None: back to eager, tf.init_scope
        self.devices: list[str] = []  # of graphs, in the short form
        self.tapes: list[Any] = []
        self.sessions: list[Any] = []
        self.default: Graph | None = None
        self.device = ffi.new("char[]", 32)


state = _State()


class _Settings:
    """Of the process."""

    eager = True
    soft_placement = True
    functions_eager = False


settings = _Settings()


def runtime_handle() -> Any:
    """The default runtime, as C takes it."""
    return runtime().handle


def building() -> Graph | None:
    """The graph that operations are added to now; None: they are done at once."""
    if state.graphs:
        return state.graphs[-1]
    return None if settings.eager else default_graph()


def default_graph() -> Graph:
    """The innermost graph; outside of all the thread's own, made on first use."""
    for graph in reversed(state.graphs):
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


def device_now() -> str:
    """Where this thread's eager operations are done: ``"CPU:0"``, that of the library's scope."""
    name, error = state.device, new_error()
    check(lib.ebb_device_scope_read(runtime_handle(), name, error), error)
    return str(ffi.string(name).decode())
