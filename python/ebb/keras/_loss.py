"""Losses: the base class, and losses as functions. Numbers are computed by the library."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

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
        if type(self).call is not Loss.call:
            losses = np.asarray(self.call(y_true, y_pred), np.float32)
            return tensor_of(reduce_weighted(losses, sample_weight, self.reduction))
        return tensor_of(
            _native_values.loss(self._text(self.reduction), y_true, y_pred, sample_weight)
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of samples."""
        if _symbolic.any_symbolic(y_true, y_pred):
            return _formulas().values(type(self).__name__, self.get_config(), y_true, y_pred)
        return tensor_of(_native_values.loss(self._text("none"), y_true, y_pred))

    def _text(self, reduction: str | None) -> dict[str, Any]:
        """What the library is told."""
        told = serialize(self)
        told["config"]["reduction"] = reduction or "none"
        return told  # type: ignore[no-any-return]


def reduce_weighted(losses: Array, weights: Any, reduction: str | None) -> Array:
    """Losses of samples times their weights, as one number."""
    if weights is not None:
        weights = np.asarray(weights, np.float32)
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
