"""``tf.GradientTape``: gradients of what was done while it was open.

The tape notes what is done with what it watches (``ebb._record``). When a gradient is asked for,
the steps are gone through backwards (``ebb.tf._backward``). Inside a ``tf.function`` the graph is
there already.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ebb import _context
from ebb._errors import StateError
from ebb._operators import convert
from ebb._record import Back, Call, Derived, Operation, Step, Wall
from ebb._values import EagerTensor, Tensor
from ebb.tf import _nest
from ebb.tf._backward import backward, graph_gradients, weighted
from ebb.tf._variables import EagerVariable, Variable


class UnconnectedGradients:
    """What a gradient is where nothing leads from the source to the target."""

    NONE = "none"
    ZERO = "zero"


def is_variable(item: Any) -> bool:
    """Is this a variable: ``tf.Variable``, or a weight of a layer?"""
    return isinstance(item, EagerVariable) or getattr(item, "_is_variable", False)


class GradientTape:
    """Notes what is done in its block, for ``gradient()``.

    Calls of layers and models, losses, ``keras.ops`` and operations of ``tf`` are noted alike.

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
        self._steps: list[Step] = []
        self._known: dict[int, Any] = {}
        self._variables: dict[int, Any] = {}
        self._chosen: set[int] = set()
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
            if is_variable(item):
                self._chosen.add(id(item))
                self.read(item, item._as_tensor())
            elif isinstance(item, Tensor):
                if not item.dtype.is_floating:
                    raise ValueError(f"only float tensors can be watched, not {item.dtype.name}")
                self._known[id(item)] = item
            else:
                raise ValueError(f"Passed in object {item!r} of type {type(item)}, not tf.Tensor")

    def _wants(self, variable: Any) -> bool:
        """Is this variable to be watched when something reads it?"""
        if id(variable) in self._chosen:
            return True
        return bool(self._watches and variable.trainable and "float" in str(variable.dtype))

    def read(self, variable: Any, value: Tensor) -> None:
        """A variable is read."""
        if not self._wants(variable) or id(value) in self._known:
            return
        self._variables[id(variable)] = variable
        self._known[id(variable)] = variable
        self._steps.append(Back("a variable", _same, (variable,), (value,)))
        self._known[id(value)] = value

    def concerns(self, inputs: Sequence[Any]) -> bool:
        """Is any of these watched?"""
        return any(id(x) in self._known or (is_variable(x) and self._wants(x)) for x in inputs)

    def note(self, op: str, inputs: Sequence[Any], attributes: Any, outputs: Sequence[Any]) -> None:
        """An operation was done."""
        if op != "StopGradient":
            self.note_step(Operation(op, attributes, inputs, outputs))

    def note_step(self, step: Step) -> None:
        """Something was done; variables among what it took were read."""
        if not self.concerns(step.inputs):
            return
        for item in step.inputs:
            if is_variable(item) and self._wants(item):
                self._variables[id(item)] = self._known[id(item)] = item
        self._steps.append(step)
        self._known.update((id(x), x) for x in step.outputs if x.dtype.is_floating)

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

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables that were read."""
        return tuple(self._variables.values())

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
            Variables may be weights of layers.
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
            The way leads through something without a gradient.
        """
        if self._used and not self._persistent:
            raise StateError(
                "A non-persistent GradientTape can only be used to compute one set of gradients"
            )
        self._used = True
        targets = [convert(t) if is_variable(t) else t for t in _nest.flatten(target)]
        weights = _nest.flatten(output_gradients) if output_gradients is not None else []
        flat = _nest.flatten(sources)
        for item in targets:
            if not isinstance(item, Tensor):
                raise TypeError(f"the target of a gradient is a tensor, not {type(item).__name__}")
        for item in flat:
            if not is_variable(item) and not isinstance(item, (Tensor, Variable)):
                raise TypeError(
                    f"the source of a gradient is a tensor or a variable, not {type(item).__name__}"
                )
        if _context.building() is not None:
            made = self._in_graph(targets, flat, weights)
        else:
            made = self._backward(targets, flat, weights)
        if str(unconnected_gradients).lower() == "zero":
            made = [_zeros(s) if g is None else g for s, g in zip(flat, made)]
        if not self._persistent:
            self.reset()
        return _nest.pack(sources, iter(made))

    def _backward(
        self, targets: Sequence[Any], sources: Sequence[Any], weights: Sequence[Any]
    ) -> list[Any]:
        """By the steps; of variables that were not watched there is nothing."""
        watched = [s for s in sources if not is_variable(s) or id(s) in self._variables]
        found = iter(backward(self._steps, targets, watched, weights))
        taken = {id(source) for source in watched}
        return [next(found) if id(source) in taken else None for source in sources]

    def _in_graph(
        self, targets: Sequence[Any], sources: Sequence[Any], weights: Sequence[Any]
    ) -> list[Any]:
        """In the trace of a function, where the graph itself says how all came about."""
        graph = _context.building()
        assert graph is not None
        for item in sources:
            if getattr(item, "_is_variable", False) and graph.building_function:
                raise _context.StayEager("the gradient of a layer's weight")
        xs = [graph.own(convert(source)) for source in sources]
        return graph_gradients(graph, weighted([graph.own(t) for t in targets], weights), xs)

    def jacobian(
        self, target: Any, sources: Any, unconnected_gradients: str = UnconnectedGradients.NONE,
        parallel_iterations: Any = None, experimental_use_pfor: bool = True,
    ) -> Any:  # fmt: skip
        """Gradients of every element of the target.

        Returns
        -------
        The structure of ``sources``: tensors of the target's shape followed by the source's.
        """
        shape = tuple(target.shape)
        flat = _nest.flatten(sources)
        rows = self._rows(target, flat, np.eye(int(np.prod(shape)), dtype=np.float32), shape)
        made = [
            None if column[0] is None else _stacked(column, (*shape, *source.shape))
            for column, source in zip(zip(*rows), flat)
        ]
        if str(unconnected_gradients).lower() == "zero":
            made = [
                EagerTensor.of(np.zeros((*shape, *s.shape), np.float32)) if g is None else g
                for s, g in zip(flat, made)
            ]
        return _nest.pack(sources, iter(made))

    def batch_jacobian(
        self, target: Any, source: Any, unconnected_gradients: str = UnconnectedGradients.NONE,
        parallel_iterations: Any = None, experimental_use_pfor: bool = True,
    ) -> Any:  # fmt: skip
        """Gradients of every element of a row with respect to the same row of the source.

        Returns
        -------
        Tensor
            ``(rows, *target's other axes, *source's other axes)``.
        """
        shape, rows = tuple(target.shape), int(target.shape[0])
        if not shape or source.shape[0] != rows:
            raise ValueError(
                f"Need first dimension of target shape ({target.shape}) and source shape "
                f"({source.shape}) to match."
            )
        weights = np.eye(int(np.prod(shape[1:])), dtype=np.float32)
        made = self._rows(target, [source], weights[:, None].repeat(rows, 1), shape)
        if made and made[0][0] is None:
            if str(unconnected_gradients).lower() != "zero":
                return None
            return EagerTensor.of(np.zeros((*shape, *source.shape[1:]), np.float32))
        arrays = np.stack([row[0].view() for row in made], axis=1)
        return EagerTensor.of(arrays.reshape((*shape, *source.shape[1:])))

    def _rows(self, target: Any, sources: Any, weights: Any, shape: Any) -> list[list[Any]]:
        """The gradients for each of these weights of the target."""
        keeps, self._persistent = self._persistent, True
        try:
            return [
                self.gradient(target, sources, EagerTensor.of(row.reshape(shape)))
                for row in weights
            ]
        finally:
            self._persistent = keeps
            if not keeps:
                self.reset()


def _same(gradients: Sequence[Any], wanted: Sequence[bool]) -> Sequence[Any]:
    """Of a value that is the variable's."""
    return gradients


def _zeros(source: Any) -> Any:
    from ebb.tf._arrays import zeros_like

    return zeros_like(source)


def _stacked(column: Sequence[Any], shape: tuple[int, ...]) -> EagerTensor:
    return EagerTensor.of(np.stack([gradient.view() for gradient in column]).reshape(shape))


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
        return [_zeros(x) if g is None else g for x, g in zip(sources, made)]
    return made


__all__ = ["Call", "Derived", "GradientTape", "UnconnectedGradients", "Wall", "gradients"]
