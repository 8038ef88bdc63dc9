"""Transfer learning: a trained base, frozen under a new head, then fine-tuned as a whole."""

import numpy as np

from ebb import keras
from ebb.keras import layers

rng = np.random.default_rng(3)
keras.utils.set_random_seed(3)


def pictures(count, kinds):
    """Small pictures with a bright square; its place tells the kind."""
    kind = rng.integers(0, kinds, count)
    x = rng.random((count, 16, 16, 1), dtype="float32") * 0.3
    for i, k in enumerate(kind):
        row, column = 8 * (k // 2 % 2), 8 * (k % 2)
        x[i, row : row + 8, column : column + 8] += 0.7
    return x, kind


# The base: trained on four kinds, saved as somebody else would.
base_inputs = keras.Input((16, 16, 1))
x = layers.Conv2D(8, 3, padding="same", use_bias=False)(base_inputs)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
x = layers.MaxPooling2D(4)(x)
features = layers.Conv2D(16, 3, padding="same", activation="relu", name="features")(x)
classes = layers.Dense(4, activation="softmax")(layers.Flatten()(features))
trained = keras.Model(base_inputs, classes)
trained.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
trained.fit(*pictures(512, 4), epochs=4, verbose=0)
trained.save("pretrained.keras")
del trained, base_inputs, x, features, classes

# Take it up to its features, freeze it, put a head on it.
whole = keras.models.load_model("pretrained.keras")
base_model = keras.Model(whole.input, whole.get_layer("features").output, name="base")
base_model.trainable = False
inputs = keras.Input(shape=(16, 16, 1))
x = layers.Rescaling(1.0)(inputs)
x = base_model(x, training=False)
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(1)(x)
model = keras.Model(inputs, outputs)
print("trainable while frozen:", len(model.trainable_weights), "of", len(model.weights))

x_train, kind = pictures(512, 4)
y_train = (kind < 2).astype("float32")
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
before = [array.copy() for array in base_model.get_weights()]
model.fit(x_train, y_train, epochs=3, verbose=0)
assert all(np.array_equal(a, b) for a, b in zip(before, base_model.get_weights()))
print("the frozen base is as it was")

# Fine-tune everything, slowly.
base_model.trainable = True
model.compile(
    optimizer=keras.optimizers.Adam(1e-4),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
print("trainable when unfrozen:", len(model.trainable_weights))
model.fit(x_train, y_train, epochs=2, verbose=0)
after = base_model.get_weights()
assert any(not np.array_equal(a, b) for a, b in zip(before, after))
print("fine-tuning moved the base")
x_test, kind = pictures(128, 4)
accuracy = model.evaluate(x_test, (kind < 2).astype("float32"), verbose=0)[1]
assert accuracy > 0.7, accuracy
