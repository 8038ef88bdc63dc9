"""Where the variables of an optimizer are: in the training of a model, or by themselves.

A place tells names, types and shapes, in Keras's order, and reads and writes by number.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _training
from ebb._call import check, new_error
from ebb._errors import EbbError
from ebb._handle import Handle
from ebb._native import ffi, lib
from ebb._runtime import runtime
from ebb._training import Views

Array = np.ndarray[Any, Any]
Info = tuple[str, str, tuple[int, ...]]
_NAME_BYTES = 127  # of ebb_tensor_info


def _ends(info: Info, name: str) -> bool:
    return info[0].rsplit("/", 1)[-1] == name


class ModelPlace:
    """The training of a native model, which is not kept alive."""

    def __init__(self, core: Any) -> None:
        self._core = weakref.ref(core)

    def handle(self) -> Any:
        """Of the compiled model; None without one."""
        core = self._core()
        if core is None or not lib.ebb_model_compiled(core.handle):
            return None
        return core.handle

    def is_of(self, core: Any) -> bool:
        """Is it this model, and trained still?"""
        return self._core() is core and self.handle() is not None

    def infos(self) -> list[Info]:
        """Name, type and shape of each variable."""
        handle = self.handle()
        return [] if handle is None else _training.optimizer_infos(handle)

    def read(self, index: int, dtype: str, shape: tuple[int, ...]) -> Array:
        """A copy of a variable."""
        return _training.optimizer_get(self._present(), index, dtype, shape)

    def write(self, index: int, value: Array) -> None:
        """Sets a variable."""
        _training.optimizer_set(self._present(), index, value)

    def rate(self) -> float | None:
        """The rate of the next step; None where there are several."""
        try:
            return _training.learning_rate(self._present())
        except EbbError:
            return None

    def set_rate(self, rate: float) -> None:
        """Sets the rate of the next steps."""
        _training.learning_rate_set(self._present(), rate)

    def _present(self) -> Any:
        core = self._core()
        if core is None:
            raise ValueError("The model that the optimizer belonged to is not there any more.")
        return core.handle


class OwnPlace(Handle):
    """An optimizer of the library that belongs to no model.

    Parameters
    ----------
    text : str
        Class and configuration as JSON.
    weights : sequence of (path, shape)
        What it is for; numbers are float32.
    """

    __slots__ = ("_infos",)

    kind = "optimizer"

    def __init__(self, text: str, weights: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        super().__init__(lib.ebb_python_close_optimizer)
        infos, error = ffi.new("ebb_tensor_info[]", max(1, len(weights))), new_error()
        for info, (path, shape) in zip(infos, weights):
            info.name = path.encode()[:_NAME_BYTES]
            info.dtype, info.rank, info.trainable = lib.EBB_F32, len(shape), True
            for axis, length in enumerate(shape):
                info.dims[axis] = length
        check(
            lib.ebb_optimizer_open(
                runtime().handle, text.encode(), infos, len(weights), self._slot("optimizer"), error
            ),
            error,
        )
        self._infos: list[Info] = []

    @property
    def handle(self) -> Any:
        """As C takes it."""
        return self._checked().optimizer

    def infos(self) -> list[Info]:
        """Name, type and shape of each variable."""
        if not self._infos:
            info, error = ffi.new("ebb_tensor_info *"), new_error()
            for index in range(lib.ebb_optimizer_variables(self.handle)):
                check(lib.ebb_optimizer_variable(self.handle, index, info, error), error)
                dtype = ffi.string(lib.ebb_dtype_name(info.dtype)).decode()
                shape = tuple(int(info.dims[axis]) for axis in range(info.rank))
                self._infos.append((ffi.string(info.name).decode(), dtype, shape))
        return self._infos

    def read(self, index: int, dtype: str, shape: tuple[int, ...]) -> Array:
        """A copy of a variable."""
        value, error = np.empty(shape, dtype), new_error()
        views = Views([value]).items
        check(lib.ebb_optimizer_variable_get(self.handle, index, views, error), error)
        return value

    def write(self, index: int, value: Array) -> None:
        """Sets a variable."""
        error, views = new_error(), Views([value])
        check(lib.ebb_optimizer_variable_set(self.handle, index, views.items, error), error)

    def _rate_index(self) -> int | None:
        """Of the variable; of LossScaleOptimizer that of the optimizer in it."""
        found = [index for index, info in enumerate(self.infos()) if _ends(info, "learning_rate")]
        is_scaled = self.scale_index() is not None
        return found[-1] if len(found) == 1 or (found and is_scaled) else None

    def scale_index(self) -> int | None:
        """Of the factor that LossScaleOptimizer has for losses; None of others."""
        infos = self.infos()
        return next((i for i, info in enumerate(infos) if _ends(info, "dynamic_scale")), None)

    def rate(self) -> float | None:
        """The rate, where it is a variable."""
        index = self._rate_index()
        return None if index is None else float(self.read(index, "float32", ()))

    def set_rate(self, rate: float) -> None:
        """Sets the rate, where it is a variable."""
        index = self._rate_index()
        if index is not None:
            self.write(index, np.float32(rate).reshape(()))

    def apply(self, values: list[Array], gradients: list[Array | None]) -> None:
        """One step: the values are changed in place. None leaves its value alone."""
        error, held = new_error(), (Views(list(values)), Views(gradients))
        check(
            lib.ebb_optimizer_apply(self.handle, held[0].items, held[1].items, len(values), error),
            error,
        )


class PythonPlace:
    """Variables of an optimizer whose steps are Python of the caller's own."""

    def __init__(self) -> None:
        self.steps = np.zeros((), np.int64)
        self.variables: list[Any] = []

    def infos(self) -> list[Info]:
        """Name, type and shape of each variable; the rate is the optimizer's own."""
        told = [(one.path, one.dtype, one.shape) for one in self.variables]
        return [("iteration", "int64", ()), ("learning_rate", "float32", ()), *told]

    def read(self, index: int, dtype: str, shape: tuple[int, ...]) -> Array:
        """A copy of a variable."""
        if index == 0:
            return np.array(self.steps)
        value: Array = np.asarray(self.variables[index - 2].numpy()).reshape(shape)
        return value

    def write(self, index: int, value: Array) -> None:
        """Sets a variable."""
        if index == 0:
            self.steps = np.asarray(value, np.int64).reshape(())
        else:
            self.variables[index - 2].assign(value)

    def rate(self) -> float | None:
        """Not kept here."""
        return None

    def set_rate(self, rate: float) -> None:
        """Not kept here."""


