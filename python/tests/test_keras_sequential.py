"""Sequential: with and without a shape, add and pop, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import ebb
from ebb import keras

L = keras.layers
X = np.linspace(-1, 1, 48).reshape(6, 8).astype(np.float32)


def test_shape_of_the_first_layer() -> None:
    for first in (
        L.Dense(3, input_shape=(8,)),
        L.Dense(3, input_dim=8),
        L.Dense(3, batch_input_shape=(None, 8)),
    ):
        model = keras.Sequential([first, L.Dense(1)])
        assert model.built and model.input_shape == (None, 8) and model.output_shape == (None, 1)
        assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dense"]


def test_built_by_data() -> None:
    model = keras.Sequential([L.Dense(3), L.Dense(1)])
    assert not model.built and model.weights == []
    with pytest.raises(AttributeError, match="has no defined inputs yet"):
        _ = model.inputs
    with pytest.raises(ValueError, match="has not been built yet"):
        model.close()
    assert np.asarray(model(X)).shape == (6, 1)
    assert model.built and len(model.weights) == 4
    assert model.predict(X[:1], verbose=0).shape == (1, 1)


def test_built_by_a_shape_and_by_fit() -> None:
    model = keras.Sequential([L.Dense(3), L.Dense(1)])
    model.build((None, 8))
    assert model.count_params() == 31
    other = keras.Sequential([L.Dense(1)])
    other.compile("sgd", "mse")
    other.fit(X, np.zeros((6, 1)), verbose=0)
    assert other.count_params() == 9


def test_add_and_pop_keep_weights() -> None:
    model = keras.Sequential([keras.Input((8,)), L.Dense(3)])
    model.add(L.Dense(2))
    kernel = model.layers[0].get_weights()[0]
    assert model.predict(X, verbose=0).shape == (6, 2)
    assert model.pop() is not None
    model.add(L.Dense(5))
    assert model.predict(X, verbose=0).shape == (6, 5)
    np.testing.assert_array_equal(kernel, model.layers[0].get_weights()[0])


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = keras.Sequential([keras.Input((8,)), L.Dense(3)])
    with pytest.raises(ebb.ShapeError):
        model.add(L.Conv2D(3, 3))
    assert len(model.layers) == 1 and model.predict(X, verbose=0).shape == (6, 3)
    model.add(L.Dense(2))
    assert model.predict(X, verbose=0).shape == (6, 2)


def test_a_model_as_first_layer() -> None:
    base = keras.Sequential([keras.Input((8,)), L.Dense(4)])
    model = keras.Sequential([base, L.Dense(1)])
    assert model.built and model.layers[0] is base
    np.testing.assert_allclose(
        model.predict(X, verbose=0),
        model.layers[1](base.predict(X, verbose=0)),
        atol=1e-5,
    )


def test_what_is_no_layer() -> None:
    with pytest.raises(ValueError, match=r"Only instances of `keras.Layer` can be added"):
        keras.Sequential([3])
    model = keras.Sequential([L.Dense(3, name="a")])
    with pytest.raises(
        ValueError, match="All layers added to a Sequential model should have unique"
    ):
        model.add(L.Dense(3, name="a"))
    with pytest.raises(ValueError, match="has already been configured to use input shape"):
        keras.Sequential([keras.Input((3,)), keras.Input((3,))])
    with pytest.raises(ValueError, match="has no layers"):
        keras.Sequential().build((None, 3))


def test_wrong_shapes() -> None:
    with pytest.raises(ebb.ShapeError, match="narrow"):
        keras.Sequential([keras.Input((8,)), L.Conv2D(3, 3, name="narrow")])
    with pytest.raises(ValueError, match="8"):
        keras.Sequential([keras.Input((8,)), L.Dense(3)]).predict(np.ones((2, 5)), verbose=0)


def test_too_large_a_model_costs_nothing() -> None:
    live = ebb.memory().live
    with pytest.raises(MemoryError, match="OOM"):
        keras.Sequential([keras.Input((2**19,)), L.Dense(2**19)])
    assert ebb.memory().live == live
