"""An autoencoder whose encoder and decoder are models of their own, sharing its weights."""

import numpy as np

from ebb import keras
from ebb.keras import layers

rng = np.random.default_rng(6)
basis = rng.random((8, 64), dtype="float32")
x = rng.random((800, 8), dtype="float32") @ basis / 8

encoding_dim = 8
input_img = keras.Input(shape=(64,))
encoded = layers.Dense(
    encoding_dim, activation="relu", activity_regularizer=keras.regularizers.L1(1e-7)
)(input_img)
decoder_layer = layers.Dense(64, activation="linear")
decoded = decoder_layer(encoded)

autoencoder = keras.Model(input_img, decoded)
encoder = keras.Model(input_img, encoded)
encoded_input = keras.Input(shape=(encoding_dim,))
decoder = keras.Model(encoded_input, decoder_layer(encoded_input))

untrained = encoder.predict(x[:4], verbose=0)
autoencoder.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
history = autoencoder.fit(
    x[:700],
    x[:700],
    epochs=40,
    batch_size=64,
    shuffle=True,
    validation_data=(x[700:], x[700:]),
    verbose=0,
)
assert history.history["val_loss"][-1] < 0.2 * history.history["val_loss"][0]

# Training the whole trained its parts.
codes = encoder.predict(x[700:], verbose=0)
assert not np.allclose(codes[:4], untrained)
again = decoder.predict(codes, verbose=0)
assert np.allclose(again, autoencoder.predict(x[700:], verbose=0), atol=1e-5)
print("decoder(encoder(x)) is autoencoder(x)")

# And the other way round: what is set in a part is set in the whole.
kernel, bias = decoder_layer.get_weights()
decoder_layer.set_weights([kernel * 2, bias * 2])
assert np.allclose(autoencoder.predict(x[700:], verbose=0), 2 * again, atol=1e-4)
print("one set of weights, three models")

# Noise in, none out.
noisy = x + 0.1 * rng.normal(size=x.shape).astype("float32")
denoiser = keras.Sequential(
    [
        keras.Input((64,)),
        layers.GaussianNoise(0.05),
        layers.Dense(16, activation="relu"),
        layers.Dense(64),
    ]
)
denoiser.compile("adam", "mse")
denoiser.fit(noisy[:700], x[:700], epochs=40, batch_size=32, verbose=0)
clean = np.mean((denoiser.predict(noisy[700:], verbose=0) - x[700:]) ** 2)
assert clean < np.mean((noisy[700:] - x[700:]) ** 2)
print("the denoiser helps")
