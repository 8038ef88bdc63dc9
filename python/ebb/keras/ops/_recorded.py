"""Functions of ``keras.ops`` while a gradient tape is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from ebb import _context, _record
from ebb._errors import UnsupportedError
from ebb._tensor import Tensor, to_array
from ebb._values import kept_of
from ebb.keras import _symbolic, _tree
from ebb.keras.ops._gradients import GRADIENTS

_KEPT_MAX = 128


def _read(structure: Any) -> Any:
    """The structure with variables replaced by their values, which tapes note."""
    return _tree.map_structure(
        lambda leaf: leaf._as_tensor() if hasattr(leaf, "_as_tensor") else leaf, structure
    )


def record_operation(
    entry: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What an operation makes of arrays; the tapes are told."""
    args, kwargs = _read((args, kwargs))
    made = entry.compute(args, dict(kwargs))
    if entry.name == "stop_gradient":
        return made
    if entry.name in GRADIENTS and entry.class_name is None:
        _note_own(entry, args, kwargs, made)
        return made
    inputs: list[Any] = []
    for position, name, is_list in entry.convert:
        value = args[position] if position < len(args) else kwargs.get(name)
        inputs.extend(_tensors(value if is_list and isinstance(value, (list, tuple)) else [value]))
    _note(call, args, kwargs, inputs, made)
    return made


def _note_own(entry: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Any) -> None:
    """Of an operation that numpy computes, and its gradient too."""
    outputs, values = _tree.leaves(made), entry.bind(args, kwargs)
    inputs = [values[name] for _, name, _ in entry.convert]
    gradient = GRADIENTS[entry.name]

    def back(upstream: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
        given = [None if one is None else to_array(one) for one in upstream]
        found = gradient(values, [to_array(output) for output in outputs], given)
        return [None if one is None else Tensor.from_array(np.asarray(one)) for one in found]

    _record.note_back(f"keras.ops.{entry.name}", inputs, outputs, back)


def _tensors(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (Tensor, np.ndarray))]


def _note(call: Any, args: Any, kwargs: Any, inputs: Sequence[Any], made: Any) -> bool:
    """Tells the tapes; False: it is nothing that gradients could pass."""
    outputs = _tree.leaves(made)
    if not outputs or not all(isinstance(output, Tensor) for output in outputs):
        return False
    _record.note(_record.Call(call, args, kwargs, inputs, outputs))
    return True


def record_composed(
    function: Callable[..., Any],
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """The same for a function of several operations: one step where it can be traced.

    What it is made of is noted where it cannot, or where functions of the caller are in it.
    """
    if _symbolic.any_symbolic(args, kwargs) or _symbolic.tracing.depth:
        return function(*args, **kwargs)
    args, kwargs = _read((args, kwargs))
    leaves = _tree.leaves((args, kwargs))
    inputs = [
        leaf
        for leaf in leaves
        if isinstance(leaf, Tensor) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")
    ]
    if any(callable(leaf) for leaf in leaves) or not _record.concerns(inputs):
        return function(*args, **kwargs)
    with _record.paused():
        made = function(*args, **kwargs)
        outputs = _tree.leaves(made)
        is_whole = all(isinstance(output, Tensor) for output in outputs) and any(
            output.dtype.is_floating for output in outputs
        )
        if is_whole:
            is_whole = _is_traced(_record.Call(call, args, kwargs, inputs, outputs))
    if is_whole and _note(call, args, kwargs, inputs, made):
        return made
    return function(*args, **kwargs)


def _is_traced(step: _record.Call) -> bool:
    """Can the call be made with symbolic tensors? Found out once for each form."""
    from ebb.keras import _segment

    form = _segment.Form()
    form.add(step)
    key = ("traced", *form.parts)
    kept = kept_of(_context.runtime_handle())
    found = kept.find(key)
    if found is None:
        try:
            _segment.core_of([step], form.feeds, step.outputs)
            found = True
        except UnsupportedError:
            found = False
        kept.add(key, found, _KEPT_MAX)
    return bool(found)
