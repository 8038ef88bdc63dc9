"""What the calls of a whole model give, told by the library at once while the model is rebuilt.

A model that was loaded is known to the library: it reads the configuration once, in place of once
for each call.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ebb._errors import EbbError
from ebb.keras import _symbolic


@contextlib.contextmanager
def telling(class_name: str, config: Any, operations: Mapping[str, Any]) -> Iterator[None]:
    """Calls in here find what they give; only while the model of a core is rebuilt."""
    tracing = _symbolic.tracing
    with _symbolic.Changed(known={}):
        if tracing.deferred:
            with contextlib.suppress(EbbError):  # each call asks, and is told what is wrong
                tracing.known = _tell(_text_of(class_name, config), operations)
        yield


def _text_of(class_name: str, config: Any) -> str:
    """The text of the configuration; of the whole model's, which the core has written itself."""
    source = _symbolic.tracing.source
    if source is not None and source[0] is config["layers"]:
        return str(source[1])
    entry = {"module": "keras", "class_name": class_name, "config": config}
    return json.dumps({**entry, "registered_name": None})


def _tell(text: str, operations: Mapping[str, Any]) -> dict[int, dict[int, dict[str, Any]]]:
    """By id of the operation and number of its call: outputs and weights."""
    told = _symbolic.describe(text)
    weights: dict[str, list[Any]] = {}
    for weight in told["weights"]:
        weights.setdefault(weight["name"].partition("/")[0], []).append(weight)
    found: dict[int, dict[int, dict[str, Any]]] = {}
    for call in told["told"]:
        operation = operations.get(call["layer"])
        if operation is not None:
            found.setdefault(id(operation), {})[call["call"]] = {
                "outputs": [
                    (tuple(tensor["shape"]), tensor["dtype"]) for tensor in call["tensors"]
                ],
                "weights": weights.get(call["layer"], ()),
                "text": text,
            }
    return found
