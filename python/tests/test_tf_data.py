"""Datasets: elements, batches, order, and as food for Keras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import tf

Dataset = tf.data.Dataset
X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10)


def numbers(dataset: Any) -> list[int]:
    """The elements of a dataset of numbers."""
    return [int(n) for n in dataset.as_numpy_iterator()]


def test_slices_are_tensors() -> None:
    dataset = Dataset.from_tensor_slices((X, Y))
    x, y = next(iter(dataset))
    assert isinstance(x, tf.Tensor) and x.shape == (2,) and y.dtype == tf.int64
    assert len(dataset) == 10 == int(dataset.cardinality()) and len(list(dataset)) == 10
    assert dataset.element_spec == (tf.TensorSpec([2]), tf.TensorSpec([], tf.int64))
    by_name = Dataset.from_tensor_slices({"a": X, "b": [1.0] * 10})
    assert next(iter(by_name))["b"].dtype == tf.float32
    with pytest.raises(ValueError, match="rows"):
        Dataset.from_tensor_slices((X, Y[:3]))


def test_batches() -> None:
    dataset = Dataset.from_tensor_slices((X, Y)).batch(4)
    assert [x.shape for x, _ in dataset] == [(4, 2), (4, 2), (2, 2)] and len(dataset) == 3
    assert dataset.element_spec[0].shape == (None, 2)
    whole = Dataset.from_tensor_slices(X).batch(4, drop_remainder=True)
    assert len(whole) == 2 and whole.element_spec.shape == (4, 2)
    assert np.array_equal(np.concatenate([x for x, _ in dataset]), X)
    assert numbers(Dataset.range(5).batch(2).unbatch()) == [0, 1, 2, 3, 4]
    ragged = Dataset.from_generator(lambda: iter([[1], [1, 2, 3]]), output_types=tf.int32)
    assert next(iter(ragged.padded_batch(2))).numpy().tolist() == [[1, 0, 0], [1, 2, 3]]
    with pytest.raises(ValueError, match="batch_size"):
        Dataset.range(3).batch(0)


def test_what_is_done_to_them() -> None:
    r = Dataset.range
    assert numbers(r(3).map(lambda n: n * 2)) == [0, 2, 4]
    assert numbers(r(6).filter(lambda n: n % 2 == 0)) == [0, 2, 4]
    assert numbers(r(2).repeat(2)) == [0, 1, 0, 1] and numbers(r(2).repeat().take(5)) == [
        0,
        1,
        0,
        1,
        0,
    ]
    assert numbers(r(5).skip(3)) == [3, 4] and numbers(r(6).shard(2, 1)) == [1, 3, 5]
    assert numbers(r(2).concatenate(r(1))) == [0, 1, 0]
    assert [(int(a), int(b)) for a, b in Dataset.zip((r(2), r(5, 9)))] == [(0, 5), (1, 6)]
    assert [(int(i), int(n)) for i, n in r(3, 5).enumerate()] == [(0, 3), (1, 4)]
    assert numbers(r(2).flat_map(lambda n: r(n + 1))) == [0, 0, 1]
    windows = r(4).window(2, 1, drop_remainder=True).flat_map(lambda w: w.batch(2))
    assert [w.numpy().tolist() for w in windows] == [[0, 1], [1, 2], [2, 3]]
    assert int(r(4).reduce(np.int64(0), lambda s, n: s + n)) == 6
    assert len(r(4).repeat(3)) == 12 and int(r(4).filter(lambda n: n > 1).cardinality()) == -2
    with pytest.raises(TypeError, match="infinite"):
        len(r(2).repeat())
    assert numbers(r(3).prefetch(tf.data.AUTOTUNE).with_options(tf.data.Options())) == [0, 1, 2]


def test_orders() -> None:
    shuffled = Dataset.range(50).shuffle(50, seed=3)
    first, second = numbers(shuffled), numbers(shuffled)
    assert sorted(first) == list(range(50)) and first != second != list(range(50))
    assert numbers(Dataset.range(50).shuffle(50, seed=3)) == first
    fixed = Dataset.range(9).shuffle(9, seed=1, reshuffle_each_iteration=False)
    assert numbers(fixed) == numbers(fixed)
    near = numbers(Dataset.range(100).shuffle(2, seed=0))
    assert all(n <= place + 1 for place, n in enumerate(near))


def test_generators_and_caches() -> None:
    calls: list[int] = []

    def make() -> Iterator[Any]:
        calls.append(1)
        yield from ((i, [float(i)] * 2) for i in range(3))

    signature = (tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.float32))
    dataset = Dataset.from_generator(make, output_signature=signature)
    for _ in range(2):
        assert [int(n) for n, _ in dataset] == [0, 1, 2]
    assert len(calls) == 2 and next(iter(dataset))[1].dtype == tf.float32
    kept = dataset.cache()
    before = len(calls)
    assert len(list(kept)) == len(list(kept)) == 3 and len(calls) == before + 1


def test_errors_of_functions_come_through() -> None:
    before = ebb.memory().live
    dataset = Dataset.range(3).map(lambda n: 1 // int(n))
    with pytest.raises(ZeroDivisionError):
        list(dataset)
    assert ebb.memory().live == before


def test_they_feed_keras() -> None:
    before = ebb.memory().live
    x = np.random.default_rng(0).random((32, 3), np.float32)
    y = x.sum(1, keepdims=True)
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    dataset = Dataset.from_tensor_slices((x, y)).shuffle(32, seed=0).batch(8)
    history = model.fit(dataset, epochs=3, verbose=0, validation_data=dataset)
    assert len(history.history["val_loss"]) == 3
    assert history.history["loss"][2] < history.history["loss"][0]
    loss: Any = model.evaluate(dataset, verbose=0)
    assert np.isfinite(loss)
    only_x = Dataset.from_tensor_slices(x).batch(8)
    assert np.allclose(model.predict(only_x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    del model, history
    assert ebb.memory().live == before
