"""Losses, metrics and schedules computed by the library without a model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ebb._call import check, new_error
from ebb._native import ffi, lib
from ebb._runtime import runtime
from ebb._training import Views
from ebb.keras._data import to_array

Array = np.ndarray[Any, Any]
VARIABLES_MAX = 5


def as_array(value: Any, name: str) -> Array | None:
    """An operand as an array; None stays."""
    return None if value is None else to_array(value, name)


def _text(given: Any) -> Any:
    return ffi.new("char[]", (given if isinstance(given, str) else json.dumps(given)).encode())


class _Operands:
    """``ebb_operands *`` of arrays, which it holds."""

    def __init__(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        self.operands = ffi.new("ebb_operands *")
        self._held = []
        for name, value in (
            ("y_true", y_true), ("y_pred", y_pred), ("sample_weight", sample_weight),
        ):  # fmt: skip
            array = as_array(value, name)
            if array is not None:
                views = Views([array])
                self._held.append(views)
                setattr(self.operands, name, views.items)


def _empty(view: Any) -> Array:
    """An array for what a view tells; the view is given its memory."""
    dtype = ffi.string(lib.ebb_dtype_name(view.dtype)).decode()
    array = np.zeros(tuple(view.dims[axis] for axis in range(view.rank)), dtype)
    view.data = ffi.cast("void *", array.__array_interface__["data"][0])
    return array


def loss(given: Any, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
    """A loss by name or JSON: its reduction tells the shape."""
    here, text, error = runtime().handle, _text(given), new_error()
    held = _Operands(y_true, y_pred, sample_weight)
    view = ffi.new("ebb_view *")
    check(lib.ebb_loss_compute(here, text, held.operands, view, error), error)
    result = _empty(view)
    check(lib.ebb_loss_compute(here, text, held.operands, view, error), error)
    return result


def loss_gradient(given: Any, y_true: Any, y_pred: Any, sample_weight: Any, upstream: Any) -> Array:
    """The gradient of ``loss`` with respect to ``y_pred``; ``upstream`` is that of the loss."""
    here, text, error = runtime().handle, _text(given), new_error()
    held = _Operands(y_true, y_pred, sample_weight)
    first = Views([np.asarray(to_array(upstream), np.float32, order="C")])
    made = np.empty(np.shape(to_array(y_pred)), np.float32)
    second = Views([made])
    check(lib.ebb_loss_gradient(here, text, held.operands, first.items, second.items, error), error)
    return made


def metric(
    given: Any, variables: list[Array] | None, y_true: Any, y_pred: Any, sample_weight: Any
) -> tuple[list[Array], Array]:
    """Adds a batch to the variables of a metric (None: fresh ones): new ones, and the result."""
    here, text, error = runtime().handle, _text(given), new_error()
    held = _Operands(y_true, y_pred, sample_weight)
    views, result = ffi.new("ebb_view[]", VARIABLES_MAX), ffi.new("ebb_view *")
    count = ffi.new("size_t *", VARIABLES_MAX)
    call = (here, text, held.operands, views, count, result, error)
    check(lib.ebb_metric_compute(*call), error)
    arrays = [_empty(views[index]) for index in range(count[0])]
    for index, (array, before) in enumerate(zip(arrays, variables or [])):
        if before.shape != array.shape:
            raise ValueError(
                f"variable {index} of the metric has shape {before.shape}, a batch like this "
                f"needs {array.shape}: call reset_state() before batches of another kind"
            )
        array[...] = before
    value = _empty(result)
    count[0] = VARIABLES_MAX
    check(lib.ebb_metric_compute(*call), error)
    return arrays, value


def metric_result(given: Any, variables: list[Array]) -> Array:
    """The result of a metric from its variables."""
    here, text, error = runtime().handle, _text(given), new_error()
    held = _Operands(None, None, None)
    source = Views(list(variables))
    views, result = ffi.new("ebb_view[]", VARIABLES_MAX), ffi.new("ebb_view *")
    for index in range(len(variables)):
        views[index] = source.items[index]
    count = ffi.new("size_t *", len(variables))
    call = (here, text, held.operands, views, count, result, error)
    check(lib.ebb_metric_compute(*call), error)
    value = _empty(result)
    check(lib.ebb_metric_compute(*call), error)
    return value


def schedule(given: Any, step: int) -> float:
    """The rate of a schedule at a step."""
    rate, error = ffi.new("double *"), new_error()
    check(lib.ebb_schedule_compute(runtime().handle, _text(given), int(step), rate, error), error)
    return float(rate[0])
