"""Ways between the outputs of one call of a model.

A tape may be asked for the gradient of one output with respect to another, as of a score with
respect to an inner layer's activations. The pass of the call knows nothing of what lies between its
outputs: the part of the graph between the two becomes a core of its own, a tail, which the model
keeps.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from ebb._errors import StateError, UnsupportedError
from ebb.keras._config import Writer
from ebb.keras._engine import Engine, core_from_text
from ebb.keras._graph import Graph
from ebb.keras._pass import Pass
from ebb.keras._symbolic import KerasTensor
from ebb.keras._variable import to_numpy

_RANDOM = ("Dropout", "Gaussian", "Random")


class Tails:
    """Of one call.

    Attributes
    ----------
    count : int
        Outputs of the model.
    """

    __slots__ = ("before", "count", "given", "inputs", "model", "tensors", "training", "values",
                 "versions")  # fmt: skip

    def __init__(
        self, model: Any, given: Sequence[Any], outputs: Sequence[Any], training: bool
    ) -> None:
        graph = model._run_graph
        self.model = weakref.ref(model)
        self.inputs, self.tensors = graph.flat_inputs, graph.flat_outputs
        self.count = len(self.tensors)
        self.given, self.values = list(given), list(outputs[: self.count])
        self.training = training
        self.versions = [(v, v._version) for v in model._engine.variables if v.is_natural]
        self.before: list[set[tuple[int, int]]] | None = None

    def leads(self, i: int, j: int) -> bool:
        """Does output ``i`` lead to output ``j``?"""
        if self.before is None:
            self.before = [_ancestors(tensor) for tensor in self.tensors]
        tensor = self.tensors[i]
        return i != j and (id(tensor._node), tensor._index) in self.before[j]

    def gradient(self, place: int, upstream: Sequence[Any]) -> Any:
        """The gradient of an output by way of the others, whose gradients these are."""
        targets = [j for j in range(self.count) if upstream[j] is not None and self.leads(place, j)]
        if not targets:
            return None
        if any(variable._version != version for variable, version in self.versions):
            raise StateError(
                "the weights were changed since the call; take gradients of inner outputs before"
            )
        engine = self._engine(place, targets)
        engine.sync()
        given = [to_numpy(x) for x in (self.values[place], *self.given)]
        run = Pass(engine.core, given, self.training)
        wanted = [True] + [False] * len(self.given)
        found, _ = run.gradients([upstream[j] for j in targets], wanted, [])
        for index, variable in enumerate(engine.variables):
            if self.training and not variable.is_natural:
                engine.versions[index] = -1  # moved here alone
        return found[0]

    def _engine(self, place: int, targets: Sequence[int]) -> Engine:
        """The part between an output and those it leads to."""
        model = self.model()
        key = ("tail", place, *targets)
        kept = OrderedDict() if model is None else model._eager
        if kept is None:
            assert model is not None
            kept = model._eager = OrderedDict()
        engine = kept.get(key)
        if engine is None:
            engine = kept[key] = self._make(place, targets)
        return engine

    def _make(self, place: int, targets: Sequence[int]) -> Engine:
        from ebb.keras._functional import begin_at

        inputs = [self.tensors[place], *self.inputs]
        inputs, outputs = begin_at(inputs, [self.tensors[j] for j in targets])
        graph = Graph(inputs, outputs, strict=False)
        for operation in graph.operations:
            if self.training and any(word in type(operation).__name__ for word in _RANDOM):
                raise UnsupportedError(
                    "the way between two outputs of a model has random numbers in training; call "
                    "the model with training=False, or make models of its parts",
                    operation.name,
                )
        writer = Writer()
        config = writer.graph(graph, "tail", "", True)
        text = writer.text("tail", "Functional", config)
        homes = [(v, v._home, v._index) for v in writer.table.values()]
        engine = Engine(core_from_text(text, 1), writer.table, writer.frozen, writer.stateful)
        for variable, home, index in homes:
            if home is not None:  # the newest numbers stay where they were
                variable._home, variable._index = home, index
        return engine


def _ancestors(tensor: KerasTensor) -> set[tuple[int, int]]:
    """What a tensor is made of: the node's id and the place among its results."""
    found: set[tuple[int, int]] = set()
    waiting = [tensor]
    while waiting:
        now = waiting.pop()
        if now._node is None or (id(now._node), now._index) in found:
            continue
        found.add((id(now._node), now._index))
        waiting.extend(now._node.parents)
    return found
