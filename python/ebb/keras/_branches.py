"""``if training`` in a call that is traced.

The call is traced once as if training and once as if not. Layers that do nothing outside of
training may differ between the two; where all else is the same, the first of them is right for
both: in inference its further layers hand on what they are given.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from ebb._errors import UnsupportedError
from ebb.keras import _symbolic, _tree
from ebb.keras._constant import VariableNode
from ebb.keras._symbolic import Function, KerasTensor

# Classes of the library that are the identity unless a model is trained.
_ONLY_TRAINING = (
    "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "RandomBrightness",
    "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
)  # fmt: skip


class AskedError(Exception):
    """The call asked whether it is training."""


class TrainingFlag:
    """Stands for ``training`` while a layer is traced."""

    def __bool__(self) -> bool:
        answer = _symbolic.tracing.answer
        if answer is None:
            raise AskedError
        return answer

    def __repr__(self) -> str:
        return "<training: known when the model runs>"


def both(run: Callable[[], Any], inputs: list[KerasTensor], layer: Any) -> Any:
    """What ``run`` gives as if training, if that is right in inference too."""
    state = _symbolic.tracing
    before = state.answer, state.variables
    state.answer = None
    try:
        try:
            return run()
        except AskedError:
            pass
        made = []
        for state.answer in (True, False):
            state.variables = {}
            made.append(run())
    finally:
        state.answer, state.variables = before
    table: dict[Any, int] = {}
    forms = []
    for structure in made:
        known = {id(tensor): -1 - number for number, tensor in enumerate(inputs)}
        form = functools.partial(_form, known=known, table=table)
        forms.append(_tree.map_structure(form, structure))
    if forms[0] == forms[1]:
        return made[0]
    raise UnsupportedError(
        "call() asks whether it is training with `if training`, and computes something else then; "
        "only layers that do nothing outside of training (Dropout, GaussianNoise, RandomFlip ...) "
        "may stand there. Hand `training` on to layers that know it, such as BatchNormalization",
        layer.name,
    )


def _form(leaf: Any, known: dict[int, int], table: dict[Any, int]) -> Any:
    """A number for how a tensor is computed: the same for what is computed in the same way."""
    if not isinstance(leaf, KerasTensor):
        return repr(leaf)
    for tensor in _sources(leaf):
        if id(tensor) not in known:
            known[id(tensor)] = _number(tensor, known, table)
    return known[id(leaf)]


def _number(tensor: KerasTensor, known: dict[int, int], table: dict[Any, int]) -> int:
    node = tensor._node
    if node is None:
        return table.setdefault(id(tensor), len(table))
    operation, parents = node.operation, node.parents
    always = node.kwargs.get("training") is True
    kind = type(operation)
    is_idle = kind.__name__ in _ONLY_TRAINING and kind.__module__.startswith("ebb.")
    if parents and is_idle and not always:
        return known[id(parents[0])]
    what: Any = id(operation)
    if isinstance(operation, Function):
        config = {key: value for key, value in operation.get_config().items() if key != "name"}
        what = (operation.class_name, repr(config))
    elif isinstance(operation, VariableNode):
        what = id(operation.variable)
    given = _tree.map_structure(
        lambda leaf: known[id(leaf)] if isinstance(leaf, KerasTensor) else f"{leaf!r}",
        [node.args, node.kwargs],
    )
    return table.setdefault((repr(what), repr(given), tensor._index), len(table))


def _sources(tensor: KerasTensor) -> list[KerasTensor]:
    """What a tensor is made of, itself last."""
    found: dict[int, KerasTensor] = {}
    waiting = [(tensor, False)]
    while waiting:
        now, is_ready = waiting.pop()
        if id(now) in found:
            continue
        if is_ready or now._node is None:
            found[id(now)] = now
            continue
        waiting.append((now, True))
        waiting += [(parent, False) for parent in now._node.parents]
    return list(found.values())
