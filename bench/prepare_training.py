#!/usr/bin/env python3
"""Makes the models and batches of the training benchmark with Keras (fixed seeds).

    bench/prepare_training.py FOLDER [NAME ...]    needs tensorflow and keras

For each model: NAME.keras, compiled with Adam, cross-entropy and accuracy, and a batch of 32 rows:
NAME.x.npy, NAME.y.npy. The learning rate is so small that weights stay what they are in kind,
however often the batch is repeated. No dropout: engines draw other numbers.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import recipes  # noqa: E402
from keras import layers as L  # noqa: E402

BATCH, CLASSES, WORDS = 32, 10, 1000


def stack(shape, *layers):
    x = i = keras.Input(shape)
    for layer in (*layers, L.Dense(CLASSES, "softmax")):
        x = layer(x)
    return keras.Model(i, x)


def transformer(length=64, width=128, heads=4, blocks=2):
    i = keras.Input((length,), dtype="int32")
    positions = L.Embedding(length, width)(keras.ops.arange(length))
    x = L.Embedding(WORDS, width)(i) + positions
    for _ in range(blocks):
        y = L.MultiHeadAttention(heads, width // heads)(x, x)
        x = L.LayerNormalization()(x + y)
        y = L.Dense(width)(L.Dense(2 * width, "relu")(x))
        x = L.LayerNormalization()(x + y)
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(i, L.Dense(CLASSES, "softmax")(x))


MODELS = {
    "mlp": lambda: stack((784,), L.Dense(512, "relu"), L.Dense(512, "relu")),
    "cnn": lambda: stack((28, 28, 1), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(),
                         L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Flatten()),
    "lstm": lambda: stack((100, 64), L.LSTM(128)),
    "mobilenetv2": lambda: keras.applications.MobileNetV2(
        (96, 96, 3), weights=None, classes=CLASSES),
    "transformer": transformer,
}


def make(name, folder):
    rng, path, net = recipes.seeded(name, folder, MODELS)
    net.compile(keras.optimizers.Adam(1e-6), "sparse_categorical_crossentropy",
                metrics=["accuracy"])
    shape = (BATCH, *net.input_shape[1:])
    if net.inputs[0].dtype == "int32":
        x = rng.integers(0, WORDS, shape, dtype=np.int32)
    else:
        x = rng.random(shape, dtype=np.float32)
    np.save(path + ".x.npy", x)
    np.save(path + ".y.npy", rng.integers(0, CLASSES, BATCH, dtype=np.int32))
    net.save(path + ".keras")


if __name__ == "__main__":
    recipes.main(__doc__, MODELS, make, ".keras")
