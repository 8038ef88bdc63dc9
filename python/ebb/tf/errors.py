"""``tf.errors``: TensorFlow's names for the exceptions of ebb.

An exception of ebb is also the built-in one that a caller would expect (``ValueError``,
``MemoryError``, ``FileNotFoundError``), and a ``RuntimeError`` always.
"""

from __future__ import annotations

from ebb._errors import (
    ArgumentError,
    BusyError,
    CancelledError,
    EbbError,
    FormatError,
    InternalError,
    NotFoundError,
    OutOfMemoryError,
    StateError,
    UnsupportedError,
)
from ebb._graph import OperatorNotAllowedInGraphError

OpError = EbbError
InvalidArgumentError = ArgumentError
ResourceExhaustedError = OutOfMemoryError
FailedPreconditionError = StateError
UnimplementedError = UnsupportedError
DeadlineExceededError = BusyError
DataLossError = FormatError


class OutOfRangeError(EbbError):
    """An iterator is at its end."""


class AbortedError(EbbError):
    """An operation was aborted."""


class AlreadyExistsError(EbbError):
    """Something is there already."""


class PermissionDeniedError(EbbError):
    """Something is not allowed."""


class UnauthenticatedError(EbbError):
    """Credentials are missing."""


class UnavailableError(EbbError):
    """Something cannot be had now."""


class UnknownError(EbbError):
    """An error of an unknown kind."""


__all__ = [
    "AbortedError", "AlreadyExistsError", "CancelledError", "DataLossError",
    "DeadlineExceededError", "FailedPreconditionError", "InternalError", "InvalidArgumentError",
    "NotFoundError", "OpError", "OperatorNotAllowedInGraphError", "OutOfRangeError",
    "PermissionDeniedError", "ResourceExhaustedError", "UnauthenticatedError", "UnavailableError",
    "UnimplementedError", "UnknownError",
]  # fmt: skip
