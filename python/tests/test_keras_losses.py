"""Losses by themselves."""

from __future__ import annotations

import json
import pathlib
import zipfile
from typing import Any

import numpy as np
import pytest
from training_golden import check_case, classifier, data

import ebb
from ebb import keras
from ebb._generated import losses as generated


def test_numbers_are_those_of_keras() -> None:
    check_case("losses")


def test_a_result_is_a_tensor_that_goes() -> None:
    before = ebb.memory().live
    loss = keras.losses.MeanSquaredError()([1.0, 2.0], [2.0, 4.0])
    assert float(loss) == 2.5 and loss.numpy() == np.float32(2.5) and loss.shape == ()
    del loss
    assert ebb.memory().live == before


@pytest.mark.parametrize("name", sorted(generated.__all__))
def test_configurations_make_the_same(name: str) -> None:
    made = getattr(keras.losses, name)(name="own", reduction="sum")
    again = keras.losses.deserialize(keras.losses.serialize(made))
    assert type(again) is type(made) and again.get_config() == made.get_config()
    assert again.name == "own" and again.reduction == "sum"


def test_names() -> None:
    assert keras.losses.get("mse") is keras.losses.mse
    assert keras.losses.get(None) is None
    assert keras.losses.mse.__name__ == "mse" and keras.losses.MSE is keras.losses.mse
    assert type(keras.losses.get("Huber")) is keras.losses.Huber
    assert keras.losses.deserialize("kl_divergence") is keras.losses.kl_divergence
    with pytest.raises(ValueError, match="mean_squared_error"):
        keras.losses.get("mean_squared_eror")
    with pytest.raises(ValueError, match="reduction"):
        keras.losses.MeanSquaredError(reduction="some")


def test_arrays_that_do_not_fit() -> None:
    before = ebb.memory().live
    with pytest.raises(ebb.ShapeError, match=r"\(2, 3\).*\(4, 3\)"):
        keras.losses.MeanSquaredError()(np.zeros((2, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="element"):
        keras.losses.MeanSquaredError()(np.zeros((0, 3)), np.zeros((0, 3)))
    assert ebb.memory().live == before


def test_a_function_in_compile_is_the_loss_of_its_name() -> None:
    x, y = data()
    found = []
    for loss in (
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.SparseCategoricalCrossentropy,
        {"class_name": "SparseCategoricalCrossentropy", "config": {}},
    ):
        model = classifier(keras)
        model.compile("sgd", loss)
        found.append(model.evaluate(x, y, verbose=0))
    assert len(set(found)) == 1


def test_losses_of_the_callers_own() -> None:
    class Own(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return np.abs(np.asarray(y_true) - np.asarray(y_pred)).sum(-1)

    y, p = np.zeros((2, 3)), np.ones((2, 3))
    assert float(Own()(y, p)) == 3.0
    assert float(Own(reduction="sum")(y, p, sample_weight=[1.0, 2.0])) == 9.0
    assert float(Own(reduction="mean_with_sample_weight")(y, p, [[1.0], [3.0]])) == 3.0
    assert Own(reduction=None)(y, p).shape == (2,)


def test_functions_of_the_callers_own_are_traced() -> None:
    check_case("own_functions")


def test_what_cannot_be_traced_runs_as_python() -> None:
    x, y = data()

    def values(y_true: Any, y_pred: Any) -> Any:
        return np.square(np.asarray(y_true)[:, None] - np.asarray(y_pred))

    def number(y_true: Any, y_pred: Any) -> Any:
        return 0

    def broken(y_true: Any, y_pred: Any) -> Any:
        raise KeyError("mine")

    model = classifier(keras)
    for loss, error, said in (
        (values, ValueError, "No gradients"),
        (number, ValueError, "No gradients"),
        (broken, KeyError, "mine"),
    ):
        model.compile("sgd", loss)
        with pytest.raises(error, match=said):
            model.fit(x, y, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[values])
    assert "values" in model.fit(x, y, verbose=0).history


def test_files_name_functions_as_keras_does(tmp_path: pathlib.Path) -> None:
    x, y = data()

    def mine(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.sum(keras.ops.abs(y_true - y_pred), axis=-1)

    model = classifier(keras, 1, "sigmoid")
    model.compile("sgd", mine)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "x.keras") as file:
        told = json.loads(file.read("config.json"))["compile_config"]["loss"]
    assert told["config"] == "mine" and told["class_name"] == "function"
    assert model.get_compile_config()["loss"] == told


@pytest.mark.parametrize("name", ["mean_squared_error", "mean_absolute_error", "huber", "log_cosh"])
def test_targets_without_the_last_axis_do_not_broadcast_in_functions_of_the_callers(
    name: str,
) -> None:
    x = np.random.default_rng(3).random((20, 5), dtype=np.float32)
    y = x.sum(1)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    function = getattr(keras.losses, name)
    wanted = float(np.mean(function(y, model.predict(x, verbose=0)[:, :1])))
    for eagerly in (False, True):
        model.compile(
            "sgd", lambda target, output: function(target, output[:, :1]), run_eagerly=eagerly
        )
        assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted, rel=1e-5)
