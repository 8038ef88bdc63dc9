"""Training with callbacks: early stopping, checkpoints, schedules, logs, and one of one's own."""

import csv
import os

import numpy as np

from ebb import keras
from ebb.keras import layers

rng = np.random.default_rng(2)
x = rng.random((600, 20), dtype="float32")
y = (x @ rng.normal(size=(20, 1)) + 0.1 * rng.normal(size=(600, 1))).astype("float32")


def compiled_model():
    """A regression, ready to train."""
    model = keras.Sequential(
        [keras.Input((20,)), layers.Dense(32, activation="relu"), layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01), loss="mse", metrics=["mae"])
    return model


class LossHistory(keras.callbacks.Callback):
    """Remembers the loss of every batch, and stops after a number of them."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_train_begin(self, logs=None):
        """Begins an empty list."""
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        """Notes the loss, and asks for the end when there are enough."""
        self.losses.append(logs["loss"])
        if len(self.losses) == self.batches:
            self.model.stop_training = True


model = compiled_model()
own = LossHistory(batches=30)
model.fit(x, y, batch_size=32, epochs=10, callbacks=[own], verbose=0)
print(
    "own callback:",
    len(own.losses),
    "batches,",
    "falling" if own.losses[-1] < own.losses[0] else "?",
)

model = compiled_model()
history = model.fit(
    x,
    y,
    epochs=60,
    batch_size=32,
    validation_split=0.25,
    verbose=0,
    callbacks=[
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1),
        keras.callbacks.CSVLogger("log.csv"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: print("epoch 0 begins") if epoch == 0 else None
        ),
    ],
)
best = min(history.history["val_loss"])
held_out = slice(450, 600)
restored = model.evaluate(x[held_out], y[held_out], verbose=0)[0]
saved = keras.models.load_model("best.keras").evaluate(x[held_out], y[held_out], verbose=0)[0]
assert np.isclose(restored, best, rtol=1e-4) and np.isclose(saved, best, rtol=1e-4)
with open("log.csv", newline="") as file:
    rows = list(csv.DictReader(file))
assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]
print("early stopping restored the best weights; the checkpoint holds them too")


def halving(epoch, rate):
    """Half the rate from the fifth epoch on."""
    return rate if epoch < 4 else rate * 0.5


model = compiled_model()
history = model.fit(
    x, y, epochs=6, verbose=0, callbacks=[keras.callbacks.LearningRateScheduler(halving)]
)
print("rates:", [round(float(rate), 5) for rate in history.history["learning_rate"]])

schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.96)
model.compile(optimizer=keras.optimizers.SGD(learning_rate=schedule), loss="mse")
model.fit(x, y, epochs=2, verbose=0)
print(
    "after",
    int(model.optimizer.iterations),
    "steps the rate is",
    round(float(model.optimizer.learning_rate), 6),
)
os.remove("best.keras")
