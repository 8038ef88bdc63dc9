"""Backwards through what a tape noted.

Steps are taken from the last to the first. Runs of operations of TensorFlow's registry become one
graph with the library's gradients, runs of calls of ``keras.ops`` one small model with a pass
(``ebb.keras._segment``); a step that brings a function of its own is asked. What was prepared for
a run is kept for the next of the same form, as eager operations are (``ebb._eager``).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ebb import _context, _record
from ebb._apply import apply
from ebb._call import check, new_error
from ebb._dtype import DType, TensorShape, as_dtype
from ebb._eager import handle
from ebb._errors import UnsupportedError
from ebb._graph import Graph, SymbolicTensor
from ebb._native import ffi, lib
from ebb._operators import convert
from ebb._record import Back, Call, Derived, Operation, Step, Wall
from ebb._table import attributes_text, static_places
from ebb._values import Buffer, EagerTensor, Tensor, kept_of, to_array
from ebb.tf._session import check_run

_KEPT_MAX = 128


def graph_gradients(
    graph: Graph, ys: Sequence[SymbolicTensor], xs: Sequence[SymbolicTensor]
) -> list[Any]:
    """Gradients in a graph; None where nothing leads there."""
    error = new_error()
    first = ffi.new("ebb_tensor[]", [[y.id] for y in ys])
    second = ffi.new("ebb_tensor[]", [[x.id] for x in xs])
    made = ffi.new("ebb_tensor[]", max(len(xs), 1))
    check(
        lib.ebb_graph_gradients(graph.handle, first, len(ys), second, len(xs), made, error), error
    )
    return [SymbolicTensor(graph, made[i].id) if made[i].id else None for i in range(len(xs))]


def weighted(ys: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
    """Targets times the gradients that they are taken to have."""
    from ebb.tf._math import reduce

    if not weights:
        return list(ys)
    return [
        y if w is None else reduce("Sum", y * convert(w, None, y.dtype), None, False)
        for y, w in zip(ys, weights)
    ]


def _is_float(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype.is_floating


class _Sums:
    """Gradients by the tensor or variable that they are of."""

    def __init__(self) -> None:
        self.found: dict[int, EagerTensor] = {}

    def add(self, item: Any, gradient: Any) -> None:
        """One more way that leads to it."""
        if gradient is None:
            return
        before = self.found.get(id(item))
        if before is not None:
            gradient = apply("AddV2", [before, gradient])[0]
        self.found[id(item)] = gradient


def backward(
    steps: Sequence[Step], targets: Sequence[Any], sources: Sequence[Any], weights: Sequence[Any]
) -> list[Any]:
    """Gradients of the targets' sum, each times its weight; None where nothing leads."""
    ends = {id(source) for source in sources}
    live, path = set(ends), []
    for step in steps:
        is_whole = any(id(x) in live for x in step.inputs)
        reached = step.outputs if is_whole else _led_to(step, ends)
        if reached:
            path.append(step)
            live.update(id(output) for output in reached)
    sums = _Sums()
    for number, target in enumerate(targets):
        if id(target) in live and _is_float(target):
            weight = weights[number] if number < len(weights) else None
            sums.add(target, _first(target, weight))
    group: list[Step] = []
    wanted = set(sums.found)
    for step in reversed(path):
        if not any(id(output) in wanted for output in step.outputs):
            continue
        wanted.update(id(x) for x in step.inputs if id(x) in live)
        is_end = any(id(output) in ends for output in step.outputs)
        if group and (is_end or not _joins(step, group[-1])):
            _flush(group[::-1], live, ends, sums)
            group = []
        group.append(step)
    if group:
        _flush(group[::-1], live, ends, sums)
    return [sums.found.get(id(source)) for source in sources]


def _led_to(step: Step, ends: set[int]) -> list[Any]:
    """What sources among a step's outputs lead to, inside of the step."""
    places = [i for i, output in enumerate(step.outputs) if id(output) in ends]
    if not places or not isinstance(step, Back) or not hasattr(step.function, "leads"):
        return []
    return [step.outputs[j] for j in step.function.leads(places)]


def _joins(step: Step, other: Step) -> bool:
    """May two steps be put together?"""
    return any(
        isinstance(step, kinds) and isinstance(other, kinds)
        for kinds in ((Operation, Derived), (Call,))
    )


def _first(target: Any, weight: Any) -> EagerTensor:
    """What the gradient of a target is taken to be."""
    if weight is not None:
        return convert(weight, None, target.dtype)  # type: ignore[return-value]
    buffer = Buffer(target.dtype, target.shape)
    buffer.array()[...] = 1
    return EagerTensor(buffer)


