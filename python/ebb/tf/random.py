"""``tf.random``: random numbers, the same in every process after ``set_seed``.

The distributions are TensorFlow's, the numbers are not.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _context
from ebb._apply import one
from ebb._dtype import Array, DType, TensorShape, as_dtype, float32, int64
from ebb._errors import ArgumentError
from ebb._operators import cast, convert, int_array
from ebb._values import EagerTensor, Tensor, to_array
from ebb.tf._arrays import eager_only, gather


class _Generators:
    """The generator of the process, and one for each seed of an operation."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed: int | None = None
        self.common = np.random.default_rng()
        self.seeded: dict[int, np.random.Generator] = {}
        self.traced: dict[Any, Any] = {}  # of calls of Keras

    def reset(self, seed: int | None) -> None:
        """Begins anew."""
        with self.lock:
            self.seed = seed
            self.common = np.random.default_rng(seed)
            self.seeded.clear()
            self.traced = {}

    def of(self, seed: int | None) -> np.random.Generator:
        """The generator for an operation."""
        if seed is None:
            return self.common
        with self.lock:
            if seed not in self.seeded:
                self.seeded[seed] = np.random.default_rng([self.seed or 0, seed & (2**63 - 1)])
            return self.seeded[seed]


generators = _Generators()


def set_seed(seed: int | None) -> None:
    """Sets the seed of the process, and of the graph that is being built."""
    generators.reset(None if seed is None else int(seed) & (2**63 - 1))
    if _context.building() is not None:
        _context.default_graph().set_seed(0 if seed is None else int(seed))


def _dims(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, Tensor):
        shape = to_array(shape)
    return tuple(int(d) for d in TensorShape(shape))


def _floating(dtype: Any) -> DType:
    kind = as_dtype(dtype)
    if not kind.is_floating:
        raise ArgumentError(f"random numbers of this kind are floats, not {kind.name}")
    return kind


def _node(op: str, shape: Any, kind: DType, seed: int | None) -> Any:
    graph = _context.building()
    assert graph is not None
    seeds: dict[str, Any] = {"dtype": float32}
    if seed is not None:
        seeds.update(seed=int(graph.seed or 0), seed2=int(seed))
    made = one(op, (int_array(shape),), seeds)
    return made if kind is float32 else cast(made, kind)


def _traced(name: str, shape: Any, first: Any, second: Any, kind: DType, seed: Any) -> Any:
    """A node of a call of Keras that is traced; None: there is none."""
    if _context.settings.keras is None:
        return None
    from ebb.keras._drawing import of_tf

    return of_tf(name, shape, first, second, kind.name, (generators.seed, seed), generators.traced)


def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32, seed: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """A normal distribution."""
    kind = _floating(dtype)
    traced = _traced("RandomNormal", shape, mean, stddev, kind, seed)
    if traced is not None:
        return traced
    if _context.building() is not None:
        return _node("RandomStandardNormal", shape, kind, seed) * stddev + mean
    numbers = generators.of(seed).standard_normal(_dims(shape))
    return EagerTensor.of(numbers * to_array(stddev) + to_array(mean), kind)


