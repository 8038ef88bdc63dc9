"""One seed for everything."""

from __future__ import annotations

from ebb.keras import _seeds


def set_random_seed(seed: int) -> None:
    """Seeds Python's ``random``, numpy and everything random in ebb.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1. The same seed gives the same initial weights, dropout and shuffling in the
        next run of the same program.

    Raises
    ------
    ValueError
        Not an integer of that range.
    """
    _seeds.set_all(seed)
