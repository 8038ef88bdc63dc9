"""Layers and models called on numbers: a core is made for the shapes and kept.

Where a gradient tape is open, or a call is as in training, the core makes a pass (``_pass``).
What was written in Python runs as a core too if it can be traced; if not, its Python runs, and
the layers in it are called on numbers one by one.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _context
from ebb._errors import ForkError, OutOfMemoryError, StaleHandleError
from ebb._native import ffi, lib
from ebb._tensor import (
    Buffer,
    EagerTensor,
    Tensor,
    TensorShape,
    as_dtype,
)
from ebb.keras import _symbolic, _tracing, _tree
from ebb.keras._config import Writer
from ebb.keras._core_call import as_array, outputs_of, wrap
from ebb.keras._engine import Engine, core_from_text
from ebb.keras._graph import Graph
from ebb.keras._input import InputLayer
from ebb.keras._seeds import next_seed

_RUNNERS_MAX = 4  # of one layer, for calls of different kinds


def _is_data(leaf: Any) -> bool:
    """Is it numbers for the layer to work on?"""
    return hasattr(leaf, "__array__") or hasattr(leaf, "numpy")


def tensors_like(x: Any) -> Any:
    """Symbolic tensors like data: any number of rows."""
    counter = iter(range(1 << 30))

    def like(name: str, leaf: Any) -> Any:
        array = leaf if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else np.asarray(leaf)
        dtype = str(getattr(array.dtype, "name", array.dtype))
        shape = (None, *tuple(array.shape)[1:]) if len(array.shape) else ()
        if getattr(array.dtype, "kind", "") in "OSTU" and not hasattr(array.dtype, "is_floating"):
            dtype = "string"
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

    __slots__ = ("engine", "structure")

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
        core = core_from_text(text, next_seed())
        self.engine = Engine(core, writer.table, writer.frozen, writer.stateful)
        self.engine.has_penalty = has_penalty(layer)
        self.structure = _tree.map_structure(lambda _: None, made)  # no tensor: it knows the layer

    def run(self, given: Sequence[Any], layer: Any, training: bool) -> Any:
        """Results as tensors."""
        self.engine.sync()
        if training:
            self.engine.refreeze()
        return _tree.pack_as(self.structure, outputs_of(self.engine, given, layer, training))


def has_penalty(layer: Any) -> bool:
    """Does anything in it add a loss when it is called?"""
    if layer.activity_regularizer is not None or type(layer).__name__ == "ActivityRegularization":
        return True
    if layer._adds_loss:
        return True
    return any(has_penalty(part) for part in layer._layers)


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
    if fast is None or model._engine.has_penalty:
        return None
    predictor, dtype, tail, result_dtype, result_tail = fast
    if kind is np.ndarray:
        shape, is_fit = x.shape, x.dtype is dtype and x.flags.c_contiguous
    else:
        shape, is_fit = tuple(x.shape), x.dtype.numpy is dtype
    if not is_fit or not shape or shape[1:] != tail or not 0 < shape[0] <= core._piece:
        return None
    made = TensorShape.of_lengths((shape[0], *result_tail))
    buffer = Buffer(as_dtype(result_dtype), made)
    data = ffi.from_buffer(x) if kind is np.ndarray else x.buffer.data()
    if lib.ebb_python_predict_one(predictor, data, shape[0], buffer.data(), ffi.NULL):
        return None
    return EagerTensor(buffer)


# -- calls -----------------------------------------------------------------------------------------


def call_eagerly(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a layer makes of numbers."""
    if args and not _is_data(args[0]) and isinstance(args[0], (list, tuple)):
        args = (_numbers(args[0]), *args[1:])
    elif args and isinstance(args[0], (int, float)):
        args = (np.asarray(args[0], np.float32), *args[1:])
    args, kwargs = _tree.map_structure(_value, (args, kwargs))
    training = _training_of(layer, kwargs)
    with _around(layer, training):
        if layer._untraced is not None:
            return run_body(layer, args, kwargs, training)
        if not _written_in_python(layer):
            return _run_core(layer, args, kwargs, bool(training))
        try:
            run = _core_run(layer, args, kwargs)
        except (OutOfMemoryError, StaleHandleError, ForkError):
            raise
        except Exception as failure:
            return _run_untraced(layer, args, kwargs, training, failure)
        return run(bool(training))


def _value(leaf: Any) -> Any:
    """Variables as their values, which tapes note."""
    return leaf._as_tensor() if hasattr(leaf, "_as_tensor") else leaf


def _training_of(layer: Any, kwargs: dict[str, Any]) -> bool | None:
    """As the caller says, else as the call around it; taken out of the keywords."""
    given = kwargs.get("training")
    if given is None or isinstance(given, (bool, int, np.bool_, Tensor)):
        kwargs.pop("training", None)
    if given is None:
        given = _symbolic.tracing.training
    return None if given is None else bool(given)


