"""Training of a native model: compile, fit, evaluate, one batch at a time.

Thin over ebb/train.h. Arrays are borrowed for the time of a call. What Python does inside of one
(callbacks, data) is guarded: its first exception stops the loop after the step it is in, and is
raised when the library has returned, with the model usable as before.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from ebb._call import Guard, Keep, check, collect_text, keep_failure, new_error, options
from ebb._native import ffi, lib

Array = np.ndarray[Any, Any]
Batch = tuple[list[Array], list[Array], list[Optional[Array]]]

_NUMBERS = {
    ffi.string(lib.ebb_dtype_name(number)).decode(): number
    for number in range(int(lib.EBB_F32), int(lib.EBB_BOOL) + 1)
}
RESULTS_MAX = 256


class Views:
    """``ebb_views`` of arrays, which it holds. None stands for "none given"."""

    __slots__ = ("arrays", "items", "views")

    def __init__(self, arrays: list[Array | None]) -> None:
        self.arrays = arrays
        self.items = ffi.new("ebb_view[]", max(1, len(arrays)))
        self.views = ffi.new("ebb_views *", (self.items, len(arrays)))
        for index, array in enumerate(arrays):
            if array is None:
                continue
            view = self.items[index]
            view.dtype = _NUMBERS[array.dtype.name]
            view.rank = array.ndim
            for axis, length in enumerate(array.shape):
                view.dims[axis] = length
            view.data = ffi.cast("void *", array.__array_interface__["data"][0])


# -- compile ----------------------------------------------------------------------------------


def compile_model(handle: Any, **fields: Any) -> None:
    """ebb_model_compile(): texts are names or JSON, as the fields of ebb_compile_options."""
    keep, error = Keep(), new_error()
    made = options("ebb_compile_options", keep, **fields)
    check(lib.ebb_model_compile(handle, made, error), error)


def uncompile(handle: Any) -> None:
    """Gives all of training back."""
    error = new_error()
    check(lib.ebb_model_uncompile(handle, ffi.NULL, error), error)


def result_names(handle: Any) -> list[str]:
    """Names of losses and metrics, in the order of results."""
    names: list[str] = []
    while True:
        name = lib.ebb_model_metric(handle, len(names))
        if name == ffi.NULL:
            return names
        names.append(ffi.string(name).decode())


def learning_rate(handle: Any) -> float:
    """The rate of the next step."""
    rate, error = ffi.new("double *"), new_error()
    check(lib.ebb_model_learning_rate(handle, rate, error), error)
    return float(rate[0])


def learning_rate_set(handle: Any, rate: float) -> None:
    """Sets the rate of the next steps."""
    error = new_error()
    check(lib.ebb_model_learning_rate_set(handle, rate, error), error)


def optimizer_infos(handle: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, type and shape of the optimizer's variables, in Keras's order."""
    info, error = ffi.new("ebb_tensor_info *"), new_error()
    found = []
    for index in range(lib.ebb_model_optimizer_variables(handle)):
        check(lib.ebb_model_optimizer_variable(handle, index, info, error), error)
        dtype = ffi.string(lib.ebb_dtype_name(info.dtype)).decode()
        shape = tuple(int(info.dims[axis]) for axis in range(info.rank))
        found.append((ffi.string(info.name).decode(), dtype, shape))
    return found


def optimizer_get(handle: Any, index: int, dtype: str, shape: tuple[int, ...]) -> Array:
    """A copy of a variable of the optimizer."""
    value, error = np.empty(shape, dtype), new_error()
    check(lib.ebb_model_optimizer_variable_get(handle, index, Views([value]).items, error), error)
    return value


def optimizer_set(handle: Any, index: int, value: Array) -> None:
    """Sets a variable of the optimizer."""
    error = new_error()
    check(lib.ebb_model_optimizer_variable_set(handle, index, Views([value]).items, error), error)


def history(handle: Any) -> str:
    """History of the last fit as JSON."""
    return collect_text(lib.ebb_model_history_write, handle)


# -- what Python does inside of a call --------------------------------------------------------


class _Guarded:
    """What a callback's context refers to: its failure is that of the call's guard."""

    _guard: Guard

    @property
    def failure(self) -> BaseException | None:
        """The first exception of the call."""
        return self._guard.failure

    @failure.setter
    def failure(self, failure: BaseException | None) -> None:
        self._guard.failure = failure


class Feed(_Guarded):
    """Batches of a Python function for one call: ``give(restart)`` returns one, None at the end."""

    def __init__(self, guard: Guard, give: Callable[[bool], Batch | None]) -> None:
        self._guard = guard
        self._give = give
        self._held: Any = None  # until the next batch is asked for

    def answer(self, restart: bool, batch: Any, error: Any) -> int:
        """For ebb_batch_function."""
        given = self._guard.run(self._give, restart, otherwise=self)
        if given is self:
            _tell_failure(self._guard.failure, error)
            return int(lib.EBB_E_CANCELLED)
        self._held = None
        if given is None:
            return int(lib.EBB_E_NOT_FOUND)
        self._held = x, y, weight = Views(given[0]), Views(given[1]), Views(given[2])
        batch.x, batch.y, batch.sample_weight = x.views[0], y.views[0], weight.views[0]
        return int(lib.EBB_OK)


