"""Writes steps.json: what Keras 3 gets from single training and evaluation steps of small models.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_steps.py > steps.json

Cases: model (its config.json, compile_config inside), weights (before), x, y, sample_weight (lists
by input or output; null: none), titles and steps (results of each training step on the same batch;
losses of that batch alone, metrics since the first), final (weights after), tested (an evaluation
step after that). Names of results are sorted, as History has them.
"""
import json
import sys

import keras
import numpy as np
from drawn import Draw, listed, rounded
from keras import layers, regularizers

draw = Draw(11, reach=1.0, count=3)
numbers, classes = draw.numbers, draw.classes


def flat(x):
    return [listed(v) for v in keras.tree.flatten(x)]


def logs_of(logs):
    return [float(logs[name]) for name in sorted(logs)]


def forget_losses(model):
    model._loss_tracker.reset_state()
    for metric in model._compile_loss.metrics if model._compile_loss else []:
        metric.reset_state()


def case(key, model, x, y, sample_weight=None, steps=4, settings=None):
    model = keras.saving.deserialize_keras_object(json.loads(model.to_json()))
    for v in model.weights:
        if v.dtype == "float32" and "moving" not in v.path:
            v.assign(numbers(*v.shape))
    model.compile(**settings)
    model.optimizer.build(model.trainable_variables)  # ScheduleFreeAdamW begins at the weights
    before = [listed(v) for v in model.weights]
    results = []
    for step in range(steps):
        if step == 0:
            logs = model.train_on_batch(x, y, sample_weight=sample_weight, return_dict=True)
        else:
            forget_losses(model)
            logs = model.train_function(iter([(x, y, sample_weight)]))
        results.append(logs_of(logs))
    final = [listed(v) for v in model.weights]
    model.reset_metrics()
    tested = model.test_on_batch(x, y, sample_weight=sample_weight, return_dict=True)
    assert sorted(tested) == sorted(logs)
    return rounded({
        "key": key,
        "model": json.loads(model.to_json()),
        "weights": before,
        "x": flat(x),
        "y": flat(y),
        "sample_weight": None if sample_weight is None else flat(sample_weight),
        "titles": sorted(logs),
        "steps": results,
        "final": final,
        "tested": logs_of(tested),
        "variables": [v.path for v in model.optimizer.variables],
    })


def two_heads():
    x = keras.Input((4,), name="x")
    h = layers.Dense(5, activation="tanh", name="h", kernel_regularizer="l2",
                     kernel_constraint="max_norm", activity_regularizer=regularizers.L1(0.02))(x)
    h = layers.BatchNormalization(name="norm", beta_regularizer="l1")(h)
    a = layers.Dense(3, activation="softmax", name="a")(h)
    b = layers.Dense(2, name="b")(h)
    return keras.Model(x, [a, b])


def frozen():
    x = keras.Input((4,), name="x")
    h = layers.Dense(5, name="h", kernel_regularizer="l2", trainable=False)(x)
    h = layers.BatchNormalization(name="norm", trainable=False)(h)
    return keras.Model(x, layers.Dense(1, name="out", kernel_regularizer="l2")(h))


def tagger():
    x = keras.Input((None,), name="x", dtype="int32")
    h = layers.Embedding(6, 4, mask_zero=True, name="words")(x)
    h = layers.LSTM(3, return_sequences=True, name="lstm")(h)
    return keras.Model(x, layers.Dense(3, activation="softmax", name="tags")(h))


def stateful():
    return keras.Sequential([
        keras.Input(batch_shape=(4, 3, 2)),
        layers.SimpleRNN(3, stateful=True, name="rnn"),
        layers.Dense(1, name="out"),
    ])


def named_outputs():
    x = keras.Input((3,), name="x")
    q, p = layers.Dense(1, name="one")(x), layers.Dense(2, name="two")(x)
    return keras.Model(x, {"q": q, "p": p})


def spectral():
    x = keras.Input((3,), name="x")
    h = layers.SpectralNormalization(layers.Dense(4, name="inner"), name="spectral")(x)
    return keras.Model(x, layers.Dense(1, name="out")(h))


def dense(units, activation=None, policy=None):
    return keras.Sequential([
        keras.Input((3,)), layers.Dense(4, activation="relu", name="h", dtype=policy),
        layers.Dense(units, activation=activation, name="out", dtype=policy)])


def twins(regularizer=None):
    """The same table looked up in twice, some rows several times."""
    a, b = keras.Input((3,), name="a", dtype="int32"), keras.Input((2,), name="b", dtype="int32")
    table = layers.Embedding(5, 2, name="table", embeddings_regularizer=regularizer)
    h = layers.Concatenate(name="both", axis=1)([table(a), table(b)])
    return keras.Model([a, b], layers.Dense(1, name="out")(layers.Flatten(name="flat")(h)))


