"""Gradient tapes over layers and models: numbers of Keras, bytes, lifetimes."""

from __future__ import annotations

import pathlib
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras, tf
from ebb.keras._eager_call import traces

sys.path.insert(0, str(pathlib.Path(__file__).parent / "goldens"))
import tape_cases

GOLDENS = np.load(pathlib.Path(__file__).parent / "goldens" / "tape.npz")


@pytest.mark.parametrize("name", tape_cases.CASES)
def test_training_code_gives_the_numbers_of_keras(name: str) -> None:
    keras.backend.clear_session()
    before = ebb.memory().live
    got = {key: np.array(value) for key, value in tape_cases.CASES[name](keras, tf).items()}
    assert ebb.memory().live == before
    expected = {key[len(name) + 1 :]: GOLDENS[key] for key in GOLDENS if key.startswith(f"{name}/")}
    assert set(got) == set(expected)
    for key, value in expected.items():
        assert np.shape(got[key]) == value.shape, key
        scale = float(np.abs(value).max(initial=0.0))
        worst = float(np.abs(got[key] - value).max(initial=0.0))
        assert worst < 2e-5 * scale + 1e-6, (key, worst)


L = keras.layers
X = tape_cases.numbers((4, 5))


def small() -> Any:
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((5,)), L.Dense(4, activation="tanh"), L.Dense(2)])
    tape_cases.fill(model)
    return model


def test_what_is_not_connected_is_none() -> None:
    model, other = small(), L.Dense(3)
    other.build((None, 5))
    model.layers[0].trainable = False
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(model(X))
    assert [v.path for v in tape.watched_variables()] == [
        v.path for v in model.layers[1].trainable_variables
    ]
    sources = [*model.weights, *other.weights]
    found = tape.gradient(y, sources)
    assert [g is None for g in found] == [True, True, False, False, True, True]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(model.layers[0].kernel)
        y = tf.reduce_sum(model(X))
    found = tape.gradient(y, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert [bool(np.any(np.asarray(g))) for g in found] == [True] + [False] * 5
    assert [tuple(g.shape) for g in found] == [tuple(v.shape) for v in sources]
    with tf.GradientTape() as tape, tape.stop_recording():
        y = tf.reduce_sum(model(X))
    assert tape.gradient(y, model.trainable_weights) == [None, None]
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.stop_gradient(model(X)))
    assert tape.gradient(y, model.trainable_weights) == [None, None]
    with tf.GradientTape() as tape:
        y = keras.ops.sum(keras.ops.stop_gradient(model(X)))
    assert tape.gradient(y, model.trainable_weights) == [None, None]


