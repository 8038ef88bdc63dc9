"""Engines: the native model behind a Keras model, and which numbers in it are the newest.

    Model ──> Engine ──> Built (owns the core)          strong
                 └─────> Variables ──> Built            strong: where the newest numbers are
    Built ──> nothing;  Variable ──> Engines            weak

The core goes with the last of its model and the layers whose newest numbers it has. Models that
share layers have an engine each. Every change of a variable raises its version; an engine keeps
the version of each number it has, and copies what is newer elsewhere before it is used.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebb._call import Keep, check, new_error
from ebb._errors import EbbError, InternalError
from ebb._load import build_options
from ebb._model import Model
from ebb._native import ffi, lib
from ebb._runtime import runtime
from ebb.keras._states import open_states
from ebb.keras._variable import Variable, clock

Array = NDArray[Any]
NAME_BYTES = 127  # of a weight's name in ebb_tensor_info


def core_from_text(text: str, seed: int) -> Any:
    """A native model of a configuration's text.

    Layers are called "dense_1", "dense_2" ... over the life of a process: the same seed gives the
    same weights whatever they are called.
    """
    here, keep, error = runtime(), Keep(), new_error()
    model = Model(here)
    made = build_options(keep, here, seed, {"keeps_states": True}, seed_by_number=True)
    code = text.encode()
    check(
        lib.ebb_model_from_json(
            here.handle, ffi.from_buffer(code), len(code), made, model._slot("model"), error
        ),
        error,
    )
    return model


class Built:
    """Owns a core."""

    __slots__ = ("__weakref__", "core")

    def __init__(self, core: Any) -> None:
        self.core = core

    def read(self, index: int) -> Array:
        """A copy of a weight."""
        return np.asarray(self.core.weight_get(index))

    def read_stored(self, index: int) -> Array:
        """A copy of a weight in the type it is kept in."""
        info = self.core.weight_infos[index]
        if str(info.stored) == "int8" and str(info.dtype) != "int8":
            return self._stored(index, info)
        return np.asarray(self.core.weight_get(index))

    def _stored(self, index: int, info: Any) -> Array:
        """The int8 numbers of a quantized weight."""
        array = np.empty(info.shape, np.int8)
        view, error = ffi.new("ebb_view *"), new_error()
        view.dtype, view.rank = lib.EBB_I8, array.ndim
        for axis, length in enumerate(array.shape):
            view.dims[axis] = length
        view.data = ffi.from_buffer(array)
        handle = self.core.handle
        check(lib.ebb_model_weight_stored_get(handle, index, view, ffi.NULL, error), error)
        return array

    def freeze(self, title: str, is_frozen: bool) -> None:
        """Tells the core whether training may change a layer."""
        error = new_error()
        handle = self.core.handle
        check(lib.ebb_model_trainable_set(handle, title.encode(), not is_frozen, error), error)

    def stored_bytes(self, index: int) -> int:
        """What a weight takes."""
        return int(self.core.weight_infos[index].stored_bytes)

    def write(self, index: int, array: Array) -> None:
        """Sets a weight."""
        self.core.weight_set(index, array)


class Birth:
    """How the variables of a layer get their first numbers when no model has the layer.

    A core of the call alone is made, once.
    """

    __slots__ = ("names", "seed", "text")

    def __init__(self, text: str, seed: int) -> None:
        self.text, self.seed = text, seed
        self.names: dict[str, weakref.ref[Variable]] = {}

    def add(self, name: str, variable: Variable) -> None:
        """A weight's name in the configuration, and its variable."""
        self.names[name] = weakref.ref(variable)
        variable._birth = self

    def make(self) -> None:
        """Gives each variable that has no numbers its place in the new core."""
        built = Built(core_from_text(self.text, self.seed))
        for index, info in enumerate(built.core.weight_infos):
            reference = self.names.get(info.name)
            variable = reference() if reference is not None else None
            if variable is not None and variable._home is None:
                settle(variable, built, index)


def settle(variable: Variable, built: Built, index: int) -> None:
    """A place in a core becomes the variable's; what was assigned before goes there."""
    if variable._pending is not None:
        built.write(index, variable._pending)
    variable._pending = variable._birth = None
    variable._home, variable._index = built, index


