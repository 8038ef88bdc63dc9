"""Where Keras keeps each weight of a model inside .keras files: ``layers/dense/vars/0``.

The walk goes from the model through its layers, then through attributes in the order of their
names, private ones last; what was met already is left out. Source: keras/src/saving/saving_lib.py
(_walk_saveable, _save_container_state) of Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ebb.keras import _cells, _summary, _wrappers
from ebb.keras._host_layer import is_host
from ebb.keras._layer import Layer, is_native
from ebb.keras._model import Model
from ebb.keras._naming import snake_case
from ebb.keras._spectrogram import STFTSpectrogram
from ebb.keras._variable import Variable

# What the engine itself keeps in layers: no attribute of the user's.
_ENGINE = frozenset(
    {
        *("_given", "_eager", "_slots", "_added", "_losses", "_layers", "layers"),
        *("_engine", "_graph", "_operations", "_settings", "inputs", "outputs"),
        *("optimizer", "loss", "history", "callbacks"),
    }
)


class Place(NamedTuple):
    """A group of weights, ``<path>/vars``, and whose it is."""

    path: str
    owner: Any
    variables: list[Variable]


def _name_order(name: str) -> str:
    """Private attributes come last."""
    return f"~{name}" if name.startswith("_") else name


def _natural_first(variables: Iterable[Variable]) -> list[Variable]:
    """Trainable ones first, as they were when they were made."""
    found = list(dict.fromkeys(variables))
    return [v for v in found if v.is_natural] + [v for v in found if not v.is_natural]


def own_variables(layer: Any) -> list[Variable]:
    """What a layer written in Python made itself, in the order of files."""
    own = list(getattr(layer, "_added", ()))
    own += [value for name, value in vars(layer).items() if isinstance(value, Variable)]
    return _natural_first(own)


def _is_saved(value: Any) -> bool:
    """Does Keras look into it?"""
    return isinstance(value, Layer)


def _attributes(owner: Any) -> Iterator[tuple[str, Any]]:
    """The user's attributes, in Keras's order; a model's list of layers stands among them."""
    found = {name: vars(owner)[name] for name in vars(owner) if name not in _ENGINE}
    if isinstance(owner, Model) and not _is_graph(owner):
        found["layers"] = owner.layers
    for name in sorted(found, key=_name_order):
        if not name.startswith("__"):
            yield name, found[name]


def _is_graph(item: Any) -> bool:
    """Is it a model whose layers and calls are known?"""
    return _summary.is_functional(item) or _summary.is_sequential(item)


def _native_groups(layer: Any, path: str, seen: set[int]) -> Iterator[Place]:
    """The weights of one of ebb's layers, by the part of it that has them."""
    groups: dict[str, list[Variable]] = {}
    opened = _cells.opened(layer)
    for inner, variable in layer._slots:
        part = inner.rsplit("/", 1)[0] if "/" in inner else ""
        if part.split("/", 1)[0] in opened:
            continue
        groups.setdefault(part, []).append(variable)
    for part, variables in groups.items():
        if type(layer).__name__ in ("GroupQueryAttention", "GroupedQueryAttention"):
            part = part if part == "_gate_dense" else part.lstrip("_")  # noqa: PLW2901
        if type(layer).__name__ == "SpectralNormalization" and part == "":
            kernel = next((v for inner, v in layer._slots if inner == "layer/kernel"), None)
            variables = [*([kernel] if kernel is not None else []), *variables]  # noqa: PLW2901
        yield Place(_join(path, part), layer, variables)
    for name, held in opened.items():
        if isinstance(held, Layer):
            yield from walk(held, _join(path, name), seen)
        else:
            yield from _container(held, _join(path, name), seen)


def _join(*parts: str) -> str:
    """``a/b`` without empty parts."""
    return "/".join(part for part in parts if part)


def _container(items: Iterable[Any], path: str, seen: set[int]) -> Iterator[Place]:
    """Layers in a list, by their classes; names count for those met already too."""
    used: dict[str, int] = {}

    def unique(name: str) -> str:
        if name not in used:
            used[name] = 0
            return name
        used[name] += 1
        return f"{name}_{used[name]}"

    for item in items:
        if _is_saved(item):
            yield from walk(item, _join(path, unique(snake_case(type(item).__name__))), seen)
        elif isinstance(item, (list, tuple, dict, set)):
            inner = list(item.values()) if isinstance(item, dict) else list(item)
            yield from _container(inner, _join(path, unique("container")), seen)


def walk(item: Any, path: str = "", seen: set[int] | None = None) -> Iterator[Place]:
    """Every group of weights of a model or layer, with its path.

    Parameters
    ----------
    item : Model or Layer
    path : str
        Of ``item`` in the file; ``""`` for the model itself.
    seen : set of int, optional
        Ids of what was met already.
    """
    seen = set() if seen is None else seen
    if id(item) in seen:
        return
    seen.add(id(item))
    is_graph = _is_graph(item)
    if is_host(item):
        yield Place(path, item, [])
        yield from walk_inner(item, path, seen)
        if is_native(type(item)):
            return
    is_of_slots = hasattr(item, "_slots") and not item._added
    if is_native(type(item).call) and not is_graph and is_of_slots:
        yield from _native_groups(item, path, seen)
        if is_native(type(item)):
            return
    own = own_variables(item)
    if (own or saves_itself(item) or hasattr(item, "save_assets")) and not is_host(item):
        yield Place(path, item, own)
    if is_graph:
        yield from _container(item.layers, _join(path, "layers"), seen)
        if is_native(type(item)):
            return
    for name, value in _attributes(item):
        if _is_saved(value):
            yield from walk(value, _join(path, name), seen)
        elif isinstance(value, (list, tuple, set, dict)) and value:
            items = list(value.values()) if isinstance(value, dict) else list(value)
            yield from _container(items, _join(path, name), seen)


def walk_inner(layer: Any, path: str, seen: set[int]) -> Iterator[Place]:
    """The layer that has the vocabulary of a layer of texts."""
    held = getattr(layer, "_lookup_layer", None)
    if held is not None:
        yield from walk(held, _join(path, "_lookup_layer"), seen)


def saves_itself(item: Any) -> bool:
    """Does it say how its numbers are written: a class of the user's, a layer of texts?"""
    return is_host(item) or not is_native(getattr(type(item), "save_own_variables", Layer))


def loads_itself(item: Any) -> bool:
    """Does it say how its numbers are read?"""
    return is_host(item) or not is_native(getattr(type(item), "load_own_variables", Layer))


def is_plain(model: Any) -> bool:
    """Can the library itself write and read the model: is everything in it one of ebb's classes?"""
    waiting, seen = [model], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if not is_native(type(item)) or _is_written_in_python(item):
            return False
        waiting += list(item._sublayers())
        waiting += list(getattr(item, "layers", None) or [])
    return True


def _is_written_in_python(item: Any) -> bool:
    """One of ebb's classes that Python computes: Lambda, layers of texts, STFTSpectrogram."""
    return isinstance(item, (_wrappers.Lambda, STFTSpectrogram)) or is_host(item)
