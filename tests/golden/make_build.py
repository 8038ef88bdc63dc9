"""Models that tests/unit/builder_test.c makes with the builder, made with Keras: names, weights and
outputs. Weights are filled by a formula that the test knows too.

Usage: KERAS_BACKEND=tensorflow python tests/golden/make_build.py > tests/golden/build.json"""
import json

import numpy as np
from keras import Input, Model, layers, utils


def cnn():
    x = i = Input((12, 12, 2), name="image")
    x = layers.Conv2D(4, 3, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Dropout(0.5)(x)
    x = layers.SeparableConv2D(6, [3, 3], padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return Model(i, layers.Dense(7, activation="softmax")(x))


def shared():
    a, b = Input((6,), name="a"), Input((6,))
    twice = layers.Dense(6, activation="tanh")
    z = layers.Dense(6)(b)
    layers.Dense(3)(z)
    x, w = twice(a), twice(z)
    w = twice(layers.Dense(6)(w))
    total = layers.Add()([x, w])
    joined = layers.Concatenate(axis=-1)([total, x, b])
    return Model([a, b], [layers.Dense(2)(joined), layers.Dense(1)(total), x])


def recurrent():
    ids = Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(10, 8, mask_zero=True)(ids)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), merge_mode="concat")(x)
    x, h, c = layers.LSTM(4, return_state=True)(x)
    sequence = Input((5, 3), name="sequence")
    w = layers.LSTM(4)(sequence, initial_state=[h, c])
    return Model([ids, sequence], layers.Dense(3)(layers.Multiply()([x, w])))


def attention():
    x = Input((5, 8))
    y = layers.MultiHeadAttention(2, 4)(x, x)
    y = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, y]))
    return Model(x, layers.TimeDistributed(layers.Dense(3, activation="gelu"))(y))


def fill(model):
    for k, w in enumerate(model.weights):
        j = np.arange(int(np.prod(w.shape)))
        w.assign(np.reshape(0.3 * np.sin(0.1 * (j + 1) + k) + 0.5, w.shape).astype("float32"))


def inputs(model):
    for i, t in enumerate(model.inputs):
        shape = [2] + [5 if d is None else d for d in t.shape[1:]]
        j = np.arange(int(np.prod(shape)))
        x = j * 7 % 10 if t.dtype == "int32" else np.cos(0.3 * j + i)
        yield np.reshape(x, shape).astype(t.dtype)


result = {}
for make in (cnn, shared, recurrent, attention):
    utils.set_random_seed(0)
    import keras
    keras.backend.clear_session()
    model = make()
    fill(model)
    y = model.predict_on_batch(list(inputs(model)))
    result[make.__name__] = {
        "layers": [layer.name for layer in model.layers],
        "shapes": [list(w.shape) for w in model.weights],
        "outputs": [[float("%.8g" % v) for v in np.ravel(a)] for a in
                    (y if isinstance(y, (list, tuple)) else [y])],
        "json": model.to_json() if make is shared else None,
    }
print(json.dumps(result, indent=1))
