"""Where random seeds come from when a caller gives none.

As in Keras they are drawn from Python's own generator: after ``random.seed(n)`` or
``keras.utils.set_random_seed(n)`` the same program draws the same seeds.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

SEED_MAX = 10**9

_listeners: list[Any] = []


def next_seed() -> int:
    """A seed for a model, a layer or a generator that was given none."""
    return random.randint(1, SEED_MAX)


def on_reset(function: Any) -> None:
    """Has a function without arguments called when all seeds are set."""
    _listeners.append(function)


def set_all(seed: int) -> None:
    """Seeds Python, numpy and everything that ebb draws from now on."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ValueError(f"seed: expected an integer, found {seed!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected 0 to 2**32 - 1, found {seed}")
    random.seed(int(seed))
    np.random.seed(int(seed))
    for function in _listeners:
        function()
