"""``tf.function``: Python that describes a graph once for each kind of inputs.

A call whose inputs have types and shapes that were seen before runs the graph of that trace; the
Python function runs only for new kinds. Tensors and arrays are inputs of the graph; numbers, texts
and other objects are part of the kind. Objects (models, say) are told apart but never held: a
trace that has to do with one is given back when the object goes. Eager tensors and variables from
around the function are inputs too: variables are read at each call, and set after it.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Callable, overload

import numpy as np

from ebb import _context
from ebb._call import new_error
from ebb._dtype import Array, TensorShape, as_dtype
from ebb._eager import handle
from ebb._errors import UnsupportedError
from ebb._graph import Graph, SymbolicTensor
from ebb._log import logger
from ebb._native import ffi, lib
from ebb._operators import convert
from ebb._tensor_spec import TensorSpec
from ebb._values import Buffer, EagerTensor, Tensor, convert_array
from ebb.tf import _nest
from ebb.tf._session import check_run
from ebb.tf._variables import EagerVariable, Variable
from ebb.tf.random import generators

_TRACES_MAX = 32


class TraceGraph(Graph):
    """The graph of one trace. What comes from outside becomes an input of it."""

    building_function = True

    def __init__(self) -> None:
        super().__init__()
        # By id; numbers of tensors, not tensors: those would hold the graph that holds them.
        self.captured: dict[int, tuple[Any, int]] = {}
        self.current: dict[int, tuple[EagerVariable, int]] = {}
        self.models: list[Any] = []
        self.seed = int(generators.common.integers(1, 2**62))

    def capture(self, x: Tensor) -> SymbolicTensor:
        """An eager tensor from outside becomes an input."""
        if not isinstance(x, EagerTensor):
            raise ValueError(
                f"{x} is a tensor of another graph or trace: it cannot be used here. A tf.function "
                "must not keep tensors of its traces"
            )
        return self._input(x, x.dtype, x.shape)

    def _input(self, source: Any, dtype: Any, shape: Any) -> SymbolicTensor:
        found = self.captured.get(id(source))
        if found is None:
            made = self.placeholder(dtype, shape, "captured")
            self.captured[id(source)] = (source, made.id)
            return made
        return SymbolicTensor(self, found[1])

    def read_variable(self, variable: EagerVariable) -> SymbolicTensor:
        """The value of a variable at this point of the function."""
        found = self.current.get(id(variable))
        if found is not None:
            return SymbolicTensor(self, found[1])
        return self._input(variable, variable.dtype, variable.shape)

    def assign_variable(self, variable: EagerVariable, tensor: Tensor) -> None:
        """From here on the variable has this value, and after the call."""
        self.current[id(variable)] = (variable, self.own(tensor).id)

    def called(self, model: Any) -> None:
        """A call of a model was added: the trace goes with it."""
        self.models.append(model)


class Trace:
    """A graph, ready to run with inputs of one kind."""

    def __init__(self, function: Callable[..., Any], structure: Any, specs: Sequence[Any]) -> None:
        self.graph = graph = TraceGraph()
        place = _context.Place(_context.state.graphs, graph)
        try:
            inputs = [
                graph.placeholder(spec.dtype, spec.shape, spec.name or "input") for spec in specs
            ]
            flat = iter(inputs)
            args, kwargs = _nest.pack(structure, _filled(structure, flat))
            result = function(*args, **kwargs)
            self.inputs = [tensor.id for tensor in inputs]
            self._finish(result)
        finally:
            place.leave()
        self.variables = [weakref.ref(v) for v, _ in graph.current.values()]
        self.sources: list[tuple[Any, int]] = [
            (weakref.ref(s) if isinstance(s, Variable) else s, number)
            for s, number in graph.captured.values()
        ]
        self.models, graph.models = graph.models, []
        graph.captured, graph.current = {}, {}
        self.session = handle(lib.ebb_python_close_session)
        self.lock = threading.Lock()
        self.watched: list[Any] = []

    def _finish(self, result: Any) -> None:
        graph = self.graph
        fetches: list[SymbolicTensor] = []
        form: list[Any] = []
        self.result = _nest.map_structure(lambda item: None, result) if result is not None else None
        for item in _nest.flatten(result):
            if item is None:
                form.append(None)
                continue
            tensor = graph.own(convert(item))
            if tensor.op.type == "Placeholder":
                tensor = graph.add("Identity", [tensor], {}, "Identity")[0]
            form.append(len(fetches))
            fetches.append(tensor)
        self.form = form
        fetches += [SymbolicTensor(graph, number) for _, number in graph.current.values()]
        self.kinds = [(tensor.dtype, tensor.shape) for tensor in fetches]
        self.fetches = [tensor.id for tensor in fetches]

    @property
    def specs(self) -> list[TensorSpec]:
        """Types and shapes of the results."""
        return [TensorSpec(self.kinds[i][1], self.kinds[i][0]) for i in self.form if i is not None]

    def _session(self) -> Any:
        if not self.session.id:
            options, error = ffi.new("ebb_session_options *"), new_error()
            options.struct_size = ffi.sizeof("ebb_session_options")
            options.soft_placement = _context.settings.soft_placement
            slot = ffi.addressof(self.session, "session")
            check_run(lib.ebb_session_open(self.graph.handle, options, slot, error), error)
        return self.session.session

    def run(self, arrays: list[Array]) -> Any:
        """The results for these inputs, in the structure that the function gave."""
        values = list(arrays)
        for source, _ in self.sources:
            found = source() if isinstance(source, weakref.ref) else source
            assert found is not None  # a trace goes with its variables
            values.append((found._value if isinstance(found, EagerVariable) else found).view())
        numbers = self.inputs + [number for _, number in self.sources]
        values = [v if v.flags.c_contiguous else v.copy() for v in values]
        with self.lock:
            buffers = self._run(numbers, values)
        tensors = [EagerTensor(buffer) for buffer in buffers]
        shown = len(tensors) - len(self.variables)
        for reference, tensor in zip(self.variables, tensors[shown:]):
            variable = reference()
            if variable is not None:
                variable._value = tensor
        flat = iter([None if i is None else tensors[i] for i in self.form])
        return _nest.pack(self.result, flat) if self.form else self.result

    def _run(self, numbers: list[int], values: list[Array]) -> list[Buffer]:
        session, error, count = self._session(), new_error(), len(self.fetches)
        feeds = ffi.new("ebb_feed[]", max(len(values), 1))
        for i, (number, array) in enumerate(zip(numbers, values)):
            feeds[i].tensor.id = number
            view = feeds[i].view
            view.dtype, view.rank = as_dtype(array.dtype).number, array.ndim
            view.dims, view.data = array.shape, ffi.from_buffer(array)
        fetches = ffi.new("ebb_tensor[]", [[number] for number in self.fetches] or 1)
        views = ffi.new("ebb_view[]", max(count, 1))
        shapes = [shape for _, shape in self.kinds]
        if not all(shape.is_fully_defined() for shape in shapes):
            check_run(
                lib.ebb_session_output_shapes(
                    session, feeds, len(values), fetches, views, count, error
                ),
                error,
            )
            shapes = [TensorShape(views[i].dims[0 : views[i].rank]) for i in range(count)]
        buffers = [Buffer(dtype, shape) for (dtype, _), shape in zip(self.kinds, shapes)]
        for i, buffer in enumerate(buffers):
            views[i] = buffer.view[0]
        if count:
            status = lib.ebb_session_run(
                session, feeds, len(values), fetches, views, count, ffi.NULL, 0, error
            )
            check_run(status, error)
        return buffers

    def __del__(self) -> None:
        if hasattr(self, "session"):
            ffi.release(self.session)  # before its graph


class _Place:
    """Where an input of the graph stands in the arguments."""


class _Fitted:
    """An array that fits a spec of the signature, by which it is traced."""

    def __init__(self, array: Array, spec: TensorSpec) -> None:
        self.array = array
        self.spec = spec


def _filled(structure: Any, inputs: Any) -> Any:
    for leaf in _nest.leaves(structure):
        yield next(inputs) if isinstance(leaf, _Place) else leaf


def _fit(value: Any, wanted: Any) -> Any:
    """A value as what the signature wants it to be."""
    if isinstance(wanted, dict):
        return {key: _fit(value[key], spec) for key, spec in wanted.items()}
    if isinstance(wanted, (list, tuple)):
        return type(wanted)(_fit(v, w) for v, w in zip(value, wanted))
    if isinstance(value, (TensorSpec, _Fitted)):
        return value
    array = value.view() if isinstance(value, EagerTensor) else None
    if array is None:
        array = convert_array(value, None if hasattr(value, "dtype") else wanted.dtype)
    if as_dtype(array.dtype) is not wanted.dtype or not wanted.shape.is_compatible_with(
        array.shape
    ):
        have = TensorSpec(array.shape, array.dtype)
        raise TypeError(
            f"Binding inputs to tf.function failed due to `Can not cast {have} to {wanted}`."
        )
    return _Fitted(array, wanted)


class _Kind:
    """What tells the traces of a function apart, taken from the arguments of a call."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.arrays: list[Array] = []
        self.specs: list[TensorSpec] = []
        self.objects: list[Any] = []
        self.structure: Any = None
        parts: list[Any] = []
        leaves = [self._leaf(leaf, parts) for leaf in _nest.leaves((args, kwargs))]
        self.structure = _nest.pack((args, kwargs), iter(leaves))
        self.key = (_form((args, kwargs)), tuple(parts), _context.device_now())

    def _leaf(self, leaf: Any, parts: list[Any]) -> Any:
        if isinstance(leaf, TensorSpec):
            self.specs.append(leaf)
            parts.append(("tensor", leaf.dtype.name, tuple(leaf.shape)))
            return _Place()
        if isinstance(leaf, _Fitted):
            self.arrays.append(leaf.array)
            return self._leaf(leaf.spec, parts)
        if isinstance(leaf, (EagerTensor, np.ndarray, np.generic)):
            array = leaf.view() if isinstance(leaf, EagerTensor) else convert_array(leaf)
            self.arrays.append(array)
            self.specs.append(TensorSpec(array.shape, array.dtype))
            parts.append(("tensor", self.specs[-1].dtype.name, array.shape))
            return _Place()
        if leaf is None or isinstance(leaf, (bool, int, float, str, bytes, type)):
            parts.append((type(leaf), leaf))
            return leaf
        parts.append(("object", id(leaf)))
        self.objects.append(leaf)
        return leaf


