"""One step of an optimizer by hand: ``apply``, ``apply_gradients``, ``build``, ``minimize``.

The step itself is made by the library, or by Python for classes of the caller's own. What is around
it is Keras's: missing gradients, unknown variables, constraints, the order of variables.
"""

from __future__ import annotations

import json
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras import _optimizer_python
from ebb.keras._optimizer_python import is_of_python, path_of
from ebb.keras._optimizer_state import OwnPlace, PythonPlace
from ebb.keras._variable import to_numpy

Array = np.ndarray[Any, Any]


def build(optimizer: Any, variables: list[Any]) -> None:
    """Makes the state for variables."""
    optimizer._targets = [weakref.ref(variable) for variable in variables]
    if is_of_python(type(optimizer)):
        _optimizer_python.begin(optimizer, variables)
        return
    told = optimizer._for_library()
    if optimizer._excluded is not None:
        told["config"]["weight_decay"] = 0.0  # done here, since names of Keras tell which
    weights = [(path_of(one), tuple(int(n) for n in one.shape)) for one in variables]
    place = OwnPlace(json.dumps(told), weights)
    if optimizer._first_step:
        place.write(0, np.asarray(optimizer._first_step, np.int64))
    optimizer._own = place


def apply(optimizer: Any, gradients: list[Any], variables: Any) -> None:
    """One step."""
    if not gradients:
        return
    if variables is None:
        if not optimizer.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built on "
                "a list of variables. Call `optimizer.build(trainable_variables)` first."
            )
        variables = optimizer._known()
        if len(gradients) != len(variables):
            raise ValueError(
                "When passing `grads` as a list of gradient tensors, the gradients must match the "
                f"variables that the optimizer was built with: {len(gradients)} gradients, "
                f"{len(variables)} variables."
            )
    variables = list(variables)
    place = optimizer._to_own(variables)
    known = optimizer._known()
    _check_known(variables, known)
    pairs = _present(gradients, variables)
    arrays = [_numbers(gradient, variable) for gradient, variable in pairs]
    if isinstance(place, PythonPlace):
        scale = optimizer.loss_scale_factor
        if scale is not None:
            arrays = [array / np.float32(scale) for array in arrays]
        _optimizer_python.step(optimizer, arrays, [variable for _, variable in pairs])
        place.steps = place.steps + 1
    else:
        of_each = {id(v): a for (_, v), a in zip(pairs, arrays)}
        if len(of_each) < len(pairs):
            raise UnsupportedError(
                "a variable is there twice; add its gradients, or call apply() for each", "apply"
            )
        _step(optimizer, place, known, of_each)
    for _, variable in pairs:
        constraint = getattr(variable, "constraint", None)
        if constraint is not None:
            variable.assign(to_numpy(constraint(variable)))


def _check_known(variables: list[Any], known: list[Any]) -> None:
    numbers = {id(one) for one in known}
    for variable in variables:
        if id(variable) not in numbers:
            raise ValueError(
                f"Unknown variable: {variable}. This optimizer can only be called for the "
                "variables it was originally built with. When working with a new set of "
                "variables, you should recreate a new optimizer instance."
            )


def _present(gradients: Sequence[Any], variables: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The pairs with a gradient."""
    pairs = [(g, v) for g, v in zip(gradients, variables) if g is not None]
    missing = [path_of(v) for g, v in zip(gradients, variables) if g is None]
    if not pairs:
        raise ValueError("No gradients provided for any variable.")
    if missing:
        warnings.warn(
            f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
            "`model.compile()`, did you forget to provide a `loss` argument?",
            stacklevel=4,
        )
    return pairs


def _numbers(gradient: Any, variable: Any) -> Array:
    """A gradient as an array of the variable's shape."""
    array = np.asarray(to_numpy(gradient), np.float32, order="C")
    shape = tuple(int(length) for length in variable.shape)
    if array.shape != shape:
        raise ValueError(
            f"The gradient of {path_of(variable)} has shape {array.shape}, the variable {shape}."
        )
    return array


def _step(optimizer: Any, place: OwnPlace, known: list[Any], gradients: dict[int, Array]) -> None:
    """By the library."""
    optimizer._before_step()
    if optimizer._excluded is not None:
        changed = [variable for variable in known if id(variable) in gradients]
        _optimizer_python.decay(optimizer, changed, optimizer._read_rate())
    values = [_value_of(variable) for variable in known]
    place.apply(values, [gradients.get(id(variable)) for variable in known])
    all_change = optimizer.use_ema and optimizer.ema_overwrite_frequency
    for variable, value in zip(known, values):
        if all_change or id(variable) in gradients:
            _assign(variable, value)


def _value_of(variable: Any) -> Array:
    """A copy of a variable's numbers. Of rank 0 too, which np.ascontiguousarray would lose."""
    if getattr(variable, "_is_variable", False):
        return np.asarray(variable._read(), np.float32, order="C")  # a copy already
    return np.array(to_numpy(variable), np.float32, order="C")


def _assign(variable: Any, value: Array) -> None:
    """Sets a variable, in its own type."""
    dtype = str(getattr(variable.dtype, "name", variable.dtype))
    variable.assign(value if dtype == "bfloat16" else value.astype(dtype, copy=False))


def set_averages(optimizer: Any, variables: list[Any]) -> None:
    """Variables become their moving averages."""
    place = optimizer._own
    if isinstance(place, PythonPlace):
        averages = [one.numpy() for one in optimizer._averages]
    else:
        averages = [
            place.read(index, dtype, shape)
            for index, (name, dtype, shape) in enumerate(place.infos())
            if name.endswith("_average")
        ]
    if len(averages) != len(variables):
        raise ValueError(
            f"The length of model variables ({len(variables)}) to override does not match the "
            f"length of model variables stored in the optimizer ({len(averages)}). Please check "
            "if the optimizer was called on your model."
        )
    for variable, average in zip(variables, averages):
        _assign(variable, average)


def minimize(optimizer: Any, loss: Any, var_list: Any, tape: Any) -> Any:
    """One step against the gradients of a loss."""
    from ebb.tf._tape import GradientTape  # who does this has ebb.tf already

    noted = tape
    if noted is None:
        if not callable(loss):
            raise ValueError("`tape` is required when a `Tensor` loss is passed.")
        noted = GradientTape()
        with noted:
            loss = loss()
    variables = list(var_list() if callable(var_list) else var_list)
    return optimizer.apply_gradients(zip(noted.gradient(loss, variables), variables))