def _around(layer: Any, training: bool | None) -> _symbolic.Changed:
    """While a layer is called on numbers."""
    depth = _symbolic.tracing.eager_depth
    if depth == 0:
        clear_losses(layer)
    return _symbolic.Changed(training=training, eager_depth=depth + 1)


def clear_losses(layer: Any) -> None:
    """Forgets the losses that the call before added."""
    if layer._losses:
        layer._losses = []
    if layer._untraced is not None:
        for part in layer._layers:
            clear_losses(part)


def _written_in_python(layer: Any) -> bool:
    """Can it be that its code must run for every call?"""
    if layer._is_model:
        return layer._graph is None
    return bool(layer._traces())


def _run_core(layer: Any, args: Any, kwargs: Any, training: bool) -> Any:
    return _core_run(layer, args, kwargs)(training)


def _core_run(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What runs a core for this call: a function of ``training``."""
    if layer._is_model and not kwargs and len(args) == 1:
        return _model_run(layer, args[0])
    key = _signature(args, kwargs)
    runners = layer._eager
    if runners is None:
        runners = layer._eager = OrderedDict()
    runner = runners.get(key)
    if runner is None:
        runner = runners[key] = Runner(layer, args, kwargs)
        if len(runners) > _RUNNERS_MAX:
            runners.popitem(last=False)
    given = [leaf for leaf in _tree.leaves((args, kwargs)) if _is_data(leaf)]
    return lambda training: runner.run(given, layer, training)


def _model_run(model: Any, x: Any) -> Any:
    """The same for a model that is called with what it was made for: its own core."""
    model._build_for(x)
    given = _tree.leaves(model._arrange(x) if model._graph is not None else x)

    def run(training: bool) -> Any:
        model._sync_weights()
        engine = model._engine
        if training:
            engine.refreeze()
        if engine.host is None:
            return model._pack_outputs(outputs_of(engine, given, model, training))
        fed = model._ports.x(x)
        outputs = outputs_of(engine, fed, model, training)
        return model._pack_outputs(engine.host.finish_tensors(fed, outputs))

    return run


def _numbers(value: Any) -> Any:
    """A list of numbers as an array; lists of tensors stay lists."""
    leaves = _tree.leaves(value)
    if any(_is_data(leaf) for leaf in leaves):
        return value
    has_texts = isinstance(leaves[0] if leaves else None, (str, bytes))
    return np.asarray(value, object if has_texts else np.float32)


# -- Python that cannot be traced ------------------------------------------------------------------


def _run_untraced(
    layer: Any, args: Any, kwargs: Any, training: bool | None, failure: Exception
) -> Any:
    """Its Python, run on numbers because tracing it failed. Errors of its own are raised as such.

    Whether it runs so is known after the first time that it went well.
    """
    made = run_body(layer, args, kwargs, training)
    layer._untraced = f"{type(failure).__name__}: {failure}"
    return made


def run_body(layer: Any, args: Any, kwargs: Any, training: bool | None) -> Any:
    """What the Python of a layer makes of numbers."""
    for leaf in _tree.leaves((args, kwargs)):
        _context.need_values(leaf, f"the Python of {layer.name!r}")
    args, kwargs = _tree.map_structure(_tensor, (args, kwargs))
    state = _symbolic.tracing
    before, state.scope = state.scope, (*state.scope, layer.name)
    try:
        stack = layer.__dict__.get("_stack")
        if stack is not None:
            made = args[0]
            for part in stack:
                made = made if isinstance(part, InputLayer) else part(made)
            return made
        if layer._is_model and layer._graph is not None and not _written_in_python(layer):
            from ebb.keras._eager_graph import run_graph

            return run_graph(layer, layer._graph, args[0])
        _tracing.build_traced(layer, args, kwargs)
        takes = inspect.signature(layer.call).parameters
        if "training" in takes and training is not None:
            kwargs = {**kwargs, "training": training}
        made = layer._trace_body(*args, **kwargs)
    finally:
        state.scope = before
    if layer.activity_regularizer is not None:
        for output in _tree.leaves(made):
            penalty = layer.activity_regularizer(output)
            layer.add_loss(penalty / output.shape[0] if output.shape else penalty)
    return made


def _tensor(leaf: Any) -> Any:
    """Numbers as a tensor."""
    if isinstance(leaf, Tensor) or not _is_data(leaf):
        return leaf
    array = as_array(leaf)
    return leaf if array.dtype.kind not in "fiub" else wrap(array)


def traces(model: Any, x: Any) -> bool:
    """Is a model one core for data like these? If not, ``model(x, training=...)`` runs its Python.

    Parameters
    ----------
    model : Model
        Is built if it can be traced and is not built yet.
    x : array, tensor, or structure of them
        A batch as its call takes it.
    """
    if model._run_graph is not None:
        return True
    if model._untraced is None:
        try:
            model._build_for(x)
        except (OutOfMemoryError, StaleHandleError, ForkError):
            raise
        except Exception as failure:
            model._untraced = f"{type(failure).__name__}: {failure}"
    return model._untraced is None
