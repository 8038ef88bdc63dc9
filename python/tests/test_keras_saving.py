"""Models of ebb's own classes into files of every kind and back."""

from __future__ import annotations

import json
import os
import pathlib
import weakref
import zipfile
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

X = np.random.default_rng(1).random((12, 10), dtype=np.float32)
Y = (X.sum(axis=1, keepdims=True) > 5).astype(np.float32)


def trained() -> Any:
    """A compiled model after some steps."""
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, activation="sigmoid"),
        ],
        name="trained",
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0, shuffle=False)
    return model


def two_inputs() -> Any:
    """A functional model with a shared layer and two outputs."""
    a, b = keras.Input((10,), name="a"), keras.Input((10,), name="b")
    shared = keras.layers.Dense(4, name="shared")
    joined = keras.layers.Concatenate()([shared(a), shared(b)])
    head = keras.layers.Dense(2, name="head")(joined * 2.0)
    return keras.Model([a, b], {"sum": head, "joined": joined}, name="two")


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
def test_a_trained_model_goes_on_where_it_was(ending: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / f"model{ending}"
    model = trained()
    answer = model.predict(X, verbose=0)
    model.save(path)
    state = [np.asarray(variable) for variable in model.optimizer.variables]
    model.fit(X, Y, epochs=1, batch_size=4, verbose=0, shuffle=False)
    later = model.get_weights()

    again = keras.models.load_model(path)
    assert isinstance(again, keras.Sequential)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert np.array_equal(again.predict(X, verbose=0), answer)
    assert again.compiled and again.loss == "binary_crossentropy"
    assert isinstance(again.optimizer, keras.optimizers.Adam)
    assert float(again.optimizer.learning_rate) == pytest.approx(0.01)
    for variable, value in zip(again.optimizer.variables, state):
        assert np.array_equal(np.asarray(variable), value)
    assert len(again.optimizer.variables) == len(state) == 14
    again.fit(X, Y, epochs=1, batch_size=4, verbose=0, shuffle=False)
    for found, expected in zip(again.get_weights(), later):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert os.listdir(tmp_path) == [path.name]


def test_for_inference_only(tmp_path: pathlib.Path) -> None:
    model = trained()
    answer = model.predict(X, verbose=0)
    model.save(tmp_path / "a.keras")
    before = ebb.memory().live
    again = keras.models.load_model(tmp_path / "a.keras")
    with_training = ebb.memory().live - before
    del again
    assert ebb.memory().live == before
    again = keras.models.load_model(tmp_path / "a.keras", compile=False)
    assert ebb.memory().live - before < with_training
    assert getattr(again, "optimizer", None) is None and not again.compiled
    assert np.array_equal(again.predict(X, verbose=0), answer)


def test_bytes_come_back_at_del(tmp_path: pathlib.Path) -> None:
    trained().save(tmp_path / "a.keras")
    before = ebb.memory().live
    model = keras.models.load_model(tmp_path / "a.keras")
    model.predict(X, verbose=0)
    reference = weakref.ref(model)
    assert ebb.memory().live > before
    del model
    assert reference() is None
    assert ebb.memory().live == before


def test_saving_takes_and_leaves_nothing(tmp_path: pathlib.Path) -> None:
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(64)])
    model.compile("adam", "mse")  # nobody has trained: no memory for it is taken
    before = ebb.memory().live
    model.save(tmp_path / "a.keras")
    assert ebb.memory().live == before
    again = keras.models.load_model(tmp_path / "a.keras")
    assert again.loss == "mse" and isinstance(again.optimizer, keras.optimizers.Adam)


def test_compile_again_is_what_is_saved(tmp_path: pathlib.Path) -> None:
    model = trained()
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mae")
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    assert isinstance(again.optimizer, keras.optimizers.SGD)
    assert float(again.optimizer.learning_rate) == 0.5
    assert again.loss == "mae"


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_several_inputs_and_outputs(ending: str, tmp_path: pathlib.Path) -> None:
    model = two_inputs()
    data = {"a": X, "b": X[::-1].copy()}
    answer = model.predict(data, verbose=0)
    model.save(tmp_path / f"a{ending}")
    again = keras.models.load_model(tmp_path / f"a{ending}")
    found = again.predict(data, verbose=0)
    assert set(found) == {"sum", "joined"}
    for name in found:
        assert np.array_equal(found[name], answer[name])
    assert again.get_layer("shared").kernel.shape == (10, 4)
    again.get_layer("shared").set_weights([np.zeros((10, 4)), np.zeros(4)])
    assert np.all(again.predict(data, verbose=0)["joined"] == 0)


