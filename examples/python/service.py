"""A service: plan before loading, predict from threads, unload, read the receipt."""

import pathlib
import threading

import numpy as np

import ebb
from ebb import keras

for version in (1, 2):
    keras.utils.set_random_seed(version)
    net = keras.Sequential(
        [keras.Input((32,)), keras.layers.Dense(512, activation="relu"), keras.layers.Dense(4)]
    )
    net.save(f"answers_{version}.keras")
    del net

before = ebb.memory().live
plan = ebb.plan("answers_1.keras", batch=8, lanes=2)
print(
    "planned:",
    plan.total > 4 * 32 * 512,
    "for a file of",
    pathlib.Path("answers_1.keras").stat().st_size > 0,
)

first = ebb.load("answers_1.keras", batch=8, lanes=2)
assert first.memory().live == plan.total, "the plan is kept to the byte"
second = ebb.load("answers_2.keras", batch=8, lanes=2)

row = np.ones((1, 32), "float32")
expected = second.predict(row)
wrong = []


def work():
    """Asks the second model again and again while the first one goes."""
    out = np.empty((1, 4), "float32")
    for _ in range(2000):
        second.predict(row, out=out)
        if not np.array_equal(out, expected):
            wrong.append(out.copy())


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
receipt = first.unload()
for thread in threads:
    thread.join()
print("the neighbour noticed:", len(wrong), "wrong answers")
print("receipt:", receipt.bytes == plan.total, "kept", receipt.kept)
try:
    first.predict(row)
except ebb.StaleHandleError:
    print("the unloaded model says so")

try:
    ebb.load("answers_1.keras", bytes_max=4096)
except ebb.OutOfMemoryError:
    print("a limit below the plan refuses at once")

second = None
print("left", ebb.memory().live - before, "bytes")
