"""clone_model: new layers, the same connections."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

X = np.random.default_rng(3).random((4, 6), dtype=np.float32)


def shared() -> Any:
    """A shared layer, an operation, two outputs in a dictionary."""
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    layer = keras.layers.Dense(3, name="shared")
    joined = keras.layers.Add(name="sum")([layer(a), layer(b)])
    outputs = {"one": joined * 2.0, "two": keras.layers.Dense(1, name="head")(joined)}
    return keras.Model({"a": a, "b": b}, outputs, name="shared_model")


def test_a_functional_model() -> None:
    model = shared()
    data = {"a": X, "b": X + 1}
    model.predict(data, verbose=0)
    before = ebb.memory().live
    clone = keras.models.clone_model(model)
    assert type(clone) is type(model) and clone.name == model.name
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert all(one is not other for one, other in zip(clone.layers, model.layers))
    assert not np.array_equal(clone.get_layer("head").kernel, model.get_layer("head").kernel)
    clone.set_weights(model.get_weights())
    expected, found = model.predict(data, verbose=0), clone.predict(data, verbose=0)
    assert set(found) == {"one", "two"}
    for name in found:
        assert np.array_equal(found[name], expected[name])
    reference = weakref.ref(clone)
    del clone
    assert reference() is None
    assert ebb.memory().live == before


def test_a_sequential_model() -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="d")], name="s")
    model.compile(keras.optimizers.SGD(0.25), "mse")
    clone = keras.models.clone_model(model)
    assert isinstance(clone, keras.Sequential) and clone.name == "s"
    assert clone.compiled and clone.loss == "mse"
    assert float(clone.optimizer.learning_rate) == 0.25
    clone.fit(X, np.ones((4, 3), np.float32), verbose=0)
    unbuilt = keras.models.clone_model(keras.Sequential([keras.layers.Dense(2)]))
    assert unbuilt.predict(X, verbose=0).shape == (4, 2)


def test_with_another_layer() -> None:
    def clone_function(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Dense):
            return keras.layers.Dense(layer.units, activation="relu", name=f"new_{layer.name}")
        return type(layer).from_config(layer.get_config())

    model = shared()
    clone = keras.models.clone_model(model, clone_function=clone_function)
    assert {layer.name for layer in clone.layers} >= {"new_shared", "new_head"}
    assert clone.predict({"a": X, "b": X}, verbose=0)["one"].min() >= 0


def test_layers_can_stay_the_same() -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    clone = keras.models.clone_model(model, clone_function=lambda layer: layer)
    assert clone.layers[0] is model.layers[0]
    assert np.array_equal(clone.predict(X, verbose=0), model.predict(X, verbose=0))


def test_with_other_calls() -> None:
    def call_function(layer: Any, *args: Any, **kwargs: Any) -> Any:
        out = layer(*args, **kwargs)
        return keras.layers.ReLU()(out) if isinstance(layer, keras.layers.Dense) else out

    clone = keras.models.clone_model(shared(), call_function=call_function)
    assert sum(isinstance(layer, keras.layers.ReLU) for layer in clone.layers) == 3


def test_on_other_inputs() -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    x = keras.Input((6,), name="mine")
    clone = keras.models.clone_model(model, input_tensors=x)
    assert clone.predict(X, verbose=0).shape == (4, 3)
    functional = keras.Model(x, keras.layers.Dense(2)(x))
    y = keras.Input((6,), name="yours")
    again = keras.models.clone_model(functional, input_tensors=[y])
    assert again.inputs[0].name == "yours"


def test_models_inside() -> None:
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="deep")], name="inner")
    x = keras.Input((6,))
    model = keras.Model(x, keras.layers.Dense(1)(inner(x)))
    seen: list[str] = []

    def clone_function(layer: Any) -> Any:
        seen.append(layer.name)
        return type(layer).from_config(layer.get_config())

    keras.models.clone_model(model, clone_function=clone_function, recursive=True)
    assert "deep" in seen and "inner" not in seen
    seen.clear()
    clone = keras.models.clone_model(model, clone_function=clone_function)
    assert "inner" in seen and "deep" not in seen
    assert clone.count_params() == model.count_params()


def test_classes_of_the_user() -> None:
    class Net(keras.Model):
        def __init__(self, units: int = 2, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.dense = keras.layers.Dense(units)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    net = Net(3)
    net(X)
    clone = keras.models.clone_model(net)
    assert type(clone) is Net and clone.units == 3
    with pytest.raises(ValueError, match="clone_function"):
        keras.models.clone_model(net, clone_function=lambda layer: layer)


def test_what_is_refused() -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="call_function"):
        keras.models.clone_model(model, call_function=lambda layer, *a: layer(*a))
    with pytest.raises(ValueError, match="single tensor"):
        keras.models.clone_model(model, input_tensors=[keras.Input((6,)), keras.Input((6,))])
    with pytest.raises(ValueError, match="KerasTensor"):
        keras.models.clone_model(model, input_tensors=X)
    with pytest.raises(ValueError, match="colour"):
        keras.models.clone_model(model, colour=1)