class Listener(_Guarded):
    """A Python function told of every moment: ``tell(event)`` returns whether to go on.

    After an exception it hears no more, and the loop ends with the step it is in.
    """

    def __init__(self, guard: Guard, tell: Callable[[Any], bool]) -> None:
        self._guard = guard
        self._tell = tell

    def told(self, event: Any) -> bool:
        """For ebb_training_function."""
        goes_on = bool(self._guard.run(self._tell, event, otherwise=False))
        if self._guard.failure is not None:
            lib.ebb_model_cancel(event.model)
        return goes_on


def _tell_failure(failure: Any, error: Any) -> None:
    """What the library's log says of an exception in the data."""
    if error != ffi.NULL:
        error.status = lib.EBB_E_CANCELLED
        error.where = b"data"
        error.text = f"{type(failure).__name__}: {failure}".encode()[:400]


@ffi.def_extern(error=lib.EBB_E_CANCELLED, onerror=keep_failure)
def ebb_python_batch(context: Any, restart: bool, batch: Any, error: Any) -> int:
    """The next batch of a Feed."""
    return int(ffi.from_handle(context).answer(restart, batch, error))


@ffi.def_extern(error=False, onerror=keep_failure)
def ebb_python_training(context: Any, event: Any) -> bool:
    """A moment of training for a Listener."""
    return ffi.from_handle(context).told(event)  # type: ignore[no-any-return]


# -- data and callbacks as C takes them -------------------------------------------------------


def array_data(keep: Keep, x: list[Array], y: list[Array], weights: list[Array | None]) -> Any:
    """``ebb_data *`` over whole arrays."""
    data = keep.hold(ffi.new("ebb_data *"))
    for name, arrays in (("x", x), ("y", y), ("sample_weight", weights)):
        views = keep.hold(Views(arrays))  # type: ignore[arg-type]
        setattr(data, name, views.views[0])
    return data


def function_data(
    keep: Keep,
    guard: Guard,
    give: Callable[[bool], Batch | None],
    may_be_empty: bool = False,
) -> Any:
    """``ebb_data *`` whose batches a Python function gives."""
    data = keep.hold(ffi.new("ebb_data *"))
    data.next = lib.ebb_python_batch
    data.may_be_empty = may_be_empty
    # The handle holds the feed; held by it in turn it would never go.
    data.context = keep.hold(ffi.new_handle(Feed(guard, give)))
    return data


def callback_list(keep: Keep, guard: Guard, callbacks: list[Any]) -> tuple[Any, int]:
    """``ebb_callback[]`` of functions (told of moments) and of (name, config JSON) pairs."""
    items = keep.hold(ffi.new("ebb_callback[]", max(1, len(callbacks))))
    for item, given in zip(items, callbacks):
        if callable(given):
            item.function = lib.ebb_python_training
            item.context = keep.hold(ffi.new_handle(Listener(guard, given)))
        else:
            item.name, item.config = keep.text(given[0]), keep.text(given[1])
    return items, len(callbacks)


# -- calls ------------------------------------------------------------------------------------


def fit(handle: Any, data: Any, guard: Guard, keep: Keep, callbacks: list[Any], **how: Any) -> None:
    """ebb_model_fit(); ``how`` are fields of ebb_fit_options."""
    error = new_error()
    made = options("ebb_fit_options", keep, **how)
    made.callbacks, made.callback_count = callback_list(keep, guard, callbacks)
    guard.finish(lib.ebb_model_fit(handle, data, made, error), error)


def evaluate(
    handle: Any, data: Any, guard: Guard, keep: Keep, callbacks: list[Any], **how: Any
) -> list[float]:
    """ebb_model_evaluate(); ``how`` are fields of ebb_evaluate_options."""
    error = new_error()
    made = options("ebb_evaluate_options", keep, **how)
    made.callbacks, made.callback_count = callback_list(keep, guard, callbacks)
    results, count = ffi.new("double[]", RESULTS_MAX), ffi.new("size_t *", RESULTS_MAX)
    guard.finish(lib.ebb_model_evaluate(handle, data, made, results, count, error), error)
    return list(results[0 : count[0]])


def on_batch(
    handle: Any, trains: bool, x: list[Array], y: list[Array], weights: list[Array | None]
) -> list[float]:
    """One step of training or evaluation: losses and metrics of this batch alone."""
    keep, error = Keep(), new_error()
    batch = ffi.new("ebb_batch *")
    for name, arrays in (("x", x), ("y", y), ("sample_weight", weights)):
        views = keep.hold(Views(arrays))  # type: ignore[arg-type]
        setattr(batch, name, views.views[0])
    function = lib.ebb_model_train_on_batch if trains else lib.ebb_model_test_on_batch
    results, count = ffi.new("double[]", RESULTS_MAX), ffi.new("size_t *", RESULTS_MAX)
    check(function(handle, batch, results, count, error), error)
    return list(results[0 : count[0]])
