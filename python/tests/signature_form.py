"""Signatures as plain data: what the golden keeps and the tests compare."""

from __future__ import annotations

import inspect
from typing import Any


def plain(value: Any) -> Any:
    """A default as JSON has it, tuples as lists; what JSON has no word for becomes its text."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else repr(value)


def rows(item: Any) -> list[Any]:
    """``"name"`` or ``["name", default]`` for each parameter; ``"*"`` before those by name only."""
    found: list[Any] = []
    has_star = False
    for parameter in inspect.signature(item).parameters.values():
        name = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            name, has_star = f"*{name}", True
        elif parameter.kind is parameter.VAR_KEYWORD:
            name = f"**{name}"
        elif parameter.kind is parameter.KEYWORD_ONLY and not has_star:
            found.append("*")
            has_star = True
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            name = f"{name}/"
        found.append(
            name if parameter.default is parameter.empty else [name, plain(parameter.default)]
        )
    return found
