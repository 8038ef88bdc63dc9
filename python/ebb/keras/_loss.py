"""Losses: the base class, and losses as functions. Numbers are computed by the library."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ebb import _record
from ebb.keras import _naming, _native_values, _symbolic
from ebb.keras._object import KerasObject, serialize

Array = np.ndarray[Any, Any]
_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def _formulas() -> Any:
    """Losses of symbolic tensors: few need them, and their operations take memory."""
    from ebb.keras import _symbolic_losses

    return _symbolic_losses


def tensor_of(array: Any) -> Any:
    """A result as an eager tensor."""
    from ebb._tensor import Tensor  # what training alone never needs

    return Tensor.from_array(np.asarray(array))


class Loss(KerasObject):
    """Base of losses: ``loss(y_true, y_pred)`` is a number.

    Parameters
    ----------
    name : str, optional
        Name of the object; None: made from the class.
    reduction : str or None
        How the losses of samples become one: ``"sum_over_batch_size"``, ``"sum"``, ``"mean"``,
        ``"mean_with_sample_weight"``; ``"none"`` or None leaves them as they are.
    dtype : str, optional
        Type of computation.

    Notes
    -----
    Subclasses write ``call(y_true, y_pred)``, which returns the losses of samples.
    """

    name: str
    reduction: str | None

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if reduction not in _REDUCTIONS:
            raise ValueError(f"reduction: expected one of {_REDUCTIONS}, found {reduction!r}")
        self._configure(name=name or _naming.auto_name(type(self).__name__), reduction=reduction)
        self.dtype = dtype or "float32"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of arrays.

        Parameters
        ----------
        y_true, y_pred : array
            Of the same shape, or as the loss says.
        sample_weight : array, optional
            One number a sample, or as the losses of samples.

        Returns
        -------
        Tensor
            A number, or with reduction ``"none"`` one number a sample.

        Raises
        ------
        ShapeError
            The arrays do not fit together.
        """
        if _symbolic.any_symbolic(y_true, y_pred):
            return _formulas().reduced(self.call(y_true, y_pred), self.reduction)
        if type(self).call is Loss.call:
            return self._computed(y_true, y_pred, sample_weight, self.reduction)
        y_true, y_pred = _floats(y_true), _floats(y_pred)
        return reduced(self.call(y_true, y_pred), sample_weight, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of samples."""
        if _symbolic.any_symbolic(y_true, y_pred):
            return _formulas().values(type(self).__name__, self.get_config(), y_true, y_pred)
        return self._computed(y_true, y_pred, None, "none")

    def _computed(self, y_true: Any, y_pred: Any, weight: Any, reduction: str | None) -> Any:
        """By the library; with gradients where a tape watches."""
        told = self._text(reduction)
        if not _record.is_open():
            return tensor_of(_native_values.loss(told, y_true, y_pred, weight))
        if _record.concerns([one for one in (y_true, weight) if one is not None]):
            # The library has gradients with respect to y_pred alone.
            values = _formulas().values(type(self).__name__, self.get_config(), y_true, y_pred)
            return reduced(values, weight, reduction)
        made = tensor_of(_native_values.loss(told, y_true, y_pred, weight))
        if _record.concerns([y_pred]):

            def gradients(upstream: Any, wanted: Any) -> list[Any]:
                if upstream[0] is None:
                    return [None]
                operands = (y_true, y_pred, weight)
                return [tensor_of(_native_values.loss_gradient(told, *operands, upstream[0]))]

            _record.note_back(self.name, [y_pred], [made], gradients)
        return made

    def _text(self, reduction: str | None) -> dict[str, Any]:
        """What the library is told; a class that only adds to ebb's is that."""
        kind: Any = next(one for one in type(self).__mro__ if one.__module__.startswith("ebb."))
        told: dict[str, Any] = (
            serialize(self)
            if kind is type(self)
            else {"class_name": kind.__name__, "config": kind.get_config(self)}
        )
        told["config"]["reduction"] = reduction or "none"
        return told


def _floats(value: Any) -> Any:
    """An operand for a ``call`` of the caller's own: tensors of float32."""
    if isinstance(value, dict):
        return {key: _floats(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)) and any(hasattr(one, "shape") for one in value):
        return type(value)(_floats(one) for one in value)
    if str(getattr(getattr(value, "dtype", None), "name", "")) == "float32":
        return value if not isinstance(value, np.ndarray) else tensor_of(value)
    if hasattr(value, "numpy") and _record.is_open():
        from ebb.keras import ops

        return ops.cast(value, "float32")
    return tensor_of(np.asarray(value, np.float32))


def reduced(losses: Any, weights: Any, reduction: str | None) -> Any:
    """Losses of samples times their weights, as one number: a tensor, which tapes pass through."""
    if _record.is_open() and _record.concerns([losses]):
        return _reduced_by_operations(losses, weights, reduction)
    weights = None if weights is None else np.asarray(weights, np.float32)
    return tensor_of(reduce_weighted(np.asarray(losses, np.float32), weights, reduction))


def _reduced_by_operations(losses: Any, weights: Any, reduction: str | None) -> Any:
    from ebb.keras import ops

    count: Any = float(max(1, int(np.prod(losses.shape, dtype=np.int64))))
    if weights is not None:
        weights = ops.cast(weights, "float32")
        if len(weights.shape) == len(losses.shape) + 1 and weights.shape[-1] == 1:
            weights = ops.squeeze(weights, -1)
        elif len(losses.shape) == len(weights.shape) + 1 and losses.shape[-1] == 1:
            weights = ops.expand_dims(weights, -1)
        losses = ops.multiply(losses, weights)
        if reduction == "mean_with_sample_weight":
            count = ops.sum(weights)
    if reduction in (None, "none") or not losses.shape:
        return losses
    total = ops.sum(losses)
    return total if reduction == "sum" else ops.divide_no_nan(total, count)


def reduce_weighted(losses: Array, weights: Array | None, reduction: str | None) -> Array:
    """The same of arrays."""
    if weights is not None:
        if weights.ndim == losses.ndim + 1 and weights.shape[-1] == 1:
            weights = weights[..., 0]
        elif losses.ndim == weights.ndim + 1 and losses.shape[-1] == 1:
            weights = weights[..., None]
        losses = losses * weights
    if reduction in (None, "none") or losses.ndim == 0:
        return losses
    total = np.float32(losses.sum(dtype=np.float32))
    if reduction == "sum":
        return np.asarray(total)
    count = np.float32(losses.size)
    if reduction == "mean_with_sample_weight" and weights is not None:
        count = np.float32(weights.sum(dtype=np.float32))
    return np.asarray(total / count if count else np.float32(0))


def function_of(kind: Any, name: str) -> Callable[..., Any]:
    """A loss of ebb as a function: the losses of samples."""
    keys = [key for key in _parameters(kind) if key not in ("reduction", "name", "dtype")]

    def loss(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(keys, args), **kwargs)
        return kind(**given).call(y_true, y_pred)

    loss.__name__ = loss.__qualname__ = name
    loss.__module__ = "ebb.keras.losses"
    loss.__doc__ = (
        f"{(kind.__doc__ or '').strip().splitlines()[0]}\n\n"
        f"The losses of samples, as an array; further arguments are those of ``{kind.__name__}``.\n"
    )
    loss._ebb_name = name  # type: ignore[attr-defined]
    return loss


def _parameters(kind: Any) -> tuple[str, ...]:
    """Names of a constructor's parameters."""
    code = kind.__init__.__code__
    return tuple(code.co_varnames[1 : code.co_argcount])
