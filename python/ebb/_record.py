"""What gradient tapes note: steps, each with what it took and what it gave.

A step names tensors (and variables) by the objects themselves. How gradients get through it is a
matter of its kind: operations and calls of ``keras.ops`` are put together and run backwards by
the library (``ebb.tf._backward``), a ``Back`` brings a function of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from ebb import _context

Backward = Callable[[Sequence[Any], Sequence[bool]], Sequence[Any]]


class Step:
    """Something that was done.

    Attributes
    ----------
    inputs, outputs : sequence
        Tensors, variables, and arrays that no gradient is asked of.
    """

    __slots__ = ("inputs", "outputs")

    def __init__(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)


class Operation(Step):
    """An operation of TensorFlow's registry."""

    __slots__ = ("attributes", "op")

    def __init__(self, op: str, attributes: Any, inputs: Any, outputs: Any) -> None:
        super().__init__(inputs, outputs)
        self.op, self.attributes = op, dict(attributes)


class Call(Step):
    """A function of ``keras.ops``: what it was called with holds the inputs as leaves."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Any, args: Any, kwargs: Any, inputs: Any, outputs: Any) -> None:
        super().__init__(inputs, outputs)
        self.function, self.args, self.kwargs = function, args, kwargs


class Back(Step):
    """A step with a function for its gradients.

    ``function(gradients, wanted)`` is given the gradient of each output (None: zeros) and whether
    that of each input is wanted; it gives the gradients of the inputs, None where none leads.
    """

    __slots__ = ("function", "what")

    def __init__(self, what: str, function: Backward, inputs: Any, outputs: Any) -> None:
        super().__init__(inputs, outputs)
        self.what, self.function = what, function


class Wall(Step):
    """Something that gradients cannot pass; ``what`` says why."""

    __slots__ = ("what",)

    def __init__(self, what: str, inputs: Any, outputs: Any) -> None:
        super().__init__(inputs, outputs)
        self.what = what


class Derived(Step):
    """Gradients of operations: of ``ys`` times their weights, with respect to ``xs``."""

    __slots__ = ("steps", "weights", "xs", "ys")

    def __init__(self, steps: Sequence[Step], ys: Any, weights: Any, xs: Any, outputs: Any) -> None:
        made = {id(tensor) for step in steps for tensor in step.outputs}
        used = [x for step in steps for x in step.inputs] + [*weights, *xs]
        outer = {id(x): x for x in used if id(x) not in made}
        super().__init__(list(outer.values()), outputs)
        self.steps, self.ys, self.weights, self.xs = tuple(steps), ys, weights, xs


def is_open() -> bool:
    """Is there a tape that notes what this thread does?"""
    return bool(_context.state.tapes)


def concerns(inputs: Sequence[Any]) -> bool:
    """Does a tape watch any of these tensors?"""
    return any(tape.concerns(inputs) for tape in _context.tapes())


def note(step: Step) -> None:
    """Tells the tapes of a step."""
    for tape in _context.tapes():
        tape.note_step(step)


def note_back(what: str, inputs: Sequence[Any], outputs: Sequence[Any], function: Backward) -> None:
    """Tells the tapes of a step that brings its gradients."""
    note(Back(what, function, inputs, outputs))


def read(variable: Any, value: Any) -> None:
    """Tells the tapes that a variable was read."""
    for tape in _context.tapes():
        tape.read(variable, value)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """What is done in the block is noted by no tape."""
    state = _context.state
    before = state.tapes
    state.tapes = {}
    try:
        yield
    finally:
        state.tapes = before
