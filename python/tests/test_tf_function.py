"""tf.function and GradientTape: traces, what they hold, gradients."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import tf


def test_a_kind_of_inputs_is_traced_once() -> None:
    traced: list[Any] = []

    @tf.function
    def f(x: Any, factor: Any = 2.0, *, shift: Any = 0.0) -> Any:
        traced.append((x.shape, factor))
        assert not tf.executing_eagerly()
        return x * factor + shift

    assert f(tf.ones([2])).numpy().tolist() == [2, 2]
    assert f(np.zeros(2, "float32")).numpy().tolist() == [0, 0] and len(traced) == 1
    assert f(tf.ones([3])).shape == (3,) and len(traced) == 2
    assert f(tf.ones([2]), 3.0).numpy().tolist() == [3, 3] and len(traced) == 3
    assert f(tf.ones([2]), factor=3.0).numpy()[0] == 3 and len(traced) == 3
    assert f(tf.ones([2]), shift=tf.constant(1.0)).numpy()[0] == 3 and len(traced) == 4
    assert f(np.ones(2)).dtype == tf.float64 and len(traced) == 5
    assert f.experimental_get_tracing_count() == 5 and f.__name__ == "f"
    with pytest.raises(TypeError, match="missing a required argument"):
        f()
    with pytest.raises(TypeError, match="too many positional"):
        f(1, 2, 3)


def test_structures_go_in_and_come_out() -> None:
    @tf.function
    def f(pair: Any) -> Any:
        return {"sum": pair["a"] + pair["b"][0], "rest": (None, [pair["a"], 3])}

    made = f({"a": tf.constant(1.0), "b": [tf.constant(2.0)]})
    assert made["sum"].numpy() == 3.0 and made["rest"][0] is None
    assert made["rest"][1][0].numpy() == 1.0 and made["rest"][1][1].numpy() == 3
    assert (
        tf.function(lambda: None)() is None
        and tf.function(lambda x: x)(tf.constant(5)).numpy() == 5
    )


def test_signatures() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def f(x: Any) -> Any:
        return tf.reduce_sum(x, 1)

    for rows in (1, 4):
        assert f(np.ones((rows, 2), "float32")).shape == (rows,)
    assert f([[1, 2]]).numpy().tolist() == [3.0] and f.experimental_get_tracing_count() == 1
    for wrong in (np.ones(2, "float32"), tf.ones([1, 3]), tf.constant([[1, 2]])):
        with pytest.raises(TypeError, match="Can not cast"):
            f(wrong)
    concrete = f.get_concrete_function()
    assert concrete(tf.ones([3, 2])).shape == (3,)
    assert concrete.structured_outputs.shape == (None,) and concrete.inputs[0].dtype == tf.float32
    other = tf.function(lambda x: x * 2.0).get_concrete_function(tf.TensorSpec([None], tf.float32))
    assert other(tf.ones([2])).numpy().tolist() == [2.0, 2.0]


def test_variables_are_read_and_set_at_each_call() -> None:
    total = tf.Variable(0.0)

    @tf.function
    def add(x: Any) -> Any:
        total.assign_add(x)
        total.assign(total * 2.0)
        return total + 0.5

    assert add(tf.constant(1.0)).numpy() == 2.5 and total.numpy() == 2.0
    total.assign(10.0)
    assert add(tf.constant(1.0)).numpy() == 22.5 and total.numpy() == 22.0
    assert add.experimental_get_tracing_count() == 1


def test_values_from_around_are_inputs() -> None:
    weights = tf.constant([1.0, 2.0])
    f = tf.function(lambda x: x * weights)
    assert f(tf.constant(3.0)).numpy().tolist() == [3.0, 6.0]
    inner = tf.function(lambda x: x + 1.0)
    outer = tf.function(lambda x: inner(x) * 2.0)
    assert outer(tf.constant(1.0)).numpy() == 4.0


class Model(tf.Module):
    """A thing with a traced method."""

    def __init__(self) -> None:
        super().__init__("model")
        self.scale = tf.Variable(2.0)

    @tf.function
    def __call__(self, x: Any) -> Any:
        return x * self.scale


def test_methods_hold_no_object() -> None:
    before = ebb.memory().live
    model = Model()
    assert model(tf.constant(3.0)).numpy() == 6.0
    model.scale.assign(5.0)
    assert model(tf.constant(3.0)).numpy() == 15.0
    assert model.variables == model.trainable_variables and len(model.variables) == 1
    gone = weakref.ref(model)
    del model
    assert gone() is None and ebb.memory().live == before


def test_python_on_tensors_is_refused_where_it_needs_a_value() -> None:
    @tf.function
    def branch(x: Any) -> Any:
        return x if x > 0 else -x

    with pytest.raises(TypeError, match=r"Python `bool`.*tf.where"):
        branch(tf.constant(1.0))
    with pytest.raises(NotImplementedError, match="numpy"):
        tf.function(lambda x: np.sum(x) + 1)(tf.ones([2]))
    kept: list[Any] = []

    def keep(x: Any) -> None:
        kept.append(x * 2.0)

    tf.function(keep)(tf.ones([2]))
    with pytest.raises(ValueError, match="trace"):
        tf.function(lambda x: x + kept[0])(tf.ones([2]))
    kept.clear()
    assert tf.function(lambda x: [row * 2.0 for row in x])(tf.ones([2]))[1].numpy() == 2.0
    with pytest.raises(ZeroDivisionError):
        tf.function(lambda x: 1 // 0)(tf.ones([2]))


def test_functions_can_run_as_python() -> None:
    seen: list[Any] = []

    @tf.function
    def f(x: Any) -> Any:
        seen.append(tf.executing_eagerly())
        return x

    tf.config.run_functions_eagerly(True)
    try:
        f(tf.constant(1.0))
        assert seen == [True] and tf.config.functions_run_eagerly()
    finally:
        tf.config.run_functions_eagerly(False)


def test_traces_go_with_the_function_and_are_bounded() -> None:
    before = ebb.memory().live
    f = tf.function(lambda x: x * 2.0)
    for n in range(1, 60):
        f(np.ones(n, "float32"))
    assert len(f._traces.items) == 32
    held = ebb.memory().live
    f(np.ones(59, "float32"))
    assert ebb.memory().live == held > before
    del f
    assert ebb.memory().live == before


def keras_model() -> Any:
    return tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(3, activation="relu"),
                                tf.keras.layers.Dense(2)])  # fmt: skip


def test_models_inside_functions() -> None:
    before = ebb.memory().live
    x = np.random.default_rng(0).random((5, 4), np.float32)

    @tf.function
    def by_argument(net: Any, data: Any) -> Any:
        return tf.nn.softmax(net(data * 1.0))

    model = keras_model()
    expected = model.predict(x, verbose=0)
    expected = np.exp(expected) / np.exp(expected).sum(1, keepdims=True)
    assert np.allclose(by_argument(model, x), expected, atol=1e-6)
    assert by_argument(model, x[:2]).shape == (2, 2)
    closure: Any = tf.function(lambda data: model(data) + 0.0)
    assert closure(x).shape == (5, 2)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert np.allclose(by_argument(model, x), 0.5)  # weights are the model's, not copies
    gone = weakref.ref(model)
    model = closure = None
    assert gone() is None and ebb.memory().live == before
    second = keras_model()
    assert by_argument(second, x).shape == (5, 2)


def test_gradients_of_eager_code() -> None:
    x, w = np.array([[1.0, 2.0]], np.float32), tf.Variable([[1.0], [3.0]])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.square(tf.matmul(x, w)))
    gradient = tape.gradient(y, w)
    assert gradient.numpy().tolist() == [[14.0], [28.0]]  # 2 (x w) x
    with pytest.raises(RuntimeError, match="non-persistent"):
        tape.gradient(y, w)
    t = tf.constant([2.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(t)
        cubes = t * t * t
        total = tf.reduce_sum(cubes[1:]) + tf.reduce_sum(tf.stack([t, t])[0] * 0.0)
    assert tape.gradient(cubes, t).numpy().tolist() == [12.0, 27.0]
    assert tape.gradient(total, t).numpy().tolist() == [0.0, 27.0]
    assert tape.gradient(total, [t, cubes])[1].numpy().tolist() == [0.0, 1.0]
    assert tape.gradient(cubes, t, output_gradients=tf.constant([1.0, 0.0])).numpy()[1] == 0.0
    assert tape.gradient(total, w) is None
    zero = tape.gradient(total, w, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert zero.numpy().tolist() == [[0.0], [0.0]]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        y = w * 2.0
    assert tape.gradient(y, w) is None and tape.watched_variables() == ()
    with tf.GradientTape() as tape:
        y = tf.stop_gradient(w) * w
    assert tape.gradient(y, w).numpy().tolist() == [[1.0], [3.0]]
    with pytest.raises(TypeError):
        tf.GradientTape().gradient(1.0, w)


def test_gradients_against_differences() -> None:
    functions: list[Any] = [
        tf.exp, tf.tanh, tf.sigmoid, tf.nn.softmax, tf.sqrt, tf.math.log, tf.nn.relu,
        lambda v: tf.reduce_mean(v) * v, lambda v: tf.transpose(v)[0], tf.norm,
        lambda v: tf.concat([v, v * v], 0), lambda v: tf.reduce_max(v, 1),
        lambda v: tf.matmul(v, v, transpose_b=True),
    ]  # fmt: skip
    point = np.array([[0.3, 1.2], [0.7, 2.0]], np.float32)
    for function in functions:
        x = tf.constant(point)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(function(x) * 1.5)
        slope = tape.gradient(y, x).numpy()
        for index in np.ndindex(2, 2):
            step = np.zeros_like(point)
            step[index] = 1e-2
            high, low = (
                float(tf.reduce_sum(function(tf.constant(point + s)) * 1.5)) for s in (step, -step)
            )
            assert abs((high - low) / 2e-2 - slope[index]) < 2e-2 * max(1.0, abs(slope[index]))


def test_training_steps_in_functions() -> None:
    x = np.random.default_rng(1).random((32, 2), np.float32)
    y = x @ np.array([[2.0], [-1.0]], np.float32)
    w = tf.Variable(tf.zeros([2, 1]))

    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.matmul(inputs, w) - targets))
        w.assign_sub(0.5 * tape.gradient(loss, w))
        return loss

    eager = [float(step(x, y)) for _ in range(5)]
    w.assign(tf.zeros([2, 1]))
    traced = tf.function(step)
    assert np.allclose([float(traced(x, y)) for _ in range(5)], eager, rtol=1e-4)
