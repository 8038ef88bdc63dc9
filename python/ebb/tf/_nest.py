"""Structures of lists, tuples and dicts: taken apart and put together again (``tf.nest``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable


def is_nested(structure: Any) -> bool:
    """Is this a list, a tuple or a dict?"""
    return isinstance(structure, (list, tuple, dict)) and not hasattr(structure, "as_list")


def leaves(structure: Any) -> Iterator[Any]:
    """What is in a structure, in order; dicts by their sorted keys."""
    if not is_nested(structure):
        yield structure
        return
    for item in _items(structure):
        yield from leaves(item)


def _items(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        return [structure[key] for key in _keys(structure)]
    return list(structure)


def _keys(structure: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """What is in a structure, as a list."""
    return list(leaves(structure))


def pack(structure: Any, flat: Iterator[Any]) -> Any:
    """A structure like this one with other things in it."""
    if not is_nested(structure):
        return next(flat)
    if isinstance(structure, dict):
        made = {key: pack(structure[key], flat) for key in _keys(structure)}
        return type(structure)((key, made[key]) for key in structure)
    parts = [pack(item, flat) for item in structure]
    return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)


def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """A structure like this one with the things of the list in it."""
    flat = list(flat_sequence)
    count = len(flatten(structure))
    if len(flat) != count:
        raise ValueError(f"the structure has {count} places, the list {len(flat)} items")
    return pack(structure, iter(flat))


def map_structure(function: Callable[..., Any], *structures: Any, **_: Any) -> Any:
    """The structure of what the function makes of the things in the structures."""
    if not structures:
        raise ValueError("Must provide at least one structure")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    made = [function(*items) for items in zip(*(leaves(s) for s in structures))]
    return pack(structures[0], iter(made))


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True) -> None:
    """Raises ValueError or TypeError if the structures differ."""
    if is_nested(nest1) != is_nested(nest2):
        raise ValueError(f"the structures differ: {nest1!r} and {nest2!r}")
    if not is_nested(nest1):
        return
    if check_types and isinstance(nest1, dict) != isinstance(nest2, dict):
        raise TypeError(f"the structures differ: {type(nest1)} and {type(nest2)}")
    if len(nest1) != len(nest2):
        raise ValueError(f"the structures have {len(nest1)} and {len(nest2)} items")
    if isinstance(nest1, dict) and set(nest1) != set(nest2):
        raise ValueError(f"the structures have keys {sorted(nest1)} and {sorted(nest2)}")
    for a, b in zip(_items(nest1), _items(nest2)):
        assert_same_structure(a, b, check_types)
