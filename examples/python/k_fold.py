"""k-fold cross-validation: a model a fold, and nothing of it left when the fold ends."""

import gc

import numpy as np

import ebb
from ebb import keras
from ebb.keras import layers

gc.disable()  # nothing here needs the collector
rng = np.random.default_rng(7)
x = rng.random((200, 13), dtype="float32")
y = (x @ rng.normal(size=(13, 1))).astype("float32")


def build_model():
    """A regression, ready to train."""
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return model


folds, rows = 4, 50
before = ebb.memory().live
scores = []
for fold in range(folds):
    held_out = slice(fold * rows, (fold + 1) * rows)
    train_x, train_y = np.delete(x, held_out, axis=0), np.delete(y, held_out, axis=0)
    model = build_model()
    history = model.fit(
        train_x,
        train_y,
        validation_data=(x[held_out], y[held_out]),
        epochs=20,
        batch_size=16,
        verbose=0,
    )
    scores.append(history.history["val_mae"])
    del model
    print("fold", fold, "left", ebb.memory().live - before, "bytes")
average = np.mean(scores, axis=0)
assert average.shape == (20,) and average[-1] < average[0]

# The same with a scope: whatever is made inside goes at its end, whoever still holds a name.
with ebb.scope() as scope:
    models = [build_model() for _ in range(folds)]
    for model in models:
        model.fit(x, y, epochs=1, verbose=0)
    print("inside the scope:", ebb.memory().live > before)
print("after the scope", ebb.memory().live - before, "bytes")
