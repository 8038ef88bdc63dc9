"""What the calls of a whole model give, told by the library at once while the model is rebuilt.

A model that was loaded is known to the library: it reads the configuration once, with every tensor
an output, in place of once for each call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ebb._errors import EbbError
from ebb.keras import _symbolic
from ebb.keras._config import MODELS


@contextlib.contextmanager
def telling(
    entries: list[dict[str, Any]], inputs: Any, operations: Mapping[str, Any]
) -> Iterator[None]:
    """Calls in here find what they give; only while the model of a core is rebuilt."""
    before = _symbolic.tracing.known
    _symbolic.tracing.known = {}
    if _symbolic.tracing.deferred:
        with contextlib.suppress(EbbError):  # each call asks, and is told what is wrong
            _symbolic.tracing.known = _tell(entries, inputs, operations)
    try:
        yield
    finally:
        _symbolic.tracing.known = before


_OUTPUTS_MAX = 512  # of a model


def _describe(entries: list[Any], inputs: Any, places: list[Any]) -> tuple[str, dict[str, Any]]:
    """The configuration with these outputs, and what the library says of it."""
    text, told = "", dict[str, Any](outputs=[])
    for begin in range(0, len(places), _OUTPUTS_MAX):
        some = places[begin : begin + _OUTPUTS_MAX]
        text = _symbolic.model_text("model", entries, inputs, some)
        part = _symbolic.describe(text)
        told = {**part, "outputs": [*told["outputs"], *part["outputs"]]}
    return text, told


def _tell(
    entries: list[dict[str, Any]], inputs: Any, operations: Mapping[str, Any]
) -> dict[int, dict[int, dict[str, Any]]]:
    """By id of the operation and number of its call: outputs and weights."""
    calls = [
        (entry.get("name") or entry["config"]["name"], number, entry["class_name"] in MODELS)
        for entry in entries
        for number in range(len(entry.get("inbound_nodes") or ()))
    ]
    if not calls:
        return {}
    counts = dict.fromkeys([name for name, _, _ in calls], 1)
    while True:
        places = [
            [name, number + is_model, index]
            for name, number, is_model in calls
            for index in range(counts[name])
        ]
        text, told = _describe(entries, inputs, places)
        more = {name: max(told["calls"].get(name, 1), 1) for name in counts}
        if more == counts:
            break
        counts = more
    weights: dict[str, list[Any]] = {}
    for weight in told["weights"]:
        weights.setdefault(weight["name"].partition("/")[0], []).append(weight)
    outputs = iter(told["outputs"])
    found: dict[int, dict[int, dict[str, Any]]] = {}
    for name, number, _ in calls:
        given = [next(outputs) for _ in range(counts[name])]
        found.setdefault(id(operations[name]), {})[number] = {
            "outputs": [(tuple(output["shape"]), output["dtype"]) for output in given],
            "weights": weights.get(name, []),
            "text": text,
        }
    return found
