"""``tf.GradientTape``: gradients of what was done while it was open.

The tape notes the operations on what it watches. When a gradient is asked for, they are put into a
graph with the library's gradients, and that runs once. Inside a ``tf.function`` the graph is there
already.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ebb import _context
from ebb._call import check, new_error
from ebb._errors import StateError, UnsupportedError
from ebb._graph import Graph, SymbolicTensor
from ebb._native import ffi, lib
from ebb._operators import convert
from ebb._table import static_places
from ebb._values import EagerTensor, Tensor, to_array
from ebb.tf import _nest
from ebb.tf._session import Session
from ebb.tf._variables import EagerVariable, Variable


class UnconnectedGradients:
    """What a gradient is where nothing leads from the source to the target."""

    NONE = "none"
    ZERO = "zero"


class _Step(NamedTuple):
    """One operation that was noted; ``op`` None is something that gradients do not pass."""

    op: str | None
    what: str
    inputs: Sequence[Any]
    attributes: Any
    outputs: Sequence[Any]


class GradientTape:
    """Notes what is done in its block, for ``gradient()``.

    Parameters
    ----------
    persistent : bool
        Whether ``gradient()`` may be called more than once.
    watch_accessed_variables : bool
        Whether variables that train are watched when they are read.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watches = watch_accessed_variables
        self._steps: list[_Step] = []
        self._known: dict[int, Tensor] = {}
        self._variables: dict[int, tuple[EagerVariable, Tensor]] = {}
        self._used = False
        self._places: list[_context.Place] = []

    def __enter__(self) -> GradientTape:
        self._open()
        return self

    def __exit__(self, *failure: object) -> None:
        self._places.pop().leave()

    def _open(self) -> None:
        """Notes what this thread does. The tape holds its place, not the place the tape."""
        self._places.append(_context.Place(_context.state.tapes, weakref.ref(self)))

    # -- noting --------------------------------------------------------------------------------

    def watch(self, tensor: Any) -> None:
        """Notes what is done with these tensors or variables from now on."""
        for item in _nest.leaves(tensor):
            if isinstance(item, EagerVariable):
                self._variables[id(item)] = (item, item._value)
                self._know(item._value)
            elif isinstance(item, Tensor):
                if not item.dtype.is_floating:
                    raise ValueError(f"only float tensors can be watched, not {item.dtype.name}")
                self._know(item)
            else:
                raise ValueError(f"Passed in object {item!r} of type {type(item)}, not tf.Tensor")

    def _know(self, tensor: Tensor) -> None:
        self._known[id(tensor)] = tensor

    def read(self, variable: EagerVariable) -> None:
        """A variable is read."""
        if id(variable) in self._variables or (
            self._watches and variable.trainable and variable.dtype.is_floating
        ):
            self._variables[id(variable)] = (variable, variable._value)
            self._know(variable._value)

    def _concerns(self, inputs: Sequence[Any]) -> bool:
        return any(id(x) in self._known for x in inputs)

    def note(self, op: str, inputs: Sequence[Any], attributes: Any, outputs: Sequence[Any]) -> None:
        """An operation was done."""
        if op == "StopGradient" or not self._concerns(inputs):
            return
        self._steps.append(_Step(op, op, tuple(inputs), dict(attributes), tuple(outputs)))
        for output in outputs:
            self._know(output)

    def note_opaque(self, what: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Something was done that gradients do not pass."""
        self._steps.append(_Step(None, what, tuple(inputs), {}, tuple(outputs)))
        for output in outputs:
            self._know(output)

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """What is done in the block is not noted."""
        self._places.pop().leave()
        try:
            yield
        finally:
            self._open()

    def reset(self) -> None:
        """Forgets everything."""
        self._steps, self._known, self._variables = [], {}, {}

    def watched_variables(self) -> tuple[EagerVariable, ...]:
        """The variables that were read."""
        return tuple(variable for variable, _ in self._variables.values())

    # -- gradients -----------------------------------------------------------------------------

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None,
        unconnected_gradients: str = UnconnectedGradients.NONE,
    ) -> Any:  # fmt: skip
        """Gradients of the sum of the targets' elements.

        Parameters
        ----------
        target : Tensor or structure
        sources : Tensor, Variable or structure
        output_gradients : optional
            What the gradient of each target is taken to be, instead of ones.
        unconnected_gradients : {"none", "zero"}

        Returns
        -------
        The structure of ``sources``: tensors of their shapes, None where nothing leads there.

        Raises
        ------
        RuntimeError
            A second call of a tape that is not persistent.
        UnsupportedError
            The way leads through the call of a model, or an operation without a gradient.
        """
        if self._used and not self._persistent:
            raise StateError(
                "A non-persistent GradientTape can only be used to compute one set of gradients"
            )
        self._used = True
        targets = [convert(t) if isinstance(t, Variable) else t for t in _nest.flatten(target)]
        weights = _nest.flatten(output_gradients) if output_gradients is not None else []
        flat = _nest.flatten(sources)
        for item in targets:
            if not isinstance(item, Tensor):
                raise TypeError(f"the target of a gradient is a tensor, not {type(item).__name__}")
        if _context.building() is not None:
            made = _in_graph(targets, flat, weights)
        else:
            found = [self._of(item) for item in flat]
            made = _Replay(self._steps).gradients(targets, found, weights)
        if str(unconnected_gradients).lower() == "zero":
            made = [self._zeros(s) if g is None else g for s, g in zip(flat, made)]
        if not self._persistent:
            self.reset()
        return _nest.pack(sources, iter(made))

    def _of(self, source: Any) -> Tensor:
        if isinstance(source, EagerVariable):
            found = self._variables.get(id(source))
            return source._value if found is None else found[1]
        if not isinstance(source, Tensor):
            if hasattr(source, "assign"):
                raise UnsupportedError(
                    "gradients for weights of Keras models are computed by fit() and "
                    "train_on_batch(); a GradientTape has those of tensors and tf.Variable",
                    getattr(source, "name", "a weight"),
                )
            raise TypeError(
                "the source of a gradient is a tensor or a tf.Variable, not "
                f"{type(source).__name__}"
            )
        return source

    @staticmethod
    def _zeros(source: Any) -> Any:
        from ebb.tf._arrays import zeros_like

        return zeros_like(source)

    def jacobian(self, *_: Any, **__: Any) -> Any:
        """Not supported."""
        raise UnsupportedError("not supported; gradient() of each element is", "jacobian")

    batch_jacobian = jacobian


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


def _in_graph(targets: Sequence[Any], sources: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
    graph = _context.building()
    assert graph is not None
    xs = [graph.own(convert(source)) for source in sources]
    return graph_gradients(graph, weighted([graph.own(t) for t in targets], weights), xs)


class _Replay:
    """What a tape noted, as a graph."""

    def __init__(self, steps: Sequence[_Step]) -> None:
        self.steps = steps
        self.graph = Graph()
        self.places: dict[int, SymbolicTensor] = {}
        self.feeds: dict[Any, Any] = {}

    def gradients(
        self, targets: Sequence[Any], sources: Sequence[Tensor], weights: Sequence[Any]
    ) -> list[Any]:
        """Their values."""
        needed = self._needed(targets)
        with self.graph.as_default():
            made_here = {id(o) for step in needed for o in step.outputs}
            for source in sources:
                if id(source) not in made_here:
                    self._place(source)
            for step in needed:
                self._add(step)
            ys = weighted([self._place(target) for target in targets], weights)
            wanted = [self.places.get(id(source)) for source in sources]
            found = [place for place in wanted if place is not None]
            made = iter(graph_gradients(self.graph, ys, found) if found else [])
            results = [None if place is None else next(made) for place in wanted]
        return self._run(results)

    def _run(self, results: list[Any]) -> list[Any]:
        fetches = [tensor for tensor in results if tensor is not None]
        if not fetches:
            return results
        session = Session(graph=self.graph)
        try:
            values = iter(session.run(fetches, self.feeds))
        finally:
            session.close()
        return [None if t is None else EagerTensor.of(np.asarray(next(values))) for t in results]

    def _needed(self, targets: Sequence[Any]) -> list[_Step]:
        wanted = {id(target) for target in targets}
        needed = []
        for step in reversed(self.steps):
            if any(id(output) in wanted for output in step.outputs):
                if step.op is None:
                    raise UnsupportedError(
                        "gradients do not pass through it. Models are trained by fit() and "
                        "train_on_batch(), which compute the gradients of all their weights",
                        step.what,
                    )
                needed.append(step)
                wanted.update(id(x) for x in step.inputs)
        return needed[::-1]

    def _place(self, x: Any) -> SymbolicTensor:
        """A value from outside: an input of the graph."""
        found = self.places.get(id(x))
        if found is None:
            found = self.places[id(x)] = self.graph.placeholder(x.dtype, x.shape)
            self.feeds[found] = x
        return found

    def _add(self, step: _Step) -> None:
        assert step.op is not None
        static = static_places(step.op, len(step.inputs))
        inputs = [
            to_array(x) if i in static else self._place(x) if isinstance(x, Tensor) else x
            for i, x in enumerate(step.inputs)
        ]
        outputs = self.graph.add(step.op, inputs, step.attributes, step.op)
        for output, made in zip(step.outputs, outputs):
            self.places[id(output)] = made


def gradients(
    ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients",
    gate_gradients: bool = False, aggregation_method: Any = None, stop_gradients: Any = None,
    unconnected_gradients: str = UnconnectedGradients.NONE,
) -> list[Any]:  # fmt: skip
    """Gradients in the graph that is being built.

    Raises
    ------
    RuntimeError
        Nothing is being built: ``tf.GradientTape`` is for eager tensors.
    """
    graph = _context.building()
    if graph is None:
        raise StateError(
            "tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape "
            "instead."
        )
    sources = [graph.as_graph_element(x) for x in _nest.flatten(xs)]
    targets = [graph.as_graph_element(y) for y in _nest.flatten(ys)]
    weights = [] if grad_ys is None else _nest.flatten(grad_ys)
    made = graph_gradients(graph, weighted(targets, weights), sources)
    if str(unconnected_gradients).lower() == "zero":
        from ebb.tf._arrays import zeros_like

        return [zeros_like(x) if g is None else g for x, g in zip(sources, made)]
    return made