def _truncated(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    numbers = generator.standard_normal(shape)
    while True:
        outside = np.abs(numbers) > 2
        count = int(outside.sum())
        if not count:
            return numbers
        numbers[outside] = generator.standard_normal(count)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32, seed: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """A normal distribution without what is more than two deviations away."""
    kind = _floating(dtype)
    traced = _traced("RandomTruncatedNormal", shape, mean, stddev, kind, seed)
    if traced is not None:
        return traced
    if _context.building() is not None:
        return _node("TruncatedNormal", shape, kind, seed) * stddev + mean
    numbers = np.asarray(_truncated(generators.of(seed), _dims(shape)))
    return EagerTensor.of(numbers * to_array(stddev) + to_array(mean), kind)


def uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = float32, seed: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """A uniform distribution from ``minval`` up to ``maxval``, which is not one of the numbers."""
    kind = as_dtype(dtype)
    if maxval is None and kind.is_integer:
        raise ValueError(f"Must specify maxval for integer dtype {kind.name}")
    high = 1 if maxval is None else maxval
    name_ = "RandomInteger" if kind.is_integer else "RandomUniform"
    traced = _traced(name_, shape, minval, high, kind, seed)
    if traced is not None:
        return traced
    if _context.building() is not None:
        if kind.is_integer:
            ends = [np.array(end, kind.numpy) for end in (minval, high)]
            return one("RandomUniformInt", (int_array(shape), *ends), {"seed2": int(seed or 0)})
        return _node("RandomUniform", shape, kind, seed) * (high - minval) + minval
    generator, low, top = generators.of(seed), to_array(minval), to_array(high)
    if kind.is_integer:
        return EagerTensor.of(generator.integers(low, top, _dims(shape), np.int64), kind)
    return EagerTensor.of(generator.random(_dims(shape)) * (top - low) + low, kind)


def shuffle(value: Any, seed: Any = None, name: str | None = None) -> Any:
    """The rows in another order."""
    x = convert(value)
    (array,) = eager_only("random.shuffle", x)
    order = generators.of(seed).permutation(len(array)).astype(np.int32)
    return gather(x, order)


def categorical(
    logits: Any, num_samples: int, dtype: Any = None, seed: Any = None, name: str | None = None
) -> Any:
    """Draws classes by their logits, ``num_samples`` for each row."""
    (array,) = eager_only("random.categorical", logits)
    noise = generators.of(seed).gumbel(size=(*array.shape[:-1], int(num_samples), array.shape[-1]))
    drawn = (array[..., None, :] + noise).argmax(axis=-1)
    return EagerTensor.of(drawn, as_dtype(dtype or int64))


def _shaped(
    name: str, parameters: Sequence[Any], shape: Any
) -> tuple[list[Array], tuple[int, ...]]:
    arrays = eager_only(f"random.{name}", *parameters)
    common = np.broadcast_shapes(*(a.shape for a in arrays))
    return arrays, (*_dims(shape), *common)


def gamma(
    shape: Any, alpha: Any, beta: Any = 1.0, dtype: Any = float32, seed: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """A gamma distribution with these parameters, ``shape`` draws of each."""
    (a, b), dims = _shaped("gamma", (alpha, beta), shape)
    return EagerTensor.of(generators.of(seed).gamma(a, 1 / b, dims), _floating(dtype))


def poisson(
    shape: Any, lam: Any, dtype: Any = float32, seed: Any = None, name: str | None = None
) -> Any:
    """A Poisson distribution with this rate, ``shape`` draws of each."""
    (rate,), dims = _shaped("poisson", (lam,), shape)
    return EagerTensor.of(generators.of(seed).poisson(rate, dims), as_dtype(dtype))


# -- with a seed of their own ----------------------------------------------------------------------


def _stateless(seed: Any) -> np.random.Generator:
    return np.random.default_rng([int(s) & (2**63 - 1) for s in to_array(seed)])


def stateless_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32,
    name: str | None = None, alg: str = "auto_select",
) -> Any:  # fmt: skip
    """A normal distribution; equal seeds, equal numbers. Eager only."""
    eager_only("random.stateless_normal", seed)
    numbers = _stateless(seed).standard_normal(_dims(shape))
    return EagerTensor.of(numbers * to_array(stddev) + to_array(mean), _floating(dtype))


def stateless_uniform(
    shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: Any = float32,
    name: str | None = None, alg: str = "auto_select",
) -> Any:  # fmt: skip
    """A uniform distribution; equal seeds, equal numbers. Eager only."""
    eager_only("random.stateless_uniform", seed)
    kind, generator = as_dtype(dtype), _stateless(seed)
    if kind.is_integer:
        return EagerTensor.of(generator.integers(minval, maxval, _dims(shape), np.int64), kind)
    high = 1 if maxval is None else maxval
    return EagerTensor.of(generator.random(_dims(shape)) * (high - minval) + minval, kind)


class Generator:
    """A stream of random numbers of its own: ``Generator.from_seed(1).normal([2])``."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        """A stream that begins with this seed."""
        return cls(np.random.default_rng(int(seed) & (2**63 - 1)))

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """A stream that nobody knows."""
        return cls(np.random.default_rng())

    def reset_from_seed(self, seed: Any) -> None:
        """Begins anew with this seed."""
        self._generator = np.random.default_rng(int(seed) & (2**63 - 1))

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        """A normal distribution."""
        numbers = self._generator.standard_normal(_dims(shape))
        return EagerTensor.of(numbers * to_array(stddev) + to_array(mean), _floating(dtype))

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        """A normal distribution without what is more than two deviations away."""
        numbers = np.asarray(_truncated(self._generator, _dims(shape)))
        return EagerTensor.of(numbers * to_array(stddev) + to_array(mean), _floating(dtype))

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = float32,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        """A uniform distribution."""
        kind = as_dtype(dtype)
        if kind.is_integer:
            drawn = self._generator.integers(minval, maxval, _dims(shape), np.int64)
            return EagerTensor.of(drawn, kind)
        high = 1 if maxval is None else maxval
        return EagerTensor.of(self._generator.random(_dims(shape)) * (high - minval) + minval, kind)


def get_global_generator() -> Generator:
    """The stream of the process."""
    return Generator(generators.common)
