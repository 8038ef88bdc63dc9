"""Layers and models that are written in Python.

Their ``call`` is run once for symbolic tensors, and what it does to them is the layer's part of
the model.
For the core such a layer is a nested model. Layers and variables that it uses are found there under
its name: ``my_layer/dense/kernel``.
"""

from __future__ import annotations

import inspect
from typing import Any

from ebb._errors import UnsupportedError
from ebb.keras import _branches, _constant, _symbolic, _tree
from ebb.keras._branches import TrainingFlag
from ebb.keras._config import Writer
from ebb.keras._graph import Graph
from ebb.keras._input import InputLayer
from ebb.keras._symbolic import Function, KerasTensor, Node

TRAINING = TrainingFlag()


class Trace:
    """What a call came to: a graph of its own, and the structure of what it gave."""

    __slots__ = ("graph", "structure")

    def __init__(self, graph: Graph, structure: Any) -> None:
        self.graph, self.structure = graph, structure

    @property
    def shapes(self) -> list[tuple[Any, ...]]:
        """Of its inputs."""
        return [tensor.shape for tensor in self.graph.flat_inputs]


def traced(name: str) -> _symbolic.Changed:
    """While a layer's code runs."""
    state = _symbolic.tracing
    return _symbolic.Changed(
        depth=state.depth + 1, scope=(*state.scope, name), variables={}, draws=True
    )


