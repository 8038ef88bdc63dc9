"""``layer.losses``: what calls on numbers added, and the penalties of weights."""

from __future__ import annotations

from typing import Any

# Weights whose regularizer is not called like them.
_NAMES = {
    "recurrent_kernel": "recurrent", "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
}  # fmt: skip


def losses_of(layer: Any) -> list[Any]:
    """Those of a layer and of all in it, each once."""
    added, penalties = [], []
    seen_layers: set[int] = set()
    seen: set[int] = set()
    waiting = [layer]
    while waiting:
        part = waiting.pop(0)
        if id(part) in seen_layers:
            continue
        seen_layers.add(id(part))
        added.extend(part._losses)
        for variable, regularizer in _regularized(part):
            if id(variable) not in seen and variable.trainable:
                seen.add(id(variable))
                penalties.append(regularizer(variable))
        waiting.extend(part._layers)
    return added + penalties


def _regularized(layer: Any) -> list[tuple[Any, Any]]:
    """Its own weights that have a regularizer, with that."""
    found = []
    for inner, variable in layer._slots:
        *parts, name = inner.split("/")
        owner = layer
        for part in parts:
            owner = next((sub for sub in owner._layers if sub.name == part), owner)
        regularizer = getattr(owner, f"{_NAMES.get(name, name)}_regularizer", None)
        if regularizer is not None:
            found.append((variable, regularizer))
    for variable in layer._added:
        if variable.regularizer is not None:
            found.append((variable, variable.regularizer))
    return found
