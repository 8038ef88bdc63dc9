"""Layers of texts and of any integers: Python computes them, the library never sees a text.

Called on data they give their result at once. Called on symbolic tensors they are a node like any
other; a model that has such nodes is cut at them (_host_graph.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._tensor import Tensor
from ebb.keras import _arguments, _policy
from ebb.keras._layer import Layer, is_native
from ebb.keras._symbolic import Node, any_symbolic
from ebb.keras._variable import to_numpy

Array = npt.NDArray[Any]
Shape = "tuple[int | None, ...]"


HOSTS: set[str] = set()  # names of the classes in here that Python computes


class HostLayer(Layer):
    """A layer that Python computes.

    A class says what it makes of arrays (``_compute``), which shape that has
    (``compute_output_shape``) and, where it is not that of most, of which type (``_result_dtype``).
    """

    _is_host = True
    output_mode = "int"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if is_native(cls):
            HOSTS.add(cls.__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it makes of data, or a node of a model."""
        if any_symbolic(args, kwargs):
            return self._call_symbolic(*_arguments.order_call(self, args, kwargs))
        return self.call(*args, **kwargs)

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        node = Node(self, args, kwargs)
        if self._build_shapes_dict is None:
            self._build_note(node)
        self.built = True
        shape = self.compute_output_shape(self._shapes(args))
        return node.emit([(tuple(shape), self._result_dtype())])[0]

    @staticmethod
    def _shapes(args: tuple[Any, ...]) -> Any:
        """Of the first argument: of a tensor, or of each in a list."""
        first = args[0]
        if isinstance(first, (list, tuple)):
            return [tuple(tensor.shape) for tensor in first]
        return tuple(first.shape)

    def _result_dtype(self) -> str:
        """Type that symbolic results have."""
        return "int64" if self.output_mode == "int" else _policy.settings.floatx

    def _true_shape(self, shape: Any) -> Any:
        """The shape that results really have, where Keras says another one."""
        return self.compute_output_shape(shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for a shape of input."""
        return tuple(input_shape)

    def _compute(self, inputs: Any) -> Array:
        """The result as an array."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        """What it makes of data."""
        return wrap(self._compute(inputs))

    def _array(self, *args: Any, **kwargs: Any) -> Array:
        """The same as an array, also for subclasses with a ``call`` of their own."""
        if type(self).call is HostLayer.call:
            return self._compute(*args, **kwargs)
        return to_numpy(self.call(*args, **kwargs))

    def build(self, *shapes: Any, **named: Any) -> None:
        """There is nothing to build."""
        self.built = True

    # -- what was learned: in files beside the configuration ---------------------------------------

    _is_lost_without_assets = False

    def save_own_variables(self, store: Any) -> None:
        """Writes what numbers it learned: most have none."""

    def load_own_variables(self, store: Any) -> None:
        """Reads them."""

    def _state(self) -> Any:
        """What ``adapt`` learned."""

    def _state_take(self, layer: HostLayer) -> None:
        """Learns what another layer has learned."""
        state = layer._state()
        if state is not None:
            self._state_set(state)

    def _state_set(self, state: Any) -> None:
        """Takes what ``_state`` of another layer gave."""

    def __reduce__(self) -> Any:
        return _again, (type(self), self.get_config(), self._state())

    def __deepcopy__(self, memo: Any) -> Any:
        return _again(type(self), self.get_config(), self._state())


def _again(kind: Any, config: dict[str, Any], state: Any) -> Any:
    """The layer again."""
    layer = kind.from_config(config)
    if state is not None:
        layer._state_set(state)
    return layer


def is_host(operation: Any) -> bool:
    """Does Python compute it?"""
    return bool(getattr(operation, "_is_host", False))


def key_of(salt: Any) -> tuple[int, int]:
    """The key of a hash: two integers, or one for both."""
    words = tuple(salt) if isinstance(salt, (tuple, list)) else (salt, salt)
    if len(words) != 2:
        raise ValueError(f"`salt` must be an integer or two. Received: {salt}")
    return int(words[0]), int(words[1])


def wrap(array: Array) -> Any:
    """Numbers as a tensor; texts stay an array."""
    return array if array.dtype.kind in "OUS" else Tensor.from_array(array)


def encode(indices: Array, mode: str, depth: int, kind: Any, weights: Array | None) -> Array:
    """Rows of indices as what an output mode says; negative ones count for nothing."""
    if mode == "int":
        return indices
    if indices.ndim == 0:
        indices = indices.reshape(1)
    if mode == "one_hot":
        if indices.shape[-1] == 1 and indices.ndim > 1:
            indices = indices[..., 0]
        hot: Array = (indices[..., None] == np.arange(depth)).astype(kind)
        return hot
    rows = indices.reshape(-1, indices.shape[-1])
    numbers = np.repeat(np.arange(len(rows)), rows.shape[-1])
    made = counted(numbers, rows.reshape(-1), len(rows), depth, mode, kind, weights)
    return made.reshape((*indices.shape[:-1], depth))


def counted(
    rows: Array, indices: Array, count: int, depth: int, mode: str, kind: Any, weights: Any
) -> Array:
    """How often each index is there in each row: ``(count, depth)``.

    Parameters
    ----------
    rows, indices : array
        One for each token: the row it belongs to, and its index.
    """
    known = (indices >= 0) & (indices < depth)
    places = rows[known] * depth + indices[known]
    made: Array = np.bincount(places, minlength=count * depth).reshape(count, depth)
    if mode == "multi_hot":
        made = made > 0
    if mode == "tf_idf" and weights is not None:
        made = made.astype(np.float32) * weights
    return made.astype(kind)
