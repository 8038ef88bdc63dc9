"""``if training`` in a call that is traced.

The call is traced once as if training and once as if not. Layers that do nothing outside of
training may differ between the two; where all else is the same, the first of them is right for
both: in inference its further layers hand on what they are given. What differs otherwise is in the
model in both ways, with a node behind them that knows which one counts (InTraining).
"""

from __future__ import annotations

from typing import Any, Callable

from ebb._errors import UnsupportedError
from ebb.keras import _drawing, _symbolic, _tree
from ebb.keras._constant import VariableNode
from ebb.keras._lengths import MODULE
from ebb.keras._symbolic import Function, KerasTensor, Node

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


# What a model in training changes by calling them, or adds to its loss.
_STATEFUL = ("BatchNormalization", "SpectralNormalization", "ActivityRegularization")


def both(run: Callable[[], Any], inputs: list[KerasTensor], layer: Any) -> Any:
    """What ``run`` gives as if training, if that is right in inference too; else both of it."""
    state = _symbolic.tracing
    replay = _drawing.Replay()
    # The end of the replay may be kept from running too: what it sets goes back with the rest.
    with _symbolic.Changed(answer=None, variables=state.variables, generators=state.generators):
        try:
            try:
                replay.begin()
                return run()
            except AskedError:
                pass
            variables: dict[int, Any] = {}
            made = []
            for state.answer in (True, False):
                state.variables = variables  # the same tensors both times
                replay.begin()
                made.append(run())
        finally:
            replay.end()
    table: dict[Any, int] = {}
    idle = [_numbers(structure, inputs, table, True) for structure in made]
    if _forms(made[0], idle[0]) == _forms(made[1], idle[1]):
        return made[0]
    return _Merge(made, inputs, layer).result()


def _forms(structure: Any, numbers: dict[int, int]) -> Any:
    """Each tensor as the number of how it is computed."""
    return _tree.map_structure(
        lambda leaf: numbers[id(leaf)] if isinstance(leaf, KerasTensor) else repr(leaf), structure
    )


def _numbers(
    structure: Any, inputs: list[KerasTensor], table: dict[Any, int], skips_idle: bool
) -> dict[int, int]:
    """By id of a tensor: a number for how it is computed, the same for what is computed alike."""
    known = {id(tensor): -1 - number for number, tensor in enumerate(inputs)}
    for leaf in _symbolic.symbolic_leaves(structure):
        for tensor in _sources(leaf):
            if id(tensor) not in known:
                known[id(tensor)] = _number(tensor, known, table, skips_idle)
    return known


def _number(
    tensor: KerasTensor, known: dict[int, int], table: dict[Any, int], skips_idle: bool
) -> int:
    node = tensor._node
    if node is None:
        return table.setdefault(id(tensor), len(table))
    operation, parents = node.operation, node.parents
    always = node.kwargs.get("training") is True
    kind = type(operation)
    is_idle = kind.__name__ in _ONLY_TRAINING and kind.__module__.startswith("ebb.")
    if skips_idle and parents and is_idle and not always:
        return known[id(parents[0])]
    what: Any = id(operation)
    if isinstance(operation, Function):
        config = {key: value for key, value in operation.get_config().items() if key != "name"}
        what = (operation.class_name, repr(config))
    if isinstance(operation, VariableNode):
        what = id(operation.variable)
    given = _tree.map_structure(
        lambda leaf: known[id(leaf)] if isinstance(leaf, KerasTensor) else f"{leaf!r}",
        [node.args, node.kwargs],
    )
    return table.setdefault((repr(what), repr(given), tensor._index), len(table))


class _Merge:
    """Two ways of one call in one graph: what both compute alike is there once."""

    def __init__(self, made: list[Any], inputs: list[KerasTensor], layer: Any) -> None:
        self.made, self.layer = made, layer
        table: dict[Any, int] = {}
        self.numbers = [_numbers(structure, inputs, table, False) for structure in made]
        self.shared: dict[int, KerasTensor] = {
            -1 - number: tensor for number, tensor in enumerate(inputs)
        }
        for leaf in _symbolic.symbolic_leaves(made[0]):
            for tensor in _sources(leaf):
                self.shared.setdefault(self.numbers[0][id(tensor)], tensor)
        self.again: dict[Node, list[KerasTensor]] = {}  # calls of the second way, made anew

    def result(self) -> Any:
        """What the call gives."""
        first, second = (_symbolic.symbolic_leaves(structure) for structure in self.made)
        specs = [[(x.shape, x.dtype) for x in leaves] for leaves in (first, second)]
        shapes = [_tree.map_structure(lambda _: None, structure) for structure in self.made]
        if specs[0] != specs[1] or shapes[0] != shapes[1]:
            self._refuse(
                f"gives tensors of other shapes or types in training: {specs[0]}, {specs[1]}"
            )
        common = set(self.numbers[0].values()) & set(self.numbers[1].values())
        for leaves, numbers in zip((first, second), self.numbers):
            for leaf in leaves:
                for tensor in _sources(leaf):
                    if numbers[id(tensor)] not in common:
                        self._check(tensor)
        ways = iter(zip(first, second))

        def choose(leaf: Any) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            one, other = next(ways)
            if self.numbers[0][id(one)] == self.numbers[1][id(other)]:
                return one
            node = Node(Function(MODULE, "InTraining", {}), (one, self._merged(other)), {})
            return node.emit([(one.shape, one.dtype)])[0]

        return _tree.map_structure(choose, self.made[0])

    def _merged(self, tensor: KerasTensor) -> KerasTensor:
        """A tensor of the second way, made of those of the first where they are the same."""
        for source in _sources(tensor):
            number = self.numbers[1][id(source)]
            if number in self.shared or source._node is None:
                continue
            node = source._node
            if node not in self.again:
                args, kwargs = _tree.map_structure(self._found, (node.args, node.kwargs))
                again = Node(node.operation, args, kwargs)
                again.trace = node.trace
                self.again[node] = again.emit(node.specs)
            self.shared[number] = self.again[node][source._index]
        return self._found(tensor)  # type: ignore[no-any-return]

    def _found(self, leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        return self.shared.get(self.numbers[1][id(leaf)], leaf)

    def _check(self, tensor: KerasTensor) -> None:
        """A call in one way only: would it change anything in the other, too?"""
        waiting = [tensor._node.operation] if tensor._node is not None else []
        while waiting:
            part = waiting.pop()
            if not getattr(part, "_is_layer", False):
                continue
            kind = type(part).__name__
            if kind.startswith(_STATEFUL) or getattr(part, "stateful", False):
                self._refuse(f"calls {part.name}, which changes when the model is trained,")
            if getattr(part, "activity_regularizer", None) is not None:
                self._refuse(f"calls {part.name}, which has an activity regularizer,")
            waiting.extend(part._layers)

    def _refuse(self, what: str) -> None:
        raise UnsupportedError(
            f"call() asks whether it is training with `if training`, and {what} in one of the two "
            "ways only; hand `training` on to layers that know it, such as BatchNormalization",
            self.layer.name,
        )


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
