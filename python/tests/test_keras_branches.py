"""``if training`` in the call of layers and models of the caller's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb.keras import layers as L  # noqa: N812
from ebb.keras import ops

X = np.random.RandomState(0).rand(8, 4).astype(np.float32)


def test_layers_that_only_train_stand_in_a_branch() -> None:
    class Net(keras.Model):
        def __init__(self, rate: float) -> None:
            super().__init__()
            self.hidden = [L.Dense(5, activation="tanh") for _ in range(2)]
            self.noise = L.GaussianNoise(rate)
            self.drop = L.Dropout(rate)
            self.out = L.Dense(1)
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

        def call(self, x: Any, training: Any = False) -> Any:
            if training:
                x = self.noise(x)
            for layer in self.hidden:
                x = x + ops.mean(layer(x), axis=-1, keepdims=True) * self.scale
                if training:
                    x = self.drop(x, training=training)
            return self.out(x)

    still, loud = Net(0.0), Net(0.9)
    still(X), loud(X)
    assert len(still.weights) == 7
    loud.set_weights(still.get_weights())
    np.testing.assert_array_equal(loud.predict(X, verbose=0), still.predict(X, verbose=0))
    losses = []
    for model in (still, loud):
        model.compile(keras.optimizers.SGD(0.0), "mse")
        losses.append(model.fit(X, X[:, :1], verbose=0).history["loss"][0])
        assert model.evaluate(X, X[:, :1], verbose=0) == pytest.approx(
            still.evaluate(X, X[:, :1], verbose=0)
        )
    assert losses[0] == pytest.approx(still.evaluate(X, X[:, :1], verbose=0))
    assert losses[1] != pytest.approx(losses[0])


def fit_loss(model: Any) -> float:
    """The loss of one step in which nothing is learnt: training as it computes."""
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return float(model.fit(X, np.zeros_like(X), verbose=0).history["loss"][0])


def test_two_ways_of_a_call() -> None:
    class Inner(L.Layer):
        def call(self, x: Any, training: Any = None) -> Any:
            return x * 2 if training else x

    class Outer(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.drop = Inner(name="inner"), L.Dropout(0.0)
            self.dense = L.Dense(4, kernel_initializer="identity")
            self.other = L.Dense(4, kernel_initializer="ones")

        def call(self, x: Any, training: Any = None) -> Any:
            x = self.dense(x)
            if training:
                x = self.drop(self.other(x))
            return self.inner(x, training=training)

    inputs = keras.Input((4,))
    model = keras.Model(inputs, Outer()(inputs))
    assert len(model.weights) == 4
    np.testing.assert_allclose(model.predict(X, verbose=0), X, rtol=1e-6)
    sums = 2 * X.sum(1, keepdims=True).repeat(4, 1)
    assert fit_loss(model) == pytest.approx(np.square(sums).mean(), rel=1e-5)
    assert model.evaluate(X, np.zeros_like(X), verbose=0) == pytest.approx(np.square(X).mean())


def test_what_changes_in_training_is_called_in_both_ways_or_none() -> None:
    class Sometimes(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.norm = L.BatchNormalization(name="norm")

        def call(self, x: Any, training: Any = None) -> Any:
            return self.norm(x) if training else x

    with pytest.raises(ebb.UnsupportedError, match="norm, which changes when the model is trained"):
        Sometimes()(keras.Input((3,)))

    class Shared(Sometimes):
        def call(self, x: Any, training: Any = None) -> Any:
            x = self.norm(x, training=training)
            return x * 3 if training else x

    inputs = keras.Input((4,))
    layer = Shared()
    model = keras.Model(inputs, layer(inputs))
    np.testing.assert_allclose(model.predict(X, verbose=0), X / np.sqrt(1.001), rtol=1e-5)
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)
    np.testing.assert_allclose(layer.norm.moving_mean.numpy(), X.mean(0) * 0.01, rtol=1e-4)


def test_training_that_a_call_says_holds_in_predict_too() -> None:
    class Always(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.drop = L.Dropout(0.5)

        def call(self, x: Any, training: Any = None) -> Any:
            return self.drop(x, training=True)

    class Never(Always):
        def call(self, x: Any, training: Any = None) -> Any:
            return self.drop(x, training=False)

    ones = np.ones((2000, 4), np.float32)
    for kind, share in ((Always, 0.5), (Never, 0.0)):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, kind()(inputs))
        made = model.predict(ones, verbose=0)
        assert (made == 0).mean() == pytest.approx(share, abs=0.03)
        again = model.predict(ones, verbose=0)
        assert np.array_equal(made, again) == (share == 0)
        model.compile(keras.optimizers.SGD(0.0), "mse")
        loss = model.fit(ones, ones, verbose=0, batch_size=2000).history["loss"][0]
        assert loss == pytest.approx(2 * share, abs=0.05)
        assert model.evaluate(ones, ones, verbose=0) == pytest.approx(2 * share, abs=0.05)


def test_keys_of_a_dict_name_inputs_and_outputs_of_a_class() -> None:
    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = L.Dense(2), L.Dense(3)

        def call(self, given: Any) -> Any:
            x = ops.concatenate([given["seq"], given["extra"]], axis=-1)
            return {"two": self.two(x), "one": self.one(x)}

    model = Two()
    x = {"seq": X, "extra": X[:, :1]}
    y = {"one": X[:, :2], "two": X[:, :3]}
    model.compile("sgd", {"two": "mse", "one": "mae"}, metrics={"one": ["mse"]})
    history = model.fit(x, y, verbose=0).history
    assert sorted(history) == ["loss", "one_loss", "one_mse", "two_loss"]
    made = model.predict(x, verbose=0)
    assert {key: value.shape for key, value in made.items()} == {"one": (8, 2), "two": (8, 3)}
    named = model.evaluate(x, y, verbose=0, return_dict=True)
    # Losses in the order of compile()'s dict.
    order = ["loss", "two_loss", "one_loss", "one_mse"]
    assert model.evaluate(x, y, verbose=0) == [named[name] for name in order]


def test_build_called_by_hand_makes_the_weights_once() -> None:
    class Linear(L.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], 2), initializer="ones", name="w")

        def call(self, x: Any) -> Any:
            return ops.matmul(x, self.w)

    layer = Linear()
    layer.build((None, 4))
    assert layer.built
    layer.set_weights([np.full((4, 2), 3.0)])
    np.testing.assert_allclose(layer(X), 3 * X.sum(1, keepdims=True).repeat(2, 1), rtol=1e-5)
    assert len(layer.weights) == 1


class Warm(keras.optimizers.schedules.LearningRateSchedule):
    """Rises over four steps."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, step: Any) -> Any:
        return self.base * ops.minimum((ops.cast(step, "float32") + 1.0) / 4.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"base": self.base}


