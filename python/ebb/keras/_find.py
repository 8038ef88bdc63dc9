"""Objects by name: "glorot_uniform", "l2", {"class_name": ...}, a class, or the object itself."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from ebb._generated import names as _names
from ebb.keras import _registry
from ebb.keras._object import deserialize

_WORDS = {
    "initializers": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
}


def get(module: str, identifier: Any) -> Any:
    """The object that an identifier means, among those of a module of ``ebb.keras``.

    Raises
    ------
    ValueError
        Nobody knows the name; tells the nearest ones.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        kind = _registry.find_custom(identifier, None, None) or named(module, identifier)
        return kind() if isinstance(kind, type) else kind
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    if module == "initializers" and (hasattr(identifier, "shape") or _is_number(identifier)):
        return named(module, "Constant")(identifier)
    raise ValueError(f"Could not interpret {_WORDS.get(module, 'object')} identifier: {identifier}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def named(module: str, name: str) -> Any:
    """The class of a name."""
    table: dict[str, str] = getattr(_names, module.upper())
    home = importlib.import_module(f"ebb.keras.{module}")
    found = getattr(home, table.get(name, name), None)
    if found is None or name.startswith("_"):
        near = difflib.get_close_matches(name, list(table), 3)
        hint = f". Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"Could not interpret {_WORDS.get(module, 'object')} identifier: {name}{hint}"
        )
    return found
