"""Nested structures: lists, tuples and dictionaries whose leaves are anything else.

Dictionaries are walked in the order of their sorted keys, as Keras does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from ebb.keras import _missing, _tree


class MAP_TO_NONE:  # noqa: N801
    """What a function of :func:`traverse` gives where None is to stand."""


def is_nested(structure: Any) -> bool:
    """Tell whether it is a list, tuple or dictionary."""
    return isinstance(structure, (list, tuple, dict))


def _entries(structure: Any) -> list[tuple[Any, Any]]:
    """Keys or indexes with what they hold."""
    if isinstance(structure, dict):
        try:
            keys = sorted(structure)
        except TypeError:
            keys = list(structure)
        return [(key, structure[key]) for key in keys]
    return list(enumerate(structure))


def flatten(structure: Any) -> list[Any]:
    """Give the leaves of a structure, dictionaries in the order of their sorted keys."""
    return _tree.flatten(structure)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Give the leaves with the keys and indexes that lead to each: ``[(("a", 0), leaf), ...]``."""

    def walk(item: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
        if not is_nested(item):
            yield path, item
            return
        for key, inner in _entries(item):
            yield from walk(inner, (*path, key))

    return list(walk(structure, ()))


def _remade(structure: Any, items: list[Any]) -> Any:
    """A structure like another one, of other items in the order of `_entries`."""
    if isinstance(structure, dict):
        done = dict(zip((key for key, _ in _entries(structure)), items))
        return {key: done[key] for key in structure}
    return _tree.remake(structure, items)


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Give the structure with every leaf replaced by what a function makes of it.

    Parameters
    ----------
    func : callable
        Takes one leaf of each structure.
    *structures
        All alike.
    none_is_leaf : bool
        False: None stays None.

    Raises
    ------
    ValueError
        The structures differ, or there is none.
    """
    if not structures:
        raise ValueError("map_structure() expects at least one structure")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    if not none_is_leaf:
        given = func

        def func(*leaves: Any) -> Any:
            return None if all(leaf is None for leaf in leaves) else given(*leaves)

    rows = zip(*(_tree.flatten(structure) for structure in structures))
    return pack_sequence_as(structures[0], [func(*row) for row in rows])


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Replace what stands where a shallow structure has its leaves.

    Parameters
    ----------
    shallow_structure
        Tells how deep to go.
    func : callable
        Takes what each structure has there.
    *structures
        As the shallow one, or deeper.
    """
    if not is_nested(shallow_structure):
        return func(*structures)
    made = []
    for key, inner in _entries(shallow_structure):
        made.append(map_structure_up_to(inner, func, *(item[key] for item in structures)))
    return _remade(shallow_structure, made)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """Replace the shapes in a structure: tuples and lists of integers and None are leaves."""
    if isinstance(structure, (list, tuple)) and all(
        item is None or isinstance(item, int) for item in structure
    ):
        return func(tuple(structure))
    if not is_nested(structure):
        raise ValueError(f"expected shapes, found {structure!r}")
    return _remade(structure, [map_shape_structure(func, item) for _, item in _entries(structure)])


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """Give a structure like another one with other leaves.

    Raises
    ------
    ValueError
        There are more or fewer leaves.
    """
    items = list(flat_sequence)
    count = len(_tree.flatten(structure))
    if len(items) != count:
        raise ValueError(f"the structure has {count} leaves, the sequence {len(items)}")
    return _tree.pack_as(structure, items)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Call a function on every part of a structure, and put what it gives in its place.

    Parameters
    ----------
    func : callable
        Takes a part, or a leaf; None: go into it, or leave it; MAP_TO_NONE: None in its place.
    structure
        Whatever is nested.
    top_down : bool
        The whole before its parts; False: after them.
    """
    if top_down:
        found = func(structure)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    if is_nested(structure):
        inner = [traverse(func, item, top_down) for _, item in _entries(structure)]
        structure = _remade(structure, inner)
    if not top_down:
        found = func(structure)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    return structure


def lists_to_tuples(structure: Any) -> Any:
    """Make tuples of all lists in a structure."""
    return traverse(
        lambda item: tuple(item) if isinstance(item, list) else None, structure, top_down=False
    )


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raise ValueError unless two structures are alike: kinds, lengths and keys.

    Parameters
    ----------
    a, b
        The structures.
    check_types
        Taken for compatibility: kinds always count.
    """
    if is_nested(a) != is_nested(b):
        raise ValueError(f"expected {type(a).__name__}, found {b!r}")
    if not is_nested(a):
        return
    kinds = (dict, list, tuple)
    if any(isinstance(a, kind) != isinstance(b, kind) for kind in kinds):
        raise ValueError(f"expected {type(a).__name__}, found {b!r}")
    if isinstance(a, dict) and set(a) != set(b):
        raise ValueError(f"expected the keys {sorted(map(str, a))}, found {sorted(map(str, b))}")
    if len(a) != len(b):
        raise ValueError(f"expected {len(a)} items, found {len(b)}: {b!r}")
    for (_, inner), (_, other) in zip(_entries(a), _entries(b)):
        assert_same_structure(inner, other)


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise ValueError unless the same keys and indexes lead to leaves of both."""
    of_a = {path for path, _ in flatten_with_path(a)}
    of_b = {path for path, _ in flatten_with_path(b)}
    if of_a != of_b:
        raise ValueError(
            f"only the first has {sorted(map(str, of_a - of_b))}, "
            f"only the second {sorted(map(str, of_b - of_a))}"
        )


__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]

__getattr__ = _missing.guard(__name__, globals())
