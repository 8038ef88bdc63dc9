"""The exception tree: what a user catches, and what the words say."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import ebb
from ebb import _errors
from ebb._call import check, new_error
from ebb._native import lib

TREE = [
    ("E_ARGUMENT", ebb.ArgumentError, ValueError),
    ("E_STALE", ebb.StaleHandleError, RuntimeError),
    ("E_SHAPE", ebb.ShapeError, ValueError),
    ("E_DTYPE", ebb.DTypeError, TypeError),
    ("E_MEMORY", ebb.OutOfMemoryError, MemoryError),
    ("E_NOT_FOUND", ebb.NotFoundError, FileNotFoundError),
    ("E_FORMAT", ebb.FormatError, OSError),
    ("E_UNSUPPORTED", ebb.UnsupportedError, NotImplementedError),
    ("E_IO", ebb.InputOutputError, OSError),
    ("E_BUSY", ebb.BusyError, TimeoutError),
    ("E_CANCELLED", ebb.CancelledError, RuntimeError),
    ("E_STATE", ebb.StateError, RuntimeError),
    ("E_INTERNAL", ebb.InternalError, RuntimeError),
]


@pytest.mark.parametrize(("status", "kind", "builtin"), TREE)
def test_every_status_has_an_exception(status: str, kind: Any, builtin: Any) -> None:
    error, number = new_error(), getattr(lib, f"EBB_{status}")
    error.status, error.where, error.text = number, b"layers[3] dense_1", b"expected 2, got 3"
    with pytest.raises(kind) as caught:
        check(number, error)
    failure: Any = caught.value
    assert isinstance(failure, ebb.EbbError)
    assert isinstance(failure, builtin)
    assert issubclass(kind, RuntimeError)
    assert (failure.where, failure.text) == ("layers[3] dense_1", "expected 2, got 3")
    assert str(failure).endswith("layers[3] dense_1: expected 2, got 3")
    again = pickle.loads(pickle.dumps(failure))
    assert type(again) is kind
    assert str(again) == str(failure)


def test_a_status_without_words() -> None:
    with pytest.raises(ebb.StaleHandleError, match="handle was already closed"):
        check(lib.EBB_E_STALE)
    with pytest.raises(ebb.InternalError, match="unknown status"):
        check(999)
    check(0)


def test_all_of_the_tree_is_public() -> None:
    kinds = {
        name for name, value in vars(_errors).items()
        if isinstance(value, type) and issubclass(value, ebb.EbbError)
    }  # fmt: skip
    assert kinds <= set(ebb.__all__)
    assert issubclass(ebb.ForkError, ebb.StateError)
