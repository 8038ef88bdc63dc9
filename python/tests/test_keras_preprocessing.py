"""Activations, labels, sequences, texts and adapted layers against Keras's numbers."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import numpy as np
import pytest

from ebb import keras

GOLDENS = pathlib.Path(__file__).with_name("goldens")
sys.path.insert(0, str(GOLDENS))

import preprocessing_cases  # noqa: E402

WANTED = json.loads((GOLDENS / "preprocessing.json").read_text())


def same(want: Any, got: Any) -> None:
    """Types, shapes and numbers."""
    assert isinstance(want, dict) == isinstance(got, dict)
    if isinstance(want, dict):
        assert (got["dtype"], got["shape"]) == (want["dtype"], want["shape"])
        if want["dtype"].startswith("float"):
            np.testing.assert_allclose(got["values"], want["values"], rtol=1e-5, atol=1e-5)
        else:
            assert got["values"] == want["values"]
    elif isinstance(want, list):
        assert len(got) == len(want)
        for one, other in zip(want, got):
            same(one, other)
    else:
        assert got == want


@pytest.mark.parametrize("text", preprocessing_cases.cases())
def test_equals_keras(text: str) -> None:
    """Every case."""
    same(WANTED[text], preprocessing_cases.plain(eval(text, preprocessing_cases.names(keras))))


def test_adapted_layers_in_models() -> None:
    """Normalization and Discretization are parts of models after ``adapt``."""
    table = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) * 4 + 2
    layer = keras.layers.Normalization()
    layer.adapt(table)
    assert [weight.name for weight in layer.weights] == ["mean", "variance", "count"]
    assert layer.get_config()["mean"] is None
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
    part = keras.Model(model.inputs, layer.output).predict(table, verbose=0)
    np.testing.assert_allclose(part.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(part.std(0), 1, atol=1e-5)
    layer.adapt(table * 2)
    part = keras.Model(model.inputs, layer.output).predict(table * 2, verbose=0)
    np.testing.assert_allclose(part.std(0), 1, atol=1e-5)

    bins = keras.layers.Discretization(num_bins=4)
    bins.adapt(table)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, bins(inputs))
    got = model.predict(table, verbose=0)
    assert sorted(np.unique(got).tolist()) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="before it is called"):
        bins.adapt(table)
    with pytest.raises(ValueError, match="initialized with"):
        keras.layers.Discretization([1.0]).adapt(table)
    with pytest.raises(ValueError, match="static"):
        keras.layers.Normalization(mean=1.0, variance=1.0).adapt(table)


def test_adapt_on_batches() -> None:
    """Batches give the same mean and variance as the whole."""
    from ebb._dataset import Dataset

    table = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    whole, parts = keras.layers.Normalization(), keras.layers.Normalization()
    whole.adapt(table)
    parts.adapt(Dataset.from_tensor_slices(table).batch(8))
    for one, other in zip(whole.get_weights(), parts.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_one_mean_for_each_channel() -> None:
    """Images: the last axis is kept."""
    images = np.random.default_rng(0).random((6, 4, 4, 3)).astype(np.float32)
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(images)
    got = np.asarray(layer(images))
    np.testing.assert_allclose(got.mean((0, 1, 2)), 0, atol=1e-5)
    assert layer.mean.shape == (1, 1, 1, 3)


def test_generators() -> None:
    """Legacy windows over time, skip-grams, image generators."""
    from ebb.keras.preprocessing.image import ImageDataGenerator
    from ebb.keras.preprocessing.sequence import (
        TimeseriesGenerator,
        make_sampling_table,
        skipgrams,
    )

    windows = TimeseriesGenerator(np.arange(50), np.arange(50), 10, sampling_rate=2, batch_size=2)
    x, y = windows[0]
    assert x.tolist() == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
    assert y.tolist() == [10, 11]
    assert len(windows) == 20
    couples, labels = skipgrams([1, 2, 3], 10, window_size=1, negative_samples=1.0, seed=1)
    assert len(couples) == 8 and sum(labels) == 4
    assert make_sampling_table(5).shape == (5,)

    images = np.arange(6 * 4 * 4 * 1, dtype=np.float32).reshape(6, 4, 4, 1)
    plain = ImageDataGenerator(rescale=0.5).flow(images, np.arange(6), 4, shuffle=False)
    x, y = next(plain)
    np.testing.assert_allclose(x, images[:4] / 2)
    assert (len(plain), y.tolist()) == (2, [0, 1, 2, 3])
    changed = ImageDataGenerator(
        rotation_range=20, width_shift_range=0.2, zoom_range=0.1, horizontal_flip=True,
        brightness_range=(0.5, 1.5), validation_split=0.5,
    )  # fmt: skip
    x = next(changed.flow(images, batch_size=3, subset="training", seed=1))
    assert x.shape == (3, 4, 4, 1) and np.isfinite(x).all()
    centered = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    centered.fit(images)
    x = next(centered.flow(images, batch_size=6, shuffle=False))
    assert abs(float(x.mean())) < 1e-4
