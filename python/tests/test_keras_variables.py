"""Variables: numbers in and out, operators, what they are after quantization."""

from __future__ import annotations

import numpy as np
import pytest

from ebb import keras

L = keras.layers


def test_numbers() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    kernel = model.layers[0].kernel
    assert (kernel.shape, kernel.dtype, kernel.name) == ((4, 2), "float32", "kernel")
    assert kernel.path == f"{model.name}/{model.layers[0].name}/kernel"
    assert kernel.ndim == 2 and kernel.size == 8 and kernel.nbytes == 32 and len(kernel) == 4
    np.testing.assert_array_equal(np.asarray(kernel), kernel.numpy())
    kernel.assign(np.ones((4, 2)))
    assert (model.predict(np.ones((1, 4)), verbose=0) == 4).all()
    kernel.assign_add(np.ones((4, 2)))
    kernel.assign_sub(0.5 * np.ones((4, 2)))
    assert (kernel.numpy() == 1.5).all() and (kernel[0].numpy() == 1.5).all()


def test_wrong_shape() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    with pytest.raises(ValueError, match=r"must match. variable.shape=\(4, 2\), Received: value"):
        model.layers[0].kernel.assign(np.ones((2, 4)))


def test_a_variable_by_itself() -> None:
    variable = keras.Variable([1.0, 2.0], name="v")
    assert variable.dtype == "float32" and "path=v" in repr(variable)
    assert (variable + 1).numpy().tolist() == [2, 3]
    assert (2 * variable).numpy().tolist() == [2, 4]
    assert (variable > 1).numpy().tolist() == [False, True]
    assert variable.value.numpy().tolist() == [1, 2]
    drawn = keras.Variable("ones", shape=(3,))
    assert drawn.numpy().tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="`shape` argument should be specified"):
        keras.Variable("ones")


def test_int8_numbers_are_shown_as_they_are_kept() -> None:
    model = keras.Sequential([keras.Input((64,)), L.Dense(256)])
    floats = model.layers[0].kernel.numpy()
    model.quantize("int8")
    kernel = model.layers[0].kernel
    assert np.asarray(kernel).dtype == np.int8 and kernel.nbytes < floats.nbytes / 3
    np.testing.assert_allclose(model.get_weights()[0], floats, atol=0.01)


def test_frozen_weights_are_not_trained() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization(), L.Dense(1)])
    assert len(model.trainable_weights) == 6 and len(model.non_trainable_weights) == 2
    model.layers[0].trainable = False
    assert len(model.trainable_weights) == 4
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit(np.eye(6, 4), np.arange(6.0)[:, None], verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[6], after[6])
    model.trainable = False
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 8
    model.trainable = True
    assert len(model.trainable_weights) == 6
