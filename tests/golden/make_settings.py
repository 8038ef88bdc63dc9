"""Writes settings.json: how Keras 3 understands what compile() is given, and what History calls it.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_settings.py > settings.json

Cases: outputs (names of Dense outputs; each gives a softmax of 3 numbers), loss, loss_weights,
metrics, weighted_metrics (null: not given), names (of all results, sorted) and values (of an
evaluation, in their order), or refused: true. All share x, y (by output), sample_weight, models (of
one and two outputs) and the weights of each output ("kernels").
"""
import itertools
import json
import sys

import keras
import numpy as np

random = np.random.RandomState(5)
X = np.round(random.uniform(-1, 1, (5, 2)), 3).astype("float32")
Y = np.eye(3, dtype="float32")[random.randint(0, 3, (2, 5))]
W = np.round(random.uniform(0, 2, 5), 3).astype("float32")
KERNELS = np.round(random.uniform(-1, 1, (2, 2, 3)), 3).astype("float32")

MSE = {"class_name": "MeanSquaredError", "config": {"name": "far", "reduction": "sum"}}
AUC = {"class_name": "AUC", "config": {"name": "area"}}
TOP = {"class_name": "TopKCategoricalAccuracy", "config": {"k": 2}}

ONE = dict(loss=["mse", "MSE", "mean_squared_error", "MeanSquaredError", ["mse"], {"a": "mse"}, MSE,
                 [MSE], "ce", {"b": "mse"}, "meansquare", None, 3],
           loss_weights=[0.5, [0.5], {"a": 0.5}, [0.5, 1.0]],
           metrics=[["mse"], ["mae", "mse"], ["acc"], ["accuracy", "accuracy", "accuracy"],
                    [["mae"]], {"a": "mae"}, {"a": ["mae", "mse"]}, {"other": "mae"}, [AUC], [TOP],
                    [TOP, TOP], ["MeanAbsoluteError"], ["categorical_accuracy"], ["ce"], [], {},
                    ["nonsense"], [None], {"b": ["mae"], "a": ["mse"]}])
TWO = dict(loss=["mse", ["mse", "mae"], ["mse"], ["mse", None], {"a": "mse", "b": "mae"},
                 {"b": "mae", "a": "mse"}, {"a": "mse", "b": None}, {"a": "mse", "c": "mae"},
                 ["mse", "mae", "mse"], [MSE, "ce"], {"a": ["mse"], "b": "mae"}],
           loss_weights=[0.5, [0.5, 0.25], {"a": 0.5, "b": 0.25}, {"b": 0.25, "a": 0.5}, [0.5],
                         {"a": 0.5}],
           metrics=[["mse", "mae"], [["mse"], ["mae"]], [["mse", "mae"], None], {"a": "mse"},
                    {"b": ["mae", "mse"]}, {"a": ["mse"], "b": ["mse"]}, ["mse"],
                    ["mse", "mae", "mse"], {"c": "mse"}, [[], ["accuracy", "acc"]],
                    {"b": "mae", "a": "mse"}, [[AUC], [AUC]]])


def built(outputs):
    x = keras.Input((2,))
    ys = []
    for i, name in enumerate(outputs):
        layer = keras.layers.Dense(3, activation="softmax", use_bias=False, name=name)
        ys.append(layer(x))
        layer.set_weights([KERNELS[i]])
    return keras.Model(x, ys if len(ys) > 1 else ys[0])


def revived(x):
    """Objects as compile() gets them when a file is read."""
    if isinstance(x, dict) and "class_name" in x:
        module = keras.losses if hasattr(keras.losses, x["class_name"]) else keras.metrics
        return getattr(module, x["class_name"])(**x["config"])
    if isinstance(x, dict):
        return {k: revived(v) for k, v in x.items()}
    return [revived(v) for v in x] if isinstance(x, list) else x


def case(outputs, **given):
    model = built(outputs)
    item = {"outputs": outputs}
    item.update({k: given.get(k) for k in ("loss", "loss_weights", "metrics", "weighted_metrics")})
    y = [Y[i] for i in range(len(outputs))]
    try:
        model.compile(optimizer="sgd", **{k: revived(v) for k, v in given.items()})
        logs = model.test_on_batch(X, y if len(y) > 1 else y[0], sample_weight=W, return_dict=True)
    except Exception:
        return dict(item, refused=True)
    names = sorted(logs)
    return dict(item, names=names, values=[float("%.9g" % float(logs[n])) for n in names])


def cases():
    for outputs, table in ((["a"], ONE), (["a", "b"], TWO)):
        first = table["loss"][0]
        for loss in table["loss"]:
            yield case(outputs, loss=loss)
        for loss, weights in itertools.product(table["loss"][:6], table["loss_weights"]):
            yield case(outputs, loss=loss, loss_weights=weights)
        for metrics in table["metrics"]:
            yield case(outputs, loss=first, metrics=metrics)
            yield case(outputs, loss=first, weighted_metrics=metrics)
            yield case(outputs, loss=first, metrics=metrics, weighted_metrics=metrics)


def listed(x):
    return [[float("%.9g" % v) for v in row] for row in x.tolist()]


json.dump({"x": listed(X), "y": [listed(y) for y in Y],
           "sample_weight": [float("%.9g" % v) for v in W],
           "models": [json.loads(built(names).to_json()) for names in (["a"], ["a", "b"])],
           "kernels": [listed(k) for k in KERNELS], "cases": list(cases())},
          sys.stdout, separators=(",", ":"))
