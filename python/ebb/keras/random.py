"""Random numbers: functions with a seed, and generators that go on.

The same seed gives the same numbers on every machine. They are not Keras's own numbers, which
differ between its backends too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras import _drawing, _seeds
from ebb.keras._seed_generator import SeedGenerator
from ebb.keras.ops._promotion import as_array as _as_array
from ebb.keras.ops._promotion import numpy_dtype as _numpy_dtype
from ebb.keras.ops._promotion import wrap as _wrap
from ebb.keras.ops._shape import lengths_of as _lengths_of

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]


class _Global:
    """The generator of calls without a seed; anew after ``set_random_seed``."""

    def __init__(self) -> None:
        self.generator: SeedGenerator | None = None
        _seeds.on_reset(self.reset)

    def reset(self) -> None:
        """Forgets it."""
        self.generator = None

    def get(self) -> SeedGenerator:
        """The generator."""
        if self.generator is None:
            self.generator = SeedGenerator(name="global_seed_generator")
        return self.generator


_global = _Global()


def global_generator() -> SeedGenerator:
    """The generator of calls without a seed."""
    return _global.get()


def _generator(seed: Any) -> np.random.Generator:
    """Numbers from a seed: an integer, a pair, a SeedGenerator or None."""
    if seed is None:
        words = _global.get()._draw()
    elif isinstance(seed, SeedGenerator) or hasattr(seed, "_draw"):
        words = seed._draw()
    else:
        words = _as_array(seed).reshape(-1).astype(np.int64)
    low, high = (int(words[0]), int(words[1]) if len(words) > 1 else 0)
    return np.random.Generator(np.random.Philox(key=[low & 0xFFFFFFFFFFFFFFFF, high & 0xFFFFFFFF]))


def _traced(seed: Any, *values: Any) -> _drawing.Seeds | None:
    """What the nodes of a call that is traced are told; None: numbers are drawn here and now.

    An integer as seed gives the same numbers each time: they are a constant of the model, unless
    their shape or what they are made of is known when it runs.
    """
    if not _drawing.is_traced(*values):
        return None
    generator = _global.get() if seed is None else seed
    if isinstance(generator, SeedGenerator):
        return _drawing.Seeds(None, generator)
    return _drawing.Seeds(seed, None) if _drawing.is_open(*values) else None


def _shape(shape: Any) -> tuple[int, ...]:
    lengths = _lengths_of(shape)
    if None in lengths:
        raise ValueError(f"shape: expected integers, found {shape}")
    return tuple(lengths)


def _floating(dtype: Any) -> str:
    return str(_numpy_dtype(dtype).name)


def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Numbers of a normal distribution.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    mean, stddev : float
        Of the distribution.
    dtype : str, optional
        A float type.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor
    """
    seeds = _traced(seed, shape, mean, stddev)
    if seeds is not None:
        return _drawing.normal("RandomNormal", shape, mean, stddev, _floating(dtype), seeds)
    made = _generator(seed).standard_normal(_shape(shape)) * stddev + mean
    return _wrap(np.asarray(made).astype(_numpy_dtype(dtype)))


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Numbers of a normal distribution, drawn again beyond two standard deviations.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    mean, stddev : float
        Of the distribution.
    dtype : str, optional
        A float type.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor
    """
    seeds = _traced(seed, shape, mean, stddev)
    if seeds is not None:
        name = "RandomTruncatedNormal"
        return _drawing.normal(name, shape, mean, stddev, _floating(dtype), seeds)
    generator = _generator(seed)
    made = np.asarray(generator.standard_normal(_shape(shape)))
    far = np.abs(made) > 2
    while far.any():
        made = np.where(far, generator.standard_normal(made.shape), made)
        far = np.abs(made) > 2
    return _wrap((made * stddev + mean).astype(_numpy_dtype(dtype)))


def uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Numbers from ``minval`` to before ``maxval``.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    minval, maxval : float
        The range.
    dtype : str, optional
        A float type; for integers see ``randint``.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        ``dtype`` is no float type.
    """
    kind = _numpy_dtype(dtype)
    if kind.kind not in "fV":
        raise ValueError(f"uniform: dtype: expected a float type, found {kind}; use randint")
    seeds = _traced(seed, shape, minval, maxval)
    if seeds is not None:
        return _drawing.uniform(shape, minval, maxval, kind.name, seeds)
    made = _generator(seed).random(_shape(shape)) * (maxval - minval) + minval
    rounded = np.asarray(made).astype(kind)
    # 1 - 2**-60 would round up to the bound that is left out.
    return _wrap(np.where(rounded >= maxval, np.asarray(minval, kind), rounded).astype(kind))


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Integers from ``minval`` to before ``maxval``.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    minval, maxval : int
        The range.
    dtype : str
        An integer type.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        ``dtype`` is no integer type.
    """
    kind = _numpy_dtype(dtype)
    if kind.kind not in "iu":
        raise ValueError(f"randint: dtype: expected an integer type, found {kind}; use uniform")
    seeds = _traced(seed, shape, minval, maxval)
    if seeds is not None:
        return _drawing.randint(shape, minval, maxval, kind.name, seeds)
    return _wrap(np.asarray(_generator(seed).integers(minval, maxval, _shape(shape))).astype(kind))


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Classes drawn from rows of logits.

    Parameters
    ----------
    logits : tensor or array
        ``(rows, classes)``: logarithms of probabilities, up to a constant.
    num_samples : int
        How many for each row.
    dtype : str
        An integer type.
    seed : int or SeedGenerator, optional
        An integer gives the same classes each time.

    Returns
    -------
    Tensor
        ``(rows, num_samples)``.

    Raises
    ------
    ValueError
        ``logits`` has not two axes.
    """
    seeds = _traced(seed, logits)
    if seeds is not None:
        config = {"num_samples": int(num_samples), "dtype": _numpy_dtype(dtype).name}
        return _drawing.of_tensor("RandomCategorical", logits, seeds, **config)
    rows = _as_array(logits)
    if rows.ndim != 2:
        raise ValueError(f"categorical: logits: expected two axes, found {rows.shape}")
    noise = _generator(seed).gumbel(size=(rows.shape[0], num_samples, rows.shape[1]))
    drawn = np.argmax(rows[:, None, :] + noise, -1)
    return _wrap(drawn.astype(_numpy_dtype(dtype)))


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Sets a share of the numbers to 0 and scales the others up.

    Parameters
    ----------
    inputs : tensor or array
        Any shape.
    rate : float
        The share, from 0 to before 1.
    noise_shape : tuple of int or None, optional
        Lengths of 1 drop the whole axis at once.
    seed : int or SeedGenerator, optional
        An integer drops the same each time.

    Returns
    -------
    Tensor
        The shape of ``inputs``.

    Notes
    -----
    It drops always. In a call write ``if training:`` before it.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate: expected 0 to before 1, found {rate}")
    seeds = _traced(seed, inputs)
    if seeds is not None:
        given = None if noise_shape is None else list(_lengths_of(noise_shape))
        config = {"rate": float(rate), "noise_shape": given}
        return _drawing.of_tensor("RandomDropout", inputs, seeds, **config)
    array = _as_array(inputs)
    shape = (
        array.shape
        if noise_shape is None
        else tuple(own if n is None else n for n, own in zip(noise_shape, array.shape))
    )
    kept = _generator(seed).random(shape) >= rate
    return _wrap(np.where(kept, array / (1 - rate), 0).astype(array.dtype))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The parts along an axis in another order.

    Parameters
    ----------
    x : tensor or array
        Any shape.
    axis : int
        Which one.
    seed : int or SeedGenerator, optional
        An integer gives the same order each time.

    Returns
    -------
    Tensor
        The shape of ``x``.
    """
    seeds = _traced(seed, x)
    if seeds is not None:
        return _drawing.of_tensor("RandomShuffle", x, seeds, axis=int(axis))
    array = _as_array(x)
    return _wrap(np.take(array, _generator(seed).permutation(array.shape[axis]), axis))


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a gamma distribution with scale 1.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    alpha : float or array
        Shape of the distribution; broadcasts.
    dtype : str, optional
        A float type.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor
    """
    seeds = _traced(seed, shape, alpha)
    if seeds is not None:
        return _drawing.gamma(shape, alpha, _floating(dtype), seeds)
    made = _generator(seed).gamma(np.asarray(_as_array(alpha), np.float64), 1.0, _shape(shape))
    return _wrap(np.asarray(made).astype(_numpy_dtype(dtype)))


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a beta distribution.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    alpha, beta : float or array
        Parameters of the distribution; broadcast.
    dtype : str, optional
        A float type.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor
    """
    seeds = _traced(seed, shape, alpha, beta)
    if seeds is not None:
        return _drawing.beta(shape, alpha, beta, _floating(dtype), seeds)
    first, second = (np.asarray(_as_array(value), np.float64) for value in (alpha, beta))
    made = _generator(seed).beta(first, second, _shape(shape))
    return _wrap(np.asarray(made).astype(_numpy_dtype(dtype)))


def binomial(
    shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
) -> Any:
    """How many of ``counts`` tries succeed.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    counts : int or array
        Tries; broadcasts.
    probabilities : float or array
        Of each try; broadcasts.
    dtype : str, optional
        Of the result; by default ``floatx``.
    seed : int or SeedGenerator, optional
        An integer gives the same numbers each time.

    Returns
    -------
    Tensor
    """
    seeds = _traced(seed, shape, counts, probabilities)
    if seeds is not None:
        kind = _floating(dtype)
        return _drawing.binomial(shape, counts, probabilities, kind, seeds)
    tries = _as_array(counts).astype(np.int64)
    chance = np.asarray(_as_array(probabilities), np.float64)
    made = _generator(seed).binomial(tries, chance, _shape(shape))
    return _wrap(np.asarray(made).astype(_numpy_dtype(dtype)))