def _form(structure: Any) -> Any:
    if isinstance(structure, dict):
        return tuple((key, _form(structure[key])) for key in sorted(structure, key=str))
    if _nest.is_nested(structure):
        return (type(structure).__name__, *(_form(item) for item in structure))
    return None


class _Traces:
    """The traces of a function, the one used last at the end."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.items: OrderedDict[Any, Trace] = OrderedDict()
        self.made = 0

    def find(self, key: Any) -> Trace | None:
        """The trace for a kind."""
        with self.lock:
            found = self.items.get(key)
            if found is not None:
                self.items.move_to_end(key)
            return found

    def add(self, key: Any, trace: Trace, objects: Sequence[Any]) -> None:
        """Keeps a trace as long as the objects are there; the oldest makes room."""
        with self.lock:
            self.made += 1
            self.items[key] = trace
            here = weakref.ref(self)
            for item in objects:
                trace.watched.append(_when_gone(item, here, key))
            if len(self.items) > _TRACES_MAX:
                self.items.popitem(last=False)

    def drop(self, key: Any) -> None:
        """Gives a trace back."""
        with self.lock:
            self.items.pop(key, None)


def _when_gone(item: Any, traces: weakref.ref[_Traces], key: Any) -> Any:
    """A weak reference that drops a trace; the item itself if it cannot be referred to so."""

    def gone(_: Any) -> None:
        found = traces()
        if found is not None:
            found.drop(key)

    try:
        return weakref.ref(item, gone)
    except TypeError:
        return item


class Function:
    """A Python function whose calls run graphs. Made by ``tf.function``."""

    __name__: str

    def __init__(
        self, python_function: Callable[..., Any], input_signature: Any = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        self.python_function = python_function
        self._signature = None if input_signature is None else tuple(input_signature)
        self._traces = _Traces()
        self._reason: str | None = None  # why it is run as plain Python, if it is
        functools.update_wrapper(self, python_function)
        self.name = name or getattr(python_function, "__name__", "function")
        try:
            self._parameters: inspect.Signature | None = inspect.signature(python_function)
        except (TypeError, ValueError):
            self._parameters = None

    @property
    def function_spec(self) -> Any:
        """The signature of the Python function."""
        return self._parameters

    @property
    def input_signature(self) -> Any:
        """What was given to ``tf.function``."""
        return self._signature

    def experimental_get_tracing_count(self) -> int:
        """How often the Python function was traced."""
        return self._traces.made

    def pretty_printed_concrete_signatures(self) -> str:
        """The kinds of inputs that were traced."""
        lines = [f"{self.name}: {trace.specs}" for trace in self._traces.items.values()]
        return "\n".join(lines)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        eager = _context.state.tapes or _context.settings.functions_eager
        if _context.building() is not None or eager:
            return self.python_function(*args, **kwargs)  # part of what is around it
        if self._reason is not None:
            return self.python_function(*args, **kwargs)
        bound, named = self._bound(args, kwargs)
        kind = _Kind(bound, named)
        trace = self._traces.find(kind.key)
        if trace is None:
            try:
                trace = self._trace(kind)
            except _context.StayEager as reason:
                self._stay_eager(str(reason))
                return self.python_function(*args, **kwargs)
        return trace.run(kind.arrays)

    def _stay_eager(self, reason: str) -> None:
        """From now on every call runs the Python function."""
        self._reason = reason
        logger().info(
            "tf.function %s runs as plain Python: %s needs values, which a graph has not",
            self.name,
            reason,
        )

    def _trace(self, kind: _Kind) -> Trace:
        trace = Trace(self.python_function, kind.structure, kind.specs)
        models, trace.models = trace.models, []
        variables = [s() for s, _ in trace.sources if isinstance(s, weakref.ref)]
        self._traces.add(kind.key, trace, [*kind.objects, *models, *variables])
        return trace

    def _bound(self, args: tuple[Any, ...], kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments by position, with defaults; of the types of the signature."""
        if self._parameters is None:
            return args, kwargs
        try:
            bound = self._parameters.bind(*args, **kwargs)
        except TypeError as failure:
            raise TypeError(
                f"Binding inputs to tf.function failed due to `{failure}`. Received args: {args} "
                f"and kwargs: {kwargs} for signature: {self._parameters}."
            ) from None
        bound.apply_defaults()
        if self._signature is None:
            return bound.args, bound.kwargs
        return self._fitted(bound.args), bound.kwargs

    def _fitted(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        assert self._signature is not None
        start = max(len(args) - len(self._signature), 0)  # after `self` of a method
        given = args[start:]
        if len(given) != len(self._signature):
            raise TypeError(
                f"Binding inputs to tf.function failed: the signature has {len(self._signature)} "
                f"tensors, {len(given)} were given"
            )
        return (*args[:start], *(_fit(v, w) for v, w in zip(given, self._signature)))

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The trace for these inputs; ``tf.TensorSpec`` may stand for tensors."""
        if not args and not kwargs and self._signature is not None:
            args = self._signature
        bound, named = self._bound(args, kwargs)
        kind = _Kind(bound, named)
        try:
            trace = self._traces.find(kind.key) or self._trace(kind)
        except _context.StayEager as reason:
            raise UnsupportedError(
                f"{reason} needs values: it has no graph", str(self.name)
            ) from None
        return ConcreteFunction(self, trace, kind)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _Method(self, instance)

    def __repr__(self) -> str:
        return f"<ebb.tf.function {self.name}>"


class _Method:
    """A traced function of a class, bound to an object."""

    def __init__(self, function: Function, instance: Any) -> None:
        self._function = function
        self.__self__ = instance
        self.__wrapped__ = function.python_function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(self.__self__, *args, **kwargs)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The trace for these inputs."""
        if not args and not kwargs and self._function._signature is not None:
            args = self._function._signature
        return self._function.get_concrete_function(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


class ConcreteFunction:
    """One trace of a function."""

    def __init__(self, function: Function, trace: Trace, kind: _Kind) -> None:
        self._function = function
        self._trace = trace
        self._specs = kind.specs
        self.name = function.name

    @property
    def graph(self) -> Graph:
        """The graph of the trace."""
        return self._trace.graph

    @property
    def structured_outputs(self) -> Any:
        """Types and shapes of the results."""
        specs = iter(self._trace.specs)
        flat = iter([None if i is None else next(specs) for i in self._trace.form])
        return _nest.pack(self._trace.result, flat)

    @property
    def structured_input_signature(self) -> Any:
        """Types and shapes of the inputs."""
        return tuple(self._specs), {}

    @property
    def inputs(self) -> list[TensorSpec]:
        """Types and shapes of the inputs."""
        return list(self._specs)

    @property
    def outputs(self) -> list[TensorSpec]:
        """Types and shapes of the results."""
        return self._trace.specs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        flat = [x for x in _nest.flatten([list(args), kwargs]) if not isinstance(x, TensorSpec)]
        flat = [x for x in flat if isinstance(x, (Tensor, np.ndarray, list, tuple, int, float))]
        if len(flat) != len(self._specs):
            raise TypeError(f"{self.name} takes {len(self._specs)} tensors, got {len(flat)}")
        arrays = []
        for value, spec in zip(flat, self._specs):
            array = convert_array(
                value.view() if isinstance(value, EagerTensor) else value, None, spec.dtype
            )
            if not spec.is_compatible_with(TensorSpec(array.shape, array.dtype)):
                raise TypeError(f"{self.name} takes {spec}, got {array.dtype} {array.shape}")
            arrays.append(array)
        return self._trace.run(arrays)

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self.name}{tuple(self._specs)} -> {self.structured_outputs}>"


@overload
def function(func: Callable[..., Any]) -> Function: ...
@overload
def function(
    func: None = None, input_signature: Any = None, autograph: bool = True
) -> Callable[[Callable[..., Any]], Function]: ...
def function(
    func: Any = None, input_signature: Any = None, autograph: bool = True,
    jit_compile: Any = None, reduce_retracing: bool = False,
    experimental_implements: Any = None, experimental_autograph_options: Any = None,
    experimental_attributes: Any = None, experimental_relax_shapes: Any = None,
    experimental_compile: Any = None, experimental_follow_type_hints: Any = None,
) -> Any:  # fmt: skip
    """Makes a Python function run as a graph.

    Parameters
    ----------
    func : callable, optional
        None: the result is a decorator.
    input_signature : sequence of tf.TensorSpec, optional
        One trace for all calls; other inputs are errors.
    autograph, jit_compile, reduce_retracing
        Accepted. Python's ``if`` and ``while`` on tensors are not rewritten: they raise.

    Notes
    -----
    Each kind of inputs (types, shapes, Python values) is traced once; up to 32 traces are kept.
    A function that trains models (a tape over a model, ``training=True``, ``apply_gradients``)
    has no graph: it is run as plain Python at every call, which the log says once, at INFO.
    Traces hold no model: what they took is back when the model goes.
    """
    if func is None:
        return functools.partial(function, input_signature=input_signature)
    if not callable(func):
        raise TypeError(f"{func!r} is not a callable object")
    return Function(func, input_signature)
