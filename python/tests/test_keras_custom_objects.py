"""Layers, models and functions of the user's: registered, in scopes, in files."""

from __future__ import annotations

import json
import pathlib
import threading
import weakref
import zipfile
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb.keras import _registry, ops, saving

X = np.random.default_rng(2).random((6, 5), dtype=np.float32)


@saving.register_keras_serializable("tests")
class Linear(keras.layers.Layer):
    """x @ w + b, with b first and not trained."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        self.b = self.add_weight(
            shape=(self.units,), initializer="random_normal", trainable=False, name="b"
        )
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")

    def call(self, x: Any) -> Any:
        """Computes."""
        return ops.matmul(x, self.w) + self.b

    def get_config(self) -> dict[str, Any]:
        """Units too."""
        return {**super().get_config(), "units": self.units}


@saving.register_keras_serializable("tests")
class Block(keras.layers.Layer):
    """Layers in attributes, in a list and in a dictionary."""

    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.last = keras.layers.Dense(units)
        self.chain = [keras.layers.Dense(units), Linear(units), keras.layers.Dense(units)]
        self._hidden = keras.layers.Dense(units, activation="tanh")
        self.named = {"norm": keras.layers.LayerNormalization()}

    def call(self, x: Any) -> Any:
        """Computes."""
        x = self._hidden(x)
        for layer in self.chain:
            x = layer(x)
        return self.last(self.named["norm"](x))

    def get_config(self) -> dict[str, Any]:
        """Units too."""
        return {**super().get_config(), "units": self.units}


@saving.register_keras_serializable("tests")
class Net(keras.Model):
    """A model written in Python."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.first = keras.layers.Dense(units, activation="relu")
        self.block = Block(3)
        self.output_layer = keras.layers.Dense(2)

    def call(self, x: Any) -> Any:
        """Computes."""
        return self.output_layer(self.block(self.first(x)))

    def get_config(self) -> dict[str, Any]:
        """Units too."""
        return {**super().get_config(), "units": self.units}


@saving.register_keras_serializable("tests")
def squash(x: Any) -> Any:
    """An activation."""
    return ops.tanh(x) * 0.5


def custom_model() -> Any:
    """Custom layers and a custom activation in a functional model."""
    x = keras.Input((5,))
    y = Linear(7, name="linear")(x)
    y = keras.layers.Dense(4, activation=squash, name="squashed")(y)
    return keras.Model(x, Block(3, name="block")(y), name="custom")


def names_in(path: pathlib.Path) -> list[str]:
    """Paths of all arrays of a file."""
    from ebb.keras.saving._files import read_parts

    return sorted(name for _, names in read_parts(str(path)).groups for name in names)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_layers_round_trip(ending: str, tmp_path: pathlib.Path) -> None:
    model = custom_model()
    model.compile("adam", "mse")
    model.fit(X, np.ones((6, 3), np.float32), epochs=2, verbose=0)
    answer = model.predict(X, verbose=0)
    model.save(tmp_path / f"a{ending}")
    before = ebb.memory().live
    again = keras.models.load_model(tmp_path / f"a{ending}")
    assert isinstance(again.get_layer("linear"), Linear)
    assert isinstance(again.get_layer("block"), Block)
    assert np.array_equal(again.predict(X, verbose=0), answer)
    for one, other in zip(model.optimizer.variables, again.optimizer.variables):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    for one, other in zip(model.weights, again.weights):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    reference = weakref.ref(again)
    del again, one, other
    assert reference() is None
    assert ebb.memory().live == before


def test_weights_are_where_keras_looks_for_them(tmp_path: pathlib.Path) -> None:
    custom_model().save(tmp_path / "a.keras")
    assert names_in(tmp_path / "a.keras") == [
        "layers/block/_hidden/vars/0",
        "layers/block/_hidden/vars/1",
        "layers/block/chain/dense/vars/0",
        "layers/block/chain/dense/vars/1",
        "layers/block/chain/dense_1/vars/0",
        "layers/block/chain/dense_1/vars/1",
        "layers/block/chain/linear/vars/0",
        "layers/block/chain/linear/vars/1",
        "layers/block/last/vars/0",
        "layers/block/last/vars/1",
        "layers/block/named/layer_normalization/vars/0",
        "layers/block/named/layer_normalization/vars/1",
        "layers/dense/vars/0",
        "layers/dense/vars/1",
        "layers/linear/vars/0",
        "layers/linear/vars/1",
    ]
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        config = json.loads(archive.read("config.json"))
    entry = next(e for e in config["config"]["layers"] if e["name"] == "linear")
    assert entry["class_name"] == "Linear" and entry["registered_name"] == "tests>Linear"
    assert entry["config"]["units"] == 7 and entry["build_config"] == {"input_shape": [None, 5]}


