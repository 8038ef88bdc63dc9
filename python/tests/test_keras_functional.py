"""Functional models, and models built as Keras builds them: compared with Keras itself."""

from __future__ import annotations

import json
import pathlib
import sys
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "goldens"))
import engine_models

GOLDENS = json.loads(
    (pathlib.Path(__file__).resolve().parent / "goldens" / "engine.json").read_text()
)
L = keras.layers


def built(name: str) -> Any:
    """A model of the table, with names from the beginning."""
    keras.backend.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return engine_models.MODELS[name](keras)


def as_json(value: Any) -> Any:
    """As it comes back from a file."""
    return json.loads(json.dumps(value))


def difference(a: Any, b: Any, path: str = "") -> str:
    """Where two values of JSON differ first."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            if key not in a or key not in b:
                return f"{path}.{key}: {a.get(key)!r} / {b.get(key)!r}"
            found = difference(a[key], b[key], f"{path}.{key}")
            if found:
                return found
        return ""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return next(
            (d for i, (x, y) in enumerate(zip(a, b)) if (d := difference(x, y, f"{path}[{i}]"))),
            "",
        )
    return "" if a == b else f"{path}: {a!r} / {b!r}"


@pytest.mark.parametrize("name", list(engine_models.MODELS))
def test_names_and_weights_are_those_of_keras(name: str) -> None:
    golden, model = GOLDENS[name], built(name)
    assert model.name == golden["name"]
    assert [layer.name for layer in model.layers] == golden["layers"]
    assert [
        [weight.path, list(weight.shape), weight.trainable] for weight in model.weights
    ] == golden["weights"]
    assert model.count_params() == golden["parameters"]


@pytest.mark.parametrize("name", list(engine_models.MODELS))
def test_numbers_are_those_of_keras(name: str) -> None:
    model = built(name)
    engine_models.fill(model)
    outputs = keras.tree.flatten(model.predict(engine_models.data(model), verbose=0))
    assert len(outputs) == len(GOLDENS[name]["outputs"])
    for got, want in zip(outputs, GOLDENS[name]["outputs"]):
        np.testing.assert_allclose(got, np.asarray(want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in engine_models.MODELS if GOLDENS[n]["config"]])
def test_configuration_is_that_of_keras(name: str) -> None:
    model = built(name)
    assert difference(as_json(model.get_config()), GOLDENS[name]["config"]) == ""


@pytest.mark.parametrize("name", [n for n in engine_models.MODELS if GOLDENS[n]["config"]])
def test_a_model_comes_back_from_its_configuration(name: str) -> None:
    model = built(name)
    engine_models.fill(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = type(model).from_config(as_json(model.get_config()))
    again.set_weights(model.get_weights())
    data = engine_models.data(model)
    for a, b in zip(
        keras.tree.flatten(model.predict(data, verbose=0)),
        keras.tree.flatten(again.predict(data, verbose=0)),
    ):
        np.testing.assert_array_equal(a, b)
    assert difference(as_json(again.get_config()), as_json(model.get_config())) == ""


@pytest.mark.parametrize("name", list(engine_models.MODELS))
def test_a_model_goes_at_once(name: str, ledger: Any) -> None:
    before = ledger().live
    model = built(name)
    engine_models.fill(model)
    model.predict(engine_models.data(model), verbose=0)
    reference = weakref.ref(model)
    assert ledger().live > before
    del model
    assert reference() is None
    assert ledger().live == before


def test_inputs_and_outputs_in_every_structure() -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, {"sum": a + b, "difference": a - b})
    ones = np.ones((2, 3), np.float32)
    got = model.predict({"a": ones, "b": 2 * ones}, verbose=0)
    assert got["sum"][0, 0] == 3 and got["difference"][0, 0] == -1
    called = model({"a": ones, "b": ones})
    assert sorted(called) == ["difference", "sum"]
    assert model.input["a"] is a and [t.name for t in model.inputs] == ["a", "b"]
    assert len(model.outputs) == 2


def test_a_model_called_on_tensors_is_a_layer() -> None:
    x = keras.Input((3,))
    inner = keras.Model(x, L.Dense(2)(x))
    y = keras.Input((3,))
    outer = keras.Model(y, inner(y))
    assert outer.output_shape == (None, 2)
    assert outer.layers[-1] is inner
    assert len(outer.weights) == 2 and outer.weights[0] is inner.weights[0]
    with pytest.raises(ValueError, match="made for the shape"):
        inner(keras.Input((5, 3)))


def test_shapes_come_from_the_library() -> None:
    x = keras.Input((32, 32, 3))
    assert L.Conv2D(8, 3, strides=2, padding="same")(x).shape == (None, 16, 16, 8)
    assert L.LSTM(4, return_sequences=True)(keras.Input((None, 3))).shape == (None, None, 4)
    assert keras.ops.reshape(x, (-1, 3)).shape == (None, 3)
    assert (x[:, 0] @ keras.Input((3, 5))).shape == (None, 32, 5)
    assert L.Dense(3).compute_output_shape((None, 7)) == (None, 3)


def test_get_layer() -> None:
    model = built("chain")
    assert model.get_layer("dense") is model.layers[0]
    assert model.get_layer(index=3) is model.layers[3]
    with pytest.raises(ValueError, match=r"No such layer: densse. Existing layers are: \['dense'"):
        model.get_layer("densse")
    with pytest.raises(ValueError, match="at index 9 but model only has 4 layers"):
        model.get_layer(index=9)


def test_graphs_that_are_none() -> None:
    x, y = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(ValueError, match="Output with path `` is not connected to `inputs`"):
        keras.Model(x, L.Dense(2)(y))
    dense = L.Dense(3, name="twin")(x)
    with pytest.raises(ValueError, match='The name "twin" is used 2 times in the model'):
        keras.Model(x, L.Dense(2, name="twin")(dense))
    with pytest.raises(ValueError, match="All `inputs` values must be KerasTensors"):
        keras.Model(3, x)
    with pytest.raises(ValueError, match="`outputs` argument cannot be empty"):
        keras.Model(x, [])


def test_wrong_shapes_name_the_layer() -> None:
    a, b = keras.Input((3,)), keras.Input((4,))
    with pytest.raises(ebb.ShapeError, match="add_here"):
        L.Add(name="add_here")([a, b])
    with pytest.raises(ValueError, match="conv_here"):
        L.Conv2D(3, 3, name="conv_here")(a)


def test_symbolic_tensors_have_no_numbers() -> None:
    x = keras.Input((3,))
    with pytest.raises(ValueError, match="symbolic"):
        np.asarray(x)
    with pytest.raises(TypeError, match="boolean"):
        bool(x > 0)
    with pytest.raises(NotImplementedError):
        list(x)
    assert x.ndim == 2 and x.dtype == "float32" and "shape=(None, 3)" in repr(x)


def test_a_configuration_with_a_loop_is_refused() -> None:
    config = as_json(built("chain_of_old").get_config())
    assert config["layers"]
    model = built("residual")
    config = as_json(model.get_config())
    for entry in config["layers"]:
        if entry["class_name"] == "LayerNormalization":
            entry["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [
                "add_missing",
                0,
                0,
            ]
    with pytest.raises(ValueError, match="no layer 'add_missing'"):
        keras.Model.from_config(config)