def keras_name(name: str, paths: Sequence[str], first: int, around: str = "") -> str:
    """The name of an optimizer's variable with the whole path of the weight that it is for.

    The library knows a weight by its layer alone: ``adam/dense_kernel_velocity`` becomes
    ``adam/sequential_dense_kernel_velocity``. ``first``: the weight where the search begins;
    ``around``: the path of an optimizer around this one.
    """
    head, _, rest = name.rpartition("/")
    best = ("", "", "")
    for number in range(len(paths)):
        parts = paths[(first + number) % len(paths)].split("/")
        for start in range(len(parts)):
            known = "_".join(parts[start:])
            if len(known) > len(best[1]) and rest.startswith(f"{known}_"):
                best = ("_".join(parts), known, rest[len(known) + 1 :])
    if not best[1]:
        return name
    slot = best[2][9:] if best[2].startswith("variable_") else best[2]  # of a weight by itself
    return f"{around}{head}/{best[0]}_{slot}"


Place = Any  # ModelPlace, OwnPlace or PythonPlace


def state_of(place: Place) -> list[Array]:
    """Copies of all variables."""
    return [place.read(index, *info[1:]) for index, info in enumerate(place.infos())]


def set_state(place: Place, state: Sequence[Array]) -> bool:
    """Sets all variables but the rate, unless there are others now."""
    infos = place.infos()
    if [info[2] for info in infos] != [np.shape(one) for one in state]:
        return False
    for index, ((name, dtype, shape), value) in enumerate(zip(infos, state)):
        if name.rsplit("/", 1)[-1] != "learning_rate":
            place.write(index, np.ascontiguousarray(value, dtype=dtype).reshape(shape))
    return True
