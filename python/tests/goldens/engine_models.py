"""Models that Keras and ebb.keras are asked for by the same code: ``build(keras)`` gives one."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MODELS: dict[str, Callable[[Any], Any]] = {}


def model(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Adds a model to the table."""
    MODELS[function.__name__] = function
    return function


def wave(shape: tuple[int, ...], phase: float) -> Array:
    """Numbers that look random and are the same everywhere."""
    count = int(np.prod(shape, dtype=np.int64))
    made: Array = 0.5 * np.sin(1.7 * np.arange(count) + phase)
    return made.reshape(shape).astype(np.float32)


def fill(made: Any) -> None:
    """Sets all weights; variances stay above zero."""
    values = []
    for index, weight in enumerate(made.weights):
        value = wave(tuple(weight.shape), index)
        values.append(np.abs(value) + 0.5 if "variance" in weight.path else value)
    made.set_weights(values)


def data(made: Any) -> list[Array]:
    """Three rows for each input; unknown lengths are 5."""
    arrays = []
    for index, tensor in enumerate(made.inputs):
        shape = (3, *(5 if length is None else int(length) for length in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            arrays.append((np.arange(np.prod(shape)) % 7).reshape(shape).astype(np.int32))
        else:
            arrays.append(wave(shape, 0.3 + index))
    return arrays


@model
def chain(keras: Any) -> Any:
    """Sequential with an Input."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(6, activation="relu", kernel_regularizer="l2"),
            layers.Dropout(0.4),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax", kernel_initializer="he_normal"),
        ],
        name="chain",
    )


@model
def chain_of_old(keras: Any) -> Any:
    """Sequential without an Input, input_shape on the first layer, add()."""
    made = keras.Sequential()
    made.add(keras.layers.Dense(4, input_shape=(6,), activation="tanh"))
    made.add(keras.layers.Dense(2))
    return made


@model
def images(keras: Any) -> Any:
    """Convolutions."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.SeparableConv2D(5, (2, 2), padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@model
def two_inputs(keras: Any) -> Any:
    """Two inputs, two outputs, names given and not."""
    layers = keras.layers
    a, b = keras.Input((4,), name="left"), keras.Input((4,))
    joined = layers.Concatenate()([a, b])
    x = layers.Dense(5, activation="relu")(joined)
    return keras.Model([a, b], [layers.Dense(2, name="first")(x), layers.Add()([a, b])])


@model
def dictionaries(keras: Any) -> Any:
    """Inputs and outputs by name."""
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    outputs = {"sum": keras.layers.Add()([a, b]), "scaled": keras.layers.Dense(2)(a)}
    return keras.Model({"a": a, "b": b}, outputs)


@model
def operators(keras: Any) -> Any:
    """Arithmetic on symbolic tensors, slices and functions of keras.ops."""
    x = keras.Input((6,))
    y = (x * 2.0 + 1.0) / 3.0 - x[:, :1]
    z = keras.ops.mean(keras.ops.square(y), axis=-1, keepdims=True)
    return keras.Model(x, keras.layers.Concatenate()([-y, z, keras.ops.maximum(x, 0.1)]))


@model
def shared_layer(keras: Any) -> Any:
    """One layer called twice."""
    dense = keras.layers.Dense(3)
    a, b = keras.Input((4,)), keras.Input((4,))
    return keras.Model([a, b], keras.layers.Subtract()([dense(a), dense(b)]))


@model
def nested(keras: Any) -> Any:
    """A functional model and a Sequential as layers, one of them called twice."""
    layers = keras.layers
    inner_input = keras.Input((4,))
    inner = keras.Model(inner_input, layers.Dense(4, activation="relu")(inner_input), name="inner")
    tail = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="tail")
    x = keras.Input((4,))
    return keras.Model(x, tail(inner(inner(x))))


@model
def residual(keras: Any) -> Any:
    """A branch and a merge, layers made in another order than they are used."""
    layers = keras.layers
    last, first = layers.Dense(2), layers.Dense(6)
    x = keras.Input((6,))
    y = layers.LayerNormalization()(first(x))
    return keras.Model(x, last(layers.Activation("gelu")(layers.add([x, y]))))


@model
def sequences(keras: Any) -> Any:
    """Embedding and recurrent layers."""
    layers = keras.layers
    x = keras.Input((None,), dtype="int32")
    y = layers.Embedding(9, 4)(x)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(y)
    y = layers.TimeDistributed(layers.Dense(4))(y)
    return keras.Model(x, layers.GRU(2)(y))


@model
def states(keras: Any) -> Any:
    """The states of one layer begin another one."""
    layers = keras.layers
    a, b = keras.Input((5, 2)), keras.Input((4, 2))
    _, h, c = layers.LSTM(3, return_state=True)(a)
    return keras.Model([a, b], layers.LSTM(3, return_sequences=True)(b, initial_state=[h, c]))


@model
def attention(keras: Any) -> Any:
    """Attention with scores."""
    layers = keras.layers
    x = keras.Input((5, 4))
    y, scores = layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)
    return keras.Model(x, [layers.LayerNormalization()(x + y), scores])


