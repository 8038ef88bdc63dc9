"""Objects by name: what get() of optimizers, losses and metrics does."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from ebb.keras import _registry
from ebb.keras._object import deserialize


def plain(name: str) -> str:
    """Names match without regard to case and underscores."""
    return name.replace("_", "").lower()


class Finder:
    """Names of one kind of object, and the module that has them."""

    def __init__(
        self, kind: str, names: Mapping[str, str], module: dict[str, Any], base: type
    ) -> None:
        self.kind = kind
        self.names = names
        self._module = module
        self._base = base
        self._plain = {plain(name): target for name, target in names.items()}

    def find(self, name: str) -> Any | None:
        """The class, or what the caller registered under the name; None if there is none."""
        registered = _registry.get_registered_object(name)
        if registered is not None:
            return registered
        target = self.names.get(name) or self._plain.get(plain(name))
        return None if target is None else self._module[target]

    def get(self, identifier: Any) -> Any:
        """An object by name or configuration, or the one given."""
        if identifier is None or isinstance(identifier, self._base):
            return identifier
        if isinstance(identifier, Mapping):
            return deserialize(dict(identifier))
        if isinstance(identifier, str):
            found = self.find(identifier)
            if found is None:
                raise ValueError(self.unknown(identifier))
            return found() if inspect.isclass(found) else found
        if inspect.isclass(identifier):
            return identifier()
        if callable(identifier):
            return identifier
        raise ValueError(f"Could not interpret {self.kind} identifier: {identifier!r}")

    def unknown(self, name: str) -> str:
        """What to say of a name that is not there."""
        near = difflib.get_close_matches(name, list(self.names), 3, 0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"Could not interpret {self.kind} identifier: {name!r}{hint}"
