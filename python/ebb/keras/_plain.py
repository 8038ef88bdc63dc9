"""The part of a layer that the library computes, where the rest is written in Python.

For example a Dense before an activation that is a function of the user's.
"""

from __future__ import annotations

from typing import Any

from ebb.keras._symbolic import Node, Operation


class Plain(Operation):
    """A layer without its activation, inside the trace of the layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__(f"{layer.name}_linear")
        self.layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        node = Node(self, args, kwargs)
        return self.layer._finish(node, self.layer._native_entry(None, self.layer.name, "", True))

    def _core_entry(
        self, writer: Any, name: str, prefix: str, calls: list[Node], trainable: bool
    ) -> dict[str, Any]:
        made: dict[str, Any] = self.layer._native_entry(writer, name, prefix, trainable)
        return made
