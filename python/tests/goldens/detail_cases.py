"""Small things that Keras does in its own way: names, epochs of data, types. For both."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

import numpy as np
from recurrent_cases import numbers, told

CASES: dict[str, Any] = {}


def case(function: Any) -> Any:
    """A function of Keras whose result is told."""
    CASES[function.__name__] = function
    return function


# -- names --------------------------------------------------------------------------------------


def _models(keras: Any) -> Any:
    layers = keras.layers

    class Own(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = layers.Dense(2)

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(input_shape[-1], 3), name="w", initializer="ones")
            self.dense.build((input_shape[0], 3))
            self.built = True

        def call(self, x: Any) -> Any:
            return self.dense(keras.ops.matmul(x, self.w))

    class Net(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.own, self.stack = Own(), keras.Sequential([layers.Dense(2)])

        def call(self, x: Any) -> Any:
            return self.stack(self.own(x))

    def functional(*parts: Any) -> Any:
        x = inputs = keras.Input((4,))
        for part in parts:
            x = part(x)
        return keras.Model(inputs, x)

    return {
        "early": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3), Own()]),
        "late": lambda: keras.Sequential([layers.Dense(3), layers.BatchNormalization(), Own()]),
        "functional": lambda: functional(layers.Dense(3), Own()),
        "nested": lambda: functional(keras.Sequential([layers.Dense(3)]), layers.Dense(2)),
        "late nested": lambda: keras.Sequential([keras.Sequential([layers.Dense(3)])]),
        "own": Net,
    }


@case
def paths_of_variables(keras: Any) -> Any:
    found = {}
    for name, make in _models(keras).items():
        keras.backend.clear_session()
        model = make()
        model.compile(keras.optimizers.Adam(0.01), "mse")
        model.fit(numbers(4, 4), np.zeros((4, 2 if name != "late nested" else 3)), verbose=0)
        optimizer = [variable.path for variable in model.optimizer.variables]
        found[name] = [[weight.path for weight in model.weights], optimizer]
    return found


@case
def paths_of_recurrent_layers(keras: Any) -> Any:
    layers = keras.layers
    model = keras.Sequential([layers.Embedding(5, 3), layers.Bidirectional(layers.LSTM(3))])
    model.compile("rmsprop", "mse")
    model.fit(np.zeros((4, 2), "int32"), np.zeros((4, 6)), verbose=0)
    return [variable.path for variable in model.optimizer.variables]


@case
def paths_after_loading(keras: Any) -> Any:
    layers = keras.layers
    stacks: Any = {
        "plain": lambda: [layers.Dense(2), layers.LSTM(2)],
        "both": lambda: [layers.Bidirectional(layers.GRU(2)), layers.Dense(1)],
        "cells": lambda: [layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])],
        "steps": lambda: [layers.TimeDistributed(layers.Dense(2)), layers.BatchNormalization()],
        "nested": lambda: [keras.Sequential([keras.Input((3, 4)), layers.Dense(2)])],
    }
    found = {}
    for name, make in stacks.items():
        keras.backend.clear_session()
        model = keras.Sequential([keras.Input((3, 4)), *make()])
        model.compile("adam", "mse")
        x = numbers(2, 3, 4)
        model.fit(x, model.predict(x, verbose=0), verbose=0)
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / "model.keras")
            model.save(path)
            again = keras.models.load_model(path)
        clone = keras.models.clone_model(keras.Sequential.from_config(model.get_config()))
        found[name] = [
            [weight.path for weight in again.weights],
            [variable.path for variable in again.optimizer.variables],
            [weight.path for weight in keras.Sequential.from_config(model.get_config()).weights],
            [weight.path for weight in clone.weights],
        ]
    return found


@case
def names_of_what_attention_holds(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((4, 6))
    first = layers.MultiHeadAttention(2, 3)
    before = layers.Dropout(0.1)
    first(x, x)
    names = [first.name, before.name, layers.Dropout(0.1).name, layers.Softmax().name]
    grouped = layers.GroupQueryAttention(4, 2, 2)
    grouped(x, x)
    attention = layers.Attention()
    attention([x, x])
    return [*names, grouped.name, layers.Dropout(0.1).name, attention.name, layers.Softmax().name]


@case
def names_of_operators(keras: Any) -> Any:
    x = keras.Input((3,))
    made = (x / 2.0, 1.0 / x, keras.ops.true_divide(x, 2.0), keras.ops.divide(x, 3.0), x // 2.0)
    return [tensor._keras_history.operation.name for tensor in made]


# -- data ---------------------------------------------------------------------------------------


def _counting(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def _batches(count: int) -> Any:
    for number in range(count):
        yield np.full((2, 2), number, "float32"), np.zeros((2, 1), "float32")


@case
def epochs_of_data_sets(keras: Any) -> Any:
    heard: list[str] = []

    class Data(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return np.full((2, 2), index, "float32"), np.zeros((2, 1), "float32")

        def on_epoch_begin(self) -> None:
            heard.append("b")

        def on_epoch_end(self) -> None:
            heard.append("e")

    model, found = _counting(keras), []
    plain = (numbers(4, 2), numbers(4, 1, seed=1))
    runs: Any = (
        lambda: model.fit(Data(), epochs=3, verbose=0),
        lambda: model.evaluate(Data(), verbose=0),
        lambda: model.predict(Data(), verbose=0),
        lambda: model.fit(Data(), epochs=2, validation_data=Data(), verbose=0),
        lambda: model.fit(Data(), epochs=2, steps_per_epoch=1, verbose=0),
        lambda: model.fit(Data(), epochs=3, steps_per_epoch=2, verbose=0),
        lambda: model.fit(*plain, epochs=2, validation_data=Data(), validation_steps=1, verbose=0),
        lambda: model.fit(*plain, epochs=4, validation_data=Data(), validation_freq=2, verbose=0),
    )
    for run in runs:
        heard.clear()
        run()
        found.append("".join(heard))
    return found


@case
def generators_that_end(keras: Any) -> Any:
    plain = (np.ones((4, 2), "float32"), np.zeros((4, 1), "float32"))
    model = _counting(keras)

    def losses(name: str = "loss", **how: Any) -> Any:
        given = () if "x" in how else plain
        return told(model.fit(*given, verbose=0, **how).history[name])

    return [
        losses(x=_batches(4), epochs=3),
        losses(x=_batches(1), epochs=3),
        losses(x=_batches(6), epochs=3, steps_per_epoch=2),
        losses("val_loss", epochs=3, validation_data=_batches(9), validation_steps=2),
        losses("val_loss", epochs=3, validation_data=_batches(9), validation_steps=1),
        losses("val_loss", epochs=3, validation_data=_batches(4)),
        told(model.evaluate(_batches(4), steps=3, verbose=0)),
        told(model.predict(_batches(3), verbose=0)),
    ]


@case
def arrays_with_masks(keras: Any) -> Any:
    hidden = np.array([[0, 1], [0, 0], [1, 0], [0, 0]], bool)
    x = np.ma.array(numbers(4, 2), mask=hidden)
    y = np.ma.array(np.ones((4, 1), "float32"), mask=hidden[:, 1:])
    model = _counting(keras)
    return [
        told(model.predict(x, verbose=0)),
        told(model.fit(x, y, verbose=0).history["loss"]),
        told(keras.ops.sum(x)),
        told(keras.ops.convert_to_tensor(x)),
        told(model(x)),
    ]


# -- what objects are ---------------------------------------------------------------------------


@case
def optimizers_that_scale_the_loss(keras: Any) -> Any:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        scaled = model.optimizer
        found = [type(scaled).__name__, type(scaled.inner_optimizer).__name__, scaled.name]
        model.fit(numbers(4, 2), numbers(4, 1), verbose=0)
        found += [[variable.path for variable in scaled.variables]]
        found += [model.get_compile_config()["optimizer"]["class_name"]]
        model.compile("adam", "mse", auto_scale_loss=False)
        found += [type(model.optimizer).__name__]
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.optimizer.learning_rate = 0.5
        rates = (model.optimizer.learning_rate, model.optimizer.inner_optimizer.learning_rate)
        return [*found, [float(np.asarray(rate)) for rate in rates]]
    finally:
        keras.mixed_precision.set_global_policy("float32")


def _failure(run: Any) -> str:
    try:
        return str(run())
    except ValueError:
        return "ValueError"


@case
def causal_padding(keras: Any) -> Any:
    layers = keras.layers
    return [
        _failure(lambda: layers.Conv1D(2, 3, padding="causal").padding),
        _failure(lambda: layers.Conv1D(2, 3, padding="SAME").padding),
        _failure(lambda: layers.Conv1D(2, 3, padding="other")),
        _failure(lambda: layers.Conv2D(2, 3, padding="causal")),
        _failure(lambda: layers.Conv3D(2, 3, padding="causal")),
        _failure(lambda: layers.SeparableConv2D(2, 3, padding="causal")),
        _failure(lambda: layers.Conv1DTranspose(2, 3, padding="causal")),
        _failure(lambda: layers.ConvLSTM1D(2, 3, padding="causal")),
    ]


@case
def pipelines(keras: Any) -> Any:
    layers = keras.layers
    pipeline = layers.Pipeline([layers.Rescaling(0.5), layers.Rescaling(3.0)])
    config = pipeline.get_config()
    again = layers.Pipeline.from_config(config)
    model = keras.Sequential([keras.Input((2,)), pipeline])
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "model.keras")
        model.save(path)
        loaded = keras.models.load_model(path)
    x = numbers(2, 2)
    return [
        list(config),
        [type(layer).__name__ for layer in again.layers],
        again.name,
        told(again(x)),
        told(loaded.predict(x, verbose=0)),
    ]


@case
def losses_of_the_users_in_files(keras: Any) -> Any:
    ops = keras.ops

    def far(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.abs(y_true - y_pred) * 2.0, axis=-1)

    class Far(keras.losses.Loss):  # type: ignore[misc]
        def __init__(self, factor: float = 1.0, name: str = "far", **kwargs: Any) -> None:
            super().__init__(name=name, **kwargs)
            self.factor = factor

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.mean(ops.abs(y_true - y_pred) * self.factor, axis=-1)

        def get_config(self) -> Any:
            return {**super().get_config(), "factor": self.factor}

    found = []
    x, y = numbers(4, 2), numbers(4, 1, seed=1)
    for loss, known in ((far, {"far": far}), (Far(3.0), {"Far": Far})):
        model = _counting(keras)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
        model.train_on_batch(x, y)
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / "model.keras")
            model.save(path)
            again = keras.models.load_model(path, custom_objects=known)
            bare = keras.models.load_model(path, compile=False, custom_objects=known)
        found.append([bare.compiled, int(np.asarray(again.optimizer.iterations))])
        found.append([told(one.evaluate(x, y, verbose=0)) for one in (model, again)])
        found.append(told(again.train_on_batch(x, y)))
        found.append(again.get_compile_config()["loss"])
    return found
