"""States of stateful layers: what a recurrent layer keeps from one batch to the next.

They are variables of the layer, like weights: their numbers live in the core that used them last,
and move to the core that is used next. A core that is closed hands them back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebb._arrays import view_of
from ebb._call import check, new_error
from ebb._native import ffi, lib
from ebb.keras import _tree
from ebb.keras._variable import Variable, clock

Array = NDArray[Any]


class _Place:
    """The states of a core, as variables see their home."""

    __slots__ = ("built", "infos")

    def __init__(self, built: Any) -> None:
        self.built = built
        self.infos: list[tuple[str, tuple[int, ...]]] = []
        handle = built.core.handle
        info, error = ffi.new("ebb_tensor_info *"), new_error()
        for index in range(lib.ebb_model_states(handle)):
            check(lib.ebb_model_state(handle, index, info, error), error)
            name = ffi.string(info.name).decode()
            self.infos.append((name, tuple(int(info.dims[i]) for i in range(info.rank))))

    def read(self, index: int) -> Array:
        """A copy of a state."""
        array, error = np.empty(self.infos[index][1], np.float32), new_error()
        view, memory = view_of(array, writable=True)
        check(lib.ebb_model_state_get(self.built.core.handle, index, view, error), error)
        del memory
        return array

    read_stored = read

    def write(self, index: int, array: Array) -> None:
        """Sets a state."""
        error = new_error()
        view, memory = view_of(array)
        check(lib.ebb_model_state_set(self.built.core.handle, index, view, error), error)
        del memory

    def stored_bytes(self, index: int) -> int:
        """What a state takes."""
        return int(np.prod(self.infos[index][1], dtype=np.int64)) * 4


class States:
    """The states in one engine's core.

    Parameters
    ----------
    built : Built
    stateful : dict of str to Layer
        Stateful layers by the names that the core has for them.
    """

    __slots__ = ("items", "place")

    def __init__(self, built: Any, stateful: dict[str, Any]) -> None:
        self.place = _Place(built)
        self.items: list[tuple[int, Variable]] = []
        for index, (name, shape) in enumerate(self.place.infos):
            title, number = name.rsplit("/state_", 1)
            if title in stateful:
                self.items.append((index, _variable(stateful[title], int(number), shape)))
        self.take()

    def take(self) -> None:
        """The core is used now: the newest numbers go there."""
        for index, variable in self.items:
            home = variable._home
            if home is self.place:
                continue
            value = variable._pending if home is None else home.read(variable._index)
            if value is not None:
                self.place.write(index, value)
            variable._home, variable._index, variable._pending = self.place, index, None
            clock.changes += 1  # engines that had them look again

    def give_back(self) -> None:
        """The core goes: variables keep their numbers themselves."""
        for index, variable in self.items:
            if variable._home is self.place:
                variable._pending, variable._home = self.place.read(index), None


def open_states(built: Any, stateful: dict[str, Any] | None) -> States | None:
    """The states of a core; None where no layer keeps any."""
    return States(built, stateful) if stateful else None


def _variable(layer: Any, number: int, shape: tuple[int, ...]) -> Variable:
    """State ``number`` of a layer, made when the first core has it."""
    known: dict[int, Variable] = layer.__dict__.setdefault("_kept_states", {})
    if number in known and known[number].shape != shape:
        raise ValueError(
            f"The stateful layer {layer.name} keeps a state of shape {known[number].shape}; it "
            f"cannot be used for another number of rows: the state would have shape {shape}."
        )
    if number not in known:
        known[number] = Variable(
            np.zeros(shape, np.float32),
            trainable=False,
            name="rnn_state",
            path=f"{layer.name}/rnn_state",
        )
    return known[number]


# Wrappers whose parts keep states of their own, under these names.
_PARTS = ("forward_layer", "backward_layer", "layer")


def note(layer: Any, title: str, stateful: dict[str, Any]) -> None:
    """Notes a layer that is stateful, and those it holds, by the names the core has for them."""
    if layer.__dict__.get("stateful"):
        stateful[title] = layer
    for name in _PARTS:
        part = layer.__dict__.get(name)
        if getattr(part, "_is_layer", False):
            note(part, f"{title}/{name}", stateful)


def states_of(layer: Any) -> list[Variable]:
    """The states that a layer keeps, in order."""
    known: dict[int, Variable] = layer.__dict__.get("_kept_states", {})
    return [known[number] for number in sorted(known)]


def reset(layer: Any) -> None:
    """Zeros again, in a layer and in those it holds."""
    for variable in states_of(layer):
        variable.assign(np.zeros(variable.shape, np.float32))
    for part in layer._layers:
        reset(part)


def nested(layer: Any, sizes: Any) -> Any:
    """The states in the structure of the cell's ``state_size``; a list where it has none."""
    found = states_of(layer)
    return _tree.pack_as(sizes, found) if found and sizes is not None else found
