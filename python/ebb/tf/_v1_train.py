"""``tf.compat.v1.train``: optimizers of graphs, made of the library's gradients and assignments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _context
from ebb._errors import UnsupportedError
from ebb._graph import Operation
from ebb._operators import convert
from ebb.tf._graph_variables import GraphVariable, group, variables_of
from ebb.tf._tape import gradients


class Optimizer:
    """Makes operations that train variables of a graph."""

    _slots: Sequence[str] = ()

    def __init__(self, name: str) -> None:
        self._name = name

    def compute_gradients(
        self, loss: Any, var_list: Any = None, **_: Any
    ) -> list[tuple[Any, GraphVariable]]:
        """Pairs of a gradient, None where there is none, and a variable."""
        variables = list(var_list) if var_list else variables_of(loss.graph, True, None)
        return list(zip(gradients(loss, [v._as_tensor() for v in variables]), variables))

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Operation:
        """An operation that changes the variables.

        Raises
        ------
        ValueError
            There is no gradient at all.
        """
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        if not pairs:
            raise ValueError("No gradients provided for any variable.")
        graph = _context.default_graph()
        with graph.name_scope(name or self._name):
            changes = [change for g, v in pairs for change in self._changes(g, v)]
            changes += self._after()
            if global_step is not None:
                changes.append(global_step.assign_add(1))
        return group(*changes, name=name or self._name)

    def minimize(
        self, loss: Any, global_step: Any = None, var_list: Any = None, name: str | None = None,
        **_: Any,
    ) -> Operation:  # fmt: skip
        """An operation that makes the loss smaller by one step."""
        return self.apply_gradients(self.compute_gradients(loss, var_list), global_step, name)

    def _slot(self, variable: GraphVariable, name: str, value: float = 0.0) -> Any:
        initial = np.full(tuple(variable.shape), value, variable.dtype.numpy)
        short = f"{variable._record.name}/{self._name}{name}"
        graph = variable.graph
        with graph.as_default(), graph.name_scope(None):
            return GraphVariable(initial, False, name=short)

    def _changes(self, gradient: Any, variable: GraphVariable) -> list[Any]:
        raise NotImplementedError

    def _after(self) -> list[Any]:
        return []


class GradientDescentOptimizer(Optimizer):
    """``variable -= learning_rate * gradient``."""

    def __init__(self, learning_rate: Any, use_locking: bool = False,
                 name: str = "GradientDescent") -> None:  # fmt: skip
        super().__init__(name)
        self._rate = learning_rate

    def _changes(self, gradient: Any, variable: GraphVariable) -> list[Any]:
        return [variable.assign_sub(gradient * self._rate)]


class MomentumOptimizer(Optimizer):
    """Gradient descent with momentum."""

    def __init__(self, learning_rate: Any, momentum: Any, use_locking: bool = False,
                 name: str = "Momentum", use_nesterov: bool = False) -> None:  # fmt: skip
        super().__init__(name)
        self._rate, self._momentum, self._nesterov = learning_rate, momentum, use_nesterov

    def _changes(self, gradient: Any, variable: GraphVariable) -> list[Any]:
        slot = self._slot(variable, "")
        fresh = slot * self._momentum + gradient
        step = gradient + fresh * self._momentum if self._nesterov else fresh
        return [slot.assign(fresh), variable.assign_sub(step * self._rate)]


class AdagradOptimizer(Optimizer):
    """Steps that get smaller where gradients were large."""

    def __init__(self, learning_rate: Any, initial_accumulator_value: float = 0.1,
                 use_locking: bool = False, name: str = "Adagrad") -> None:  # fmt: skip
        super().__init__(name)
        self._rate, self._start = learning_rate, initial_accumulator_value

    def _changes(self, gradient: Any, variable: GraphVariable) -> list[Any]:
        slot = self._slot(variable, "", self._start)
        fresh = slot + gradient * gradient
        step = gradient * self._rate / _sqrt(fresh)
        return [slot.assign(fresh), variable.assign_sub(step)]


class RMSPropOptimizer(Optimizer):
    """Gradients divided by a running mean of their size."""

    def __init__(self, learning_rate: Any, decay: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-10, use_locking: bool = False, centered: bool = False,
                 name: str = "RMSProp") -> None:  # fmt: skip
        super().__init__(name)
        if centered:
            raise UnsupportedError("centered=True is not supported", "RMSPropOptimizer")
        self._rate, self._decay, self._momentum = learning_rate, decay, momentum
        self._epsilon = epsilon

    def _changes(self, gradient: Any, variable: GraphVariable) -> list[Any]:
        size, speed = self._slot(variable, "", 1.0), self._slot(variable, "_1")
        fresh = size * self._decay + gradient * gradient * (1 - self._decay)
        step = speed * self._momentum + gradient * self._rate / _sqrt(fresh + self._epsilon)
        return [
            size.assign(fresh), speed.assign(step), variable.assign_sub(step),
        ]  # fmt: skip


class AdamOptimizer(Optimizer):
    """Adam."""

    def __init__(self, learning_rate: Any = 0.001, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8, use_locking: bool = False,
                 name: str = "Adam") -> None:  # fmt: skip
        super().__init__(name)
        self._rate, self._betas, self._epsilon = learning_rate, (beta1, beta2), epsilon
        self._powers: list[Any] = []

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Operation:
        """An operation that changes the variables."""
        graph = _context.default_graph()
        with graph.name_scope(None):
            self._powers = [
                GraphVariable(np.float32(beta), False, name=f"beta{i}_power")
                for i, beta in enumerate(self._betas, 1)
            ]
        try:
            return super().apply_gradients(grads_and_vars, global_step, name)
        finally:
            self._powers = []  # the optimizer outlives the graph

    def _changes(self, gradient: Any, variable: GraphVariable) -> list[Any]:
        (first, second), (p1, p2) = self._betas, self._powers
        mean, size = self._slot(variable, ""), self._slot(variable, "_1")
        fresh = mean * first + gradient * (1 - first)
        spread = size * second + gradient * gradient * (1 - second)
        rate = self._rate * _sqrt(1.0 - p2) / (1.0 - p1)
        step = fresh * rate / (_sqrt(spread) + self._epsilon)
        return [
            mean.assign(fresh), size.assign(spread), variable.assign_sub(step),
        ]  # fmt: skip

    def _after(self) -> list[Any]:
        return [p.assign(p * beta) for p, beta in zip(self._powers, self._betas)]


def _sqrt(x: Any) -> Any:
    from ebb._operators import unary

    return unary("Sqrt", convert(x))


def get_or_create_global_step(graph: Any = None) -> GraphVariable:
    """The variable that counts steps."""
    graph = graph or _context.default_graph()
    for variable in variables_of(graph, False, None):
        if variable.name == "global_step:0":
            return variable
    with graph.as_default(), graph.name_scope(None):
        return GraphVariable(np.int64(0), False, name="global_step")


get_global_step = create_global_step = get_or_create_global_step


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "Saver":
        raise UnsupportedError(
            "checkpoints of graphs are not written: fetch the variables and numpy.savez them, and "
            "assign what was read", "tf.compat.v1.train.Saver",
        )  # fmt: skip
    from ebb.tf._refuse import missing

    raise missing("tf.compat.v1.train", name, globals())
