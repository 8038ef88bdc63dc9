"""``tf.custom_gradient``: functions whose gradients the caller writes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Callable

from ebb import _context, _record
from ebb._operators import convert
from ebb._values import Tensor
from ebb.tf import _nest


def custom_gradient(f: Callable[..., Any] | None = None) -> Any:
    """Makes a function whose gradient is computed by a function of its own.

    Parameters
    ----------
    f : callable
        ``f(*x)`` gives ``(y, gradient)``; ``gradient(*dy)`` is given the gradients of what ``y``
        is and gives those of the ``x``, one for each.

    Returns
    -------
    callable
        ``f(*x)`` that gives ``y``.

    Notes
    -----
    Inside a ``tf.function`` the function is run as plain Python.
    """
    if f is None:
        return custom_gradient

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        for leaf in _nest.leaves((args, kwargs)):
            _context.need_values(leaf, "tf.custom_gradient")
        args = _nest.pack(args, (_tensor(leaf) for leaf in _nest.leaves(args)))
        with _record.paused():
            result, gradient = f(*args, **kwargs)
            # A tensor of its own, should the function hand on what it was given.
            outputs = [_again(convert(item)) for item in _nest.flatten(result)]
        if _record.is_open():
            inputs = [leaf for leaf in _nest.leaves(args) if isinstance(leaf, Tensor)]
            name = getattr(f, "__name__", "function")
            back = _Backward(gradient, outputs, len(inputs))
            _record.note_back(f"the function {name!r}", inputs, outputs, back)
        return _nest.pack(result, iter(outputs))

    return decorated


def _tensor(leaf: Any) -> Any:
    """Numbers and variables as tensors; what is neither stays."""
    if isinstance(leaf, Tensor) or leaf is None or isinstance(leaf, (str, bool)):
        return leaf
    if hasattr(leaf, "_as_tensor") or hasattr(leaf, "__array__") or isinstance(leaf, (int, float)):
        return convert(leaf)
    return leaf


def _again(tensor: Any) -> Any:
    return type(tensor)(tensor.buffer)


class _Backward:
    """Calls the gradient function."""

    __name__ = "custom"

    def __init__(self, gradient: Any, outputs: Sequence[Any], count: int) -> None:
        self.gradient, self.count = gradient, count
        self.kinds = [(tensor.shape, tensor.dtype) for tensor in outputs]

    def __call__(self, upstream: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
        from ebb.tf._arrays import zeros

        given = [
            zeros(shape, dtype) if gradient is None else gradient
            for gradient, (shape, dtype) in zip(upstream, self.kinds)
        ]
        made = _nest.flatten(self.gradient(*given))
        if len(made) != self.count:
            raise ValueError(
                f"the gradient function of tf.custom_gradient gave {len(made)} gradients for "
                f"{self.count} tensors"
            )
        return [None if item is None else convert(item) for item in made]
