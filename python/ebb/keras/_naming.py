"""Names that objects get when they are given none: "dense", "dense_1", counted over the process."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import threading
from collections.abc import Iterator

_counts: dict[str, itertools.count[int]] = {}


class _Aside(threading.local):
    """Counts of one thread alone, for what is put together without anybody asking for it."""

    counts: dict[str, itertools.count[int]] | None = None


_aside = _Aside()


@functools.lru_cache(maxsize=256)
def snake_case(name: str) -> str:
    """``"BatchNormalization"`` to ``"batch_normalization"``, ``"Conv2D"`` to ``"conv2d"``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


# Classes that Keras calls something else in Python than in its interface.
_PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}


def auto_name(class_name: str) -> str:
    """The next name for an object of a class."""
    return unique(snake_case(_PYTHON_NAMES.get(class_name, class_name)))


def unique(name: str) -> str:
    """The name itself the first time, then with a number."""
    count = _next(name)
    return f"{name}_{count}" if count else name


def _next(name: str) -> int:
    """0, 1, 2 ...: each once, in whatever thread. Without a lock, which an interrupt could keep."""
    counts = _counts if _aside.counts is None else _aside.counts
    return next(counts.setdefault(name, itertools.count()))


def get_uid(prefix: str = "") -> int:
    """1, 2, 3 ... for each prefix, counted together with the names."""
    return _next(prefix) + 1


def reset() -> None:
    """Begins anew with "dense", "functional" ...; objects that are there keep their names."""
    _counts.clear()


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Names that are given in the block do not count for others."""
    before = _aside.counts
    _aside.counts = {}
    try:
        yield
    finally:
        _aside.counts = before
