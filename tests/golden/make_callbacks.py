#!/usr/bin/env python3
"""Makes callbacks.json: what Keras's own callbacks do when they are shown made-up logs.

Usage: python tests/golden/make_callbacks.py > tests/golden/callbacks.json   (needs Keras 3.15)
"""
import json
import math
import os
import random
import sys
import tempfile
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

warnings.simplefilter("ignore")


class Optimizer:
    def __init__(self):
        self._rate = np.float32(0.1)

    @property
    def learning_rate(self):
        return self._rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self._rate = np.float32(rate)


class Model:
    """What the callbacks touch; its weights are the number of the epoch."""

    def __init__(self):
        self.optimizer = Optimizer()
        self.stop_training = False
        self.weights = -1
        self.saved = []
        self.metrics = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, overwrite=True):
        self.saved.append(os.path.relpath(path, ROOT))

    save_weights = save


def values(rng, count):
    """Float32 numbers around 1 with ties, and sometimes one that is none."""
    series = [float(np.float32(round(rng.uniform(0.2, 1.2), rng.choice([1, 2, 6]))))
              for _ in range(count)]
    if rng.random() < 0.15:
        series[rng.randrange(count)] = math.nan
    return series


def coded(number):
    return number if math.isfinite(number) else str(number)


def early(rng):
    config = {"monitor": "val_loss", "mode": rng.choice(["auto", "min", "max"]),
              "patience": rng.randrange(4), "restore_best_weights": rng.random() < 0.5}
    if rng.random() < 0.4:
        config["min_delta"] = rng.choice([0.05, 0.1, -0.1])
    if rng.random() < 0.3:
        config["baseline"] = rng.choice([0.5, 0.8])
    if rng.random() < 0.3:
        config["start_from_epoch"] = rng.randrange(5)
    callback, model = keras.callbacks.EarlyStopping(**config), Model()
    callback.set_model(model)
    callback.on_train_begin()
    series = values(rng, 12)
    for epoch, value in enumerate(series):
        model.weights = epoch
        callback.on_epoch_end(epoch, {"val_loss": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return {"config": config, "values": [coded(v) for v in series], "last": epoch,
            "weights": model.weights}


def plateau(rng):
    config = {"monitor": "loss", "mode": rng.choice(["auto", "max"]),
              "factor": rng.choice([0.1, 0.3, 0.5]), "patience": rng.randrange(1, 4)}
    if rng.random() < 0.5:
        config["cooldown"] = rng.randrange(3)
    if rng.random() < 0.5:
        config["min_lr"] = rng.choice([0.001, 0.02, 0.1])
    if rng.random() < 0.3:
        config["min_delta"] = 0.1
    callback, model = keras.callbacks.ReduceLROnPlateau(**config), Model()
    callback.set_model(model)
    callback.on_train_begin()
    series, rates = values(rng, 12), []
    for epoch, value in enumerate(series):
        logs = {"loss": value}
        callback.on_epoch_end(epoch, logs)
        rates.append(logs["learning_rate"])
    return {"config": config, "values": [coded(v) for v in series], "rates": rates}


def checkpoint(rng):
    weights_only = rng.random() < 0.5
    end = ".weights.h5" if weights_only else ".keras"
    name = rng.choice(["m", "m_{epoch}", "e{epoch:03d}_{val_loss:.2f}",
                       "{{x}}{loss:8.3e}_{epoch:>4}"])
    config = {"filepath": name + end, "monitor": "val_loss",
              "save_best_only": rng.random() < 0.5, "save_weights_only": weights_only}
    if rng.random() < 0.3:
        config["initial_value_threshold"] = 0.6
    if rng.random() < 0.3:
        config["save_freq"] = rng.randrange(1, 6)
        config["filepath"] = "b{batch}_{epoch}" + end
        config["save_best_only"] = False
    given = dict(config, filepath=os.path.join(ROOT, config["filepath"]))
    callback, model = keras.callbacks.ModelCheckpoint(**given), Model()
    callback.set_model(model)
    callback.on_train_begin()
    series = [v if math.isfinite(v) else 1.0 for v in values(rng, 6)]
    for epoch, value in enumerate(series):
        callback.on_epoch_begin(epoch)
        for batch in range(4):
            callback.on_train_batch_end(batch, {"loss": value})
        callback.on_epoch_end(epoch, {"loss": value, "val_loss": value})
    return {"config": config, "values": series, "saved": model.saved}


def csv(rng, separator, append, names, epochs):
    path = os.path.join(ROOT, "log.csv")
    if append:
        with open(path, "w", newline="") as f:
            f.write("epoch,loss\r\n")
    elif os.path.exists(path):
        os.remove(path)
    callback = keras.callbacks.CSVLogger(path, separator=separator, append=append)
    callback.set_model(Model())
    callback.on_train_begin()
    logs = []
    for epoch in range(epochs):
        log = {n: float(np.float32(rng.choice([rng.random(), 1e-7, 3.0, 123456.789, 1e20])))
               for n in names if not (epoch == 1 and n == names[-1])}
        if epoch == 2:
            log[names[0]] = math.nan
        callback.on_epoch_end(epoch, dict(log))
        logs.append({k: coded(v) for k, v in log.items()})
    callback.on_train_end()
    with open(path, newline="") as f:
        text = f.read()
    return {"separator": separator, "append": append, "logs": logs, "text": text}


def numbers(rng):
    fixed = [0.0, -0.0, 1.0, 0.1, 1e-4, 1e-5, 123456789012345.0, 1e15, 1e16, 1.5e16, 5e-324,
             1.7976931348623157e308, 3.3443498611450195, 2.0 / 3.0, 9007199254740993.0,
             0.30000000000000004, 1e22, 1e23, 4.35, 100.0, -2.5e-7, 0.001]
    drawn = [float(np.float32(rng.uniform(-10, 10))) for _ in range(30)]
    drawn += [rng.uniform(-1, 1) * 10.0 ** rng.randrange(-30, 30) for _ in range(60)]
    return [[v, repr(v)] for v in fixed + drawn]


def formats(rng):
    specs = [".2f", "08.3f", "+.1e", ".4g", "10.2f", "<8.1f|", "^9.3f", "*>9.2F", "=+9.2f", " .3f",
             ".1%", "E", "G", "", "e", "f", "012.4e"]
    result = []
    for spec in specs:
        for value in [0.0, 1.0, -2.34567, 1234.5, 1e-7, float(np.float32(rng.random()))]:
            pattern = "{v:" + spec.rstrip("|") + "}" if spec else "{v}"
            result.append([pattern, value, pattern.format(v=value)])
    whole = []
    for spec in ["", "d", "02d", "5d", "<5d", "^6", "+d", "05", ".1f", "e", "%"]:
        for value in [0, 7, 123]:
            pattern = "a{v:" + spec + "}b{{}}"
            whole.append([pattern, value, pattern.format(v=value)])
    return {"floats": result, "integers": whole}


def main():
    rng = random.Random(15)
    result = {
        "early": [early(rng) for _ in range(60)],
        "plateau": [plateau(rng) for _ in range(40)],
        "checkpoint": [checkpoint(rng) for _ in range(40)],
        "csv": [csv(rng, ",", False, ["loss", "accuracy"], 4),
                csv(rng, ";", False, ["loss", "val_loss", "accuracy", "val_accuracy"], 3),
                csv(rng, ",", True, ["loss"], 3),
                csv(rng, "\t", False, ["a,b", "c\"d", "e\tf"], 2)],
        "repr": numbers(rng),
        "format": formats(rng),
    }
    json.dump(result, sys.stdout, separators=(",", ":"))
    print()


with tempfile.TemporaryDirectory() as ROOT:
    main()
