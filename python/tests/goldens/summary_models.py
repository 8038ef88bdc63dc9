"""Models whose summaries are compared with Keras's, each made by a function of the module keras."""

from typing import Any

import numpy as np


def small(keras: Any) -> Any:
    """The model of the user's document."""
    return keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(10, activation="relu"), keras.layers.Dense(1)]
    )


def unbuilt(keras: Any) -> Any:
    """Nothing is known about its input."""
    return keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)], name="later")


def branches(keras: Any) -> Any:
    """Two inputs, a shared layer, two outputs, names too long for a column."""
    left = keras.Input((12,), name="left")
    right = keras.Input((12,), name="an_input_with_a_rather_long_name")
    shared = keras.layers.Dense(7, name="a_shared_layer_with_a_very_long_name_indeed")
    joined = keras.layers.Concatenate()([shared(left), shared(right)])
    more = keras.layers.Add()([joined, joined])
    head = keras.layers.Dense(1234, name="head", trainable=False)(more)
    return keras.Model([left, right], [head, keras.layers.Activation("relu")(joined)], name="two")


def nested(keras: Any) -> Any:
    """Models inside models."""
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(6)], name="inner"
    )
    x = keras.Input((4,))
    middle = keras.Model(x, keras.layers.Dense(3)(inner(x)), name="middle")
    y = keras.Input((4,))
    return keras.Model(y, keras.layers.Dense(2)(middle(y)), name="outer")


def images(keras: Any) -> Any:
    """Convolutions, normalisation, and a recurrent layer that gives its states."""
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3)(x)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.MaxPooling2D()(y)
    y = keras.layers.Reshape((9, 4))(y)
    y, *_ = keras.layers.LSTM(5, return_state=True)(y)
    return keras.Model(x, y, name="images")


def compiled(keras: Any) -> Any:
    """Compiled, so that the optimizer's variables count."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1000), keras.layers.Dense(1)], name="compiled"
    )
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((2, 3)), np.zeros((2, 1)))
    return model


def operations(keras: Any) -> Any:
    """Functions of keras.ops between layers."""
    x = keras.Input((6,))
    y = keras.ops.mean(x * 2.0 + 1.0, axis=1, keepdims=True)
    return keras.Model(x, keras.layers.Dense(2)(y), name="operations")


MODELS = {
    function.__name__: function
    for function in (small, unbuilt, branches, nested, images, compiled, operations)
}

OPTIONS: list[dict[str, Any]] = [
    {},
    {"line_length": 60},
    {"line_length": 120},
    {"positions": [0.5, 0.8, 1.0]},
    {"expand_nested": True},
    {"show_trainable": True},
    {"expand_nested": True, "show_trainable": True, "line_length": 78},
    {"layer_range": ["dense", "dense_1"]},
]
