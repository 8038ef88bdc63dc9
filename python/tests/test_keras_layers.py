"""Layers by themselves: building, calling on numbers, configuration, wrappers, masks, types."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ebb import keras

L, ops = keras.layers, keras.ops
X = np.linspace(-1, 1, 48).reshape(6, 8).astype(np.float32)


def test_a_layer_computes_on_numbers() -> None:
    dense = L.Dense(3)
    assert not dense.built and dense.weights == []
    result = np.asarray(dense(X))
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(result, X @ kernel + bias, atol=1e-6)
    dense.set_weights([kernel * 0, bias + 1])
    assert (np.asarray(dense(X)) == 1).all()
    assert (np.asarray(dense([[0.0] * 8])) == 1).all()


def test_build_makes_weights() -> None:
    dense = L.Dense(3)
    dense.build((None, 8))
    assert dense.kernel.shape == (8, 3) and dense.bias.shape == (3,)
    assert dense.count_params() == 27 and dense.built
    with pytest.raises(ValueError, match="the layer isn't built"):
        L.Dense(3).count_params()


def test_arguments_are_attributes() -> None:
    conv = L.Conv2D(4, 3, strides=2, activation="relu", kernel_regularizer="l2")
    assert (conv.filters, conv.kernel_size, conv.strides) == (4, (3, 3), (2, 2))
    assert conv.activation is keras.activations.relu and conv.data_format == "channels_last"
    assert isinstance(conv.kernel_initializer, keras.initializers.GlorotUniform)
    assert conv.kernel_regularizer.l2 == 0.01
    assert L.MaxPooling2D().strides == (2, 2)
    with pytest.raises(ValueError, match="must be a tuple of 2 integers"):
        L.Conv2D(4, (3, 3, 3))
    with pytest.raises(TypeError, match="unit"):
        L.Dense()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"Unrecognized keyword arguments passed to Dense.*unit"):
        L.Dense(3, unit=3)
    with pytest.raises(ValueError, match="Did you mean he_normal"):
        L.Dense(3, kernel_initializer="he_norml")


def test_configuration_and_back() -> None:
    layer = L.LSTM(4, return_sequences=True, kernel_initializer=keras.initializers.HeNormal(seed=1))
    config = json.loads(json.dumps(layer.get_config()))
    again = L.LSTM.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.kernel_initializer.seed == 1 and again.name == layer.name


def test_first_numbers_of_python() -> None:
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    for embedding in (
        L.Embedding(5, 2, weights=[table]),
        L.Embedding(5, 2, embeddings_initializer=keras.initializers.Constant(table)),
        L.Embedding(5, 2, embeddings_initializer=lambda shape, dtype=None: table),
    ):
        assert np.asarray(embedding(np.array([[1]])))[0, 0].tolist() == [2, 3]
    dense = L.Dense(2, kernel_initializer=keras.initializers.Constant(3.0))
    model = keras.Sequential([keras.Input((4,)), dense])
    assert (model.get_weights()[0] == 3).all()


def test_initializers_give_numbers() -> None:
    drawn = np.asarray(keras.initializers.HeNormal(seed=1)((400, 100)))
    assert abs(drawn.std() - np.sqrt(2 / 400)) < 0.003 and abs(drawn.mean()) < 0.001
    again = np.asarray(keras.initializers.HeNormal(seed=1)((400, 100)))
    np.testing.assert_array_equal(drawn, again)
    assert (np.asarray(keras.initializers.get("ones")((2, 2))) == 1).all()


def test_a_seed_gives_the_same_weights_whatever_the_names() -> None:
    def made(seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input((8,)), L.Dense(3)]).get_weights()[0]

    np.testing.assert_array_equal(made(3), made(3))
    assert not np.array_equal(made(3), made(4))


def test_constraints_and_regularizers_compute() -> None:
    w = np.array([[3.0, 0.0], [4.0, 1.0]])
    np.testing.assert_allclose(keras.constraints.UnitNorm()(w)[:, 0], [0.6, 0.8], atol=1e-6)
    np.testing.assert_allclose(keras.constraints.MaxNorm(2)(w)[:, 0], [1.2, 1.6], atol=1e-6)
    assert keras.regularizers.L1L2(0.1, 0.01)(w) == pytest.approx(0.8 + 0.26)


def test_wrappers_share_weights_with_what_they_wrap() -> None:
    dense = L.Dense(2)
    x = keras.Input((5, 8))
    y = L.TimeDistributed(dense)(x)
    model = keras.Model(x, y)
    assert dense.kernel is model.weights[0] and y.shape == (None, 5, 2)
    both = L.Bidirectional(L.GRU(3), merge_mode="sum")
    both(x)
    assert both.forward_layer.weights == both.weights[:3]
    assert both.backward_layer.go_backwards and not both.forward_layer.go_backwards
    path = f"{both.name}/{both.forward_layer.name}/gru_cell/kernel"
    assert both.weights[0].path == path
    with pytest.raises(ValueError, match="Invalid merge mode"):
        L.Bidirectional(L.GRU(3), merge_mode="add")
    with pytest.raises(ValueError, match="Please initialize `TimeDistributed` layer"):
        L.TimeDistributed(3)  # type: ignore[arg-type]


def test_models_and_python_inside_wrappers() -> None:
    inner = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)])
    x = keras.Input((3, 8))
    model = keras.Model(x, L.TimeDistributed(inner)(x))
    data = np.stack([X[:3], X[3:]])
    a, b, c, d = model.get_weights()
    np.testing.assert_allclose(
        model.predict(data, verbose=0), np.maximum(data @ a + b, 0) @ c + d, atol=1e-5
    )


def test_cells() -> None:
    cell = L.LSTMCell(4)
    zeros = np.zeros((2, 4), np.float32)
    h, states = cell(np.ones((2, 3), np.float32), [zeros, zeros])
    assert np.asarray(h).shape == (2, 4) and len(states) == 2
    with pytest.raises(ValueError, match="`state_size` attribute"):

        class Cell(L.Layer):
            units = 3

        L.RNN(Cell())


def test_masks_go_along() -> None:
    x = keras.Input((None,), dtype="int32")
    y = L.LSTM(2)(L.Embedding(5, 3, mask_zero=True)(x))
    model = keras.Model(x, y)
    np.testing.assert_allclose(
        model.predict(np.array([[1, 2, 0, 0]]), verbose=0),
        model.predict(np.array([[1, 2]]), verbose=0),
        atol=1e-6,
    )


def test_types() -> None:
    assert L.Dense(2, dtype="float64").dtype == "float64"
    keras.backend.set_floatx("float64")
    try:
        assert keras.Input((3,)).dtype == "float64" and L.Dense(2).dtype == "float64"
    finally:
        keras.backend.set_floatx("float32")
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        dense = L.Dense(2)
        assert (dense.compute_dtype, dense.dtype) == ("float16", "float32")
        assert dense(keras.Input((3,))).dtype == "float16"
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_layers_that_were_not_called() -> None:
    with pytest.raises(
        AttributeError, match=r"has never been called and thus has no defined output"
    ):
        _ = L.Dense(3, name="d").output

    class Careless(L.Layer):
        def __init__(self) -> None:
            self.units = 3

    with pytest.raises(RuntimeError, match="you forgot to call"):
        Careless()(X)
    with pytest.raises(NotImplementedError, match=r"does not have a `call"):
        type("Empty", (L.Layer,), {})()(X)


def test_wrong_numbers_of_weights() -> None:
    dense = L.Dense(3, name="d")
    dense.build((None, 8))
    with pytest.raises(ValueError, match=r"with a weight list of length 1.*expecting 2 weights"):
        dense.set_weights([np.zeros((8, 3))])
    with pytest.raises(ValueError, match=r"weight shape \(8, 3\) is not compatible"):
        dense.set_weights([np.zeros((3, 8)), np.zeros(3)])


def test_penalties() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert model.losses == [] and model.layers[0].losses == []
    layer = keras.layers.Dense(
        2, kernel_regularizer=keras.regularizers.L2(0.1), activity_regularizer="l1"
    )
    model = keras.Sequential([keras.Input((3,)), layer])
    (penalty,) = model.losses
    assert np.isclose(float(penalty), 0.1 * np.square(layer.kernel.numpy()).sum())
    x = np.ones((4, 3), np.float32)
    y = model(x)
    added, penalty = model.losses
    assert np.isclose(float(added), 0.01 * np.abs(y.numpy()).sum() / 4)  # of a row
    model(x)
    assert len(model.losses) == 2
    layer.trainable = False
    assert len(model.losses) == 1
