"""Layers that several models have: numbers are the same everywhere, and go with the last one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

L = keras.layers
X = np.linspace(-1, 1, 48).reshape(6, 8).astype(np.float32)


def autoencoder() -> Any:
    """Encoder, decoder, and both in one."""
    a, b, c = keras.Input((8,)), keras.Input((3,)), keras.Input((8,))
    encoder, decoder = keras.Model(a, L.Dense(3)(a)), keras.Model(b, L.Dense(8)(b))
    return encoder, decoder, keras.Model(c, decoder(encoder(c)))


def test_training_the_whole_trains_its_parts() -> None:
    encoder, decoder, whole = autoencoder()
    before = encoder.get_weights()[0]
    whole.compile("sgd", "mse")
    whole.fit(X, X, epochs=3, verbose=0)
    assert not np.array_equal(encoder.get_weights()[0], before)
    parts = decoder.predict(encoder.predict(X, verbose=0), verbose=0)
    np.testing.assert_allclose(whole.predict(X, verbose=0), parts, atol=1e-5)


def test_training_a_part_changes_the_whole() -> None:
    encoder, decoder, whole = autoencoder()
    whole.predict(X, verbose=0)
    encoder.compile("sgd", "mse")
    encoder.fit(X, np.ones((6, 3)), verbose=0)
    parts = decoder.predict(encoder.predict(X, verbose=0), verbose=0)
    np.testing.assert_allclose(whole.predict(X, verbose=0), parts, atol=1e-5)
    decoder.set_weights([w * 0 for w in decoder.get_weights()])
    assert (whole.predict(X, verbose=0) == 0).all()


def test_weights_stay_with_the_models_that_are_left() -> None:
    encoder, decoder, whole = autoencoder()
    whole.compile("sgd", "mse")
    whole.fit(X, X, verbose=0)
    weights = whole.get_weights()
    del whole
    for got, want in zip(encoder.get_weights() + decoder.get_weights(), weights):
        np.testing.assert_array_equal(got, want)
    encoder.predict(X, verbose=0)


def test_closing_one_model_leaves_the_others() -> None:
    encoder, decoder, whole = autoencoder()
    whole.compile("sgd", "mse")
    whole.fit(X, X, verbose=0)
    encoder.predict(X, verbose=0)
    decoder.predict(np.ones((1, 3)), verbose=0)
    weights = whole.get_weights()
    whole.close()
    for got, want in zip(encoder.get_weights() + decoder.get_weights(), weights):
        np.testing.assert_array_equal(got, want)


def test_a_layer_keeps_its_numbers() -> None:
    model = keras.Sequential([keras.Input((8,)), L.Dense(3)])
    layer, kernel = model.layers[0], model.layers[0].kernel.numpy()
    del model
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)
    again = keras.Sequential([keras.Input((8,)), layer, L.Dense(1)])
    np.testing.assert_array_equal(again.get_weights()[0], kernel)


def test_adversaries_take_turns() -> None:
    generator = keras.Sequential([keras.Input((3,)), L.Dense(8)])
    critic = keras.Sequential([keras.Input((8,)), L.Dense(1, activation="sigmoid")])
    critic.compile("adam", "binary_crossentropy")
    critic.train_on_batch(X, np.ones((6, 1)))
    critic.trainable = False
    z = keras.Input((3,))
    whole = keras.Model(z, critic(generator(z)))
    whole.compile("adam", "binary_crossentropy")
    noise, ones = X[:, :3], np.ones((6, 1))
    for _ in range(3):
        before = critic.get_weights()[0], generator.get_weights()[0]
        whole.train_on_batch(noise, ones)
        np.testing.assert_array_equal(critic.get_weights()[0], before[0])
        assert not np.array_equal(generator.get_weights()[0], before[1])
        before = critic.get_weights()[0], generator.get_weights()[0]
        critic.train_on_batch(X, ones)
        np.testing.assert_array_equal(generator.get_weights()[0], before[1])
    np.testing.assert_allclose(
        whole.predict(noise, verbose=0),
        critic.predict(generator.predict(noise, verbose=0), verbose=0),
        atol=1e-6,
    )


def test_a_layer_inside_a_model_and_outside_of_it() -> None:
    x, dense = keras.Input((4,)), L.Dense(4)
    inner = keras.Model(x, dense(x))
    y = keras.Input((4,))
    model = keras.Model(y, dense(inner(y)))
    assert len(model.weights) == 2
    data = X[:, :4]
    model.compile("sgd", "mse")
    for _ in range(2):
        kernel, bias = dense.get_weights()
        want = (data @ kernel + bias) @ kernel + bias
        np.testing.assert_allclose(model.predict(data, verbose=0), want, atol=1e-5)
        model.fit(data, data, verbose=0)


def test_a_layer_inside_a_wrapper_and_outside_of_it() -> None:
    dense, a, b = L.Dense(2), keras.Input((5, 8)), keras.Input((8,))
    model = keras.Model([a, b], [L.TimeDistributed(dense)(a), dense(b)])
    left, right = model.predict([np.ones((1, 5, 8)), np.ones((1, 8))], verbose=0)
    np.testing.assert_allclose(left[0, 0], right[0], atol=1e-6)
    model.compile("sgd", "mse")
    with pytest.raises(ebb.UnsupportedError, match="training would separate the two"):
        model.fit([np.ones((1, 5, 8)), np.ones((1, 8))], [left, right], verbose=0)


def test_transfer() -> None:
    base = keras.Sequential([keras.Input((8,)), L.Dense(4), L.Dense(4)])
    base.trainable = False
    model = keras.Sequential([base, L.Dense(1)])
    model.compile("sgd", "mse")
    before = base.get_weights()
    model.fit(X, np.ones((6, 1)), verbose=0)
    for got, want in zip(base.get_weights(), before):
        np.testing.assert_array_equal(got, want)
    assert len(model.trainable_weights) == 2
    base.trainable = True
    model.compile("sgd", "mse")
    model.fit(X, np.ones((6, 1)), verbose=0)
    assert not np.array_equal(base.get_weights()[0], before[0])