def test_a_subclassed_model_round_trips(tmp_path: pathlib.Path) -> None:
    model = Net(6)
    answer = np.asarray(model(X))
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert type(again) is Net and again.units == 6
    assert np.array_equal(again.predict(X, verbose=0), answer)
    model.save_weights(tmp_path / "w.weights.h5")
    again.set_weights([np.zeros(weight.shape) for weight in again.weights])
    again.load_weights(tmp_path / "w.weights.h5")
    assert np.array_equal(again.predict(X, verbose=0), answer)
    # "layers" comes before "output_layer", and counts the layers met before.
    assert "layers/dense_1/vars/0" in names_in(tmp_path / "net.keras")


def test_custom_objects_and_scopes(tmp_path: pathlib.Path) -> None:
    class Double(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2.0

    x = keras.Input((5,))
    model = keras.Model(x, keras.layers.Dense(2)(Double()(x)))
    answer = model.predict(X, verbose=0)
    model.save(tmp_path / "a.keras")
    before = ebb.memory().live
    with pytest.raises(TypeError, match="Double") as failure:
        keras.models.load_model(tmp_path / "a.keras")
    assert isinstance(failure.value, (ebb.UnsupportedError, ValueError))
    assert "custom_objects" in str(failure.value)
    del failure
    assert ebb.memory().live == before
    again = keras.models.load_model(tmp_path / "a.keras", custom_objects={"Double": Double})
    assert np.array_equal(again.predict(X, verbose=0), answer)
    with saving.custom_object_scope({"Double": Double}):
        again = keras.models.load_model(tmp_path / "a.keras")
        assert np.array_equal(again.predict(X, verbose=0), answer)
        text = again.to_json()
        assert type(keras.models.model_from_json(text).layers[1]) is Double
    assert saving.get_registered_object("Double") is None


def test_a_class_of_ebb_s_that_the_user_derived_from(tmp_path: pathlib.Path) -> None:
    @saving.register_keras_serializable("tests", name="Own")
    class OwnDense(keras.layers.Dense):  # type: ignore[misc, unused-ignore]
        pass

    model = keras.Sequential([keras.Input((5,)), OwnDense(3)])
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    assert type(again.layers[0]) is OwnDense
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert names_in(tmp_path / "a.keras") == ["layers/own_dense/vars/0", "layers/own_dense/vars/1"]


def test_own_variables(tmp_path: pathlib.Path) -> None:
    @saving.register_keras_serializable("tests")
    class Kept(Linear):
        def save_own_variables(self, store: Any) -> None:
            store["kernel"] = np.asarray(self.w)

        def load_own_variables(self, store: Any) -> None:
            self.w.assign(store["kernel"])
            self.b.assign(np.zeros(self.units))

    model = keras.Sequential([keras.Input((5,)), Kept(3)])
    model.save(tmp_path / "a.keras")
    assert names_in(tmp_path / "a.keras") == ["layers/kept/vars/kernel"]
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(
        again.predict(X, verbose=0), X @ np.asarray(model.layers[0].w), rtol=1e-5
    )


# -- Lambda ---------------------------------------------------------------------------------------


def lambda_file(path: pathlib.Path) -> Any:
    """A .keras file with the code of a lambda in it; the model without it."""
    from ebb.keras.saving._files import Part, write_parts

    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
    layers = [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {"batch_shape": [None, 5], "dtype": "float32", "name": "x"},
            "registered_name": None,
        },
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"name": "scale", "function": code, "arguments": {}},
            "registered_name": None,
        },
        {
            "module": "keras.layers",
            "class_name": "Dense",
            "config": {"name": "dense", "units": 2},
            "registered_name": None,
        },
    ]
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "with_code", "layers": layers},
        "registered_name": None,
    }
    kernel = np.arange(10, dtype=np.float32).reshape(5, 2)
    parts = [
        Part("layers/dense/vars/0", kernel),
        Part("layers/dense/vars/1", np.ones(2, np.float32)),
    ]
    write_parts(str(path), parts, config)
    return kernel


def test_code_in_files_is_not_run(tmp_path: pathlib.Path) -> None:
    lambda_file(tmp_path / "a.keras")
    for safe_mode in (True, False):
        with pytest.raises(NotImplementedError, match="register_lambda"):
            keras.models.load_model(tmp_path / "a.keras", safe_mode=safe_mode)


def test_a_lambda_is_replaced(tmp_path: pathlib.Path) -> None:
    kernel = lambda_file(tmp_path / "a.keras")
    try:

        @saving.register_lambda("scale")
        def scale(x: Any) -> Any:
            return x * 3.0

        model = keras.models.load_model(tmp_path / "a.keras")
        np.testing.assert_allclose(model.predict(X, verbose=0), X @ kernel * 3 + 1, rtol=1e-5)
        model.save(tmp_path / "b.keras")
        with zipfile.ZipFile(tmp_path / "b.keras") as archive:
            config = json.loads(archive.read("config.json"))
        entry = config["config"]["layers"][1]
        assert entry["class_name"] == "Lambda" and entry["module"] == "keras.layers"
        assert entry["config"]["function"]["class_name"] == "__lambda__"
        again = keras.models.load_model(tmp_path / "b.keras")
        assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    finally:
        _registry._lambdas.clear()