def _flush(group: Sequence[Step], live: set[int], ends: set[int], sums: _Sums) -> None:
    """Takes the gradients of what a run of steps gave to what it took."""
    made = {id(output): output for step in group for output in step.outputs}
    ys = [output for output in made.values() if id(output) in sums.found]
    if not ys:
        return
    first = group[0]
    if isinstance(first, Wall):
        raise UnsupportedError("gradients do not pass through it", first.what)
    upstream = [sums.found[id(y)] for y in ys]
    if isinstance(first, Back):
        _ask(first, live, ends, sums)
    else:
        taken = {id(x): x for step in group for x in step.inputs}
        xs = [x for x in taken.values() if id(x) in live and id(x) not in made and _is_float(x)]
        results = _run(group, ys, upstream, xs)
        for x, gradient in zip(xs, results):
            sums.add(x, gradient)
    for number in made:
        if number not in ends:
            sums.found.pop(number, None)


def _ask(step: Back, live: set[int], ends: set[int], sums: _Sums) -> None:
    """The step's own function."""
    upstream = [sums.found.get(id(output)) for output in step.outputs]
    wanted = [id(x) in live for x in step.inputs]
    with _record.paused():
        results = list(step.function(upstream, wanted)) if any(wanted) else []
        if _led_to(step, ends):
            for i, output in enumerate(step.outputs):
                if id(output) in ends:
                    between: Any = step.function
                    sums.add(output, between.between(i, upstream))
    if _record.is_open():
        found = [gradient for gradient in results if gradient is not None]
        if step.function.__name__ == "_same":
            pass  # the tensor itself
        elif found:
            what = f"the gradient of {step.what} has no gradient again: of first order only"
            given = [g for g in upstream if g is not None]
            _record.note(Wall(what, [*step.inputs, *given], found))
    for x, gradient, is_wanted in zip(step.inputs, results, wanted):
        if is_wanted:
            sums.add(x, gradient)


def _run(
    group: Sequence[Step], ys: Sequence[Any], upstream: Sequence[Any], xs: Sequence[Any]
) -> list[Any]:
    """Gradients of a run of steps that the library computes."""
    if not xs:
        return []
    if isinstance(group[0], Call):
        from ebb.keras._segment import segment_gradients

        with _record.paused():
            results = segment_gradients(group, ys, upstream, xs)
        found = [gradient for gradient in results if gradient is not None]
        if _record.is_open() and found:
            what = "the gradient of keras.ops has no gradient again; use the functions of tf"
            _record.note(Wall(what, [*xs, *upstream], found))
        return results
    with _record.paused():
        results = _program(group, ys, upstream, xs)
    pairs = [(x, gradient) for x, gradient in zip(xs, results) if gradient is not None]
    if _record.is_open() and pairs:
        found = [gradient for _, gradient in pairs]
        _record.note(Derived(group, ys, upstream, [x for x, _ in pairs], found))
    return results


# -- graphs of operations --------------------------------------------------------------------------


