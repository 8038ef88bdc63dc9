"""Names that objects get when they are given none: "dense", "dense_1", counted over the process."""

from __future__ import annotations

import itertools
import re

_counts: dict[str, itertools.count[int]] = {}


def snake_case(name: str) -> str:
    """``"BatchNormalization"`` to ``"batch_normalization"``, ``"Conv2D"`` to ``"conv2d"``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(class_name: str) -> str:
    """The next name for an object of a class."""
    return unique(snake_case(class_name))


def unique(name: str) -> str:
    """The name itself the first time, then with a number."""
    count = _next(name)
    return f"{name}_{count}" if count else name


def _next(name: str) -> int:
    """0, 1, 2 ...: each once, in whatever thread. Without a lock, which an interrupt could keep."""
    return next(_counts.setdefault(name, itertools.count()))


def get_uid(prefix: str = "") -> int:
    """1, 2, 3 ... for each prefix, counted together with the names."""
    return _next(prefix) + 1


def reset() -> None:
    """Begins anew with "dense", "functional" ...; objects that are there keep their names."""
    _counts.clear()
