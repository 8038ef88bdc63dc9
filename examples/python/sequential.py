"""The Sequential model: add, build later, look inside, take features out of the middle."""

import numpy as np

from ebb import keras
from ebb.keras import layers

# A stack of layers in one piece ...
model = keras.Sequential(
    [
        layers.Dense(2, activation="relu", name="layer1"),
        layers.Dense(3, activation="relu", name="layer2"),
        layers.Dense(4, name="layer3"),
    ]
)
print(len(model.layers), "layers, built:", model.built)

# ... has no weights before it sees data.
y = model(np.ones((1, 4), "float32"))
print("weights after the call:", len(model.weights), tuple(y.shape))
model.summary()

# The same, layer by layer.
model = keras.Sequential(name="my_sequential")
model.add(keras.Input(shape=(4,)))
model.add(layers.Dense(2, activation="relu"))
model.add(layers.Dense(3, activation="relu"))
model.add(layers.Dense(4))
model.pop()
print(model.name, [layer.name for layer in model.layers], model.output_shape)

# An image model, debugged with summary() while it grows.
model = keras.Sequential()
model.add(keras.Input(shape=(250, 250, 3)))
model.add(layers.Conv2D(32, 5, strides=2, activation="relu"))
model.add(layers.Conv2D(32, 3, activation="relu"))
model.add(layers.MaxPooling2D(3))
print("so far:", model.output_shape)
model.add(layers.Conv2D(32, 3, activation="relu"))
model.add(layers.Conv2D(32, 3, activation="relu"))
model.add(layers.MaxPooling2D(3))
model.add(layers.Conv2D(32, 3, activation="relu"))
model.add(layers.Conv2D(32, 3, activation="relu"))
model.add(layers.MaxPooling2D(2))
model.add(layers.GlobalMaxPooling2D())
model.add(layers.Dense(10))
print("at the end:", model.output_shape, model.count_params(), "parameters")

# Features of every layer, and of one.
initial = keras.Sequential(
    [
        keras.Input(shape=(250, 250, 3)),
        layers.Conv2D(32, 5, strides=2, activation="relu"),
        layers.Conv2D(32, 3, activation="relu", name="my_intermediate_layer"),
        layers.Conv2D(32, 3, activation="relu"),
    ]
)
extractor = keras.Model(inputs=initial.inputs, outputs=[layer.output for layer in initial.layers])
x = np.ones((1, 250, 250, 3), "float32")
print([tuple(feature.shape) for feature in extractor(x)])
extractor = keras.Model(
    inputs=initial.inputs, outputs=initial.get_layer(name="my_intermediate_layer").output
)
print(tuple(extractor(x).shape))

# Freeze all but the last layer, compile, train.
small = keras.Sequential(
    [keras.Input(shape=(784,)), layers.Dense(32, activation="relu"), layers.Dense(10)]
)
for layer in small.layers[:-1]:
    layer.trainable = False
small.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="adam")
frozen = small.layers[0].get_weights()[0]
small.fit(np.random.rand(64, 784), np.random.randint(10, size=(64,)), epochs=2, verbose=0)
assert np.array_equal(frozen, small.layers[0].get_weights()[0])
assert len(small.trainable_weights) == 2
print("frozen layers stayed as they were")
