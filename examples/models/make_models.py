#!/usr/bin/env python3
"""Trains the small models of `ebb demo` on the UCI handwritten digits.

The digits are 8x8 images, as scikit-learn ships them.

Needs tensorflow-cpu, keras and scikit-learn; run as
    TF_ENABLE_ONEDNN_OPTS=0 python3 examples/models/make_models.py
Writes, beside this script:
    digits_mlp.keras   64 -> 48 -> 10, Keras 3 format
    digits_cnn.h5      two convolutions with batch normalisation, HDF5 format
    digits_x.npy       16 test images [16, 8, 8, 1] in 0..1
    digits_y.npy       their labels [16]
    digits_mlp_y.npy, digits_cnn_y.npy   what Keras answers to them [16, 10]
"""
import os

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

HERE = os.path.dirname(os.path.abspath(__file__))


def mlp():
    return keras.Sequential([
        keras.Input((8, 8, 1), name="image"), layers.Flatten(), layers.Dense(48, activation="relu"),
        layers.Dense(10, activation="softmax", name="digit")], name="digits_mlp")


def cnn():
    x = image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    digit = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(image, digit, name="digits_cnn")


def main():
    keras.utils.set_random_seed(7)
    digits = load_digits()
    x = (digits.images[..., None] / 16.0).astype("float32")
    y = digits.target.astype("int32")
    train, test = slice(0, 1500), slice(1500, None)
    np.save(os.path.join(HERE, "digits_x.npy"), x[1500:1516])
    np.save(os.path.join(HERE, "digits_y.npy"), y[1500:1516])
    for model, name in ((mlp(), "digits_mlp.keras"), (cnn(), "digits_cnn.h5")):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x[train], y[train], epochs=30, batch_size=32, verbose=0)
        print(name, "test accuracy", model.evaluate(x[test], y[test], verbose=0)[1])
        model.save(os.path.join(HERE, name), include_optimizer=False)
        np.save(os.path.join(HERE, name.split(".")[0] + "_y.npy"),
                model.predict(x[1500:1516], verbose=0))


if __name__ == "__main__":
    main()
