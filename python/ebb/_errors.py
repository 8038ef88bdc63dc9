"""The exceptions of ebb: one for each status of the library that a caller may want to tell apart.

Each is also the built-in exception that code written for Keras and TensorFlow catches::

    EbbError (RuntimeError)
    ├── ArgumentError        (ValueError)         argument outside its documented range
    │   ├── ShapeError                            tensor shape does not match
    │   └── DTypeError       (TypeError)          tensor data type does not match
    ├── StaleHandleError                          the model, session ... was closed already
    ├── OutOfMemoryError     (MemoryError)        out of memory, or a memory limit reached
    ├── NotFoundError        (FileNotFoundError)  no such file, model, layer or device
    ├── FormatError          (OSError, ValueError) the file is damaged or of another format
    ├── UnsupportedError     (NotImplementedError) valid, but nothing this runtime can do
    ├── InputOutputError     (OSError)            reading or writing failed
    ├── BusyError            (TimeoutError)       still in use when the deadline passed
    ├── CancelledError                            cancelled by the caller
    ├── StateError                                not allowed in the present state
    │   └── ForkError                             the runtime belongs to the parent process
    └── InternalError                             a fault inside ebb: please report it
"""

from __future__ import annotations

from typing import Any

from ebb._native import ffi, lib


class EbbError(RuntimeError):
    """A call of ebb that failed.

    Attributes
    ----------
    where : str
        What the message is about: ``"layers[3] dense_1"``, ``"model.h5 @ 0x1c40"``.
    text : str
        One sentence: what was expected, what was found, what to do.
    """

    def __init__(self, text: str = "", where: str = "") -> None:
        super().__init__(f"{where}: {text}" if where else text)
        self.where = where
        self.text = text

    def __str__(self) -> str:
        # OSError would show its own arguments.
        return f"{self.where}: {self.text}" if self.where else self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text, self.where)

    @property
    def message(self) -> str:
        """The whole message, as errors of TensorFlow have it."""
        return str(self)


class ArgumentError(EbbError, ValueError):
    """An argument is outside its documented range."""


class ShapeError(ArgumentError):
    """A tensor's shape does not match; the message names the axis."""


class DTypeError(ArgumentError, TypeError):
    """A tensor's data type does not match."""


class StaleHandleError(EbbError):
    """The model, session, scope ... was closed already."""


class OutOfMemoryError(EbbError, MemoryError):
    """Out of memory, or a limit is reached. Nothing was taken; everything else goes on."""

    def __str__(self) -> str:
        return f"OOM: {super().__str__()}"


class NotFoundError(EbbError, FileNotFoundError):
    """There is no such file, model, layer or device."""


class FormatError(EbbError, OSError, ValueError):
    """A file is damaged, or not of the format that its name says."""


class UnsupportedError(EbbError, NotImplementedError):
    """Valid, but nothing that this runtime can do."""


class InputOutputError(EbbError, OSError):
    """Reading or writing failed."""


class BusyError(EbbError, TimeoutError):
    """Something was still in use when the deadline passed."""


class CancelledError(EbbError):
    """The caller cancelled it."""


class StateError(EbbError):
    """Not allowed in the present state."""


class ForkError(StateError):
    """The runtime was opened by the parent of this process; this one needs its own."""


class InternalError(EbbError):
    """A fault inside ebb. Please report it."""


_OF_STATUS: dict[int, type[EbbError]] = {
    lib.EBB_E_ARGUMENT: ArgumentError,
    lib.EBB_E_STALE: StaleHandleError,
    lib.EBB_E_SHAPE: ShapeError,
    lib.EBB_E_DTYPE: DTypeError,
    lib.EBB_E_MEMORY: OutOfMemoryError,
    lib.EBB_E_NOT_FOUND: NotFoundError,
    lib.EBB_E_FORMAT: FormatError,
    lib.EBB_E_UNSUPPORTED: UnsupportedError,
    lib.EBB_E_IO: InputOutputError,
    lib.EBB_E_BUSY: BusyError,
    lib.EBB_E_CANCELLED: CancelledError,
    lib.EBB_E_STATE: StateError,
    lib.EBB_E_INTERNAL: InternalError,
}


def exception_of(status: int, error: Any = None) -> EbbError:
    """The exception for a status and the ``ebb_error`` that came with it (or None)."""
    kind = _OF_STATUS.get(status, InternalError)
    if error is None or error.status != status:
        return kind(ffi.string(lib.ebb_status_text(status)).decode())
    where = ffi.string(error.where).decode(errors="replace")
    return kind(ffi.string(error.text).decode(errors="replace"), where)