class Engine:
    """The core of one model."""

    __slots__ = (
        "__weakref__",
        "built",
        "frozen",
        "frozen_at",
        "graph",
        "has_penalty",
        "host",
        "is_closed",
        "is_split",
        "names",
        "seed_of_passes",
        "states",
        "synced",
        "variables",
        "versions",
    )

    def __init__(
        self,
        core: Any,
        table: Mapping[str, Variable],
        frozen: dict[str, bool],
        stateful: dict[str, Any] | None = None,
    ) -> None:
        self.is_closed = False
        self.has_penalty = False  # do its calls add losses?
        self.synced = self.frozen_at = -1
        self.graph: Any = None  # that the core was made of, if it is not the model's own
        self.seed_of_passes = 0  # drawn with the first pass that trains
        self.host: Any = None  # the parts of a graph of which Python computes some
        self.variables: list[Variable] = []
        self.versions: list[int] = []
        self.frozen = frozen
        self.built = Built(core)
        self.names: list[str] = []
        for index, info in enumerate(core.weight_infos):
            self.names.append(info.name)
            self._adopt(index, self._find(info.name, table))
        count = len({id(variable) for variable in self.variables})
        self.is_split = count < len(self.variables)
        self.states = open_states(self.built, stateful)

    @staticmethod
    def _find(name: str, table: Mapping[str, Variable]) -> Variable:
        """The variable of a weight; long names come shortened."""
        found = table.get(name)
        if found is None and len(name.encode()) >= NAME_BYTES:
            found = next((table[full] for full in table if full.startswith(name)), None)
        if found is None:
            raise InternalError(f"the model has a weight that no layer has: {name}", "ebb.keras")
        return found

    def _adopt(self, index: int, variable: Variable) -> None:
        """Weight number ``index`` is this variable."""
        if variable._home is not None:
            self.built.write(index, variable._home.read(variable._index))
            variable._home, variable._index = self.built, index
        else:
            settle(variable, self.built, index)
        variable._engines[:] = [held for held in variable._engines if held() is not None]
        variable._engines.append(weakref.ref(self))
        self.variables.append(variable)
        self.versions.append(variable._version)

    @property
    def core(self) -> Any:
        """The native model."""
        return self.built.core

    def sync(self) -> None:
        """Copies what is newer in other cores."""
        if self.states is not None:
            self.states.take()
        if self.synced == clock.changes:
            return
        self.synced = clock.changes
        for index, variable in enumerate(self.variables):
            if variable._home is self.built or self.versions[index] == variable._version:
                continue
            self.built.write(index, variable._read())
            self.versions[index] = variable._version
            variable._home, variable._index = self.built, index

    def changed(self) -> None:
        """The numbers in this core are the newest: it was trained."""
        for index, variable in enumerate(self.variables):
            variable._version += 1
            self.versions[index] = variable._version
            variable._home, variable._index = self.built, index
            variable._pending = None
        clock.changes += 1

    def moved(self) -> None:
        """A run as in training changed what training does not train: moving statistics, states."""
        is_any = False
        for index, variable in enumerate(self.variables):
            if not variable.is_natural:
                is_any = True
                variable._version += 1
                self.versions[index] = variable._version
                variable._home, variable._index = self.built, index
        if is_any:
            clock.changes += 1
            self.synced = clock.changes

    def refreeze(self) -> None:
        """Layers that were frozen or freed since are so in the core."""
        if self.frozen_at == clock.freezes:
            return
        self.frozen_at = clock.freezes
        for title, was_frozen in self.frozen.items():
            own = [
                variable.trainable
                for name, variable in zip(self.names, self.variables)
                if name.startswith(f"{title}/") and variable.is_natural
            ]
            if own and any(own) == was_frozen:
                self.built.freeze(title, not was_frozen)
                self.frozen[title] = not was_frozen

    def retreat(self) -> None:
        """What is newest here and had by other models as well moves there."""
        for index, variable in enumerate(self.variables):
            if variable._home is not self.built:
                continue
            for reference in variable._engines:
                other = reference()
                if other is None or other is self or other.is_closed:
                    continue
                place = next(i for i, held in enumerate(other.variables) if held is variable)
                if other.versions[place] != variable._version:
                    other.built.write(place, self.built.read(index))
                    other.versions[place] = variable._version
                variable._home, variable._index = other.built, place
                break

    def close(self) -> Any:
        """Unloads the core; what other models share moves to them first."""
        if not self.is_closed:
            self.retreat()
            if self.states is not None:
                self.states.give_back()
        receipt = self.built.core.unload()  # refused inside of its own training: then it stays
        self.is_closed = True
        return receipt

    def __del__(self) -> None:
        try:
            if not self.is_closed and self.variables:
                self.retreat()
        except (EbbError, AttributeError, TypeError):  # the process ends, or the core was closed
            pass


def count_parameters(variables: Iterable[Variable]) -> int:
    """Elements of all of them."""
    return sum(variable.size for variable in variables)
