"""``ebb.keras.random``: seeds, distributions, generators."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest

from ebb import keras
from ebb.keras import random

SHAPE = (200, 100)
DRAWS: dict[str, tuple[Callable[..., Any], float, float]] = {
    # name: numbers, mean, standard deviation
    "normal": (lambda s: random.normal(SHAPE, 1.0, 2.0, seed=s), 1.0, 2.0),
    "truncated": (lambda s: random.truncated_normal(SHAPE, seed=s), 0.0, 0.8796),
    "uniform": (lambda s: random.uniform(SHAPE, -1.0, 3.0, seed=s), 1.0, 4 / 12**0.5),
    "randint": (lambda s: random.randint(SHAPE, 0, 10, seed=s), 4.5, (99 / 12) ** 0.5),
    "gamma": (lambda s: random.gamma(SHAPE, 4.0, seed=s), 4.0, 2.0),
    "beta": (lambda s: random.beta(SHAPE, 2.0, 2.0, seed=s), 0.5, 0.2236),
    "binomial": (lambda s: random.binomial(SHAPE, 10, 0.3, seed=s), 3.0, 2.1**0.5),
    "categorical": (
        lambda s: random.categorical(np.log([[0.25, 0.75]] * 100), 200, seed=s),
        0.75,
        0.433,
    ),
}


@pytest.mark.parametrize("name", list(DRAWS))
def test_distribution(name: str) -> None:
    """Mean and deviation; the same seed gives the same, another one something else."""
    draw, mean, deviation = DRAWS[name]
    first, again, other = (np.asarray(draw(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(first.mean() - mean) < 0.03 * max(deviation, 1)
    assert abs(first.std() - deviation) < 0.03 * max(deviation, 1)


def test_bounds_and_types() -> None:
    """Ranges and element types."""
    numbers = np.asarray(random.uniform((10000,), 0, 1, seed=1))
    assert numbers.dtype == np.float32
    assert numbers.min() >= 0 and numbers.max() < 1
    assert np.asarray(random.truncated_normal((10000,), seed=1)).max() <= 2
    assert random.randint((3,), 0, 2, dtype="int64").dtype == "int64"
    assert random.normal((3,), dtype="float16").dtype == "float16"
    with pytest.raises(ValueError, match="float type"):
        random.uniform((2,), dtype="int32")
    with pytest.raises(ValueError, match="integer type"):
        random.randint((2,), 0, 2, dtype="float32")
    with pytest.raises(ValueError, match="two axes"):
        random.categorical([1.0], 2)


def test_seed_generator() -> None:
    """A generator goes on; one of the same seed gives the same numbers."""
    first, second = random.SeedGenerator(7), random.SeedGenerator(7)
    a, b = random.normal((3,), seed=first), random.normal((3,), seed=first)
    assert not np.array_equal(a, b)
    assert np.array_equal(a, random.normal((3,), seed=second))
    assert np.array_equal(b, random.normal((3,), seed=second))
    assert first.get_config() == {"seed": 7, "name": first.name}
    assert first.state.dtype == "int64" and first.state.numpy().tolist() == [7, 2]
    assert random.SeedGenerator.from_config({"seed": 3}).initial_seed == 3
    assert first.next().shape == (2,)
    for bad in (-1, 1.5, True):
        with pytest.raises(ValueError, match="seed"):
            random.SeedGenerator(bad)  # type: ignore[arg-type]


def test_set_random_seed() -> None:
    """Calls without a seed, numpy, Python and the weights of models follow it."""

    def run() -> Any:
        keras.utils.set_random_seed(11)
        keras.backend.clear_session()  # weights depend on the names of their layers
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        kernel = model.get_weights()[0]
        return np.asarray(random.normal((3,))), np.random.rand(2), kernel

    for one, other in zip(run(), run()):
        assert np.array_equal(one, other)
    assert not np.array_equal(random.normal((3,)), random.normal((3,)))
    with pytest.raises(ValueError, match="integer"):
        keras.utils.set_random_seed("a")  # type: ignore[arg-type]


def test_dropout_and_shuffle() -> None:
    """A share of zeros, the others scaled; rows in another order."""
    x = np.ones((100, 100), np.float32)
    dropped = np.asarray(random.dropout(x, 0.25, seed=1))
    assert abs((dropped == 0).mean() - 0.25) < 0.02
    assert np.allclose(dropped[dropped > 0], 1 / 0.75)
    rows = np.asarray(random.dropout(x, 0.5, noise_shape=(None, 1), seed=1))
    assert set(rows.mean(1).tolist()) == {0.0, 2.0}
    order = np.asarray(random.shuffle(np.arange(50), seed=1))
    assert sorted(order.tolist()) == list(range(50)) != order.tolist()
    with pytest.raises(ValueError, match="rate"):
        random.dropout(x, 1.5)
    with pytest.raises(ValueError, match="shape: expected integers"):
        random.normal((None, 3))
