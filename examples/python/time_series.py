"""Time series: windows from a long series, forecasts by LSTM and GRU, anomalies by autoencoder."""

import numpy as np

from ebb import keras
from ebb.keras import layers

rng = np.random.default_rng(5)
steps = np.arange(1200)
series = np.sin(steps * 0.1) + 0.05 * rng.normal(size=steps.size)
mean, deviation = series[:800].mean(), series[:800].std()
series = ((series - mean) / deviation).astype("float32")[:, None]

# Windows of 24 steps, the target is the step after.
past = 24
train = keras.utils.timeseries_dataset_from_array(
    series[: 800 - past], series[past:800], sequence_length=past, batch_size=64
)
validation = keras.utils.timeseries_dataset_from_array(
    series[800:-past], series[800 + past :], sequence_length=past, batch_size=64
)
for inputs, targets in train:
    print("one batch:", tuple(inputs.shape), tuple(targets.shape))
    break

naive = np.mean(
    [(np.array(t) - np.array(x)[:, -1]) ** 2 for x, t in validation for x, t in [(x[:32], t[:32])]]
)
for cell in (layers.LSTM, layers.GRU):
    model = keras.Sequential([keras.Input((past, 1)), cell(16), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01), loss="mse")
    history = model.fit(train, epochs=4, validation_data=validation, verbose=0)
    assert history.history["val_loss"][-1] < naive, (cell, history.history["val_loss"], naive)
    print(cell.__name__, "beats the last value")

# Anomalies: what an autoencoder of normal windows cannot say again.
windows = np.stack([series[i : i + past] for i in range(0, 776, 4)])
autoencoder = keras.Sequential(
    [
        keras.Input((past, 1)),
        layers.Conv1D(16, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1D(8, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(8, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(16, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(1, 7, padding="same"),
    ]
)
autoencoder.compile(optimizer=keras.optimizers.Adam(learning_rate=0.005), loss="mse")
autoencoder.fit(windows, windows, epochs=15, batch_size=32, verbose=0)
error = np.abs(autoencoder.predict(windows, verbose=0) - windows).mean(axis=(1, 2))
strange = windows[:4].copy()
strange[:, 8:16] = 3.0
strange_error = np.abs(autoencoder.predict(strange, verbose=0) - strange).mean(axis=(1, 2))
assert (strange_error > error.max()).all()
print("every anomaly is found")
