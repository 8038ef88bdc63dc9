"""Runs of calls of ``keras.ops`` that a tape noted, as small models with gradients.

The calls are made once more with symbolic tensors in place of the numbers; what comes of it is a
core. It is kept for the next run of the same form, as eager operations are (``ebb._eager``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _context
from ebb._errors import EbbError, UnsupportedError
from ebb._record import Call
from ebb._tensor import Tensor, to_array
from ebb._values import kept_of
from ebb.keras import _naming, _symbolic, _tree
from ebb.keras._config import Writer
from ebb.keras._engine import core_from_text
from ebb.keras._graph import Graph
from ebb.keras._input import InputLayer
from ebb.keras._pass import Pass

_KEPT_MAX = 128


class Form:
    """What tells one run of calls from another."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.feeds: list[Any] = []
        self.parts: list[Any] = []

    def add(self, step: Call) -> None:
        """One more call."""
        known = {id(x) for x in step.inputs}

        def tell(leaf: Any) -> Any:
            if id(leaf) in known:
                return self._number(leaf)
            return _plain(leaf)

        leaves = [tell(leaf) for leaf in _tree.leaves((step.args, step.kwargs))]
        form = repr(_tree.map_structure(lambda _: 0, (step.args, step.kwargs)))
        self.parts.append((step.function, form, *leaves))
        for output in step.outputs:
            self.numbers.setdefault(id(output), len(self.numbers))

    def _number(self, leaf: Any) -> Any:
        found = self.numbers.get(id(leaf))
        if found is not None:
            return ("tensor", found)
        self.numbers[id(leaf)] = len(self.numbers)
        self.feeds.append(leaf)
        return ("input", str(leaf.dtype), tuple(leaf.shape))


def _plain(leaf: Any) -> Any:
    """A value that is part of the form."""
    if isinstance(leaf, (np.ndarray, Tensor)):
        array = to_array(leaf)
        return (str(array.dtype), array.shape, array.tobytes())
    if leaf is None or isinstance(leaf, (bool, int, float, str, type)) or callable(leaf):
        return (type(leaf), leaf)
    return repr(leaf)


def segment_gradients(
    group: Sequence[Any], ys: Sequence[Any], upstream: Sequence[Any], xs: Sequence[Any]
) -> list[Any]:
    """Gradients of what a run of calls gave to what it took."""
    form = Form()
    for step in group:
        form.add(step)
    key = ("segment", *form.parts, tuple(form.numbers[id(y)] for y in ys))
    kept = kept_of(_context.runtime_handle())
    core = kept.find(key)
    if core is None:
        core = core_of(group, form.feeds, ys)
        kept.add(key, core, _KEPT_MAX)
    run = Pass(core, [_array(x) for x in form.feeds], False)
    wanted = {id(x) for x in xs}
    found, _ = run.gradients(upstream, [id(x) in wanted for x in form.feeds], [])
    by_input = {id(x): gradient for x, gradient in zip(form.feeds, found)}
    return [by_input.get(id(x)) for x in xs]


def _array(x: Any) -> Any:
    array = to_array(x)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def core_of(group: Sequence[Call], feeds: Sequence[Any], ys: Sequence[Any]) -> Any:
    """The calls as a model of these inputs and outputs."""
    places: dict[int, Any] = {}
    inputs = []
    with _naming.aside():
        for i, x in enumerate(feeds):
            kind = (
                "float32" if str(x.dtype) == "float64" else str(getattr(x.dtype, "name", x.dtype))
            )
            layer = InputLayer(batch_shape=tuple(x.shape), dtype=kind, name=f"in_{i}")
            places[id(x)] = layer.output
            inputs.append(layer.output)
        for step in group:
            _call_again(step, places)
        graph = Graph(inputs, [places[id(y)] for y in ys], strict=False)
        writer = Writer()
        config = writer.graph(graph, "segment", "", True)
    return core_from_text(writer.text("segment", "Functional", config), 1)


def _call_again(step: Call, places: dict[int, Any]) -> None:
    """Makes a call with symbolic tensors."""
    known = {id(x) for x in step.inputs}

    def change(leaf: Any) -> Any:
        return places[id(leaf)] if id(leaf) in known else leaf

    args, kwargs = _tree.map_structure(change, (step.args, step.kwargs))
    try:
        made = step.function(*args, **kwargs)
    except (EbbError, TypeError, ValueError, AttributeError, NotImplementedError) as failure:
        raise UnsupportedError(
            f"gradients do not pass through it: {failure}", f"keras.ops.{step.function.__name__}"
        ) from failure
    for output, tensor in zip(step.outputs, _tree.flatten(made)):
        if not _symbolic.is_keras_tensor(tensor):
            raise UnsupportedError(
                "gradients do not pass through it", f"keras.ops.{step.function.__name__}"
            )
        places[id(output)] = tensor
