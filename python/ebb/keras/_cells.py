"""Cells of recurrent layers: what they keep from step to step, and those written in Python.

A cell written in Python is traced once, for one step; the library repeats the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras import _symbolic, _tree
from ebb.keras._symbolic import KerasTensor


def is_stack(cell: Any) -> bool:
    """Is it several cells as one?"""
    return isinstance(getattr(cell, "cells", None), (list, tuple))


def check(cell: Any) -> None:
    """Can it be the cell of an RNN?

    Raises
    ------
    ValueError
        It cannot; says what is missing.
    """
    if not callable(getattr(cell, "call", None)):
        raise ValueError(f"The RNN cell should have a `call` method. Received: cell={cell}")
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of "
            f"integers, one integer per RNN state). Received: cell={cell}"
        )


def sizes(cell: Any) -> list[Any]:
    """Its states, one item each, nested as those of a stack are."""
    size = cell.state_size
    return list(size) if isinstance(size, (list, tuple)) else [size]


def shapes(cell: Any) -> list[tuple[int, ...]]:
    """Shapes of the states without rows, of a cell that is no stack."""
    made = getattr(cell, "get_initial_state", None)
    if made is not None:
        return [tuple(array.shape[1:]) for array in _first_states(cell, made)]
    return [size if isinstance(size, tuple) else (int(size),) for size in sizes(cell)]


def _first_states(cell: Any, made: Any) -> list[Any]:
    """What a cell's own ``get_initial_state`` gives for one row: zeros."""
    arrays = [np.asarray(leaf) for leaf in _tree.flatten(made(batch_size=1))]
    if any(array.any() for array in arrays):
        raise UnsupportedError(
            "get_initial_state() of the cell gives other numbers than zeros; a layer begins with "
            "zeros here: give it the states as `initial_state`",
            cell.name,
        )
    return arrays


def output_size(cell: Any) -> Any:
    """Length of what a step gives."""
    size = getattr(cell, "output_size", None)
    return size if size is not None else sizes(cell)[0]


_HELD = ("forward_layer", "backward_layer", "layer", "cell")


def _is_python(layer: Any) -> bool:
    return str(type(layer).__module__).split(".", 1)[0] != "ebb"


def opened(layer: Any) -> dict[str, Any]:
    """What one of ebb's layers holds that is more than its weights: models, and Python's own.

    By attribute: layers, and the list of cells of a stack.
    """
    held = {name: layer.__dict__.get(name) for name in _HELD}
    if held["forward_layer"] is not None:
        del held["layer"]  # the same
    found: dict[str, Any] = {
        name: one
        for name, one in held.items()
        if getattr(one, "_is_layer", False)
        and (_is_python(one) or hasattr(one, "layers") or opened(one))
    }
    cells = layer.__dict__.get("cells") or ()
    if any(_is_python(one) for one in cells):
        found["cells"] = cells
    return found


def is_python(cell: Any) -> bool:
    """Is it traced, or one of its cells?"""
    return any(is_python(one) for one in cell.cells) if is_stack(cell) else bool(cell._traces())


class Prepared:
    """One step of each cell of a layer that is written in Python, traced; by shape of the input."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: dict[Any, Any] = {}

    def step(self, cell: Any, x: KerasTensor) -> Any:
        """A symbolic tensor like what the cell gives for ``x``."""
        if is_stack(cell):
            with _symbolic.within(cell):
                for inner in cell.cells:
                    x = self.step(inner, x)
            return x
        if not cell._traces():
            return KerasTensor((x.shape[0], output_size(cell)), cell.compute_dtype)
        key = (id(cell), x.shape, x.dtype)
        if key not in self.steps:
            self.steps[key] = self._trace(cell, x)
        return self.steps[key][0]

    def _trace(self, cell: Any, x: KerasTensor) -> Any:
        states = [KerasTensor((x.shape[0], *shape), cell.compute_dtype) for shape in shapes(cell)]
        made = cell(x, states)
        leaves = _tree.flatten(made)
        if not isinstance(made, (list, tuple)) or len(leaves) != len(states) + 1:
            raise ValueError(
                f"The cell {cell.name} has {len(states)} states: its `call` is expected to give "
                f"(output, states), {len(states) + 1} tensors. Received: {made}"
            )
        for now, after in zip(states, leaves[1:]):
            if now.shape[1:] != after.shape[1:]:
                raise ValueError(
                    f"The cell {cell.name} gives a state of shape {after.shape} where it took one "
                    f"of shape {now.shape}."
                )
        return leaves
