"""Recurrent layers, their cells and states, and small things: as Keras, and all given back."""

from __future__ import annotations

import gc
import json
import pathlib
import sys
import weakref
from typing import Any

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).resolve().parent / "goldens"
sys.path.insert(0, str(FOLDER))

import detail_cases  # noqa: E402
import recurrent_cases  # noqa: E402
from training_golden import differences  # noqa: E402

import ebb  # noqa: E402
from ebb import keras  # noqa: E402

GOLDEN = json.loads((FOLDER / "recurrent.json").read_text(encoding="utf-8"))
CASES = {**recurrent_cases.CASES, **detail_cases.CASES}
L = keras.layers


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("name", CASES)
def test_the_results_are_those_of_keras(name: str) -> None:
    keras.backend.clear_session()
    ours: Any = json.loads(json.dumps(CASES[name](keras)))
    gc.collect()  # classes that a function defines are cycles
    assert not differences(ours, GOLDEN[name], name)


def _stateful() -> Any:
    return keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), L.LSTM(4, stateful=True)])


def test_a_model_that_keeps_states_goes_at_once() -> None:
    before = ebb.memory().live
    model = _stateful()
    model.predict(np.ones((2, 5, 3)), verbose=0)
    gone = weakref.ref(model)
    states = model.layers[0].states
    del model
    assert gone() is None
    assert np.abs(states[0].numpy()).sum() > 0  # whoever holds a state holds its numbers
    del states
    assert ebb.memory().live == before


def test_states_are_handed_back_when_a_model_is_closed() -> None:
    model = _stateful()
    layer = model.layers[0]
    model.predict(np.ones((2, 5, 3)), verbose=0)
    kept = layer.states[0].numpy()
    model.close()
    assert np.array_equal(layer.states[0].numpy(), kept)


def test_states_go_with_the_layer_from_model_to_model() -> None:
    inputs = keras.Input(batch_shape=(2, 5, 3))
    layer = L.GRU(4, stateful=True)
    first, second = keras.Model(inputs, layer(inputs)), keras.Model(inputs, layer(inputs) * 1.0)
    alone = _stateful_copy(layer)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    ours = [model.predict(x, verbose=0) for model in (first, second, first)]
    theirs = [alone.predict(x, verbose=0) for _ in range(3)]
    assert np.allclose(ours, theirs, atol=1e-6)
    layer.reset_states()
    assert np.allclose(second.predict(x, verbose=0), theirs[0], atol=1e-6)


def _stateful_copy(layer: Any) -> Any:
    alone = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), L.GRU(4, stateful=True)])
    alone.set_weights(layer.get_weights())
    return alone


def test_states_are_kept_in_models_of_files(tmp_path: pathlib.Path) -> None:
    model = _stateful()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.ones((2, 5, 3), np.float32)
    ours = [again.predict(x, verbose=0) for _ in range(2)]
    assert np.allclose(ours, [model.predict(x, verbose=0) for _ in range(2)])
    assert not np.allclose(*ours)


def test_without_the_option_predictions_stand_alone(tmp_path: pathlib.Path) -> None:
    _stateful().save(tmp_path / "model.keras")
    x = np.ones((2, 5, 3), np.float32)
    with ebb.load(tmp_path / "model.keras") as plain:
        assert np.array_equal(plain.predict(x), plain.predict(x))
    with ebb.load(tmp_path / "model.keras", keeps_states=True) as kept:
        assert not np.array_equal(kept.predict(x), kept.predict(x))


def test_the_number_of_rows_must_be_known() -> None:
    with pytest.raises(ValueError, match="the batch size must be static"):
        L.LSTM(4, stateful=True)(keras.Input((5, 3)))


def test_a_cell_of_python_goes_with_its_model() -> None:
    before = ebb.memory().live
    cell = recurrent_cases.cell_class(keras)(4)
    model = keras.Sequential([keras.Input((5, 3)), L.RNN(cell)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 5, 3)), np.ones((4, 4)), verbose=0)
    gone = weakref.ref(model), weakref.ref(cell)
    del model, cell
    assert [one() for one in gone] == [None, None]
    gc.collect()  # the class
    assert ebb.memory().live == before


def test_what_a_cell_of_python_must_have() -> None:
    class Bare(L.Layer):
        def call(self, x: Any, states: Any) -> Any:
            return x, states

    class Wrong(Bare):
        state_size = 4

        def call(self, x: Any, states: Any) -> Any:
            return x

    with pytest.raises(ValueError, match="`state_size` attribute"):
        L.RNN(Bare())
    with pytest.raises(ValueError, match=r"\(output, states\), 2 tensors"):
        L.RNN(Wrong())(keras.Input((5, 4)))
    with pytest.raises(ebb.UnsupportedError, match="known number of steps"):
        L.RNN(recurrent_cases.cell_class(keras)(4))(keras.Input((None, 3)))
    gc.collect()


def test_functions_of_ebb_tf_see_what_variables_hold_later() -> None:
    from ebb import tf

    variable = keras.Variable(np.float32(2.0))

    @tf.function
    def scaled(x: Any) -> Any:
        return x * variable

    first = float(scaled(tf.constant(3.0)))
    variable.assign(5.0)
    assert (first, float(scaled(tf.constant(3.0)))) == (6.0, 15.0)