def test_json() -> None:
    model = trained()
    text = model.to_json(indent=1)
    assert json.loads(text)["class_name"] == "Sequential"
    again = keras.models.model_from_json(text)
    assert isinstance(again.optimizer, keras.optimizers.Adam)
    again.set_weights(model.get_weights())
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    same = keras.Sequential.from_config(model.get_config())
    assert same.count_params() == model.count_params()
    functional = two_inputs()
    same = keras.Model.from_config(functional.get_config())
    assert [layer.name for layer in same.layers] == [layer.name for layer in functional.layers]
    with pytest.raises(ValueError):
        keras.models.model_from_json("[1, 2]")
    with pytest.raises(ValueError):
        keras.models.model_from_json("no json")


def test_json_of_keras_2() -> None:
    text = json.dumps(
        {
            "class_name": "Sequential",
            "keras_version": "2.4.0",
            "backend": "tensorflow",
            "config": {
                "name": "old",
                "layers": [
                    {
                        "class_name": "Dense",
                        "config": {"name": "d", "units": 3, "batch_input_shape": [None, 2]},
                    }
                ],
            },
        }
    )
    model = keras.models.model_from_json(text)
    assert model.predict(np.ones((1, 2)), verbose=0).shape == (1, 3)


# -- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["w.weights.h5", "m.keras", "m.h5"])
def test_weights(name: str, tmp_path: pathlib.Path) -> None:
    model = trained()
    answer = model.predict(X, verbose=0)
    if name.endswith(".weights.h5"):
        model.save_weights(tmp_path / name)
    else:
        model.save(tmp_path / name)
    other = keras.models.clone_model(model)
    assert not np.array_equal(other.predict(X, verbose=0), answer)
    other.load_weights(tmp_path / name)
    assert np.array_equal(other.predict(X, verbose=0), answer)
    assert np.array_equal(other.layers[0].kernel, model.layers[0].kernel)


def test_weights_that_do_not_fit(tmp_path: pathlib.Path) -> None:
    model = trained()
    model.save_weights(tmp_path / "w.weights.h5")
    model.save(tmp_path / "m.h5")
    other = keras.Sequential([keras.Input((10,)), keras.layers.Dense(3)])
    own = other.get_weights()
    with pytest.raises(ValueError):
        other.load_weights(tmp_path / "w.weights.h5")
    for found, expected in zip(other.get_weights(), own):
        assert np.array_equal(found, expected)
    other.load_weights(tmp_path / "w.weights.h5", skip_mismatch=True)
    with pytest.raises(FileNotFoundError):
        other.load_weights(tmp_path / "none.weights.h5")
    with pytest.raises(ValueError, match="not supported"):
        other.load_weights(tmp_path / "w.txt")
    with pytest.raises(ValueError, match="legacy"):
        other.load_weights(tmp_path / "w.keras", by_name=True)
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        other.save_weights(tmp_path / "w.h5")


def test_weights_by_name(tmp_path: pathlib.Path) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")]
    )
    model.save(tmp_path / "m.h5")
    other = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="c")]
    )
    before = other.layers[1].get_weights()[0]
    other.load_weights(tmp_path / "m.h5", by_name=True)
    assert np.array_equal(other.layers[0].kernel, model.layers[0].kernel)
    assert np.array_equal(other.layers[1].get_weights()[0], before)


def test_a_model_that_is_not_built(tmp_path: pathlib.Path) -> None:
    model = keras.Sequential([keras.layers.Dense(3)])
    trained().save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match="built"):
        model.load_weights(tmp_path / "w.weights.h5")
    with pytest.raises(RuntimeError, match="built"):
        model.export(tmp_path / "folder")
    model.save(tmp_path / "later.keras")
    again = keras.models.load_model(tmp_path / "later.keras")
    assert again.predict(X, verbose=0).shape == (12, 3)


# -- folders --------------------------------------------------------------------------------------


