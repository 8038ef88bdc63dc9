"""What stays after models go: the loops that people post, with Keras and with ebb, side by side.

Usage: python_lifecycle.py --keras PYTHON --ebb PYTHON [--rounds-divisor N] [name ...]

PYTHON is an interpreter that has keras (with a backend), or ebb. Every loop runs in a process of
its own, with `del` only, and for Keras once more with `del`, clear_session() and gc.collect().
Figures are those of the operating system: resident size after the last round minus that after the
first, which pays one-time costs. For ebb the ledger must say the same as before the first round,
to the byte. Prints a Markdown table.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np


def resident():
    """Resident bytes of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mlp(keras, widths, inputs=10):
    """A compiled classifier."""
    stack = [keras.layers.Dense(width, activation="relu") for width in widths]
    model = keras.Sequential(
        [keras.Input((inputs,)), *stack, keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def table(rows, columns=10):
    """Small random data with a yes/no answer per row."""
    x = np.random.default_rng(1).random((rows, columns), dtype=np.float32)
    return x, (x.sum(axis=1) > columns / 2).astype("float32")


def build_fit_delete(keras, turn):
    """Two hidden layers of 2048 units: build, fit, predict."""
    x, y = table(256)
    model = mlp(keras, (2048, 2048))
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)


def load(keras, turn):
    """Load a convolutional network from .h5, predict."""
    if turn == 0:
        net = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Conv2D(32, 3, activation="relu"),
                keras.layers.MaxPooling2D(),
                keras.layers.Conv2D(64, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(128, activation="relu"),
                keras.layers.Dense(10),
            ]
        )
        net.save("net.h5")
    model = keras.models.load_model("net.h5", compile=False)
    model.predict(np.zeros((4, 28, 28, 1), "float32"), verbose=0)


def lstm(keras, turn):
    """Build an LSTM, train one batch, predict."""
    model = keras.Sequential([keras.Input((20, 8)), keras.layers.LSTM(32), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.zeros((16, 20, 8), "float32")
    model.train_on_batch(x, np.zeros((16, 1), "float32"))
    model.predict_on_batch(x)


def k_fold(keras, turn):
    """One fold: train on the rest, evaluate on the fold."""
    x, y = table(500)
    held_out = np.arange(500) % 10 == turn % 10
    model = mlp(keras, (256, 256))
    model.fit(x[~held_out], y[~held_out], epochs=3, verbose=0)
    model.evaluate(x[held_out], y[held_out], verbose=0)


def tuner(keras, turn):
    """One trial: another architecture each time, with early stopping."""
    x, y = table(300)
    model = mlp(keras, [64 * (1 + turn % 5)] * (1 + turn % 3))
    model.fit(
        x,
        y,
        epochs=3,
        validation_split=0.2,
        verbose=0,
        callbacks=[keras.callbacks.EarlyStopping(patience=1)],
    )


KEPT = {}


def compile_again(keras, turn):
    """Compile one model again and train a batch."""
    x, y = table(32)
    if turn == 0:
        KEPT["model"] = mlp(keras, (512, 512))
    KEPT["model"].compile("adam", "binary_crossentropy")
    KEPT["model"].train_on_batch(x, y)


def predict_loop(keras, turn):
    """A hundred predictions of a 10-32-2 network."""
    if turn == 0:
        KEPT["model"] = keras.Sequential(
            [keras.Input((10,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(2)]
        )
    row = np.zeros((1, 10), "float32")
    for _ in range(100):
        KEPT["model"].predict(row, verbose=0)


def shapes(keras, turn):
    """A prediction of a length that was never seen."""
    if turn == 0:
        KEPT["model"] = keras.Sequential(
            [
                keras.Input((None, 8)),
                keras.layers.Conv1D(32, 3, activation="relu"),
                keras.layers.GlobalMaxPooling1D(),
            ]
        )
    KEPT["model"].predict(np.zeros((1, 16 + turn, 8), "float32"), verbose=0)


LOOPS = {
    build_fit_delete: 25,
    load: 300,
    lstm: 500,
    k_fold: 50,
    tuner: 60,
    compile_again: 100,
    predict_loop: 50,
    shapes: 200,
}


def run_one(name, face, rounds):
    """One loop in this process; prints its figures as JSON."""
    if face == "ebb":
        import ebb
        from ebb import keras

        gc.disable()
        live = ebb.memory().live
    else:
        import keras
    loop = next(loop for loop in LOOPS if loop.__name__ == name)
    first = start = 0
    for turn in range(rounds):
        loop(keras, turn)
        if face == "cleared":
            keras.backend.clear_session()
            gc.collect()
        if turn == 0:
            first, start = resident(), time.perf_counter()
    figures = {"grown": resident() - first, "seconds": time.perf_counter() - start}
    KEPT.clear()
    if face == "ebb":
        figures["left"] = ebb.memory().live - live
    print(json.dumps(figures))


def measure(python, name, face, rounds):
    """One loop in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, os.path.abspath(__file__), "--run", name, face, str(rounds)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=3600,
        )
    if done.returncode != 0:
        raise SystemExit(f"{name} with {face}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Reads the command line and prints the table."""
    if sys.argv[1:2] == ["--run"]:
        run_one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keras", required=True)
    parser.add_argument("--ebb", required=True)
    parser.add_argument("--rounds-divisor", type=int, default=1)
    parser.add_argument("names", nargs="*")
    words = parser.parse_args()
    print(
        "| loop | rounds | Keras, `del` | Keras, `del`, `clear_session`, `gc` | ebb, `del` "
        "| ebb's ledger | time, Keras : ebb |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for loop, count in LOOPS.items():
        if words.names and loop.__name__ not in words.names:
            continue
        rounds = max(3, count // words.rounds_divisor)
        kept = measure(words.keras, loop.__name__, "keras", rounds)
        cleared = measure(words.keras, loop.__name__, "cleared", rounds)
        ours = measure(words.ebb, loop.__name__, "ebb", rounds)
        print(
            f"| {loop.__doc__} | {rounds} | {kept['grown'] / 2**20:+.1f} MiB | "
            f"{cleared['grown'] / 2**20:+.1f} MiB | "
            f"{ours['grown'] / 2**20:+.1f} MiB | {ours['left']} bytes | "
            f"{kept['seconds'] / max(ours['seconds'], 1e-9):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
