"""Errors: of which kind they are, what they say, and that nothing is left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ebb
from ebb import tf

errors = tf.errors


def test_kinds_are_those_a_caller_expects() -> None:
    assert issubclass(errors.InvalidArgumentError, ValueError)
    assert issubclass(errors.ResourceExhaustedError, MemoryError)
    assert issubclass(errors.NotFoundError, FileNotFoundError)
    assert issubclass(errors.UnimplementedError, NotImplementedError)
    assert errors.FailedPreconditionError is ebb.StateError
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, (errors.OpError, TypeError)), name
    error = errors.OutOfRangeError("end")
    assert error.message == "end" and isinstance(error, RuntimeError)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: tf.zeros([2**19, 2**19]),
        lambda: tf.fill([2**40], 1.0),
        lambda: tf.ones([2**30, 2**10], tf.float64),
    ],
)
def test_a_tebibyte_is_refused_at_once(attempt: Any) -> None:
    before = ebb.memory().live
    with pytest.raises(errors.ResourceExhaustedError, match="OOM: when allocating tensor with"):
        attempt()
    assert ebb.memory().live == before


BAD: list[Any] = [
    lambda: tf.constant([1.0, 2.0]) + tf.constant([1.0, 2.0, 3.0]),
    lambda: tf.matmul(tf.ones([2, 3]), tf.ones([2, 3])),
    lambda: tf.nn.conv2d(tf.ones([1, 4, 4, 2]), tf.ones([3, 3, 3, 1]), 1, "SAME"),
    lambda: tf.reshape(tf.ones([4]), [3]),
    lambda: tf.squeeze(tf.ones([2]), 0),
    lambda: tf.transpose(tf.ones([2, 3]), [0, 0]),
    lambda: tf.reduce_sum(tf.ones([2]), 5),
    lambda: tf.expand_dims(tf.ones([2]), 7),
    lambda: tf.one_hot(1.5, 3) + tf.ones([7]),
    lambda: tf.pad(tf.ones([2]), [[1, 1], [1, 1]]),
    lambda: tf.slice(tf.ones([2]), [1], [5]),
    lambda: tf.stack([tf.ones([2]), tf.ones([3])]),
    lambda: tf.broadcast_to(tf.ones([2]), [3]),
    lambda: tf.ones([-1]),
    lambda: tf.gather(tf.ones([2]), [-1]),
    lambda: tf.ones([1] * 9),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_calls_say_so_and_leave_nothing(number: int) -> None:
    before = ebb.memory().live
    with pytest.raises(ValueError):
        BAD[number]()
    assert ebb.memory().live == before


def test_bad_nodes_leave_the_graph_usable() -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a = tf.ones([2, 3])
        with pytest.raises(ValueError):
            tf.matmul(a, a)
        with pytest.raises(ValueError):
            tf.reshape(a, [7])
        assert session.run(tf.reduce_sum(a)) == 6.0
        del a, session


def test_keras_tensors_are_pointed_to_keras() -> None:
    x = tf.keras.Input((3,))
    with pytest.raises(ValueError, match=r"keras\.ops"):
        tf.nn.relu(x)


def test_odd_values() -> None:
    assert np.isnan(tf.constant(np.nan).numpy()) and tf.constant([]).shape == (0,)
    strided = np.arange(12, dtype=np.float32).reshape(3, 4)[::2, ::-1]
    frozen = np.ones(3, np.float32)
    frozen.flags.writeable = False
    big_endian = np.ones(2, ">f4")
    fortran = np.asfortranarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    for array in (strided, frozen, big_endian, fortran):
        assert np.array_equal(tf.constant(array).numpy(), array)
        assert np.array_equal((tf.constant(array) * 1.0).numpy(), array)
        assert np.array_equal(tf.add(array, tf.zeros_like(array)).numpy(), array)
    for empty in (tf.zeros([0, 3]), tf.reshape(tf.zeros([0, 3]), [3, 0]), tf.zeros([0]) + 1.0):
        assert empty.numpy().size == 0
    assert tf.matmul(tf.zeros([2, 0]), tf.zeros([0, 3])).numpy().tolist() == [[0.0] * 3] * 2
    with pytest.raises(TypeError):
        tf.constant(object())
    with pytest.raises(NotImplementedError, match="complex"):
        tf.constant(1j)
