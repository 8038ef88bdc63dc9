"""Patterns of ``rearrange``: which axes there are, how they are grouped and in which order."""

from __future__ import annotations

import math
import re
from typing import Any

from ebb.keras.ops._promotion import as_array


def _groups(side: str) -> list[list[str]]:
    found = []
    for group, single in re.findall(r"\(([^()]*)\)|(\S+)", side):
        found.append(group.split() if not single else [single])
    return found


def _lengths(
    groups: list[list[str]], shape: tuple[Any, ...], known: dict[str, int]
) -> dict[str, Any]:
    lengths: dict[str, Any] = dict(known)
    for group, length in zip(groups, shape):
        open_names = [name for name in group if name not in lengths]
        if len(open_names) > 1:
            raise ValueError(f"rearrange: the lengths of {open_names} are not known")
        if open_names:
            rest = math.prod(lengths[name] for name in group if name in lengths)
            lengths[open_names[0]] = None if length is None else length // rest
    return lengths


def apply(tensor: Any, pattern: str, known: dict[str, int]) -> Any:
    """``keras.ops.rearrange``."""
    from ebb.keras.ops._shape import reshape, transpose

    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"rearrange: expected one '->', found {pattern!r}")
    left, right = (_groups(side) for side in sides)
    shape = tuple(tensor.shape) if hasattr(tensor, "shape") else as_array(tensor).shape
    names = [name for group in left for name in group]
    wanted = [name for group in right for name in group]
    if len(left) != len(shape) or sorted(names) != sorted(wanted) or len(set(names)) < len(names):
        raise ValueError(f"rearrange: the pattern {pattern!r} does not fit the shape {shape}")
    lengths = _lengths(left, shape, known)
    if any(len(group) != 1 for group in left):
        tensor = reshape(tensor, tuple(lengths[name] for name in names))
    if names != wanted:
        tensor = transpose(tensor, [names.index(name) for name in wanted])
    if any(len(group) != 1 for group in right):
        sizes = [[lengths[name] for name in group] for group in right]
        tensor = reshape(tensor, tuple(None if None in s else math.prod(s) for s in sizes))
    return tensor