def test_tapes_hold_passes_and_go() -> None:
    model = small()
    model(X, training=True)
    with tf.GradientTape() as tape:
        tape.gradient(tf.reduce_sum(model(X)), model.trainable_weights)
    held = ebb.memory().live
    with tf.GradientTape(persistent=True) as tape:
        y = tf.reduce_sum(model(X))
    assert ebb.memory().live > held
    first = tape.gradient(y, model.trainable_weights)
    again = tape.gradient(y, model.trainable_weights)
    assert all((a.numpy() == b.numpy()).all() for a, b in zip(first, again))
    first = again = None
    assert ebb.memory().live > held
    gone = weakref.ref(tape)
    del tape, y
    assert gone() is None and ebb.memory().live == held
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(model(X))
    tape.gradient(y, model.trainable_weights)
    del y
    assert ebb.memory().live == held  # though the tape is there
    with pytest.raises(ZeroDivisionError), tf.GradientTape() as tape:
        tf.reduce_sum(model(X)) / (1 // 0)
    del tape
    assert ebb.memory().live == held


def test_a_model_may_go_before_the_gradient() -> None:
    model = small()
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(model(X))
    weights, gone = model.trainable_weights, weakref.ref(model)
    del model
    assert gone() is None
    assert tape.gradient(y, weights)[0].shape == (5, 4)


def test_changed_weights_are_said() -> None:
    model = small()
    with tf.GradientTape(persistent=True) as tape:
        y = tf.reduce_sum(model(X))
    before = tape.gradient(y, model.trainable_weights)
    model.layers[1].kernel.assign(np.zeros((4, 2)))
    with pytest.raises(RuntimeError, match="changed since"):
        tape.gradient(y, model.trainable_weights)
    del before


def test_second_order_through_a_model_is_refused() -> None:
    model, x = small(), tf.constant(X)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = model(x)
        slopes = inner.gradient(y, x)
        penalty = tf.reduce_mean(tf.square(slopes))
    with pytest.raises(NotImplementedError, match=r"sequential.*first order"):
        outer.gradient(penalty, model.trainable_weights)
    # What does not lead through the first gradient is there.
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(model(x))
        slopes = inner.gradient(y, x)
        loss = y * 2.0
    assert outer.gradient(loss, model.trainable_weights)[0] is not None
    del slopes


def test_orders_of_operations() -> None:
    x = tf.Variable(2.0)
    with tf.GradientTape() as third, tf.GradientTape() as second:
        with tf.GradientTape() as first:
            y = x**4.0 * 0.5 + x
        slope = first.gradient(y, x)
        curve = second.gradient(slope, x)
    assert float(slope) == 17.0 and float(curve) == 24.0
    assert float(third.gradient(curve, x)) == 24.0
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    w = tf.Variable([[0.5, -1.0], [2.0, 1.0]])
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(a)
            h = tf.matmul(a, w)
            y = tf.reduce_sum(h * h)
        loss = tf.reduce_sum(inner.gradient(y, a) * a)  # 2 a w wT a
    expected = 4.0 * a.numpy().T @ a.numpy() @ w.numpy()
    assert np.allclose(outer.gradient(loss, w).numpy(), expected)


def test_jacobians() -> None:
    model, x = small(), tf.constant(X)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = model(x)
    whole = tape.jacobian(y, x).numpy()
    rows = tape.batch_jacobian(y, x).numpy()
    assert whole.shape == (4, 2, 4, 5) and rows.shape == (4, 2, 5)
    assert np.allclose(np.einsum("ijik->ijk", whole), rows, atol=1e-6)
    one, two = (layer.kernel.numpy() for layer in model.layers)
    inner = 1 - np.tanh(X @ one + model.layers[0].bias.numpy()) ** 2
    assert np.allclose(rows, np.einsum("km,im,mj->ijk", one, inner, two), atol=1e-5)
    assert tape.jacobian(y, model.trainable_weights)[0].shape == (4, 2, 5, 4)


def test_dropout_as_in_training() -> None:
    keras.backend.clear_session()
    drop, x = L.Dropout(0.5, seed=1), tf.ones((20, 10))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, z = drop(x, training=True), drop(x, training=True)
    values = y.numpy()
    assert set(np.unique(values)) == {0.0, 2.0} and (values != z.numpy()).any()
    assert (tape.gradient(y, x).numpy() == values).all()  # the same random numbers
    assert (tape.gradient(z, x).numpy() == z.numpy()).all()
    assert (drop(x).numpy() == 1).all() and (drop(x, training=False).numpy() == 1).all()
    noise = L.GaussianNoise(1.0)
    assert abs(float(np.std(noise(np.zeros((50, 50)), training=True))) - 1.0) < 0.1
    flip = L.RandomFlip("horizontal", seed=3)
    image = np.arange(24, dtype=np.float32).reshape((2, 3, 4, 1))
    for _ in range(5):
        made = flip(image, training=True).numpy()
        assert all((a == b).all() or (a == b[:, ::-1]).all() for a, b in zip(made, image))


def test_normalization_as_in_training() -> None:
    keras.backend.clear_session()
    norm = L.BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input((5,)), norm])
    y = norm(X, training=True).numpy()
    assert np.allclose(y, (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3), atol=1e-5)
    assert np.allclose(norm.moving_mean.numpy(), 0.1 * X.mean(0), atol=1e-6)
    assert np.allclose(norm.moving_variance.numpy(), 0.9 + 0.1 * X.var(0), atol=1e-6)
    model(X, training=True)
    expected = 0.19 * X.mean(0)
    assert np.allclose(norm.moving_mean.numpy(), expected, atol=1e-6)
    assert np.allclose(model(X).numpy(), norm(X).numpy())
    norm.trainable = False  # as in predictions then
    assert np.allclose(model(X, training=True).numpy(), model(X).numpy())
    assert np.allclose(norm(X, training=True).numpy(), norm(X).numpy())
    assert np.allclose(norm.moving_mean.numpy(), expected, atol=1e-6)


def test_gradients_of_an_own_function() -> None:
    @tf.custom_gradient
    def clipped(x: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return tf.clip_by_value(upstream, -0.5, 0.5)

        return tf.identity(x), gradient

    model = small()
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(clipped(model(X)) * 3.0)
    got = tape.gradient(y, model.trainable_weights)
    assert np.allclose(got[3].numpy(), [2.0, 2.0])

    @keras.ops.custom_gradient
    def pair(a: Any, b: Any) -> Any:
        return (a * b, a + b), lambda *given: (given[0], given[1])

    a, b = tf.constant([1.0]), tf.constant([2.0])
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        first, second = pair(a, b)
        y = first * 5.0 + second * 7.0
    assert [g.numpy()[0] for g in tape.gradient(y, [a, b])] == [5.0, 7.0]


def test_functions_that_train_run_as_python(caplog: pytest.LogCaptureFixture) -> None:
    model = small()
    seen = []

    @tf.function
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True)))
        gradients = tape.gradient(loss, model.trainable_weights)
        for variable, gradient in zip(model.trainable_weights, gradients):
            variable.assign_sub(0.1 * gradient)
        seen.append(type(loss).__name__)
        return loss

    with caplog.at_level("INFO", logger="ebb"):
        losses = [float(step(tf.constant(X))) for _ in range(3)]
    assert losses[0] > losses[1] > losses[2] and set(seen) == {"EagerTensor"}
    told = [r.getMessage() for r in caplog.records if "plain Python" in r.getMessage()]
    assert len(told) == 1 and "step" in told[0]
    again = small()
    expected = []
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(again(X, training=True)))
        for v, g in zip(again.trainable_weights, tape.gradient(loss, again.trainable_weights)):
            v.assign_sub(0.1 * g)
        expected.append(float(loss))
    assert losses == expected

    @tf.function
    def noisy(x: Any) -> Any:
        return model(x, training=True) + model.layers[1].bias

    assert noisy(tf.constant(X)).shape == (4, 2)

    @tf.function
    def plain(x: Any) -> Any:
        return model(x, training=False)

    assert plain(tf.constant(X)).shape == (4, 2) and plain.experimental_get_tracing_count() == 1
    with pytest.raises(NotImplementedError, match="no graph"):
        tf.function(noisy.python_function).get_concrete_function(tf.TensorSpec((4, 5)))


