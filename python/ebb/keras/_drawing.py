"""Random numbers and lengths as nodes of a model: what a ``call`` draws while it is traced.

The library draws when the model runs, other numbers each time: in predict, as Keras does, in fit
and in evaluate. Every draw of a generator has a number of its own, so that no two of them give
the same numbers; it is counted when the call is traced. With an integer as seed there is nothing
to count: the numbers are always the same, as Keras's are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras import _lengths, _symbolic
from ebb.keras._lengths import MODULE, sized_node
from ebb.keras._symbolic import Function, KerasTensor

TRIES = 6  # of a gamma distribution: that all fail has probability 1e-8
COUNT_MAX = 1024  # tries of a binomial distribution


def is_traced(*values: Any) -> bool:
    """Whether to make nodes: a call is being traced, or a value is symbolic."""
    state = _symbolic.tracing
    return bool(state.depth and state.draws) or bool(_symbolic.symbolic_leaves(values))


def is_open(*values: Any) -> bool:
    """Whether something is known only when the model runs."""
    return any(map(_lengths.is_open, values)) or _symbolic.any_symbolic(values)


# -- seeds ----------------------------------------------------------------------------------------


class Seeds:
    """Tells the nodes of one call apart: what their configurations say."""

    __slots__ = ("count", "generator", "seed")

    def __init__(self, seed: Any, generator: Any) -> None:
        """``generator``: a SeedGenerator; None: ``seed`` is a number, or several."""
        self.generator, self.count, self.seed = generator, 0, 0
        if generator is None:
            words = [int(word) for word in np.asarray(seed).reshape(-1)]
            self.seed = (words[0] ^ sum(word << 32 for word in words[1:])) & (2**63 - 1)

    def take(self) -> dict[str, Any]:
        """Of the next node."""
        if self.generator is None:
            self.count += 1
            return {"seed": self.seed, "draw": self.count - 1, "is_fixed": True}
        note = _symbolic.tracing.generators
        if note is not None:
            note.setdefault(id(self.generator), (self.generator, self.generator.traced))
        self.generator.traced += 1
        return {"seed": self.generator.base, "draw": self.generator.traced - 1}


class Replay:
    """Calls that are traced more than once: each time they draw the same numbers."""

    def __init__(self) -> None:
        self.outer = _symbolic.tracing.generators
        self.drawn: dict[int, Any] = {}  # generators, as they were before and will be

    def begin(self) -> None:
        """Before each time."""
        self._rewind()
        _symbolic.tracing.generators = {}

    def end(self) -> None:
        """After the last time, or a fault."""
        self._rewind()
        _symbolic.tracing.generators = self.outer
        for generator, before, after in self.drawn.values():
            generator.traced = after
            if self.outer is not None:
                self.outer.setdefault(id(generator), (generator, before))

    def _rewind(self) -> None:
        note = _symbolic.tracing.generators
        if note is self.outer or note is None:
            return
        for key, (generator, before) in note.items():
            after = max(generator.traced, self.drawn.get(key, (None, 0, 0))[2])
            self.drawn[key] = (generator, before, after)
            generator.traced = before


# -- nodes ----------------------------------------------------------------------------------------


def draw(name: str, shape: Any, dtype: str, seeds: Seeds, **config: Any) -> Any:
    """A node of one of the library's distributions."""
    return sized_node(name, shape, dtype, {**config, **seeds.take()})


def of_tensor(name: str, x: Any, seeds: Seeds, **config: Any) -> Any:
    """A node that works on a tensor."""
    return Function(MODULE, name, {**config, **seeds.take()})(x)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) or (
        hasattr(value, "shape") and tuple(value.shape) == () and isinstance(value, np.ndarray)
    )


def _placed(drawn: Any, first: Any, factor: Any) -> Any:
    """``drawn * factor + first``, for tensors."""
    from ebb.keras import ops

    return ops.add(ops.multiply(drawn, factor), first)


def normal(name: str, shape: Any, mean: Any, stddev: Any, dtype: str, seeds: Seeds) -> Any:
    """RandomNormal or RandomTruncatedNormal."""
    if _is_number(mean) and _is_number(stddev):
        return draw(name, shape, dtype, seeds, mean=float(mean), stddev=float(stddev))
    return _placed(draw(name, shape, dtype, seeds, mean=0.0, stddev=1.0), mean, stddev)