def call_traced(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a layer that was written in Python, as a node."""
    node = Node(layer, args, kwargs)
    node.trace = trace_call(layer, args, kwargs)
    specs = [(tensor.shape, tensor.dtype) for tensor in node.trace.graph.flat_outputs]
    return _tree.pack_as(node.trace.structure, node.emit(specs))


def trace_call(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
    """Runs ``call`` for inner inputs like the tensors given."""
    inputs: list[KerasTensor] = []

    def inside(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        name = f"input_{len(inputs)}"
        made = InputLayer(batch_shape=leaf.shape, dtype=leaf.dtype, name=name)
        inputs.append(made.output)
        return inputs[-1]

    with traced(layer.name):
        inner_args, inner_kwargs = _tree.map_structure(inside, (args, kwargs))
        build_traced(layer, inner_args, inner_kwargs)
        named = with_training(layer, inner_kwargs)
        made = _branches.both(
            lambda: _constant.lift(_run_body(layer, inner_args, named), layer), inputs, layer
        )
    for leaf in _tree.leaves(made):
        if not isinstance(leaf, KerasTensor):
            raise UnsupportedError(
                f"call() gave {type(leaf).__name__} where a tensor was expected; outputs are "
                "tensors that come from the inputs",
                layer.name,
            )
    return Trace(Graph(inputs, _tree.flatten(made), strict=False), made)


def _run_body(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``call`` gives; losses that it adds hang on its first tensor."""
    state = _symbolic.tracing
    before, state.losses = state.losses, []
    try:
        made = layer._trace_body(*args, **kwargs)
        if layer.activity_regularizer is not None:
            state.losses += [_penalty(layer, leaf) for leaf in _symbolic.symbolic_leaves(made)]
        losses = _constant.lift(state.losses, layer)
    finally:
        state.losses = before
    if not losses:
        return made
    first = next(leaf for leaf in _tree.leaves(made) if isinstance(leaf, KerasTensor))
    function = Function("keras.layers", "AddLoss", {})
    node = Node(function, ([first, *losses],), {})
    again = node.emit([(first.shape, first.dtype)])[0]
    return _tree.map_structure(lambda leaf: again if leaf is first else leaf, made)


def _penalty(layer: Any, output: KerasTensor) -> Any:
    """What the activity regularizer of a layer says of an output, for each row."""
    from ebb.keras import ops

    loss = layer.activity_regularizer(output)
    if not output.shape:
        return loss
    return ops.divide(loss, ops.cast(ops.shape(output)[0], "float32"))


def name_ports(trace: Trace, args: tuple[Any, ...]) -> None:
    """Keys of the dicts that a model's call takes and gives become names of inputs and outputs."""
    graph = trace.graph
    if _is_flat_dict(trace.structure):
        graph.outputs = trace.structure
    if len(args) == 1 and _is_flat_dict(args[0]) and len(args[0]) == len(graph.flat_inputs):
        graph.inputs = dict(zip(sorted(args[0]), graph.flat_inputs))


def _is_flat_dict(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and all(isinstance(key, str) for key in given)
        and all(isinstance(leaf, KerasTensor) for leaf in given.values())
    )


def with_training(layer: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords of ``call``, ``training`` among them if it takes it."""
    if "training" in kwargs:
        return kwargs
    parameters = inspect.signature(layer.call).parameters
    return {**kwargs, "training": TRAINING} if "training" in parameters else kwargs


def build_traced(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Calls the layer's own ``build`` once, with the shapes that it asks for."""
    if layer.built:
        return
    shapes = build_arguments(layer, args, kwargs)
    build = type(layer).build
    if not str(build.__module__).startswith("ebb."):
        names = [name for name in inspect.signature(layer.build).parameters if name != "kwargs"]
        with _symbolic.drawing_numbers():
            if len(names) > 1 and all(name in shapes for name in names):
                layer.build(**{name: shapes[name] for name in names})
            elif names:
                layer.build(next(iter(shapes.values())) if shapes else None)
                shapes = dict(list(shapes.items())[:1])
            else:
                layer.build()
    if layer._build_shapes_dict is None and shapes:
        first = next(iter(shapes.values()))
        layer._build_shapes_dict = {"input_shape": first} if len(shapes) == 1 else shapes
    layer.built = True


def build_arguments(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Shapes of the tensors among the arguments: ``{"query_shape": (None, 4, 8)}``."""
    signature = inspect.signature(layer.call)
    try:
        given = signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        given = {str(index): value for index, value in enumerate(args)}
    shapes = {}
    for name, value in given.items():
        parameter = signature.parameters.get(name)
        if parameter is not None and parameter.kind is parameter.VAR_POSITIONAL and len(value) == 1:
            value = value[0]  # noqa: PLW2901
        if _symbolic.symbolic_leaves(value) or _has_numbers(value):
            told = _tree.map_structure(lambda x: getattr(x, "shape", None), value)
            shapes[f"{name}_shape"] = told
    return shapes


def _has_numbers(value: Any) -> bool:
    """Are tensors with numbers among the arguments of a call that is not traced?"""
    return not _symbolic.tracing.depth and any(
        hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in _tree.leaves(value)
    )


def _covers(a: list[tuple[Any, ...]], b: list[tuple[Any, ...]]) -> bool:
    """Do shapes a take everything that shapes b take?"""
    return len(a) == len(b) and all(
        len(x) == len(y) and all(m is None or m == n for m, n in zip(x, y)) for x, y in zip(a, b)
    )


def widest(layer: Any, calls: list[Node]) -> Trace:
    """The trace of a layer that serves all its calls; a new one, for any length, if none does."""
    traces = [node.trace for node in calls if node.trace is not None]
    if not traces:
        raise ValueError(f"The layer {layer.name} has not been called yet.")
    for trace in traces:
        if all(_covers(trace.shapes, other.shapes) for other in traces):
            return trace  # type: ignore[no-any-return]
    first = traces[0]
    joined = []
    for index, shape in enumerate(first.shapes):
        others = [trace.shapes[index] for trace in traces]
        if any(len(other) != len(shape) for other in others):
            raise UnsupportedError(
                "a layer written in Python is called with tensors of different ranks; use two "
                "layers, or reshape",
                layer.name,
            )
        joined.append(
            tuple(n if all(o[k] == n for o in others) else None for k, n in enumerate(shape))
        )
    tensors = iter([KerasTensor(s, t.dtype) for s, t in zip(joined, first.graph.flat_inputs)])
    args, kwargs = _tree.map_structure(
        lambda leaf: next(tensors) if isinstance(leaf, KerasTensor) else leaf,
        (calls[0].args, calls[0].kwargs),
    )
    return trace_call(layer, args, kwargs)


def traced_entry(
    layer: Any,
    writer: Writer | None,
    name: str,
    prefix: str,
    calls: list[Node],
    trainable: bool,
) -> dict[str, Any]:
    """A layer written in Python as the core is told it: a nested model."""
    trace = widest(layer, calls)
    config = (writer or Writer()).graph(
        trace.graph, name, f"{prefix}{name}/", trainable and layer.trainable
    )
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }
