"""What comes in as an array, what is refused and with which words."""

from __future__ import annotations

import array
import threading
from typing import Any

import numpy as np
import pytest
from conftest import dense_json

import ebb
from ebb._arrays import Views, to_array


@pytest.fixture
def model() -> Any:
    """Four numbers in, their sums out."""
    with ebb.from_json(dense_json((4, 2))) as made:
        made.set_weights([np.ones((4, 2)), np.zeros(2)])
        yield made


X = np.arange(12, dtype="float32").reshape(3, 4)
Y = X.sum(axis=1, keepdims=True).repeat(2, axis=1)


_MEMORY: Any = memoryview(X)  # type: ignore[arg-type,unused-ignore]
_WIDE: Any = memoryview(X.astype("float64"))  # type: ignore[arg-type,unused-ignore]


class _Array:
    """Has nothing but ``__array__``."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return X


class _Interface:
    """Has nothing but ``__array_interface__``."""

    __array_interface__ = X.__array_interface__


class _Capsule:
    """Has nothing but DLPack."""

    def __dlpack__(self, **wishes: Any) -> Any:
        return X.__dlpack__(**wishes)

    def __dlpack_device__(self) -> Any:
        return X.__dlpack_device__()


class _OnDevice(_Capsule):
    """Memory of a GPU."""

    def __dlpack_device__(self) -> Any:
        return (2, 0)


@pytest.mark.parametrize(
    "given",
    [
        X,
        X.tolist(),
        tuple(X),
        [list(row) for row in X],
        _Array(),
        _Interface(),
        _Capsule(),
        _MEMORY,
        _WIDE,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        X[:, ::-1][:, ::-1],
        X[::-1][::-1],
        X.astype(">f4"),
        np.ma.array(X),
        np.asmatrix(X),
    ],
    ids=lambda given: type(given).__name__,
)
def test_everything_that_is_an_array(model: ebb.Model, given: Any) -> None:
    for _ in range(2):
        assert np.array_equal(model.predict(given), Y)


@pytest.mark.parametrize(
    "dtype",
    [
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
    ],
)
def test_types_are_converted_in_the_library(model: ebb.Model, dtype: str) -> None:
    given = X.astype(dtype)
    want = given.astype("float32").sum(axis=1, keepdims=True).repeat(2, axis=1)
    assert np.array_equal(model.predict(given), want)


def test_buffers_of_the_standard_library(model: ebb.Model) -> None:
    flat = array.array("f", range(4))
    given = memoryview(flat).cast("B").cast("f", (1, 4))
    assert np.array_equal(model.predict(given), Y[:1])


def test_bfloat16(model: ebb.Model) -> None:
    types = pytest.importorskip("ml_dtypes")
    assert np.array_equal(model.predict(X.astype(types.bfloat16)), Y)


def test_tensors_of_torch(model: ebb.Model) -> None:
    torch = pytest.importorskip("torch")
    given = torch.from_numpy(X.copy())
    assert np.array_equal(model.predict(given), Y)
    assert np.array_equal(model.predict(given.requires_grad_()), Y)
    assert torch.equal(torch.from_dlpack(model.predict(X)), torch.from_numpy(Y))


def test_what_is_dense_is_not_copied() -> None:
    for given in (X, X[1:], _MEMORY, _Capsule(), _Interface(), X.reshape(2, 6)):
        made = to_array(given)
        assert np.shares_memory(made, X)
        assert Views([made]).items[0].data != 0
    assert not np.shares_memory(to_array(X.T), X)


def test_read_only_arrays_are_inputs(model: ebb.Model) -> None:
    given = X.copy()
    given.flags.writeable = False
    for _ in range(2):
        assert np.array_equal(model.predict(given), Y)
    assert np.array_equal(model.predict(np.frombuffer(X.tobytes(), "f4").reshape(3, 4)), Y)


def test_nan_and_infinity_go_through(model: ebb.Model) -> None:
    given = X.copy()
    given[1, 1], given[2, 2] = np.nan, np.inf
    result = model.predict(given)
    assert np.array_equal(result[0], Y[0])
    assert (
        np.isnan(result[1]).all() or (result[1] == 0).all()
    )  # relu of a nan, as the kernel has it
    assert np.isinf(result[2]).all()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (
            np.zeros((3, 5), "f4"),
            ebb.ShapeError,
            r"x: input 0: expected shape \(.*4\), got \(3, 5\)",
        ),
        (np.zeros((3, 4, 1, 1), "f4"), ebb.ShapeError, "expected shape"),
        (np.zeros(4, "f4"), ebb.ShapeError, "expected shape"),
        (np.float32(3), ebb.ShapeError, "expected shape"),
        (3.0, ebb.ShapeError, "expected shape"),
        (np.zeros((0, 4), "f4"), ebb.ShapeError, "at least 1 row, got 0"),
        (np.zeros((3, 0), "f4"), ebb.ShapeError, "expected shape"),
        ([], ebb.ShapeError, "expected shape"),
        (np.zeros((1,) * 9, "f4"), ebb.ShapeError, "at most 8 axes, got 9"),
        ([[1, 2], [1, 2, 3]], ebb.ShapeError, r"x: expected float32 \[any, 4\], got list"),
        ([["a"] * 4], ebb.DTypeError, "got <U1"),
        ([[b"a"] * 4], ebb.DTypeError, r"got \|S1"),
        (np.zeros((3, 4), "c8"), ebb.DTypeError, "got complex64"),
        (np.zeros((3, 4), "M8[s]"), ebb.DTypeError, r"got datetime64\[s\]"),
        (np.zeros((3, 4), "f4,f4"), ebb.DTypeError, "got"),
        (np.zeros((3, 4), np.longdouble), ebb.DTypeError, "got float128"),
        (np.full((3, 4), None), ebb.DTypeError, r"got objects \(NoneType\)"),
        (np.array([[1, 2, 3, "4"]], object), ebb.DTypeError, r"got objects \(int\)"),
        (None, ebb.DTypeError, "got objects"),
        ({1, 2}, ebb.DTypeError, "got objects"),
        ("text", ebb.DTypeError, "got <U4"),
        ([[2**70] * 4], ebb.DTypeError, "got objects"),
        (object(), ebb.DTypeError, "got objects"),
        (_OnDevice(), ebb.ArgumentError, "not in the memory of the CPU"),
        ({"y": X}, ebb.ArgumentError, "there is no x; got y"),
    ],
)
def test_what_is_no_array(model: ebb.Model, given: Any, error: Any, words: str) -> None:
    before = ebb.memory().live
    for _ in range(2):
        with pytest.raises(error, match=words):
            model.predict(given)
        with pytest.raises(ValueError):
            model.predict(given)
        assert np.array_equal(model.predict(X), Y)  # nothing is broken; the short way is open
    assert ebb.memory().live - before in (0, ebb.memory().cached)


def test_arrays_that_raise(model: ebb.Model) -> None:
    class Broken:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("no numbers today")

    with pytest.raises(ebb.DTypeError, match="no numbers today"):
        model.predict(Broken())

    class Interrupted:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.predict(Interrupted())


def test_arrays_that_change_during_a_call(model: ebb.Model) -> None:
    """Whatever another thread writes, each number comes from some moment; nothing else breaks."""
    given = np.zeros((4096, 4), "f4")
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            np.subtract(1, given, out=given)  # whole elements; a copy may write bytes

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            result = model.predict(given)
            assert result.shape == (4096, 2)
            assert set(np.unique(result)) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    finally:
        stop.set()
        thread.join()


def test_a_borrowed_array_cannot_shrink() -> None:
    given = np.zeros((4, 4), "f4")
    views = Views([given])
    with pytest.raises((ValueError, BufferError)):
        given.resize((1, 1))
    del views


def test_nested_lists_for_one_input() -> None:
    with ebb.from_json(dense_json((1, 1))) as model:
        model.set_weights([np.ones((1, 1)), np.zeros(1)])
        assert model.predict([[1.0], [2.0]]).tolist() == [[1.0], [2.0]]
        assert model.predict([[5.0]]).tolist() == [[5.0]]
        assert model.predict([np.array([[5.0]])]).tolist() == [[5.0]]
        assert model.predict([np.array([5.0])]).tolist() == [[5.0]]
        assert model.predict(np.array([5.0, 6.0])).tolist() == [[5.0], [6.0]]
