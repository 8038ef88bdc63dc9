"""What leads to a symbolic tensor."""

from __future__ import annotations

from typing import Any

from ebb.keras import _tree
from ebb.keras._symbolic import KerasTensor


def get_source_inputs(tensor: Any) -> list[Any]:
    """The inputs of a model that a symbolic tensor was computed from.

    Parameters
    ----------
    tensor : KerasTensor
        Any tensor of a graph.

    Returns
    -------
    list of KerasTensor

    Raises
    ------
    TypeError
        Not a symbolic tensor.
    """
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = list(_tree.leaves(tensor))
    while waiting:
        item = waiting.pop(0)
        if not isinstance(item, KerasTensor):
            raise TypeError(f"get_source_inputs: expected a symbolic tensor, found {item!r}")
        if id(item) in seen:
            continue
        seen.add(id(item))
        node = item._node
        parents = [] if node is None else list(node.parents)
        if not parents:
            found[id(item)] = item
        waiting.extend(parents)
    return list(found.values())
