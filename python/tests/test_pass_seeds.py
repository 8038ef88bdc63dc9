"""Random layers called by hand with training=True: other numbers each time, the same each run."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb import keras


def draws() -> list[Any]:
    """What dropout keeps of two calls, after the seeds are set."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5)])
    x = np.ones((2, 64), np.float32)
    return [np.asarray(model(x, training=True)) for _ in range(2)]


def test_dropout_by_hand_repeats_with_the_seeds_set() -> None:
    first, second = draws(), draws()
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_models_draw_numbers_of_their_own() -> None:
    keras.utils.set_random_seed(7)
    x = np.ones((1, 256), np.float32)
    models = [keras.Sequential([keras.Input((256,)), keras.layers.Dropout(0.5)]) for _ in range(2)]
    one, other = (np.asarray(model(x, training=True)) for model in models)
    assert not np.array_equal(one, other)
