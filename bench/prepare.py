#!/usr/bin/env python3
"""Makes the models of the benchmark with Keras (random weights, fixed seeds) and converts them.

    bench/prepare.py FOLDER [NAME ...]    all: 1.7 GB; needs tensorflow, keras, tf2onnx, onnx

For each model: NAME.keras, NAME.h5, NAME.onnx, NAME.tflite, NAME.input.npy and Keras's
NAME.answer.npy. What a converter cannot do is said and left out.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import recipes  # noqa: E402
from keras import layers as L  # noqa: E402


def stack(shape, *layers):
    x = i = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(i, x)


MODELS = {
    "tiny": lambda: stack((10,), L.Dense(32, "relu"), L.Dense(2, "softmax")),
    "mlp": lambda: stack((784,), L.Dense(512, "relu"), L.Dense(512, "relu"),
                         L.Dense(10, "softmax")),
    "cnn": lambda: stack((28, 28, 1), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(),
                         L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(),
                         L.Dropout(0.5), L.Dense(10, "softmax")),
    "lstm": lambda: stack((100, 64), L.LSTM(128), L.Dense(10, "softmax")),
    "mobilenetv2": lambda: keras.applications.MobileNetV2(weights=None),
    "resnet50": lambda: keras.applications.ResNet50(weights=None),
    "vgg16": lambda: keras.applications.VGG16(weights=None),
}
LARGE = ["vgg16"]  # measured alone: only the Keras files are made


def disturb(net, rng):
    """Biases and batch-norm statistics that nobody gets right by leaving them out."""
    for layer in net._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            count = layer.gamma.shape
            layer.set_weights([rng.uniform(0.8, 1.2, count), rng.normal(0, 0.1, count),
                               rng.normal(0, 0.1, count), rng.uniform(0.8, 1.2, count)])
        elif getattr(layer, "bias", None) is not None and isinstance(layer, (L.Dense, L.Conv2D)):
            layer.bias.assign(rng.normal(0, 0.05, layer.bias.shape))


def to_onnx(net, path):
    """tf2onnx leaves captured constants as inputs that no node reads: those go."""
    import onnx

    net.export(path, format="onnx", verbose=False)
    proto = onnx.load(path)
    read = {name for node in proto.graph.node for name in node.input}
    for value in [v for v in proto.graph.input if v.name not in read]:
        proto.graph.input.remove(value)
    onnx.save(proto, path)


def to_tflite(net, path):
    import tensorflow as tf

    options = {"input_signature": [tf.TensorSpec((1, *net.input_shape[1:]), tf.float32)]}
    if any(isinstance(layer, L.LSTM) for layer in net.layers):
        options["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    net.export(path, format="litert", verbose=False, **options)


def make(name, folder):
    rng, path, net = recipes.seeded(name, folder, MODELS)
    disturb(net, rng)
    x = rng.random((1, *net.input_shape[1:]), dtype=np.float32)
    np.save(path + ".input.npy", x)
    np.save(path + ".answer.npy", net.predict(x, verbose=0))
    net.save(path + ".keras")
    net.save(path + ".h5")
    for ending, convert in () if name in LARGE else ((".onnx", to_onnx), (".tflite", to_tflite)):
        try:
            convert(net, path + ending)
        except Exception as error:  # converters raise anything
            print(f"{name}{ending}: not made: {str(error).splitlines()[0][:200]}")


if __name__ == "__main__":
    recipes.main(__doc__, MODELS, make, ".answer.npy")
