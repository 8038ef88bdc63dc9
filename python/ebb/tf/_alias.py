"""``ebb.tf.keras`` is ``ebb.keras``, also as a module: ``from ebb.tf.keras.layers import Dense``.

Without this, Python would find the files of ``ebb.keras`` a second time and make every class twice.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_ALIAS, _REAL = "ebb.tf.keras", "ebb.keras"


class Finder:
    """Finds modules of ``ebb.tf.keras`` as those of ``ebb.keras``."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of an alias."""
        if fullname != _ALIAS and not fullname.startswith(f"{_ALIAS}."):
            return None
        loader: Any = _Loader(_REAL + fullname[len(_ALIAS) :])
        return ModuleSpec(fullname, loader)


class _Loader:
    """Gives the real module."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that is there, or is imported now."""
        module = importlib.import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module keeps its own name."""
        module.__spec__ = self.spec


def install() -> None:
    """Makes the names known to ``import``."""
    if not any(finder is Finder for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder)
