"""Metrics: the base class, and the mean of a function. Numbers are computed by the library."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Callable

import numpy as np

from ebb.keras import _naming, _native_values
from ebb.keras._loss import tensor_of
from ebb.keras._object import KerasObject, serialize
from ebb.keras._symbolic import any_symbolic

Array = np.ndarray[Any, Any]
_DOWN = {
    "Hinge", "SquaredHinge", "CategoricalHinge", "BinaryCrossentropy", "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy", "MeanSquaredError", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "RootMeanSquaredError",
    "LogCoshError", "MeanMetricWrapper", "KLDivergence", "Poisson",
}  # fmt: skip
_NEITHER = {
    "Mean", "Sum", "FalsePositives", "FalseNegatives", "TrueNegatives", "TruePositives", "Metric",
}  # fmt: skip


def direction_of(metric: Any) -> str | None:
    """``"up"`` or ``"down"``: which way is better; None when not known."""
    told = getattr(metric, "_direction", None)
    if told is not None:
        return str(told)
    for kind in type(metric).__mro__:
        if kind.__module__.startswith("ebb."):
            return (
                "down" if kind.__name__ in _DOWN else (None if kind.__name__ in _NEITHER else "up")
            )
    return None


class Metric(KerasObject):
    """Base of metrics: a number over batches.

    Parameters
    ----------
    dtype : str, optional
        Type of computation.
    name : str, optional
        Name of the object; None: made from the class.

    Notes
    -----
    Subclasses write ``update_state`` and ``result``, with variables of ``add_variable``.

    Examples
    --------
    >>> metric = keras.metrics.Precision()
    >>> metric.update_state([0, 1, 1], [1, 1, 1])
    >>> float(metric.result())
    0.6666666865348816
    """

    name: str
    dtype: Any

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__()
        self._sums: list[Array] | None = None
        self._value: Any = None  # the result, while it is known
        self._variables: list[Any] = []
        self._configure(
            name=name or _naming.auto_name(type(self).__name__), dtype=dtype or "float32"
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = _of_numbers(vars(cls)["update_state"])  # type: ignore[method-assign]

    # -- computing --------------------------------------------------------------------------------

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Adds a batch.

        Parameters
        ----------
        y_true, y_pred : array
            As the metric says.
        sample_weight : array, optional
            One number a sample.

        Raises
        ------
        ShapeError
            The arrays do not fit together; what was added before stays.
        """
        self._sums, self._value = _native_values.metric(
            self._told(), self._sums, y_true, y_pred, sample_weight
        )

    def result(self) -> Any:
        """The number over all batches so far, as a Tensor."""
        if self._value is None:
            self._value = (
                np.float32(0)
                if self._sums is None
                else _native_values.metric_result(self._told(), self._sums)
            )
        return tensor_of(self._value)

    def _told(self) -> dict[str, Any]:
        """What the library is told; a class that only adds to ebb's is that."""
        kind: Any = next(one for one in type(self).__mro__ if one.__module__.startswith("ebb."))
        if kind is Metric:
            raise NotImplementedError(
                f"{type(self).__name__} has no update_state() and result() of its own"
            )
        if kind is type(self):
            return serialize(self)  # type: ignore[no-any-return]
        return {"class_name": kind.__name__, "config": kind.get_config(self)}

    def reset_state(self) -> None:
        """Begins anew: all variables become 0."""
        self._sums = self._value = None
        for variable in self._own_variables():
            variable.assign(np.zeros(variable.shape, variable.dtype))
        for metric in self._inner_metrics():
            metric.reset_state()

    reset_states = reset_state

    def merge_state(self, metrics: Iterable[Metric]) -> None:
        """Adds what other metrics of the same kind have seen."""
        for other in metrics:
            if other._sums is None:
                continue
            if self._sums is None:
                self._sums = [np.zeros_like(one) for one in other._sums]
            self._sums = [one + more for one, more in zip(self._sums, other._sums)]
            self._value = None

    def stateless_result(self, metric_variables: Any) -> Any:
        """The result for values of the variables."""
        arrays = [np.asarray(one) for one in metric_variables]
        return tensor_of(_native_values.metric_result(self._told(), arrays))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch and returns the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    # -- variables --------------------------------------------------------------------------------

    @property
    def variables(self) -> list[Any]:
        """What is kept between batches."""
        inner = [one for metric in self._inner_metrics() for one in metric.variables]
        return [*(self._sums or ()), *self._own_variables(), *inner]

    def _own_variables(self) -> list[Any]:
        """Of ``add_variable``, and what else is an attribute."""
        found = {id(one): one for one in self._variables}
        for value in self.__dict__.values():
            if getattr(value, "_is_variable", False):
                found.setdefault(id(value), value)
        return list(found.values())

    def _inner_metrics(self) -> list[Metric]:
        """Metrics among the attributes."""
        return own_metrics(self)

    def add_variable(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Any:
        """A variable for a subclass's own ``update_state``."""
        from ebb.keras._variable import Variable

        made = Variable(
            initializer=initializer or "zeros", shape=tuple(shape), dtype=dtype, trainable=False,
            aggregation=aggregation, name=name,
        )  # fmt: skip
        self._variables.append(made)
        return made

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        """The same as ``add_variable``."""
        if isinstance(shape, str):  # older code has the name first
            shape, name = (), shape
        return self.add_variable(shape, initializer, dtype, name=name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def own_metrics(holder: Any) -> list[Metric]:
    """Metrics among an object's attributes, and in lists and dictionaries among them."""
    found: list[Metric] = []
    for value in list(holder.__dict__.values()):
        if isinstance(value, Metric):
            found.append(value)
        elif isinstance(value, dict):
            found.extend(one for one in value.values() if isinstance(one, Metric))
        elif isinstance(value, (list, tuple)):
            found.extend(one for one in value if isinstance(one, Metric))
    return list({id(one): one for one in found}.values())


def _of_numbers(update: Callable[..., Any]) -> Callable[..., Any]:
    """``update_state`` that leaves symbolic tensors alone: the ``call`` of a layer is traced.

    A model with such a layer is trained in steps that run the layer's Python.
    """

    @functools.wraps(update)
    def update_state(self: Any, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return None
        return update(self, *args, **kwargs)

    return update_state


class ValuesMetric(Metric):
    """What Mean and Sum have in common: they are told values."""

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Adds values.

        Parameters
        ----------
        values : array
            Any shape.
        sample_weight : array, optional
            One number a value, or fewer axes.
        """
        self._sums, self._value = _native_values.metric(
            self._told(), self._sums, None, values, sample_weight
        )


class MeanMetricWrapper(Metric):
    """The mean of a function of targets and predictions.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred, **kwargs)`` returns an array: numbers of samples.
    name, dtype : str, optional
        As for every metric.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name or getattr(fn, "__name__", None), dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Adds a batch."""
        values = np.asarray(self._fn(y_true, y_pred, **self._fn_kwargs), np.float32)
        mean = {"class_name": "Mean", "config": {"name": self.name}}
        self._sums, self._value = _native_values.metric(
            mean, self._sums, None, values, sample_weight
        )

    def result(self) -> Any:
        """The mean over all batches so far."""
        if self._sums is None:
            return tensor_of(np.float32(0))
        total, count = self._sums
        return tensor_of(total / count if count else np.float32(0))

    def get_config(self) -> dict[str, Any]:
        """Function and arguments."""
        return {**super().get_config(), "fn": serialize(self._fn), **self._fn_kwargs}
