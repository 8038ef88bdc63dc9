"""SeedGenerator, and which layers have one of their own.

A layer's generators are not among its weights: files do not keep them, and parameters are counted
without them. They are among its variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ebb._tensor import Tensor
from ebb.keras import _naming, _seeds, _tree
from ebb.keras._object import KerasObject
from ebb.keras._variable import Array, Variable


class SeedGenerator(KerasObject):
    """Gives another seed each time it is asked.

    Parameters
    ----------
    seed : int, optional
        Where it begins; drawn at random if not given.
    name : str, optional
        Of the generator.

    Attributes
    ----------
    initial_seed : int
    state : Variable of int64
        The seed, and how many were drawn by calls on numbers. What a model draws it counts by
        itself, and does not show here.

    Examples
    --------
    >>> seeds = ebb.keras.random.SeedGenerator(1)
    >>> ebb.keras.random.normal((2,), seed=seeds)  # doctest: +SKIP
    """

    _is_seed_generator = True

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if seed is None:
            seed = _seeds.next_seed()
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"seed: expected an integer, found {seed!r}")
        if seed < 0:
            raise ValueError(f"seed: expected an integer that is not negative, found {seed}")
        self.name = name or _naming.auto_name("SeedGenerator")
        self.initial_seed = int(seed)
        self.traced = 0  # draws in calls that were traced
        self.state = Variable(
            np.array([self.initial_seed & (2**63 - 1), 0], np.int64),
            trainable=False,
            name="seed_generator_state",
            path=f"{self.name}/seed_generator_state",
        )

    @property
    def base(self) -> int:
        """What tells its numbers from those of others."""
        return int(self.state.numpy()[0])

    def next(self, ordered: bool = True) -> Any:
        """The next seed, and one step on.

        Parameters
        ----------
        ordered : bool
            Has no effect.

        Returns
        -------
        Tensor of int64, ``(2,)``
        """
        return Tensor.from_array(self._draw())

    def _draw(self) -> Array:
        drawn = self.state.numpy()
        self.state._pending = drawn + np.array([0, 1])  # no model has it: nobody need look
        return drawn

    def get_config(self) -> dict[str, Any]:
        """The seed it began with.

        Returns
        -------
        dict
        """
        return {"seed": self.initial_seed, "name": self.name}


# Layers of the library that draw in training, and the argument without which they do not.
_DRAWING = {
    "AdditiveAttention": "dropout",
    "AlphaDropout": "rate",
    "Attention": "dropout",
    "Dropout": "rate",
    "GaussianDropout": "rate",
    "GaussianNoise": "stddev",
    "MultiHeadAttention": "dropout",
    "GroupQueryAttention": "dropout",
    "SpatialDropout1D": "rate",
    "SpatialDropout2D": "rate",
    "SpatialDropout3D": "rate",
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "SimpleRNN")),
    **dict.fromkeys(("GRUCell", "LSTMCell", "SimpleRNNCell")),
}


def own_generator(layer: Any, kind: type) -> SeedGenerator | None:
    """The generator of a layer of the library, made when somebody asks; None: it has none."""
    name = kind.__name__
    is_image = name.startswith("Random") and kind.__module__.endswith("layers")
    if not is_image and name not in _DRAWING:
        return None
    argument = _DRAWING.get(name)
    if argument is not None and not getattr(layer, argument, 0):
        return None
    if "_generator" not in layer.__dict__:
        seed = layer.__dict__.get("seed")
        layer._generator = SeedGenerator(seed if isinstance(seed, int) else None)
    made: SeedGenerator = layer._generator
    return made


def generators_of(layer: Any, kind: type) -> Iterator[SeedGenerator]:
    """The generators of a layer, without those of layers in it; ``kind``: its class of ebb."""
    own = own_generator(layer, kind)
    if own is not None:
        yield own
    for name, value in layer.__dict__.items():
        if name in ("_generator", "_given", "_eager"):
            continue
        if isinstance(value, SeedGenerator):
            yield value
        elif isinstance(value, (list, tuple, dict)) and value:
            for leaf in _tree.leaves(value):
                if isinstance(leaf, SeedGenerator):
                    yield leaf