class Loops(keras.Model):
    """A model whose Python needs numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop = L.Dense(4, activation="relu"), L.Dropout(0.5)
        self.norm, self.last = L.BatchNormalization(), L.Dense(2)
        self.rounds = 0

    def call(self, x: Any, training: Any = None) -> Any:
        x = self.first(x)
        while float(np.max(x)) > 0.5:
            x = x * 0.5
            self.rounds += 1
        return self.last(self.norm(self.drop(x)))


def test_python_that_needs_numbers() -> None:
    keras.backend.clear_session()
    before = ebb.memory().live
    model = Loops()
    y = model(X + 2.0)
    assert y.shape == (4, 2) and model.rounds > 0 and len(model.weights) == 8
    assert not traces(model, X) and traces(small(), X)
    dropped = model(X + 2.0, training=True)  # handed on to the layers inside
    assert (dropped.numpy() != y.numpy()).any()
    assert np.any(model.norm.moving_mean.numpy() != 0)
    losses = []
    for _ in range(20):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(X + 2.0) - 1.0))
        for v, g in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights)):
            v.assign_sub(0.1 * g)
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]
    gone = weakref.ref(model)
    del model, y, dropped, loss, tape, v, g
    assert gone() is None and ebb.memory().live == before


def test_sequential_with_a_layer_that_needs_numbers() -> None:
    class Half(L.Layer):
        def call(self, x: Any) -> Any:
            return x * 0.5 if float(np.max(x)) > 0 else x

    keras.backend.clear_session()
    model = keras.Sequential([Half(), L.Dense(2)])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(model(np.ones((3, 4)), training=True))
    assert np.allclose(tape.gradient(y, model.trainable_weights)[0].numpy(), 1.5)


class _Attends(keras.Model):
    """Two outputs, and a state that one call gives to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.score = L.Dense(5, activation="tanh"), L.Dense(1)

    def call(self, x: Any, state: Any) -> Any:
        state = self.state(tf.concat([x, state], axis=-1))
        return self.score(state), state


def _check_two_calls() -> Any:
    model = _Attends()

    def total() -> Any:
        state = tf.zeros((4, 5))
        for _ in range(2):
            score, state = model(X, state)
        return tf.reduce_sum(score)

    with tf.GradientTape() as tape:
        loss = total()
    kernel = model.state.kernel
    found = tape.gradient(loss, kernel).numpy()
    start, step = kernel.numpy(), 1e-2 * np.sign(found)
    kernel.assign(start + step)
    change = float(total())
    kernel.assign(start - step)
    change -= float(total())
    assert abs(change / (2 * np.sum(found * step)) - 1) < 1e-2
    return weakref.ref(model)


def test_a_model_of_two_outputs_that_was_only_called() -> None:
    keras.backend.clear_session()
    before = ebb.memory().live
    reference = _check_two_calls()
    assert reference() is None and ebb.memory().live == before


def test_errors_of_the_callers_own_come_through() -> None:
    class Wrong(keras.Model):
        def call(self, x: Any) -> Any:
            raise KeyError("mine")

    model = Wrong()
    with pytest.raises(KeyError, match="mine"):
        model(X)
    assert model._untraced is None


def test_an_interrupt_in_the_middle() -> None:
    model = small()
    with tf.GradientTape() as tape:
        tape.gradient(tf.reduce_sum(model(X, training=True)), model.trainable_weights)
    held = ebb.memory().live

    def interrupted() -> None:
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(model(X, training=True))
            if float(y) != 0.125:
                raise KeyboardInterrupt
        tape.gradient(y, model.trainable_weights)

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert ebb.memory().live == held

    class Stops(L.Layer):
        def call(self, x: Any, training: Any = None) -> Any:
            if float(np.max(x)) > -100:
                raise KeyboardInterrupt
            return x

    with pytest.raises(KeyboardInterrupt), tf.GradientTape() as tape:
        Stops()(model(X, training=True), training=True)
    # Nothing of the calls around is left: the next one is no call as in training.
    assert (L.Dropout(0.9)(np.ones((50,), np.float32)).numpy() == 1).all()
    del tape
    assert ebb.memory().live == held
