"""Optimizers whose steps the caller wrote in Python: what their classes build on.

``build`` makes variables, ``update_step`` changes one weight by its gradient. Around it stands what
every optimizer does: clipping, weight decay, accumulated gradients, moving averages. Order of
operations: keras/src/optimizers/base_optimizer.py of 3.15.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._optimizer_state import PythonPlace
from ebb.keras._variable import to_numpy

Array = np.ndarray[Any, Any]


def is_librarys(kind: type) -> bool:
    """Is a class one of the library's optimizers, or derived from one?"""
    return librarys_class(kind).__name__ != "Optimizer"


def librarys_class(kind: type) -> type:
    """The class of ebb that a class is or is derived from."""
    return next(one for one in kind.__mro__ if one.__module__.startswith("ebb."))


def is_librarys_method(kind: type, name: str) -> bool:
    """Is a method not written by the caller?"""
    found = getattr(kind, name, None)
    return str(getattr(found, "__module__", "ebb.")).startswith("ebb.")


def is_of_python(kind: type) -> bool:
    """Does a class make its steps in Python?"""
    return not is_librarys(kind) or not is_librarys_method(kind, "update_step")


class PythonSteps:
    """For classes with an ``update_step`` of their own."""

    name: str
    weight_decay: Any
    _own: Any
    _excluded: Any

    _averages: Sequence[Any] = ()
    _accumulated: Sequence[Any] = ()

    # -- what classes call ------------------------------------------------------------------------

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Changes a variable by its gradient: written by subclasses.

        Parameters
        ----------
        gradient : Tensor
        variable : Variable
        learning_rate : Tensor
        """
        if is_librarys(type(self)):
            raise UnsupportedError(
                "the steps of this class are made by the library as a whole; derive from "
                "keras.optimizers.Optimizer and write build() and update_step()",
                type(self).__name__,
            )
        raise NotImplementedError(f"{type(self).__name__} has no update_step()")

    def add_variable(
        self, shape: Any, initializer: Any = "zeros", dtype: Any = None, aggregation: str = "none",
        layout: Any = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        """Makes a variable of the optimizer's state."""
        from ebb.keras._variable import Variable

        del layout
        made = Variable(
            initializer=initializer, shape=tuple(shape), dtype=dtype, trainable=False,
            aggregation=aggregation, name=name, path=f"{self.name}/{name or 'variable'}",
        )  # fmt: skip
        if not isinstance(self._own, PythonPlace):
            self._own = PythonPlace()
        self._own.variables.append(made)
        return made

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Makes a variable like one of the model's."""
        told = f"{path_of(reference_variable).replace('/', '_')}_{name or 'var'}"
        dtype = getattr(reference_variable.dtype, "name", reference_variable.dtype)
        return self.add_variable(
            tuple(reference_variable.shape), initializer, str(dtype), name=told
        )

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Any], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Makes variables like the model's, for one name or several: a list for each name."""
        names = [name] if isinstance(name, str) else list(name)
        makers = initializer if isinstance(initializer, (list, tuple)) else [initializer]
        makers = list(makers) * (len(names) if len(makers) == 1 else 1)
        if len(makers) != len(names):
            raise ValueError(
                "The number of provided names must match the number of provided initializers. "
                f"Received name='{name}', initializer='{initializer}'"
            )
        made: tuple[list[Any], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for place, (one, maker) in enumerate(zip(names, makers)):
                made[place].append(self.add_variable_from_reference(variable, one, maker))
        return made[0] if isinstance(name, str) else made

    def assign(self, variable: Any, value: Any) -> None:
        """Sets a variable."""
        variable.assign(_like(variable, value))

    def assign_add(self, variable: Any, value: Any) -> None:
        """Adds to a variable."""
        variable.assign_add(_like(variable, value))

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtracts from a variable."""
        variable.assign_sub(_like(variable, value))

    def _get_variable_index(self, variable: Any) -> int:
        """Which of the variables that the optimizer was built for."""
        known = self._known()  # type: ignore[attr-defined]
        return next(index for index, one in enumerate(known) if one is variable)

    @property
    def _trainable_variables(self) -> list[Any]:
        return self._known()  # type: ignore[attr-defined, no-any-return]

    @property
    def _variables(self) -> list[Any]:
        return list(self.variables)  # type: ignore[attr-defined]

    @property
    def _iterations(self) -> Any:
        return self.iterations  # type: ignore[attr-defined]


def _like(variable: Any, value: Any) -> Array:
    """A value in the variable's type."""
    dtype = getattr(variable.dtype, "name", variable.dtype)
    array = to_numpy(value)
    return array if str(dtype) == "bfloat16" else array.astype(str(dtype), copy=False)


def path_of(variable: Any) -> str:
    """The path of a variable; of one of ebb.tf its name."""
    return str(getattr(variable, "path", None) or str(variable.name).replace(":", "_"))


# -- a step -----------------------------------------------------------------------------------


def begin(optimizer: Any, variables: list[Any]) -> None:
    """What every build() makes first."""
    if not isinstance(optimizer._own, PythonPlace):
        optimizer._own = PythonPlace()
    optimizer._own.steps = np.asarray(optimizer._first_step, np.int64)
    if optimizer.use_ema:
        optimizer._averages = optimizer.add_optimizer_variables(variables, "average")
    if optimizer.gradient_accumulation_steps:
        optimizer._accumulated = optimizer.add_optimizer_variables(
            variables, "gradient_accumulator"
        )


def step(optimizer: Any, gradients: list[Array], variables: list[Any]) -> None:
    """Makes one step; the count of steps is the caller's."""
    every = optimizer.gradient_accumulation_steps
    if not every:
        _update(optimizer, gradients, variables)
    else:
        kept = [optimizer._accumulated[optimizer._get_variable_index(v)] for v in variables]
        sums = [gradient + one.numpy() for gradient, one in zip(gradients, kept)]
        if (int(optimizer._own.steps) + 1) % every:
            for one, value in zip(kept, sums):
                one.assign(value)
        else:
            _update(optimizer, [value / np.float32(every) for value in sums], variables)
            for one in optimizer._accumulated:
                one.assign(np.zeros(one.shape, one.dtype))
    if optimizer.use_ema:
        _move_averages(optimizer)


def _update(optimizer: Any, gradients: list[Array], variables: list[Any]) -> None:
    from ebb._tensor import Tensor

    gradients = clipped(optimizer, gradients)
    rate = np.float32(optimizer._read_rate())
    decay(optimizer, variables, rate)
    for gradient, variable in zip(gradients, variables):
        optimizer.update_step(Tensor.from_array(gradient), variable, Tensor.from_array(rate))


def clipped(optimizer: Any, gradients: list[Array]) -> list[Array]:
    """Gradients no larger than was asked for."""
    if optimizer.clipnorm:
        return [g * np.float32(_shrink(np.square(g).sum(), optimizer.clipnorm)) for g in gradients]
    if optimizer.global_clipnorm:
        total = sum(np.square(g).sum(dtype=np.float32) for g in gradients)
        factor = np.float32(_shrink(total, optimizer.global_clipnorm))
        return [g * factor for g in gradients]
    if optimizer.clipvalue:
        return [np.clip(g, -optimizer.clipvalue, optimizer.clipvalue) for g in gradients]
    return gradients


def _shrink(square: Any, norm_max: float) -> float:
    norm = float(np.sqrt(square))
    return norm_max / norm if norm > norm_max else 1.0


def decay(optimizer: Any, variables: list[Any], rate: Any) -> None:
    """Takes a share of each variable away, but of those left out."""
    if optimizer.weight_decay is None:
        return
    factor = np.float32(optimizer.weight_decay) * np.float32(rate)
    for variable in variables:
        if decays(optimizer, variable):
            value = to_numpy(variable)
            variable.assign(value - value * factor)


def decays(optimizer: Any, variable: Any) -> bool:
    """Has weight decay to do with a variable?"""
    if optimizer._excluded is None:
        return True
    held, pattern = optimizer._excluded
    if any(reference() is variable for reference in held):
        return False
    return pattern is None or re.search(pattern, str(variable.name)) is None


def _move_averages(optimizer: Any) -> None:
    steps = int(optimizer._own.steps)
    momentum = np.float32(optimizer.ema_momentum if steps else 0)
    known = optimizer._known()
    for variable, average in zip(known, optimizer._averages):
        moved = momentum * average.numpy() + (np.float32(1) - momentum) * to_numpy(variable)
        average.assign(moved)
    every = optimizer.ema_overwrite_frequency
    if every and (steps + 1) % every == 0:
        for variable, average in zip(known, optimizer._averages):
            variable.assign(average.numpy())