def test_a_schedule_of_the_callers_own_is_asked_before_every_step(tmp_path: Any) -> None:
    def trained(rate: Any) -> tuple[Any, float]:
        model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
        model.set_weights([np.full((4, 1), 0.1), np.zeros(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        for step in range(2):
            if not isinstance(rate, Warm):
                model.optimizer.learning_rate = 0.1 * (step + 1) / 4
            model.train_on_batch(X, X[:, :1])
        if isinstance(rate, Warm):
            model.fit(X, X[:, :1], batch_size=4, shuffle=False, verbose=0)
        else:
            for step, rows in ((2, X[:4]), (3, X[4:])):
                model.optimizer.learning_rate = 0.1 * (step + 1) / 4
                model.train_on_batch(rows, rows[:, :1])
        return model, float(model.optimizer.learning_rate)

    model, rate = trained(Warm(0.1))
    by_hand, _ = trained(0.1)
    assert rate == pytest.approx(0.1)
    for a, b in zip(model.get_weights(), by_hand.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    model.save(tmp_path / "warm.keras")
    again = keras.models.load_model(tmp_path / "warm.keras", custom_objects={"Warm": Warm})
    assert int(again.optimizer.iterations) == 4
    assert again.optimizer.get_config()["learning_rate"]["config"] == {"base": 0.1}
    for one in (model, again):
        one.fit(X, X[:, :1], verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], again.get_weights()[0], rtol=1e-6)
    with pytest.raises(TypeError, match="Warm"):
        keras.models.load_model(tmp_path / "warm.keras")