def uniform(shape: Any, low: Any, high: Any, dtype: str, seeds: Seeds) -> Any:
    """RandomUniform."""
    if _is_number(low) and _is_number(high):
        config = {"minval": float(low), "maxval": float(high)}
        return draw("RandomUniform", shape, dtype, seeds, **config)
    from ebb.keras import ops

    unit = draw("RandomUniform", shape, dtype, seeds, minval=0.0, maxval=1.0)
    return _placed(unit, low, ops.subtract(high, low))


def randint(shape: Any, low: Any, high: Any, dtype: str, seeds: Seeds) -> Any:
    """RandomInteger."""
    if not (_is_number(low) and _is_number(high)):
        raise UnsupportedError(
            "randint: inside a model minval and maxval are integers, no tensors; draw with "
            "uniform() and use ops.floor"
        )
    config = {"minval": int(low), "maxval": int(high)}
    return draw("RandomInteger", shape, dtype, seeds, **config)


def gamma(shape: Any, alpha: Any, dtype: str, seeds: Seeds) -> Any:
    """Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).

    Each try is kept or not; of those that are kept the last one counts.
    """
    from ebb.keras import ops

    is_small = ops.less(alpha, 1.0)
    shifted = ops.where(is_small, ops.add(alpha, 1.0), alpha)
    d = ops.subtract(shifted, 1.0 / 3.0)
    c = ops.rsqrt(ops.multiply(d, 9.0))
    found: Any = d
    for _ in range(TRIES):
        x = normal("RandomNormal", shape, 0.0, 1.0, "float32", seeds)
        u = uniform(shape, 0.0, 1.0, "float32", seeds)
        base = ops.add(ops.multiply(c, x), 1.0)
        v = base * base * base
        logs = ops.log(ops.maximum(v, 1e-30))
        limit = ops.add(0.5 * x * x, ops.multiply(d, 1.0 - v + logs))
        is_kept = ops.logical_and(base > 0.0, ops.log(u) < limit)
        found = ops.where(is_kept, ops.multiply(d, v), found)
    power = ops.divide(1.0, ops.where(is_small, alpha, 1.0))
    u = uniform(shape, 0.0, 1.0, "float32", seeds)
    made = ops.multiply(found, ops.where(is_small, ops.power(u, power), 1.0))
    return made if dtype == "float32" else ops.cast(made, dtype)


def beta(shape: Any, first: Any, second: Any, dtype: str, seeds: Seeds) -> Any:
    """Of two gamma distributions."""
    from ebb.keras import ops

    x, y = gamma(shape, first, "float32", seeds), gamma(shape, second, "float32", seeds)
    made = x / (x + y)
    return made if dtype == "float32" else ops.cast(made, dtype)


def binomial(shape: Any, counts: Any, chance: Any, dtype: str, seeds: Seeds) -> Any:
    """Tries, one by one."""
    from ebb.keras import ops

    if isinstance(counts, KerasTensor) or int(np.max(np.asarray(counts))) > COUNT_MAX:
        raise UnsupportedError(
            f"binomial: inside a model counts are numbers up to {COUNT_MAX}; for more a normal "
            "distribution of the same mean and variance is close"
        )
    tries = np.asarray(counts, np.int32)
    most = int(tries.max())
    items = shape if isinstance(shape, (list, tuple)) else np.asarray(shape).tolist()
    u = uniform((*items, most), 0.0, 1.0, "float32", seeds)
    if not _is_number(chance):
        chance = ops.expand_dims(chance, -1)
    hits = ops.less(u, chance)
    if tries.ndim:
        hits = ops.logical_and(hits, np.arange(most) < tries[..., None])
    return ops.sum(ops.cast(hits, dtype), axis=-1)


class _OfTf:
    """Where the functions of ``tf.random`` draw from: by the seeds of the process and the call."""

    def __init__(self, seeds: tuple[Any, Any]) -> None:
        self.traced = 0
        self.base = Seeds([int(word or 0) for word in seeds], None).seed


def of_tf(
    name: str, shape: Any, first: Any, second: Any, dtype: str, seeds: Any, known: dict[Any, Any]
) -> Any:
    """A distribution of ``tf.random`` in a call that is traced; None: none is.

    A seed tells the numbers from those of others; they are other ones in every run all the same.
    """
    if not is_traced(shape, first, second):
        return None
    from ebb.keras.random import global_generator

    if seeds == (None, None):
        told = Seeds(None, global_generator())
    else:
        told = Seeds(None, known.setdefault(seeds, _OfTf(seeds)))
    if name == "RandomInteger":
        return randint(shape, first, second, dtype, told)
    if name == "RandomUniform":
        return uniform(shape, first, second, dtype, told)
    return normal(name, shape, first, second, dtype, told)
