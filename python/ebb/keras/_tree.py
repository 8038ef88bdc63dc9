"""Nested structures: lists, tuples and dictionaries whose leaves are anything else.

Dictionaries are walked in the order of their sorted keys, as Keras does.
"""

from __future__ import annotations

from typing import Any, Callable


def _sorted_keys(structure: dict[Any, Any]) -> list[Any]:
    """Sorted if they can be."""
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)


_NESTED = (list, tuple, dict)


def _gather(structure: Any, found: list[Any]) -> None:
    """Adds the leaves of a list, tuple or dictionary. Recursion: as deep as it is nested."""
    if isinstance(structure, dict):
        structure = [structure[key] for key in _sorted_keys(structure)]
    for item in structure:
        if isinstance(item, _NESTED):
            _gather(item, found)
        else:
            found.append(item)


def flatten(structure: Any) -> list[Any]:
    """The leaves, in order."""
    if not isinstance(structure, _NESTED):
        return [structure]
    found: list[Any] = []
    _gather(structure, found)
    return found


leaves = flatten


def remake(structure: Any, items: list[Any]) -> Any:
    """A list or tuple of the kind of another one: named tuples keep their class."""
    if isinstance(structure, tuple):
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    return items


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same structure with every leaf replaced by ``function(leaf)``."""
    if not isinstance(structure, _NESTED):
        return function(structure)
    if isinstance(structure, dict):
        done = {key: map_structure(function, structure[key]) for key in _sorted_keys(structure)}
        return {key: done[key] for key in structure}
    return remake(structure, [map_structure(function, item) for item in structure])


def pack_as(structure: Any, items: Any) -> Any:
    """The same structure with the leaves replaced by items, in order."""
    source = iter(items)
    return map_structure(lambda _: next(source), structure)


def unpack_single(structure: Any) -> Any:
    """The only item of a list or tuple of one; anything else as it is."""
    if isinstance(structure, (list, tuple)) and len(structure) == 1:
        return structure[0]
    return structure
