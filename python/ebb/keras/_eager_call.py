"""Layers and models called on numbers: a core is made for the shapes and kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb import _context
from ebb._errors import UnsupportedError
from ebb._tensor import (
    Buffer,
    EagerTensor,
    Tensor,
    as_dtype,
    call_model,
    is_symbolic,
    note_opaque,
)
from ebb.keras import _tree
from ebb.keras._config import Writer
from ebb.keras._engine import Engine, core_from_text
from ebb.keras._graph import Graph
from ebb.keras._input import InputLayer
from ebb.keras._seeds import next_seed
from ebb.keras._variable import Array, to_numpy


def wrap(array: Array) -> Any:
    """A result as the tensor of ebb.tf."""
    return Tensor.from_array(array)


def _is_data(leaf: Any) -> bool:
    """Is it numbers for the layer to work on?"""
    return hasattr(leaf, "__array__") or hasattr(leaf, "numpy")


def as_array(leaf: Any) -> Array:
    """Numbers as an array; Python's and numpy's doubles as float32. Tensors of a graph stay."""
    if is_symbolic(leaf):
        return leaf  # type: ignore[no-any-return]
    array = to_numpy(leaf)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def tensors_like(x: Any) -> Any:
    """Symbolic tensors like data: any number of rows."""
    counter = iter(range(1 << 30))

    def like(name: str, leaf: Any) -> Any:
        array = leaf if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else np.asarray(leaf)
        dtype = str(getattr(array.dtype, "name", array.dtype))
        shape = (None, *tuple(array.shape)[1:]) if len(array.shape) else ()
        dtype = "float32" if dtype == "float64" else dtype
        return InputLayer(batch_shape=shape, dtype=dtype, name=name).output

    if isinstance(x, dict):
        return {key: like(str(key), value) for key, value in x.items()}
    if isinstance(x, (list, tuple)) and x and _is_data(x[0]):
        return type(x)(like(f"input_{next(counter)}", item) for item in x)
    return like("input", x)


def _signature(args: Any, kwargs: Any) -> str:
    """What tells one core from another."""

    def tell(leaf: Any) -> Any:
        if _is_data(leaf):
            array = leaf if hasattr(leaf, "shape") else np.asarray(leaf)
            return f"{tuple(array.shape)[1:]}:{len(array.shape)}:{array.dtype}"
        return repr(leaf)

    return repr(_tree.map_structure(tell, (args, kwargs)))


class Runner:
    """A core for one kind of call."""

    __slots__ = ("engine", "is_row", "structure")

    def __init__(self, layer: Any, args: Any, kwargs: Any) -> None:
        inputs: list[Any] = []

        def stand_in(leaf: Any) -> Any:
            if not _is_data(leaf):
                return leaf
            array = as_array(leaf)
            shape = (None, *array.shape[1:]) if array.ndim else ()
            made = InputLayer(batch_shape=shape, dtype=array.dtype.name, name=f"in_{len(inputs)}")
            inputs.append(made.output)
            return inputs[-1]

        args, kwargs = _tree.map_structure(stand_in, (args, kwargs))
        made = layer._call_symbolic(args, kwargs)
        graph = Graph(inputs, _tree.flatten(made), strict=False)
        writer = Writer()
        config = writer.graph(graph, f"call_{layer.name}", "", True)
        text = writer.text(config["name"], "Functional", config)
        self.engine = Engine(core_from_text(text, next_seed()), writer.table, writer.frozen)
        self.structure = _tree.map_structure(lambda _: None, made)  # no tensor: it knows the layer

    def run(self, arrays: list[Array], layer: Any) -> Any:
        """Results as tensors."""
        self.engine.sync()
        return _tree.pack_as(self.structure, _outputs(self.engine.core, arrays, layer))


def _outputs(core: Any, arrays: list[Array], layer: Any) -> list[Any]:
    """What a core makes of arrays; of tensors of a graph, a node that calls it."""
    if any(is_symbolic(array) for array in arrays):
        return call_model(core, arrays, layer)
    outputs = [wrap(output) for output in core._predict_arrays(arrays)]
    note_opaque(f"a call of {layer.name!r}", arrays, outputs)
    return outputs


def call_plain(model: Any, x: Any) -> Any:
    """What a model with one input and output makes of an array or tensor, where that is all.

    None: nothing was done, ``call_eagerly`` knows the rest.
    """
    kind = type(x)
    if kind is not np.ndarray and kind is not EagerTensor:
        return None
    around = _context.state
    if around.tapes or around.graphs or not _context.settings.eager:
        return None
    core = model._plain_core()
    fast = core._fast if core is not None else None
    if fast is None:
        return None
    array = x if kind is np.ndarray else x.buffer.array()
    _, dtype, tail, result_dtype, result_tail = fast
    if array.dtype is not dtype or array.shape[1:] != tail or not array.shape[0]:
        return None
    buffer = Buffer(as_dtype(result_dtype), (array.shape[0], *result_tail))
    core.predict(array, out=buffer.array())
    return EagerTensor(buffer)


def call_eagerly(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a layer makes of numbers."""
    if args and not _is_data(args[0]) and isinstance(args[0], (list, tuple)):
        args = (_numbers(args[0]), *args[1:])
    elif args and isinstance(args[0], (int, float)):
        args = (np.asarray(args[0], np.float32), *args[1:])
    if isinstance(kwargs.get("training"), (bool, int)) and kwargs.pop("training"):
        _refuse_training(layer)
    arrays = [as_array(leaf) for leaf in _tree.leaves((args, kwargs)) if _is_data(leaf)]
    if layer._is_model and not kwargs:
        found = _call_model(layer, args)
        if found is not None:
            return found
    key = _signature(args, kwargs)
    if layer._eager is None or layer._eager[0] != key:
        layer._eager = (key, Runner(layer, args, kwargs))
    return layer._eager[1].run(arrays, layer)


_DIFFERENT = ("Dropout", "Gaussian", "BatchNormalization", "Random", "SpectralNormalization")


def _refuse_training(layer: Any) -> None:
    """Calls as in training are made by fit() and train_on_batch() only."""
    waiting = [layer]
    while waiting:
        part = waiting.pop()
        if any(word in type(part).__name__ for word in _DIFFERENT):
            raise UnsupportedError(
                f"a call with training=True would need {type(part).__name__} as it is in training; "
                "fit() and train_on_batch() do that, calls on numbers do not",
                layer.name,
            )
        waiting.extend(part._layers)


def _numbers(value: Any) -> Any:
    """A list of numbers as an array; lists of tensors stay lists."""
    if any(_is_data(leaf) for leaf in _tree.leaves(value)):
        return value
    return np.asarray(value, np.float32)


def _call_model(model: Any, args: tuple[Any, ...]) -> Any:
    """A call of a model with what it was made for: its own core."""
    if len(args) != 1:
        return None
    model._build_for(args[0])
    given = model._arrange(args[0]) if model._graph is not None else args[0]
    model._sync_weights()
    outputs = _outputs(model._core, [as_array(leaf) for leaf in _tree.leaves(given)], model)
    return model._pack_outputs(outputs)
