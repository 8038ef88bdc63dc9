"""Initializers: what the first numbers of a weight are. The library draws them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras import _symbolic
from ebb.keras._object import KerasObject, serialize
from ebb.keras._seeds import next_seed
from ebb.keras._variable import Array, numpy_dtype, to_numpy


class Initializer(KerasObject):
    """Base of initializers.

    Called with a shape it gives the numbers; subclasses write ``__call__(self, shape, dtype)``.
    """

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Make an array of a shape.

        Parameters
        ----------
        shape : tuple of int
        dtype : str, optional
            Default ``"float32"``.

        Returns
        -------
        Tensor
        """
        from ebb._tensor import Tensor

        kind = str(getattr(dtype, "name", dtype) or "float32")
        return Tensor.from_array(make_array(self, tuple(shape), kind))

    def clone(self) -> Any:
        """Another one with the same arguments."""
        return type(self).from_config(self.get_config())


def make_array(initializer: Any, shape: tuple[int, ...], dtype: str) -> Array:
    """What an initializer gives, as an array; None: glorot_uniform."""
    if isinstance(initializer, str) or initializer is None:
        from ebb.keras import _find

        initializer = _find.get("initializers", initializer or "glorot_uniform")
    if type(initializer).__call__ is Initializer.__call__:
        if type(initializer).__name__ == "Constant":
            value = np.asarray(to_numpy(initializer.value))
            return np.broadcast_to(value, shape).astype(numpy_dtype(dtype))
        return _drawn(initializer, shape, dtype)
    with _symbolic.drawing_numbers():
        made = to_numpy(initializer(shape, dtype=dtype))
    if made.shape != tuple(shape):
        raise ValueError(f"{initializer!r} gave shape {made.shape} where {tuple(shape)} was asked")
    return made.astype(numpy_dtype(dtype))


def _drawn(initializer: Any, shape: tuple[int, ...], dtype: str) -> Array:
    """What the library draws: a model of one weight is made for it."""
    from ebb.keras._engine import core_from_text

    config = {
        "name": "weight",
        "shape": list(shape),
        "dtype": dtype,
        "initializer": serialize(initializer),
        "trainable": False,
    }
    weight: dict[str, Any] = {
        "module": "keras.layers",
        "class_name": "Variable",
        "config": config,
        "registered_name": None,
        "name": "weight",
        "inbound_nodes": [{"args": [], "kwargs": {}}],
    }
    layers = [_symbolic.input_entry("rows", (None, 1), "float32"), weight]
    text = _symbolic.model_text("initializer", layers, [["rows", 0, 0]], [["weight", 0, 0]])
    core = core_from_text(text, next_seed())
    return np.asarray(core.weight_get(0)).astype(numpy_dtype(dtype))
