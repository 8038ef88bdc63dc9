"""The functional API: branches, residual blocks, shared layers, several inputs and outputs."""

import numpy as np

from ebb import keras
from ebb.keras import layers

rng = np.random.default_rng(1)

# A classifier, trained, evaluated, saved, and loaded again.
inputs = keras.Input(shape=(784,), name="img")
x = layers.Dense(64, activation="relu")(inputs)
x = layers.Dense(64, activation="relu")(x)
outputs = layers.Dense(10)(x)
model = keras.Model(inputs=inputs, outputs=outputs, name="mnist_model")
model.summary()
labels = rng.integers(0, 10, 512)
images = (rng.random((512, 784)) * 0.2 + 2 * np.eye(10, 784)[labels]).astype("float32")
model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    optimizer=keras.optimizers.RMSprop(0.003),
    metrics=["accuracy"],
)
model.fit(images, labels, batch_size=64, epochs=8, validation_split=0.2, verbose=0)
loss, accuracy = model.evaluate(images, labels, verbose=0)
assert accuracy > 0.9, accuracy
model.save("my_model.keras")
again = keras.models.load_model("my_model.keras")
assert np.array_equal(again.predict(images[:8], verbose=0), model.predict(images[:8], verbose=0))
print("saved and loaded: equal")

# Two models that share a graph of layers: an encoder, and the autoencoder around it.
encoder_input = keras.Input(shape=(28, 28, 1), name="img")
x = layers.Conv2D(16, 3, activation="relu")(encoder_input)
x = layers.Conv2D(32, 3, activation="relu")(x)
x = layers.MaxPooling2D(3)(x)
x = layers.Conv2D(16, 3, activation="relu")(x)
encoder_output = layers.GlobalMaxPooling2D()(x)
encoder = keras.Model(encoder_input, encoder_output, name="encoder")
x = layers.Reshape((4, 4, 1))(encoder_output)
x = layers.Conv2DTranspose(16, 3, activation="relu")(x)
x = layers.UpSampling2D(3)(x)
x = layers.Conv2DTranspose(16, 3, activation="relu")(x)
decoder_output = layers.Conv2DTranspose(1, 9, activation="sigmoid")(x)
autoencoder = keras.Model(encoder_input, decoder_output, name="autoencoder")
print(encoder.output_shape, autoencoder.output_shape)


# Models are layers: an ensemble.
def member():
    """A small model."""
    start = keras.Input(shape=(128,))
    return keras.Model(start, layers.Dense(1)(start))


members = [member() for _ in range(3)]
start = keras.Input(shape=(128,))
average = layers.average([one(start) for one in members])
ensemble = keras.Model(inputs=start, outputs=average)
row = rng.random((2, 128), dtype="float32")
single = [one.predict(row, verbose=0) for one in members]
assert np.allclose(ensemble.predict(row, verbose=0), np.mean(single, axis=0), atol=1e-6)
print("the ensemble is the mean of its members")

# Several inputs and outputs: priority and department of support tickets.
words, tags, departments = 1000, 12, 4
title = keras.Input(shape=(None,), name="title")
body = keras.Input(shape=(None,), name="body")
tag = keras.Input(shape=(tags,), name="tags")
title_features = layers.LSTM(32)(layers.Embedding(words, 16)(title))
body_features = layers.LSTM(16)(layers.Embedding(words, 16)(body))
x = layers.concatenate([title_features, body_features, tag])
priority = layers.Dense(1, name="priority")(x)
department = layers.Dense(departments, name="department")(x)
tickets = keras.Model(
    inputs=[title, body, tag], outputs={"priority": priority, "department": department}
)
tickets.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={
        "priority": keras.losses.BinaryCrossentropy(from_logits=True),
        "department": keras.losses.CategoricalCrossentropy(from_logits=True),
    },
    loss_weights={"priority": 1.0, "department": 0.2},
)
history = tickets.fit(
    {
        "title": rng.integers(words, size=(64, 10)),
        "body": rng.integers(words, size=(64, 20)),
        "tags": rng.integers(2, size=(64, tags)).astype("float32"),
    },
    {
        "priority": rng.random((64, 1)),
        "department": rng.integers(2, size=(64, departments)),
    },
    epochs=2,
    batch_size=32,
    verbose=0,
)
print(sorted(history.history), len(history.history["loss"]))

# A residual network in small.
inputs = keras.Input(shape=(32, 32, 3), name="img")
x = layers.Conv2D(32, 3, activation="relu")(inputs)
block_1 = layers.MaxPooling2D(3)(x)
x = layers.Conv2D(32, 3, activation="relu", padding="same")(block_1)
x = layers.Conv2D(32, 3, activation="relu", padding="same")(x)
block_2 = layers.add([x, block_1])
x = layers.Conv2D(32, 3, activation="relu")(block_2)
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dropout(0.5)(x)
resnet = keras.Model(inputs, layers.Dense(10)(x), name="toy_resnet")
print(resnet.name, resnet.count_params())

# One layer, used twice: one set of weights.
shared = layers.Embedding(1000, 128)
first, second = keras.Input(shape=(None,), dtype="int32"), keras.Input(shape=(None,), dtype="int32")
twice = keras.Model([first, second], [shared(first), shared(second)])
assert len(twice.weights) == 1
print("shared: one weight of", twice.count_params())