@model
def stacked(keras: Any) -> Any:
    """Several cells in one layer."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4, 3)), layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])]
    )


@model
def extractor(keras: Any) -> Any:
    """A model that ends in the middle of another one."""
    base = chain(keras)
    return keras.Model(base.inputs, [base.layers[0].output, base.outputs[0]], name="extractor")


@model
def from_the_middle(keras: Any) -> Any:
    """A model that begins in the middle of another one."""
    base = chain(keras)
    return keras.Model(base.layers[2].output, base.outputs[0], name="tail")


@model
def frozen(keras: Any) -> Any:
    """Transfer learning: a frozen model below a new layer."""
    base = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)], name="base")
    base.trainable = False
    x = keras.Input((5,))
    return keras.Model(x, keras.layers.Dense(1)(base(x, training=False)))


# Models whose configuration names classes of this file: only their numbers are compared.


@model
def custom_layer(keras: Any) -> Any:
    """A layer with weights of its own, two calls."""

    class Scale(keras.layers.Layer):  # type: ignore[misc]
        """x * a + b."""

        def build(self, shape: Any) -> None:
            self.a = self.add_weight(shape=(shape[-1],), initializer="ones", name="a")
            self.b = self.add_weight(shape=(shape[-1],), initializer="zeros", name="b")

        def call(self, x: Any) -> Any:
            return x * self.a + self.b

    x, scale = keras.Input((4,)), Scale()
    return keras.Model(x, scale(keras.layers.Dense(4)(scale(x))))


@model
def transformer(keras: Any) -> Any:
    """Layers of layers: tokens and positions, blocks of attention."""
    layers, ops = keras.layers, keras.ops

    class Tokens(layers.Layer):  # type: ignore[misc,name-defined]
        """Embeddings of tokens and positions."""

        def __init__(self) -> None:
            super().__init__()
            self.token = layers.Embedding(7, 4)
            self.place = layers.Embedding(6, 4)

        def call(self, x: Any) -> Any:
            return self.token(x) + self.place(ops.arange(0, ops.shape(x)[-1]))

    class Block(layers.Layer):  # type: ignore[misc,name-defined]
        """Attention and two dense layers."""

        def __init__(self) -> None:
            super().__init__()
            self.attention = layers.MultiHeadAttention(num_heads=2, key_dim=4)
            self.dense = keras.Sequential([layers.Dense(6, activation="relu"), layers.Dense(4)])
            self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]
            self.dropout = layers.Dropout(0.1)

        def call(self, x: Any, training: Any = None) -> Any:
            x = self.norms[0](x + self.dropout(self.attention(x, x), training=training))
            return self.norms[1](x + self.dropout(self.dense(x), training=training))

    x = keras.Input((6,), dtype="int32")
    y = Block()(Block()(Tokens()(x)))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


@model
def subclass(keras: Any) -> Any:
    """A model written in Python."""
    layers = keras.layers

    class Net(keras.Model):  # type: ignore[misc]
        """Two layers and what lies between."""

        def __init__(self) -> None:
            super().__init__()
            self.first = layers.Dense(5, activation="relu")
            self.last = layers.Dense(2)

        def call(self, x: Any) -> Any:
            y = self.first(x)
            return self.last(y * 2 - keras.ops.mean(y, axis=-1, keepdims=True))

    x = keras.Input((4,))
    return keras.Model(x, Net()(x))


@model
def functions(keras: Any) -> Any:
    """Functions as layers and as activations."""
    layers, ops = keras.layers, keras.ops
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Lambda(lambda x: x * 3),
            layers.Dense(3, activation=lambda x: ops.square(x) + 1),
            layers.Activation(lambda x: -x),
        ]
    )