class _Form:
    """What tells one run of operations from another: the wiring, types, shapes and statics."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.feeds: list[Any] = []
        self.parts: list[Any] = []
        self.made: set[int] = set()

    def outer(self, x: Any) -> int:
        """The number of an input; a new one is fed."""
        found = self.numbers.get(id(x))
        if found is None:
            found = self.numbers[id(x)] = len(self.numbers)
            self.feeds.append(x)
            self.parts.append((str(x.dtype), tuple(x.shape)))
        return found

    def add(self, step: Any) -> None:
        """One more step."""
        if isinstance(step, Derived):
            for inner in step.steps:
                if not all(id(output) in self.made for output in inner.outputs):
                    self.add(inner)
            told = [[self.outer(x) for x in part] for part in (step.ys, step.weights, step.xs)]
            self.parts.append(("gradients", *map(tuple, told)))
        else:
            static = static_places(step.op, len(step.inputs))
            places = [
                to_array(x).tobytes() if i in static else self.outer(x)
                for i, x in enumerate(step.inputs)
            ]
            self.parts.append((step.op, attributes_text(step.attributes), *places))
        for output in step.outputs:
            if id(output) not in self.numbers:
                self.numbers[id(output)] = len(self.numbers)
            self.made.add(id(output))


def _program(
    group: Sequence[Any], ys: Sequence[Any], upstream: Sequence[Any], xs: Sequence[Any]
) -> list[Any]:
    form = _Form()
    for step in group:
        form.add(step)
    wired = tuple(tuple(form.outer(t) for t in part) for part in (ys, upstream, xs))
    key = ("gradients", _context.device_now(), *form.parts, wired)
    kept = kept_of(_context.runtime_handle())
    program = kept.find(key)
    if program is None:
        program = Program(group, ys, upstream, xs, form.feeds)
        kept.add(key, program, _KEPT_MAX)
    return program.run(form.feeds)  # type: ignore[no-any-return]


class Program:
    """A run of operations and its gradients as a graph with a session."""

    def __init__(
        self, group: Sequence[Any], ys: Sequence[Any], upstream: Sequence[Any], xs: Sequence[Any],
        feeds: Sequence[Any],
    ) -> None:  # fmt: skip
        self.session = handle(lib.ebb_python_close_session)
        self.lock = threading.Lock()
        self.graph = graph = Graph()
        places: dict[int, SymbolicTensor] = {}
        with graph.as_default():
            for x in feeds:
                places[id(x)] = graph.placeholder(as_dtype(x.dtype), x.shape)
            for step in group:
                _add(graph, places, step)
            results = _derive(graph, places, ys, upstream, xs)
        self.feeds = [places[id(x)].id for x in feeds]
        self.is_found = [result is not None for result in results]
        fetches = [result for result in results if result is not None]
        self.fetches = [tensor.id for tensor in fetches]
        self.kinds: list[tuple[DType, TensorShape]] = [(t.dtype, t.shape) for t in fetches]

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """The gradients for these inputs."""
        if not self.fetches:
            return [None] * len(self.is_found)
        arrays = [to_array(x) for x in inputs]
        arrays = [a if a.flags.c_contiguous else a.copy() for a in arrays]
        feeds = ffi.new("ebb_feed[]", max(len(arrays), 1))
        for feed, number, array in zip(feeds, self.feeds, arrays):
            feed.tensor.id = number
            feed.view.dtype, feed.view.rank = as_dtype(array.dtype).number, array.ndim
            feed.view.dims, feed.view.data = array.shape, ffi.from_buffer(array)
        with self.lock:
            buffers = iter(self._run(feeds, len(arrays)))
        return [EagerTensor(next(buffers)) if is_found else None for is_found in self.is_found]

    def _run(self, feeds: Any, count: int) -> list[Buffer]:
        session, error, wanted = self._session(), new_error(), len(self.fetches)
        fetches = ffi.new("ebb_tensor[]", [[number] for number in self.fetches])
        views, shapes = ffi.new("ebb_view[]", wanted), [shape for _, shape in self.kinds]
        if not all(shape.is_fully_defined() for shape in shapes):
            given = (session, feeds, count, fetches, views, wanted, error)
            check_run(lib.ebb_session_output_shapes(*given), error)
            shapes = [TensorShape(views[i].dims[0 : views[i].rank]) for i in range(wanted)]
        buffers = [Buffer(dtype, shape) for (dtype, _), shape in zip(self.kinds, shapes)]
        for i, buffer in enumerate(buffers):
            views[i] = buffer.view[0]
        status = lib.ebb_session_run(
            session, feeds, count, fetches, views, wanted, ffi.NULL, 0, error
        )
        check_run(status, error)
        return buffers

    def _session(self) -> Any:
        if not self.session.id:
            options, error = ffi.new("ebb_session_options *"), new_error()
            options.struct_size = ffi.sizeof("ebb_session_options")
            options.soft_placement = _context.settings.soft_placement
            slot = ffi.addressof(self.session, "session")
            check_run(lib.ebb_session_open(self.graph.handle, options, slot, error), error)
        return self.session.session

    def __del__(self) -> None:
        if hasattr(self, "session"):
            ffi.release(self.session)  # before its graph


def _derive(
    graph: Graph, places: dict[int, SymbolicTensor], ys: Sequence[Any], weights: Sequence[Any],
    xs: Sequence[Any],
) -> list[Any]:  # fmt: skip
    """Gradients of what is in the graph already."""
    targets = weighted([places[id(y)] for y in ys], [places[id(w)] for w in weights])
    return graph_gradients(graph, targets, [places[id(x)] for x in xs])


def _add(graph: Graph, places: dict[int, SymbolicTensor], step: Any) -> None:
    """A step as nodes of the graph."""
    if isinstance(step, Derived):
        for inner in step.steps:
            if not all(id(output) in places for output in inner.outputs):
                _add(graph, places, inner)
        results = _derive(graph, places, step.ys, step.weights, step.xs)
    else:
        static = static_places(step.op, len(step.inputs))
        inputs = [to_array(x) if i in static else places[id(x)] for i, x in enumerate(step.inputs)]
        results = graph.add(step.op, inputs, step.attributes, step.op)
    for output, made in zip(step.outputs, results):
        if made is not None:
            places.setdefault(id(output), made)
