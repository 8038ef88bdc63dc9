"""Text classification: words to numbers, an embedding, a bidirectional LSTM, a convolution."""

import numpy as np

from ebb import keras
from ebb.keras import layers

rng = np.random.default_rng(4)
good = ["great", "lovely", "superb", "fun", "moving"]
bad = ["dull", "awful", "boring", "weak", "poor"]
other = [f"word{i}" for i in range(60)]


def review(is_good):
    """Some words, a few of which tell."""
    words = list(rng.choice(other, rng.integers(6, 20))) + list(
        rng.choice(good if is_good else bad, 3)
    )
    rng.shuffle(words)
    return " ".join(words).capitalize() + "!"


labels = rng.integers(0, 2, 400)
texts = np.array([review(label) for label in labels])

vectorize = layers.TextVectorization(max_tokens=100, output_sequence_length=24)
vectorize.adapt(texts)
print(vectorize.get_vocabulary()[:2], len(vectorize.get_vocabulary()))
x = np.array(vectorize(texts))
print(x.shape, x.dtype)

inputs = keras.Input(shape=(None,), dtype="int32")
h = layers.Embedding(100, 16, mask_zero=True)(inputs)
h = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(h)
h = layers.Bidirectional(layers.LSTM(8))(h)
lstm = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(h))

inputs = keras.Input(shape=(None,), dtype="int64")
h = layers.Embedding(100, 16)(inputs)
h = layers.Dropout(0.2)(h)
h = layers.Conv1D(32, 3, padding="valid", activation="relu", strides=1)(h)
h = layers.GlobalMaxPooling1D()(h)
h = layers.Dense(16, activation="relu")(h)
convolution = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="predictions")(h))

for name, model in (("lstm", lstm), ("convolution", convolution)):
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x[:300], labels[:300], batch_size=32, epochs=6, verbose=0)
    accuracy = model.evaluate(x[300:], labels[300:], verbose=0)[1]
    assert accuracy > 0.9, (name, accuracy)
    print(name, "learned it")

# The older way: a sequence of numbers for each text, padded.
sequences = [[int(number) for number in row if number] for row in x[:5]]
padded = keras.utils.pad_sequences(sequences, maxlen=30)
assert padded.shape == (5, 30) and (padded[:, 0] == 0).all()
assert lstm.predict(padded, verbose=0).shape == (5, 1)
