"""Preprocessing layers that learn from data before training: ``adapt``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._generated import layers as _generated
from ebb._tensor import to_array

Array = npt.NDArray[Any]


def is_one(data: Any) -> bool:
    """Is it an array or a list, not a dataset?"""
    return isinstance(data, (list, tuple, np.ndarray)) or any(
        hasattr(data, name) for name in ("__array__", "to_numpy")
    )


def batches_of(data: Any, steps: int | None = None) -> Iterator[Any]:
    """Arrays of data: one of an array, one of each batch of a dataset."""
    if is_one(data):
        yield data.to_numpy() if hasattr(data, "to_numpy") else data
        return
    if not isinstance(data, Iterable):
        raise TypeError(f"adapt: expected an array, a list or a dataset, found {type(data)}")
    for number, batch in enumerate(data):
        if steps is not None and number >= steps:
            return
        yield batch


class Normalization(_generated.Normalization):
    """``(inputs - mean) / sqrt(variance)``, given or taken from data by ``adapt``.

    Keras's ``keras.layers.Normalization``.

    Parameters
    ----------
    axis : int, sequence of int or None
        Axes that have a mean of their own; None: one for all numbers.
    mean, variance : float or array_like, optional
        Both or none; none: call ``adapt`` before use.
    invert : bool
        Whether normalized values become original ones.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. Received: "
                f"mean={mean} and variance={variance}"
            )
        self._given_values = {"mean": _listed(mean), "variance": _listed(variance)}
        axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        super().__init__(
            axis=axes, mean=self._given_values["mean"], variance=self._given_values["variance"],
            invert=invert, **kwargs,
        )  # fmt: skip

    def _own_config(self) -> dict[str, Any]:
        return {**super()._own_config(), **self._given_values}

    def _native_entry(self, *args: Any, **kwargs: Any) -> Any:
        entry = super()._native_entry(*args, **kwargs)
        entry["config"].update(self._given_values)
        return entry

    def _value(self, name: str) -> Any:
        """As given, or as it was adapted, in a shape that broadcasts to the input."""
        given = self.__dict__.get("_given_values", {}).get(name)
        slots = dict(self.__dict__.get("_slots", ()))
        if given is not None or name not in slots:
            return given
        variable = slots[name]
        rank = len(self.__dict__.get("_adapted_shape") or ()) or variable.ndim + 1
        keep = [axis % rank for axis in self.axis]
        lengths = iter(variable.shape)
        shape = [next(lengths) if axis in keep else 1 for axis in range(rank)]
        return _wrap(np.asarray(variable).reshape(shape))

    @property
    def mean(self) -> Any:
        """What is subtracted; None before it is known."""
        return self._value("mean")

    @mean.setter
    def mean(self, value: Any) -> None:
        self._given_values["mean"] = value

    @property
    def variance(self) -> Any:
        """The square of what is divided by; None before it is known."""
        return self._value("variance")

    @variance.setter
    def variance(self, value: Any) -> None:
        self._given_values["variance"] = value

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Takes mean and variance from data.

        Parameters
        ----------
        data : array_like or dataset
            Samples, or batches of samples; not labels.
        batch_size : int, optional
            Has no effect.
        steps : int, optional
            Batches of a dataset that are used.

        Raises
        ------
        ValueError
            ``mean`` and ``variance`` were given, or there are no data.
        """
        if self._given_values["mean"] is not None:
            raise ValueError(
                "Cannot `adapt` a Normalization layer that is initialized with static `mean` and "
                "`variance`, you passed mean={mean} and variance={variance}.".format(
                    **self._given_values
                )
            )
        count, mean, spread, shape = 0, np.zeros(()), np.zeros(()), ()
        for batch in batches_of(data, steps):
            array = np.asarray(to_array(batch), np.float64)
            shape = array.shape if is_one(data) else (None, *array.shape[1:])
            keep = [axis % array.ndim for axis in self.axis]
            rest = tuple(axis for axis in range(array.ndim) if axis not in keep)
            size = int(np.prod([array.shape[axis] for axis in rest], dtype=np.int64))
            own_mean, own_spread = array.mean(rest), array.var(rest)
            total = count + size
            new_mean = mean * (count / total) + own_mean * (size / total)
            spread = (spread + (mean - new_mean) ** 2) * (count / total) + (
                own_spread + (own_mean - new_mean) ** 2
            ) * (size / total)
            count, mean = total, new_mean
        if count == 0:
            raise ValueError("adapt: there are no data")
        if not self.built:
            self.build(shape if len(shape) > 1 or not self.axis else (count,))
        self._adapted_shape = shape
        values = {"mean": mean, "variance": spread, "count": np.asarray(count)}
        for name, variable in self._slots:
            variable.assign(np.asarray(values[name], variable.dtype).reshape(variable.shape))


def _listed(value: Any) -> Any:
    """Numbers as JSON has them."""
    return None if value is None else to_array(value).tolist()


def _wrap(array: Array) -> Any:
    from ebb._tensor import Tensor

    return Tensor.from_array(array)


class Discretization(_generated.Discretization):
    """Numbers as the index of the range they lie in.

    Keras's ``keras.layers.Discretization``.

    Parameters
    ----------
    bin_boundaries : list of float, optional
        Limits between ranges; None: taken from data by ``adapt``.
    num_bins : int, optional
        Number of ranges, for ``adapt``.
    epsilon : float
        Error that ``adapt`` may make, as a share.
    output_mode : {"int", "one_hot", "multi_hot", "count"}
        Form of the result.
    sparse : bool
        Sparse tensors are not supported: False.
    dtype : str or dtype policy, optional
        Type of computation.
    name : str, optional
        Name of the layer.
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must be greater than or equal to 0: num_bins={num_bins}")
        if num_bins is not None and bin_boundaries is not None:
            if len(bin_boundaries) != num_bins - 1:
                raise ValueError(
                    "Both `num_bins` and `bin_boundaries` should not be set: "
                    f"num_bins={num_bins} and bin_boundaries={bin_boundaries}"
                )
        elif num_bins is None and bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        super().__init__(
            bin_boundaries=_listed(bin_boundaries), num_bins=num_bins, epsilon=epsilon,
            output_mode=output_mode, sparse=sparse, dtype=dtype, name=name,
        )  # fmt: skip
        self._is_given = bin_boundaries is not None

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Takes the limits between ranges from data: the same share of numbers in each.

        Parameters
        ----------
        data : array_like or dataset
            Numbers, or batches of numbers.
        steps : int, optional
            Batches of a dataset that are used.

        Raises
        ------
        ValueError
            The limits were given, or the layer is a part of a model already.
        """
        if self._is_given:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with "
                "`bin_boundaries`, use `num_bins` instead."
            )
        if self._inbound_nodes:
            raise ValueError(
                f"adapt {self.name} before it is called on the tensors of a model: its limits are "
                "a part of the model"
            )
        summary = np.zeros((2, 0), np.float32)
        for batch in batches_of(data, steps):
            summary = _merged(summarize(to_array(batch), self.epsilon), summary, self.epsilon)
        if summary.shape[1] == 0 or self.num_bins is None:
            raise ValueError("adapt: there are no data")
        self.bin_boundaries = compress(summary, 1.0 / self.num_bins)[0, :-1].tolist()
        self._eager = None


def summarize(values: Array, epsilon: float) -> Array:
    """A sample of sorted numbers at equal distances, and how many numbers each stands for."""
    ordered = np.sort(np.asarray(values, np.float32).reshape(-1))
    step = max(len(ordered) / (1.0 / epsilon), 1)
    chosen = ordered[int(step - 1) :: int(step)]
    return np.stack([chosen, np.ones_like(chosen) * np.float32(step)])


def compress(summary: Array, epsilon: float) -> Array:
    """Fewer numbers that stand for the same."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    sums = summary[1].cumsum()
    known = sums / sums[-1]
    made = np.interp(shares, known, summary[0])
    sums = np.interp(shares, known, sums)
    return np.stack([made, sums - np.concatenate([[0], sums[:-1]])]).astype(np.float32)


def _merged(first: Array, second: Array, epsilon: float) -> Array:
    both = np.concatenate([first, second], 1)
    return compress(both[:, np.argsort(both[0])], epsilon)
