"""Layers and models written in Python: traced, trained, refused where they cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

L, ops = keras.layers, keras.ops
X = np.linspace(-1, 1, 48).reshape(6, 8).astype(np.float32)


class Scale(L.Layer):
    """relu(x @ w + b)."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w", regularizer="l2")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

    def call(self, x: Any) -> Any:
        return ops.relu(ops.matmul(x, self.w) + self.b)


class Net(keras.Model):
    """Layers, dropout, and a layer of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = L.Dense(7, activation="relu")
        self.drop = L.Dropout(0.5)
        self.last = Scale(2)

    def call(self, x: Any, training: Any = False) -> Any:
        return self.last(self.drop(self.first(x), training=training))


def test_a_layer_in_a_functional_model_trains() -> None:
    x = keras.Input((8,))
    model = keras.Model(x, L.Dense(2)(Scale(5)(x)))
    w, b, k, c = model.get_weights()
    np.testing.assert_allclose(
        model.predict(X, verbose=0), np.maximum(X @ w + b, 0) @ k + c, atol=1e-5
    )
    model.compile("sgd", "mse")
    model.fit(X, np.ones((6, 2)), verbose=0)
    assert not np.allclose(model.get_weights()[0], w)


def test_a_layer_on_numbers() -> None:
    layer = Scale(3)
    result = np.asarray(layer(X))
    np.testing.assert_allclose(
        result, np.maximum(X @ layer.w.numpy() + layer.b.numpy(), 0), atol=1e-5
    )
    layer.w.assign(np.zeros((8, 3)))
    assert np.asarray(layer(X)).max() == 0
    assert layer.trainable_weights == [layer.w, layer.b]


def test_a_model_of_a_class() -> None:
    model = Net()
    assert not model.built and len(model.layers) == 3
    result = np.asarray(model(X))
    a, b, c, d = model.get_weights()
    np.testing.assert_allclose(result, np.maximum(np.maximum(X @ a + b, 0) @ c + d, 0), atol=1e-5)
    model.compile("adam", "mse")
    history = model.fit(X, np.ones((6, 2)), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert model.predict(X, verbose=0).shape == (6, 2)


def test_a_model_of_a_class_is_built_by_fit_and_by_build() -> None:
    model = Net()
    model.compile("adam", "mse")
    model.fit(X, np.ones((6, 2)), verbose=0)
    other = Net()
    other.build((None, 8))
    assert other.count_params() == model.count_params() == 8 * 7 + 7 + 7 * 2 + 2


def test_lists_of_layers_are_found() -> None:
    class Stack(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [L.Dense(4, activation="relu") for _ in range(3)]
            self.named = {"head": keras.Sequential([L.Dense(4), L.Dense(1)])}

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return self.named["head"](x)

    model = Stack()
    model.build((None, 8))
    assert len(model.weights) == 10 and len(model.layers) == 4


def test_weights_of_others_in_call() -> None:
    class Tied(L.Layer):
        def __init__(self, dense: Any) -> None:
            super().__init__()
            self.dense = dense

        def call(self, x: Any) -> Any:
            return ops.matmul(x, ops.transpose(self.dense.kernel))

    x, dense = keras.Input((8,)), L.Dense(3)
    model = keras.Model(x, Tied(dense)(dense(x)))
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(
        model.predict(X, verbose=0), (X @ kernel + bias) @ kernel.T, atol=1e-5
    )
    assert len(model.weights) == 2


def test_one_layer_for_several_shapes() -> None:
    class Total(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x: Any) -> Any:
            return ops.sum(self.dense(x), axis=1)

    total, a, b = Total(), keras.Input((3, 4)), keras.Input((5, 4))
    model = keras.Model([a, b], [total(a), total(b)])
    left, right = model.predict([np.ones((1, 3, 4)), np.ones((1, 5, 4))], verbose=0)
    np.testing.assert_allclose(left / 3, right / 5, atol=1e-5)


def test_several_inputs_and_outputs() -> None:
    class Both(L.Layer):
        def call(self, inputs: Any) -> Any:
            a, b = inputs
            return {"sum": a + b, "product": a * b}

    a, b = keras.Input((3,)), keras.Input((3,))
    made = Both()([a, b])
    model = keras.Model([a, b], [made["sum"], made["product"]])
    total, product = model.predict([2 * np.ones((1, 3)), 3 * np.ones((1, 3))], verbose=0)
    assert total[0, 0] == 5 and product[0, 0] == 6


def test_a_class_around_a_functional_model() -> None:
    class Wide(keras.Model):
        def __init__(self, units: int = 3) -> None:
            x = keras.Input((8,))
            super().__init__(inputs=x, outputs=L.Dense(units)(x))
            self.units = units

    model = Wide(4)
    assert model.predict(X, verbose=0).shape == (6, 4) and model.units == 4
    assert isinstance(model, keras.Model) and len(model.layers) == 2


def test_classes_derived_from_those_of_keras() -> None:
    class Doubled(L.Dense):
        def call(self, x: Any) -> Any:
            return 2 * super().call(x)

    class Shifted(L.Dense):
        def build(self, shape: Any) -> None:
            super().build(shape)
            self.shift = self.add_weight(shape=self.bias.shape, initializer="ones", name="shift")

        def call(self, x: Any) -> Any:
            return super().call(x) + self.shift

    class Named(L.Dense):
        def __init__(self) -> None:
            super().__init__(2, activation="relu")

    cases: Any = (
        (lambda: Doubled(3), lambda y: 2 * y),
        (lambda: Shifted(3), lambda y: y + 1),
        (Named, lambda y: np.maximum(y, 0)),
    )
    for kind, expected in cases:
        layer = kind()
        model = keras.Sequential([keras.Input((8,)), layer])
        y = X @ layer.kernel.numpy() + layer.bias.numpy()
        np.testing.assert_allclose(model.predict(X, verbose=0), expected(y), atol=1e-5)
        np.testing.assert_allclose(np.asarray(layer(X)), expected(y), atol=1e-5)


def test_configuration_of_arguments() -> None:
    layer = Scale(5, name="mine")
    config = layer.get_config()
    assert config["units"] == 5 and config["name"] == "mine"
    assert Scale.from_config(config).units == 5

    class Odd(L.Layer):
        def __init__(self, thing: Any) -> None:
            super().__init__()

    with pytest.raises(NotImplementedError, match="must override `get_config"):
        Odd(object()).get_config()


def test_what_cannot_be_traced() -> None:
    class Asks(L.Layer):
        def call(self, x: Any, training: Any = None) -> Any:
            return ops.sum(x, axis=1) if training else x

    with pytest.raises(ebb.UnsupportedError, match=r"asks: call.. asks whether it is training"):
        Asks(name="asks")(keras.Input((3,)))

    class Gives(L.Layer):
        def call(self, x: Any) -> Any:
            return None

    with pytest.raises(ebb.UnsupportedError, match="a tensor was expected"):
        Gives()(keras.Input((3,)))


def test_a_fault_in_call_leaves_nothing_behind() -> None:
    class Fails(L.Layer):
        def call(self, x: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Fails()(keras.Input((3,)))
    # Not in a trace any more: numbers are computed.
    assert float(np.asarray(ops.add(1.0, 2.0))) == 3.0
