#!/usr/bin/env python3
"""The exercises of lifecycle_train.c in Keras: memory of the process, round by round.

    bench/lifecycle_train.py [--only NAME,...] [--rounds N]

Fewer rounds than there (Keras is slower). After each round that makes a model the session is
cleared and garbage collected, as Keras's documentation advises. The last column is the growth from
the middle round to the last, divided by the rounds between: what one more round adds.
"""
import argparse
import gc
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import numpy as np  # noqa: E402

ROWS, STEPS, WIDTH, BATCH, FOLDS = 100, 16, 8, 32, 10
X = np.random.default_rng(1).random((ROWS, STEPS, WIDTH), dtype=np.float32)
Y = X[:, -1, :1].copy()


def build():
    return keras.Sequential([keras.Input((STEPS, WIDTH)), keras.layers.LSTM(32),
                             keras.layers.Dense(1)])


def compile_model(model):
    model.compile("adam", "mse", metrics=["mae"])


def fit(model, x, y, epochs=1):
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)


def clear():
    keras.backend.clear_session()
    gc.collect()


def whole_life(_):
    model = build()
    compile_model(model)
    fit(model, X[:2 * BATCH], Y[:2 * BATCH])
    del model
    clear()


def fold(number):
    held = np.arange(ROWS) // (ROWS // FOLDS) == number % FOLDS
    model = build()
    compile_model(model)
    fit(model, X[~held], Y[~held], 3)
    model.evaluate(X[held], Y[held], verbose=0)
    del model
    clear()


def compiling():
    model = build()

    def run(_):
        compile_model(model)
        fit(model, X[:BATCH], Y[:BATCH])
    return run


def alternating():
    model = build()
    compile_model(model)

    def run(_):
        model.predict(X[:BATCH], verbose=0)
        fit(model, X[:BATCH], Y[:BATCH])
    return run


def copying():
    models = [build(), build()]

    def run(number):
        models[(number + 1) % 2].set_weights(models[number % 2].get_weights())
    return run


EXERCISES = {"build, compile, fit, drop": (lambda: whole_life, 40),
             "compile, one step": (compiling, 40),
             "folds": (lambda: fold, 20),
             "predict, fit one step": (alternating, 300),
             "copy weights": (copying, 2000)}


def resident_kib():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:"))


def threads():
    return len(os.listdir("/proc/self/task"))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=";".join(EXERCISES), help="names, separated by ';'")
    parser.add_argument("--rounds", type=int, help="of each; default: 20 to 2000")
    options = parser.parse_args()
    print("| exercise | rounds | ms a round | RSS KiB, round 10 | middle | last | threads | "
          "KiB a round |\n|" + " --- |" * 8)
    for name in options.only.split(";"):
        make, rounds = EXERCISES[name]
        rounds, run = options.rounds or rounds, make()
        seen, begin = [], time.perf_counter()
        for number in range(rounds):
            run(number)
            seen.append(resident_kib())
        spent = (time.perf_counter() - begin) / rounds * 1000
        middle, last = seen[rounds // 2 - 1], seen[-1]
        cells = [name, rounds, f"{spent:.1f}", seen[min(9, rounds - 1)], middle, last, threads(),
                 f"{(last - middle) / (rounds - rounds // 2):.1f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
