"""What is called in loops does little in Python; counted in calls, which do not depend on load."""

from __future__ import annotations

import pathlib
import sys
from typing import Any, Callable

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb import tf as ebb_tf
from ebb.keras import _graph, _symbolic

ROW = np.ones((1, 10), np.float32)


def python_calls(function: Callable[[], Any]) -> int:
    """Functions of Python that one call enters, once everything is warm."""
    for _ in range(3):
        function()
    entered = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal entered
        entered += event == "call"

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return entered


def net() -> Any:
    layers = [keras.layers.Dense(32, activation="relu"), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((10,)), *layers])


def test_predictions() -> None:
    model, out = net(), np.empty((1, 2), np.float32)
    native = model._core
    assert python_calls(lambda: native.predict(ROW)) <= 3
    assert python_calls(lambda: native.predict(ROW, out=out)) <= 4
    assert python_calls(lambda: model.predict(ROW, verbose=0)) <= 6
    assert python_calls(lambda: model.predict_on_batch(ROW)) <= 6
    assert python_calls(lambda: model(ROW)) <= 30


def test_out_is_checked_on_the_short_way() -> None:
    model, out = net(), np.empty((1, 2), np.float32)
    native = model._core
    expected = native.predict(ROW)
    assert native.predict(ROW, out=out) is out
    assert np.array_equal(out, expected)
    frozen = out.copy()
    frozen.flags.writeable = False
    wide = np.empty((2, 2), np.float32)
    for wrong in (frozen, wide, wide.T[:1], np.empty((1, 2)), [0.0, 0.0]):
        with pytest.raises(ValueError, match="out"):
            native.predict(ROW, out=wrong)


def test_eager_operations() -> None:
    x = ebb_tf.constant(ROW)
    assert python_calls(lambda: x + x) <= 20
    assert python_calls(lambda: x * 2.0) <= 50
    assert python_calls(lambda: ebb_tf.constant(ROW)) <= 30


def test_a_step_of_training_writes_no_configuration() -> None:
    model = net()
    model.compile("sgd", "mse")
    y = np.zeros((1, 2), np.float32)
    assert python_calls(lambda: model.train_on_batch(ROW, y)) <= 150
    before = model.layers[0].get_weights()[0]
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(ROW, y)
    assert np.array_equal(before, model.layers[0].get_weights()[0])


def test_a_call_is_that_of_the_layers() -> None:
    model = net()
    by_hand = model.layers[1](model.layers[0](ROW))
    for _ in range(2):
        assert np.array_equal(np.asarray(model(ROW)), np.asarray(by_hand))
    assert np.array_equal(np.asarray(model(ROW.astype(float))), np.asarray(by_hand))
    model.layers[0].set_weights([np.zeros((10, 32)), np.zeros(32)])
    assert not np.asarray(model(ROW)).any()


def counted(monkeypatch: pytest.MonkeyPatch, home: Any, name: str) -> list[Any]:
    """What a function is called with from now on."""
    seen: list[Any] = []
    function = getattr(home, name)

    def noting(*args: Any) -> Any:
        seen.append(args)
        return function(*args)

    monkeypatch.setattr(home, name, noting)
    return seen


def test_equal_layers_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = counted(monkeypatch, _symbolic, "describe")
    _symbolic._answers.clear()
    inputs = keras.Input((7,))
    x = inputs
    for _ in range(20):
        x = keras.layers.Dense(7, bias_initializer="ones")(x)
    model = keras.Model(inputs, x)
    assert len(asked) == 1
    keras.models.clone_model(model)
    assert len(asked) == 1
    assert not np.array_equal(model.layers[1].get_weights()[0], model.layers[2].get_weights()[0])
    assert model.layers[2].weights[0].path == f"{model.layers[2].name}/kernel"
    with pytest.raises(ebb.EbbError, match="here"):
        keras.layers.Conv2D(3, 3, name="here")(keras.Input((8,)))
    for units in range(1, 200):
        keras.layers.Dense(units)(inputs)
    assert len(_symbolic._answers) <= 128


def test_weights_asked_before_there_is_a_model() -> None:
    first, second = keras.layers.Dense(3, name="one"), keras.layers.Dense(3, name="two")
    x = keras.Input((4,))
    first(x), second(x)
    assert [w.shape for w in first.get_weights()] == [(4, 3), (3,)]
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_a_growing_sequential_walks_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = counted(monkeypatch, _graph, "_walk")
    model = keras.Sequential([keras.Input((4,))])
    for _ in range(20):
        model.add(keras.layers.Dense(4))
    assert not walked
    assert model.count_params() == 20 * 20
    assert len(model.layers) == 20
    assert model.predict(ROW[:, :4], verbose=0).shape == (1, 4)
    assert len(walked) <= 2


def test_a_loaded_sequential_asks_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = range(3, 12)
    model = keras.Sequential([keras.Input((4,)), *[keras.layers.Dense(n) for n in widths]])
    model.save(tmp_path / "deep.keras")
    _symbolic._answers.clear()
    asked = counted(monkeypatch, _symbolic, "describe")
    again = keras.models.load_model(tmp_path / "deep.keras")
    assert len(asked) == 1
    assert [layer.output_shape for layer in again.layers] == [(None, n) for n in widths]
    assert np.array_equal(
        again.predict(ROW[:, :4], verbose=0), model.predict(ROW[:, :4], verbose=0)
    )


def test_a_loaded_model_asks_for_its_shapes_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = keras.Input((8,))
    x = inputs
    for _ in range(12):
        x = keras.layers.Dense(8)(x)
    model = keras.Model(inputs, [x, keras.ops.mean(x, axis=1)])
    model.save(tmp_path / "deep.keras")
    told = counted(monkeypatch, _symbolic, "describe")
    again = keras.models.load_model(tmp_path / "deep.keras")
    assert len(told) == 1
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert [tuple(t.shape) for t in again.outputs] == [(None, 8), (None,)]
    data = np.ones((2, 8), np.float32)
    for a, b in zip(again.predict(data, verbose=0), model.predict(data, verbose=0)):
        assert np.array_equal(a, b)
