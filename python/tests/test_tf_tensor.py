"""Eager tensors: values, types, operators, what they look like."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import tf
from ebb._tensor import Tensor, to_array


def test_constants_have_tensorflows_types() -> None:
    expected: list[tuple[Any, str, tuple[int, ...]]] = [
        (1.0, "float32", ()), (1, "int32", ()), (True, "bool", ()), (2**31, "int64", ()),
        ([1.0, 2.0], "float32", (2,)), ([[1], [2]], "int32", (2, 1)), ([], "float32", (0,)),
        (np.ones(2), "float64", (2,)), (np.arange(2), "int64", (2,)),
        (np.float32(1), "float32", ()),
    ]  # fmt: skip
    for value, dtype, shape in expected:
        tensor = tf.constant(value)
        assert tensor.dtype == dtype and tensor.shape == shape, value
        assert np.array_equal(tensor.numpy(), value)


def test_types_are_equal_to_their_names() -> None:
    assert tf.float32 == "float32" and tf.float32 == np.float32 and tf.float32 == np.dtype("f4")
    assert tf.float32 not in ("float64", None, np.float64)
    assert tf.as_dtype("half") is tf.float16 and tf.as_dtype(bool) is tf.bool
    assert repr(tf.int64) == "tf.int64" and str(tf.bool) == "<dtype: 'bool'>"
    assert tf.float32.is_floating and tf.int8.is_integer and not tf.bool.is_integer
    assert tf.int8.max == 127 and tf.uint8.min == 0 and tf.float32.size == 4
    with pytest.raises(TypeError):
        tf.as_dtype("no type")
    with pytest.raises(NotImplementedError):
        tf.zeros([1], tf.complex64)


def test_shapes_are_tuples() -> None:
    shape = tf.TensorShape([2, None, 3])
    assert shape == (2, None, 3) == shape and shape == [2, None, 3] and shape.rank == 3
    assert shape.as_list() == [2, None, 3] and shape[1:].as_list() == [None, 3]
    assert not shape.is_fully_defined() and shape.num_elements() is None
    assert shape.is_compatible_with([2, 7, 3]) and not shape.is_compatible_with([2, 7])
    assert str(shape) == "(2, None, 3)" and repr(shape) == "TensorShape([2, None, 3])"
    assert (shape + tf.TensorShape([4]))[-1] == 4 and hash(shape) == hash((2, None, 3))
    with pytest.raises(ValueError, match=">= 0"):
        tf.TensorShape([-2])


def test_text_is_tensorflows() -> None:
    assert repr(tf.constant(1.0)) == "<tf.Tensor: shape=(), dtype=float32, numpy=1.0>"
    text = "<tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 2.], dtype=float32)>"
    assert repr(tf.constant([1.0, 2.0])) == text
    assert str(tf.constant([1, 2])) == "tf.Tensor([1 2], shape=(2,), dtype=int32)"
    assert f"{tf.constant(1.5):.2f}" == "1.50" and f"{tf.constant(1.5)}" == "1.5"


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_operators_compute_as_numpy(function: Any, dtype: str) -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    y = np.array([3, 2, 1], dtype)
    expected = function(x, y)
    for a, b in ((tf.constant(x), tf.constant(y)), (tf.constant(x), y), (x, tf.constant(y))):
        made = function(a, b)
        assert isinstance(made, tf.Tensor)
        assert np.allclose(made.numpy(), expected, rtol=1e-6)
        if function is not operator.truediv:
            assert made.dtype == expected.dtype
    assert np.allclose(function(tf.constant(x), 2).numpy(), function(x, np.array(2, dtype)))
    assert np.allclose(function(2, tf.constant(x)).numpy(), function(np.array(2, dtype), x))


def test_wide_types_lose_nothing() -> None:
    large = 2**40 + 1
    assert (tf.constant(large) + 1).numpy() == large + 1
    assert tf.reshape(tf.constant([large]), [1, 1]).numpy()[0, 0] == large
    third = tf.constant(np.float64(1) / 3)
    assert (third * 3.0).numpy() == 1.0 and third.dtype == tf.float64
    assert tf.reduce_sum(tf.constant([2**33, 1], tf.int64)).numpy() == 2**33 + 1


def test_types_are_not_mixed() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected to be a float tensor"):
        tf.constant([1.0]) + tf.constant([1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="int32 tensor but is a float"):
        tf.constant([1]) + 1.5
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[2\] vs. \[3\]"):
        tf.constant([1.0, 2.0]) + tf.constant([1.0, 2.0, 3.0])
    with pytest.raises(TypeError):
        tf.constant(1.5, tf.int32)
    with pytest.raises(TypeError, match="numbers"):
        tf.constant([1, "a"])
    with pytest.raises(TypeError):
        tf.constant(1.0) + None
    assert (tf.constant([1]) / 2).dtype == tf.float64
    assert (tf.constant([1], tf.int8) / tf.constant([2], tf.int8)).dtype == tf.float32
    assert bool(tf.constant([1.0]) == None) is False  # noqa: E711


def test_indexing_is_numpys() -> None:
    x = np.arange(24, dtype="float32").reshape(2, 3, 4)
    t = tf.constant(x)
    for index in (0, -1, (1, 2), slice(1), (slice(None), 1), (..., 0), (None, 0), (0, ..., None),
                  (slice(None), slice(None, None, -1)),
                  (slice(0, 9), 1, slice(1, -1))):  # fmt: skip
        assert np.array_equal(t[index].numpy(), x[index]), index
    assert np.array_equal(t[tf.constant(1)].numpy(), x[1])
    assert np.array_equal(t[t > 5].numpy(), x[x > 5])
    assert [row.shape for row in t] == [(3, 4), (3, 4)] and len(t) == 2
    for out_of_bounds in (5, (0, 0, 0, 0)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            t[out_of_bounds]
    for wrong in ("a", 1.5, [0, 1]):
        with pytest.raises(TypeError):
            t[wrong]


def test_python_takes_their_values() -> None:
    one = tf.constant(1.0)
    assert float(one) == 1.0 and int(one) == 1 and bool(one) and [7, 8][tf.constant(1)] == 8
    assert round(tf.constant(1.26), 1) == 1.3
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tf.constant([1.0, 2.0]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert {one.ref(): 1}[one.ref()] == 1 and one.ref().deref() is one
    with pytest.raises(TypeError, match="no `len"):
        len(one)
    with pytest.raises(AttributeError, match="eager"):
        one.name
    with pytest.raises(AttributeError):
        one.foo


def test_arrays_are_views_that_keep_the_memory() -> None:
    tensor = tf.constant([1.0, 2.0])
    array = np.asarray(tensor)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5
    copy_ = tensor.numpy()
    copy_[0] = 5
    assert tensor.numpy()[0] == 1.0
    live = ebb.memory().live
    del tensor
    assert ebb.memory().live == live and array.tolist() == [1.0, 2.0]
    assert np.from_dlpack(tf.constant([3.0])).tolist() == [3.0]
    assert np.array(tf.constant([1.0]), dtype="int64").dtype == np.int64


def test_copies_and_pickles() -> None:
    tensor = tf.constant([[1, 2]])
    assert copy.copy(tensor) is tensor
    for other in (copy.deepcopy(tensor), pickle.loads(pickle.dumps(tensor))):
        assert other is not tensor and np.array_equal(other.numpy(), tensor.numpy())
        assert other.dtype == tensor.dtype


def test_variables_change_and_snapshots_do_not() -> None:
    v = tf.Variable([1.0, 2.0], name="v")
    before = v.value()
    assert v.assign_add([1.0, 1.0]) is v
    v[0].shape
    assert v.numpy().tolist() == [2.0, 3.0] and before.numpy().tolist() == [1.0, 2.0]
    assert (v * 2 + v).numpy().tolist() == [6.0, 9.0] and (1.0 - v).numpy().tolist() == [-1, -2]
    assert v.assign_sub([1.0, 1.0]).numpy().tolist() == [1.0, 2.0]
    assert v.name == "v:0" and v.shape == (2,) and v.dtype == tf.float32 and v.trainable
    assert repr(v).startswith("<tf.Variable 'v:0' shape=(2,) dtype=float32, numpy=array([1., 2.]")
    assert (
        tf.reduce_sum(v).numpy() == 3.0
        and np.asarray(v).sum() == 3.0
        and isinstance(v, tf.Variable)
    )
    with pytest.raises(ValueError, match="Shape mismatch"):
        v.assign([1.0])
    with pytest.raises(ValueError, match="dtype"):
        v.assign(tf.constant([1, 2]))
    with pytest.raises(ValueError, match="initial_value"):
        tf.Variable()


def test_to_array_reads_anything() -> None:
    assert to_array([1.0]).dtype == np.float32 and to_array(1).dtype == np.int32
    assert to_array(Tensor.from_array(np.ones(2))).dtype == np.float64
    assert to_array([tf.constant(1.0), 2.0]).tolist() == [1.0, 2.0]
    with tf.Graph().as_default():
        tensor = tf.constant(1.0)
        with pytest.raises(TypeError, match="no value"):
            to_array(tensor)
        del tensor