# -- objects to JSON and back ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.Dense(3, activation="relu", kernel_regularizer="l2", name="d"),
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(4, dropout=0.5), name="b"),
        lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        lambda: keras.losses.Huber(delta=2.0),  # type: ignore[attr-defined, unused-ignore]
        lambda: keras.metrics.AUC(num_thresholds=50, name="auc"),
        lambda: keras.initializers.HeNormal(seed=3),
        lambda: keras.regularizers.L1L2(0.1, 0.2),
        lambda: keras.constraints.MaxNorm(3.0),
    ],
)
def test_objects_round_trip(make: Any) -> None:
    obj = make()
    entry = saving.serialize_keras_object(obj)
    assert entry["module"].startswith("keras.") and entry["registered_name"] is None
    again = saving.deserialize_keras_object(json.loads(json.dumps(entry)))
    assert type(again) is type(obj)
    assert json.dumps(saving.serialize_keras_object(again)) == json.dumps(entry)


def test_values_round_trip() -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    value = {
        "a": [1, 2.5, "text", None, True],
        "b": {"c": b"bytes", "d": slice(1, None, 2), "e": Ellipsis},
        "f": array,
        "g": np.float32(1.5),
        "h": np.dtype("int8"),
        "i": squash,
    }
    entry = json.loads(json.dumps(saving.serialize_keras_object(value)))
    again = saving.deserialize_keras_object(entry)
    assert again["a"] == value["a"] and again["b"] == value["b"]
    assert np.array_equal(again["f"], array) and again["f"].dtype == array.dtype
    assert again["g"] == 1.5 and again["h"] == "int8" and again["i"] is squash


def test_what_cannot_be_serialized() -> None:
    with pytest.raises(NotImplementedError, match="def"):
        saving.serialize_keras_object(lambda x: x)
    with pytest.raises(TypeError, match="get_config"):
        saving.serialize_keras_object(object())
    with pytest.raises(TypeError, match="Nobody"):
        saving.deserialize_keras_object({"class_name": "Nobody", "config": {}, "module": "mine"})
    with pytest.raises(TypeError, match="nothing"):
        saving.deserialize_keras_object(
            {"class_name": "function", "config": "nothing", "module": "builtins"}
        )
    with pytest.raises(NotImplementedError, match="never run"):
        saving.deserialize_keras_object({"class_name": "__lambda__", "config": {"value": ""}})
    with pytest.raises(ValueError, match="get_config"):
        saving.register_keras_serializable()(type("Bare", (), {}))


def test_names() -> None:
    assert saving.get_registered_name(Linear) == "tests>Linear"
    assert saving.get_registered_name(keras.layers.Dense) == "Dense"
    assert saving.get_registered_object("tests>Linear") is Linear
    assert saving.get_custom_objects()["tests>squash"] is squash
    assert keras.utils.get_custom_objects() is saving.get_custom_objects()


def test_scopes_nest_and_are_of_their_thread() -> None:
    seen: list[Any] = []
    with saving.CustomObjectScope({"a": 1}):
        with keras.utils.custom_object_scope({"b": 2}):
            assert saving.get_registered_object("a") == 1
            assert saving.get_registered_object("b") == 2
            thread = threading.Thread(target=lambda: seen.append(_registry._scopes.objects))
            thread.start()
            thread.join()
        assert saving.get_registered_object("b") is None
    assert saving.get_registered_object("a") is None
    assert seen == [{}]


@saving.register_keras_serializable("tests")
class Squares(keras.regularizers.Regularizer):
    """k times the sum of squares."""

    def __init__(self, k: float = 0.5) -> None:
        self.k = k

    def __call__(self, x: Any) -> Any:
        """Computes."""
        return self.k * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        """The factor."""
        return {"k": self.k}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_regularizer_in_a_layer_of_keras_is_in_the_file(
    ending: str, tmp_path: pathlib.Path
) -> None:
    layer = keras.layers.Dense(2, kernel_regularizer=Squares(), kernel_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    model.save(tmp_path / f"a{ending}")
    again = keras.models.load_model(tmp_path / f"a{ending}")
    assert again.layers[0].kernel_regularizer.k == 0.5 and len(again.losses) == 1
    assert model.evaluate(x, y, verbose=0) == again.evaluate(x, y, verbose=0) == 12.0
    assert float(again.train_on_batch(x, y)) == float(model.train_on_batch(x, y))
    assert np.array_equal(again.get_weights()[0], model.get_weights()[0])