def lookups():
    x = [np.array([[0, 0, 1], [2, 0, 3], [1, 1, 1]], "int32"),
         np.array([[0, 4], [1, 1], [2, 3]], "int32")]
    o = keras.optimizers
    table = [
        o.Adadelta(1.0), o.Adafactor(0.1), o.Adagrad(0.1), o.Adam(0.1), o.Adamax(0.1), o.Ftrl(0.1),
        o.Lamb(0.1), o.Lion(0.1), o.Nadam(0.1), o.RMSprop(0.1, centered=True), o.Muon(0.1),
        o.ScheduleFreeAdamW(0.1), o.SGD(0.1, momentum=0.9, nesterov=True),
        o.Adam(0.1, clipnorm=0.3),
        o.Adam(0.1, clipvalue=0.05), o.Adam(0.1, global_clipnorm=0.3),
        o.Adam(0.1, gradient_accumulation_steps=2), o.LossScaleOptimizer(o.Adagrad(0.1)),
    ]
    for optimizer in table:
        yield case("lookups_" + optimizer.name, twins(), x, numbers(3, 1), settings=dict(
            optimizer=optimizer, loss="mse"))
    yield case("lookups_dense", twins("l2"), x, numbers(3, 1), settings=dict(
        optimizer=o.Adam(0.1), loss="mse"))


def cases():
    yield from lookups()
    y2 = [classes(6), numbers(6, 2)]
    yield case("two_heads", two_heads(), numbers(6, 4), y2, settings=dict(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        loss={"a": "sparse_categorical_crossentropy", "b": "mse"},
        loss_weights={"a": 0.7, "b": 0.2},
        metrics={"a": ["accuracy"], "b": ["mae", "mse"]}))
    yield case("two_heads_weighted", two_heads(), numbers(6, 4), y2,
               sample_weight=[numbers(6, low=0), numbers(6, low=0)], settings=dict(
                   optimizer="adam", loss=["sparse_categorical_crossentropy", "huber"],
                   metrics=[["accuracy"], ["mae"]],
                   weighted_metrics=[["acc", "accuracy"], ["mae"]]))
    yield case("one_loss_of_two", two_heads(), numbers(6, 4), y2, settings=dict(
        optimizer="adamw", loss=["sparse_categorical_crossentropy", None],
        metrics={"b": ["mae"]}))
    yield case("frozen", frozen(), numbers(6, 4), numbers(6), settings=dict(
        optimizer="rmsprop", loss="mae", metrics=["mse", keras.metrics.RootMeanSquaredError()]))
    words = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [1, 0, 0, 0], [5, 4, 3, 2]], "int32")
    yield case("masked", tagger(), words, classes(4, 4), settings=dict(
        optimizer=keras.optimizers.SGD(1.0), loss="sparse_categorical_crossentropy",
        metrics=["accuracy"]))
    yield case("masked_weighted", tagger(), words, classes(4, 4),
               sample_weight=numbers(4, 4, low=0), settings=dict(
                   optimizer="nadam", loss="crossentropy", weighted_metrics=["accuracy"]))
    yield case("stateful", stateful(), numbers(4, 3, 2), numbers(4, 1), settings=dict(
        optimizer="sgd", loss="mse"))
    yield case("named_outputs", named_outputs(), numbers(5, 3),
               {"p": numbers(5, 2), "q": numbers(5, 1)}, settings=dict(
                   optimizer="adagrad", loss={"q": "mse", "p": "mae"},
                   metrics={"q": ["mae"]}))
    yield case("spectral", spectral(), numbers(5, 3), numbers(5, 1), settings=dict(
        optimizer="adam", loss="mse"))
    yield case("binary", dense(1, "sigmoid"), numbers(7, 3), classes(7, count=2),
               sample_weight=numbers(7, low=0), settings=dict(
                   optimizer="adamax", loss="binary_crossentropy",
                   metrics=["accuracy", "auc", "precision", keras.metrics.Recall(name="found")],
                   weighted_metrics=["accuracy"]))
    yield case("unreduced", dense(2), numbers(5, 3), numbers(5, 2), settings=dict(
        optimizer="sgd", loss=keras.losses.MeanSquaredError(reduction="none")))
    one_hot = np.eye(3, dtype="float32")[classes(5)]
    yield case("one_hot", dense(3, "softmax"), numbers(5, 3), one_hot, settings=dict(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), global_clipnorm=0.5),
        loss="ce", metrics=["accuracy"]))
    yield case("loss_scale", dense(1), numbers(5, 3), numbers(5, 1), settings=dict(
        optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), loss="mse"))


json.dump({"cases": list(cases())}, sys.stdout, separators=(",", ":"))
