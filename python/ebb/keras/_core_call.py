"""Cores run on numbers: predictions; passes where a tape is open or a call is as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _context, _record
from ebb._errors import UnsupportedError
from ebb._tensor import Tensor, call_model, is_symbolic
from ebb.keras._engine import Engine
from ebb.keras._pass import Pass
from ebb.keras._seeds import next_seed
from ebb.keras._tails import Tails
from ebb.keras._variable import Array, to_numpy


def wrap(array: Array) -> Any:
    """A result as the tensor of ebb.tf."""
    return Tensor.from_array(array)


def as_array(leaf: Any) -> Array:
    """Numbers as an array; Python's and numpy's doubles as float32. Tensors of a graph stay."""
    if is_symbolic(leaf):
        return leaf  # type: ignore[no-any-return]
    array = to_numpy(leaf)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def outputs_of(engine: Engine, given: Sequence[Any], layer: Any, training: bool) -> list[Any]:
    """What a core makes of numbers; of tensors of a graph, a node that calls it."""
    if any(is_symbolic(x) for x in given):
        if training or _record.is_open():
            for x in given:
                _context.need_values(x, f"a call of {layer.name!r} with a tape or training=True")
        if training:
            raise UnsupportedError("a graph calls models as in predictions only", layer.name)
        return call_model(engine.core, [as_array(x) for x in given], layer)
    arrays = [as_array(x) for x in given]
    variables = list({id(v): v for v in engine.variables}.values())
    is_noted = _record.is_open() and _record.concerns([*given, *variables])
    if not training and not is_noted and not engine.has_penalty:
        return [wrap(output) for output in engine.core._predict_arrays(arrays)]
    if training and not engine.seed_of_passes:
        engine.seed_of_passes = next_seed()
    run = Pass(engine.core, arrays, training, engine.seed_of_passes)
    outputs = run.outputs()
    if training:
        engine.moved()
    if is_noted:
        back = Backward(run, engine, variables, given)
        has_graph = layer._is_model and layer._run_graph is not None
        if len(outputs) > 1 and has_graph and engine.host is None:
            back.tails = Tails(layer, given, outputs, training)
        _record.note_back(f"the call of {layer.name!r}", [*given, *variables], outputs, back)
    count = len(engine.core._outputs)
    layer._losses.extend(outputs[count:])
    return outputs[:count]


class Backward:
    """Gradients of a pass, for tapes."""

    __name__ = "pass"

    def __init__(
        self, run: Pass, engine: Engine, variables: Sequence[Any], given: Sequence[Any]
    ) -> None:
        self.run, self.given, self.count = run, given, len(given)
        places = {id(variable): number for number, variable in enumerate(variables)}
        self.variables = engine.variables
        self.owners = [places[id(variable)] for variable in engine.variables]
        self.tails: Tails | None = None

    def __call__(self, upstream: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
        weights = [
            variable.shape if wanted[self.count + owner] else None
            for variable, owner in zip(self.variables, self.owners)
        ]
        inputs, found = self.run.gradients(upstream, wanted[: self.count], weights)
        sums: list[Any] = [None] * (len(wanted) - self.count)
        for owner, gradient in zip(self.owners, found):
            if gradient is not None:
                before = sums[owner]
                sums[owner] = gradient if before is None else before + gradient
        return [*inputs, *sums]

    def leads(self, places: Sequence[int]) -> list[int]:
        """The outputs that these outputs lead to."""
        if self.tails is None:
            return []
        return [j for j in range(self.tails.count) if any(self.tails.leads(i, j) for i in places)]

    def between(self, place: int, upstream: Sequence[Any]) -> Any:
        """The gradient of one output by way of the others."""
        return None if self.tails is None else self.tails.gradient(place, upstream)