def test_a_folder_predicts(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = trained()
    answer = model.predict(X, verbose=0)
    model.export(tmp_path / "folder", verbose=False)
    before = ebb.memory().live
    graph = keras.models.load_model(tmp_path / "folder")
    assert isinstance(graph, keras.Model)
    np.testing.assert_allclose(graph.predict(X, verbose=0), answer, atol=1e-6)
    np.testing.assert_allclose(np.asarray(graph(X)), answer, atol=1e-6)
    assert graph.layers == [] and len(graph.weights) == len(model.weights)
    assert graph.count_params() == model.count_params()
    graph.summary()
    assert capsys.readouterr().out
    for refused in (graph.get_config, graph.compile, graph.to_json):
        with pytest.raises(NotImplementedError, match="without layers"):
            refused()
    with pytest.raises(NotImplementedError, match="without layers"):
        graph.save(tmp_path / "x.keras")
    graph.export(tmp_path / "again")
    assert (tmp_path / "again" / "saved_model.pb").exists()
    kernel = max(graph.weights, key=lambda weight: weight.size)
    kernel.assign(np.zeros(kernel.shape))
    assert not np.allclose(graph.predict(X, verbose=0), answer)
    del graph, kernel, refused
    assert ebb.memory().live == before
    with pytest.raises(NotImplementedError, match="tf_saved_model"):
        model.export(tmp_path / "other", format="onnx")


def test_an_unpacked_archive(tmp_path: pathlib.Path) -> None:
    model = trained()
    model.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        archive.extractall(tmp_path / "folder")
    again = keras.models.load_model(tmp_path / "folder")
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


# -- what fails -----------------------------------------------------------------------------------


def test_errors_are_those_of_keras(tmp_path: pathlib.Path) -> None:
    trained().save(tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    (tmp_path / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "garbage.h5").write_bytes(b"not a model " * 100)
    (tmp_path / "garbage.keras").write_bytes(b"not a model " * 100)
    (tmp_path / "model.unknown").write_bytes(whole)
    (tmp_path / "folder").mkdir()
    before = ebb.memory().live
    expected = {
        "missing.h5": FileNotFoundError,
        "missing.hdf5": FileNotFoundError,
        "missing.keras": ValueError,
        "missing": ValueError,
        "truncated.h5": OSError,
        "garbage.h5": OSError,
        "garbage.keras": ValueError,
        "model.unknown": ValueError,
        "folder": OSError,
    }
    for name, kind in expected.items():
        with pytest.raises(kind) as failure:
            keras.models.load_model(tmp_path / name)
        assert isinstance(failure.value, ebb.EbbError)
        assert name in str(failure.value)
        del failure
    assert ebb.memory().live == before
    for name in ("missing.keras", "missing.h5", "missing"):
        with pytest.raises(FileNotFoundError):
            keras.models.load_model(tmp_path / name)


def test_names_that_cannot_be_saved_to(tmp_path: pathlib.Path) -> None:
    model = trained()
    for name in ("model", "model.txt", "model.weights.h5"):
        with pytest.raises(ValueError, match="Invalid filepath extension"):
            model.save(tmp_path / name)
    with pytest.raises(OSError):
        model.save(tmp_path / "nowhere" / "model.keras")
    model.save(tmp_path / "a.keras")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "a.keras", overwrite=False)
    with pytest.raises(ValueError, match="not supported"):
        model.save(tmp_path / "a.keras", colour="red")
    model.save(tmp_path / "b.h5", save_format="h5")
    keras.models.save_model(model, tmp_path / "c.keras", include_optimizer=False)
    assert (tmp_path / "c.keras").stat().st_size < (tmp_path / "a.keras").stat().st_size
    assert sorted(os.listdir(tmp_path)) == ["a.keras", "b.h5", "c.keras"]


def test_a_quantized_model_stays_so(tmp_path: pathlib.Path) -> None:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64), keras.layers.Dense(1)])
    x = np.random.default_rng(0).random((4, 64), dtype=np.float32)
    model.quantize("int8")
    answer = model.predict(x, verbose=0)
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    assert np.array_equal(again.predict(x, verbose=0), answer)


def test_real_models_round_trip(tmp_path: pathlib.Path) -> None:
    shared = os.environ.get("EBB_SHARED")
    if not shared:
        pytest.skip("EBB_SHARED does not name the data")
    folder = pathlib.Path(shared) / "real-models"
    done = 0
    for case in json.loads((folder / "index.json").read_text()):
        if case["expect"] != "run" or not case["format"].startswith(("h5-full", "keras")):
            continue
        given = np.load(folder / case["id"] / "in.npz")
        expected = np.load(folder / case["id"] / "out.npz")
        model = keras.models.load_model(folder / case["file"])
        inputs = [given[name] for name in case["names_in"]]
        found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
        found = found if isinstance(found, list) else [found]
        for name, value, tolerance in zip(case["names_out"], found, case["tol"]):
            np.testing.assert_allclose(value, expected[name], rtol=case["rtol"], atol=tolerance)
        if not model.layers:
            continue
        model.save(tmp_path / "again.keras")
        again = keras.models.load_model(tmp_path / "again.keras")
        other = again.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
        for value, same in zip(found, other if isinstance(other, list) else [other]):
            np.testing.assert_allclose(value, same, rtol=1e-6, atol=1e-6)
        done += 1
        del model, again
    assert done >= 10
