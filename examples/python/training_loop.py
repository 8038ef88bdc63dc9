"""A training loop by hand: GradientTape, an optimizer, a metric; then the gradient of an input."""

import numpy as np

from ebb import keras, tf
from ebb.keras import layers

keras.utils.set_random_seed(4)
rng = np.random.default_rng(4)
centers = rng.normal(size=(3, 8)).astype("float32") * 2
labels = rng.integers(0, 3, 600)
x = centers[labels] + rng.normal(size=(600, 8)).astype("float32")

model = keras.Sequential(
    [
        keras.Input((8,)),
        layers.Dense(32),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dropout(0.2),
        layers.Dense(3),
    ]
)
optimizer = keras.optimizers.Adam(0.01)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
accuracy = keras.metrics.SparseCategoricalAccuracy()
dataset = tf.data.Dataset.from_tensor_slices((x[:480], labels[:480])).shuffle(480).batch(32)


@tf.function
def train_step(batch, targets):
    """One step; its loss."""
    with tf.GradientTape() as tape:
        logits = model(batch, training=True)
        loss = loss_fn(targets, logits)
    gradients = tape.gradient(loss, model.trainable_weights)
    optimizer.apply_gradients(zip(gradients, model.trainable_weights))
    return loss


losses = []
for _ in range(5):
    losses.append(np.mean([float(train_step(batch, targets)) for batch, targets in dataset]))
accuracy.update_state(labels[480:], model(x[480:], training=False))
assert losses[-1] < losses[0] and float(accuracy.result()) > 0.8
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}, accuracy {float(accuracy.result()):.2f}")

# Which input decides? The gradient of the winning class.
sample = tf.Variable(x[480:481])
with tf.GradientTape() as tape:
    winner = tf.reduce_max(model(sample))
saliency = np.abs(tape.gradient(winner, sample))[0]
assert saliency.shape == (8,) and saliency.max() > 0
print("the input that decides most:", int(saliency.argmax()))
