"""A variational autoencoder: a layer that draws in its call, and a train_step of one's own."""

import numpy as np

from ebb import keras, tf
from ebb.keras import layers, ops

keras.utils.set_random_seed(5)
rng = np.random.default_rng(5)
x = (rng.random((512, 2), dtype="float32") @ rng.random((2, 24), dtype="float32")) / 2


class Sampling(layers.Layer):
    """A draw from the normal distribution of these means and logarithms of variances."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs):
        """Draws."""
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


inputs = keras.Input((24,))
hidden = layers.Dense(16, activation="relu")(inputs)
mean = layers.Dense(2, name="mean")(hidden)
log_variance = layers.Dense(2, name="log_variance")(hidden)
encoder = keras.Model(inputs, [mean, log_variance, Sampling()([mean, log_variance])])
decoder = keras.Sequential(
    [keras.Input((2,)), layers.Dense(16, activation="relu"), layers.Dense(24, activation="sigmoid")]
)


class Vae(keras.Model):
    """Learns to give back what it saw, through draws near the normal distribution."""

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.total = keras.metrics.Mean(name="loss")
        self.error = keras.metrics.Mean(name="reconstruction")

    @property
    def metrics(self):
        """Reset at the begin of each epoch."""
        return [self.total, self.error]

    def train_step(self, data):
        """One step on one batch."""
        with tf.GradientTape() as tape:
            mean, log_variance, draw = self.encoder(data, training=True)
            given = self.decoder(draw, training=True)
            error = ops.mean(keras.losses.binary_crossentropy(data, given))
            spread = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
            loss = 24 * error - 0.05 * ops.mean(ops.sum(spread, axis=-1))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        self.total.update_state(loss)
        self.error.update_state(error)
        return {one.name: one.result() for one in self.metrics}


vae = Vae(encoder, decoder)
vae.compile(keras.optimizers.Adam(0.01))
history = vae.fit(x, epochs=8, batch_size=64, verbose=0).history
assert history["loss"][-1] < history["loss"][0]
print(f"loss {history['loss'][0]:.2f} -> {history['loss'][-1]:.2f}")

# Draws differ from call to call; the means do not.
first, second = (encoder.predict(x[:4], verbose=0) for _ in range(2))
assert np.array_equal(first[0], second[0]) and not np.array_equal(first[2], second[2])
assert decoder.predict(np.zeros((1, 2)), verbose=0).shape == (1, 24)
print("two draws of the same means differ")
