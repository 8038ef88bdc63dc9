"""What every object that owns something of the C library has in common.

The handle stands in memory before the call that fills it, and C closes it when the object goes:
nothing runs in between that an interrupt could cut short. There are no references but downwards,
so objects go with their last name, without the garbage collector.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ebb._errors import ForkError
from ebb._native import ffi, lib

_HANDLE = ffi.typeof("ebb_python_handle *")


class Uncopied:
    """What owns something that there is once, so that a copy would give it back twice."""

    __slots__ = ()
    #: What to do instead of pickling or copying.
    _instead = "it lives in this process only"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r}: {self._instead}")

    def __copy__(self) -> NoReturn:
        raise TypeError(f"cannot copy {type(self).__name__!r}: {self._instead}")

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise TypeError(f"cannot copy {type(self).__name__!r}: {self._instead}")


class Handle(Uncopied):
    """Owns one handle of the library, given back when this object goes."""

    __slots__ = ("__weakref__", "_box")

    #: What it is, where several kinds are told apart.
    kind = ""

    def __init__(self, close: Any = None) -> None:
        """``close``: ``lib.ebb_python_close_...``; None: somebody else closes it."""
        box = ffi.new(_HANDLE)
        box.generation = lib.ebb_python_generation
        self._box: Any = box if close is None else ffi.gc(box, close)

    def _checked(self) -> Any:
        """The box, in the process that it was filled in."""
        if self._box.generation != lib.ebb_python_generation:
            raise ForkError(
                f"this {type(self).__name__} belongs to the parent process: make one after the fork"
            )
        return self._box

    def _slot(self, kind: str) -> Any:
        """Where C writes the handle: ``ebb_model *`` ... Good while this object is there."""
        return ffi.addressof(self._checked(), kind)

    @property
    def id(self) -> int:
        """Number of the handle; never issued again. 0: nothing was made."""
        return int(self._box.id)


def core_of(model: Any) -> Any:
    """The `ebb.Model` itself, or the one behind a model of ``ebb.keras``.

    Raises
    ------
    TypeError
        It is no model.
    ValueError
        A model of Keras that is not built yet.
    """
    core = model if isinstance(model, Handle) else getattr(model, "_core", None)
    if not isinstance(core, Handle) or core.kind != "model":
        raise TypeError(f"expected a model of ebb or ebb.keras, got {type(model).__name__}")
    return core
