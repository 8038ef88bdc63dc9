"""Classes and functions of the user that files may name: registered for good, or inside a scope.

A name is looked for in the scope of this thread, then among what is registered, then in the
``custom_objects`` of the call. Source: keras/src/saving/object_registration.py of Keras 3.15.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Callable, TypeVar

Named = TypeVar("Named")

_registered: dict[str, Any] = {}
_names: dict[Any, str] = {}
_lambdas: dict[str, Callable[..., Any]] = {}


class _Scopes(threading.local):
    """What the scopes of this thread have made known."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}


_scopes = _Scopes()


class CustomObjectScope:
    """Makes classes and functions known by name while its block runs.

    Parameters
    ----------
    custom_objects : dict of str to object
        Name in the file (``"MyLayer"`` or ``"package>MyLayer"``) to class or function.

    Examples
    --------
    >>> with ebb.keras.saving.custom_object_scope({"MyLayer": MyLayer}):
    ...     model = ebb.keras.models.load_model("model.keras")
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects: dict[str, Any] = dict(custom_objects or {})
        self._before: dict[str, Any] = {}

    def __enter__(self) -> CustomObjectScope:
        self._before = _scopes.objects
        _scopes.objects = {**self._before, **self.custom_objects}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _scopes.objects = self._before


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Give the dictionary of everything registered; it may be changed.

    Returns
    -------
    dict
        ``"package>name"`` to class or function. What scopes make known is not in it.
    """
    return _registered


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Named], Named]:
    """Make a class or function known to files, as ``package>name``: a decorator.

    Parameters
    ----------
    package : str
        The part before ``>``.
    name : str, optional
        The part after it; the object's own name if left out.

    Raises
    ------
    ValueError
        The class has no ``get_config``.
    """

    def register(item: Named) -> Named:
        own_name = name if name is not None else getattr(item, "__name__", str(item))
        if inspect.isclass(item) and not hasattr(item, "get_config"):
            raise ValueError(f"Cannot register {own_name}: the class has no get_config() method")
        full = f"{package}>{own_name}"
        _registered[full] = item
        _names[item] = full
        return item

    return register


def get_registered_name(obj: Any) -> str:
    """Give the name under which a class or function is registered, else its own.

    Parameters
    ----------
    obj : class or function

    Returns
    -------
    str
    """
    try:
        known = _names.get(obj)
    except TypeError:  # not hashable
        known = None
    return known if known is not None else str(obj.__name__)


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Give the class or function that a name in a file means.

    Parameters
    ----------
    name : str
        ``"package>name"`` or a bare name.
    custom_objects, module_objects : dict, optional
        Looked into after scopes and registrations.

    Returns
    -------
    class, function or None
        None: nobody knows the name.
    """
    for table in (_scopes.objects, _registered, custom_objects, module_objects):
        if table and name in table:
            return table[name]
    return None


def register_lambda(
    layer_name: str, replacement: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """Say what stands in for a ``Lambda`` layer of files: the code inside files is never run.

    Parameters
    ----------
    layer_name : str
        Name of the layer in the file; ``"*"`` for every ``Lambda``.
    replacement : callable, optional
        A function of tensors made of ``ebb.keras.ops``, or a class of layers that is made without
        arguments. Left out: use it as a decorator.

    Returns
    -------
    callable
        The replacement, or a decorator.

    Examples
    --------
    >>> @ebb.keras.saving.register_lambda("scale")
    ... def scale(x):
    ...     return x / 255.0
    """
    if replacement is None:
        return lambda function: register_lambda(layer_name, function)
    _lambdas[layer_name] = replacement
    return replacement


def find_lambda(layer_name: str) -> Callable[..., Any] | None:
    """What was registered for a Lambda layer of this name, or for all; None: nothing."""
    return _lambdas.get(layer_name, _lambdas.get("*"))


def known_objects(custom_objects: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything that is known at this moment, in one dictionary."""
    return {**(custom_objects or {}), **_registered, **_scopes.objects}


def has_lambdas() -> bool:
    """Was anything registered for Lambda layers?"""
    return bool(_lambdas)


def find_custom(
    class_name: str,
    registered_name: str | None,
    custom_objects: Mapping[str, Any] | None,
    is_bare: bool = False,
) -> Any:
    """The user's class or function for an entry of a file, or None.

    ``package>name`` is looked for first, then the bare names; a class that is registered under
    another package still counts when a scope or the call names it, and with ``is_bare`` one of any
    package.
    """
    for name in (registered_name, class_name):
        if name:
            found = get_registered_object(name, custom_objects)
            if found is None and ">" in name:
                found = get_registered_object(name.split(">", 1)[1], custom_objects)
            if found is not None:
                return found
    return _find_bare(class_name, custom_objects) if is_bare else None


def _find_bare(name: str, custom_objects: Mapping[str, Any] | None) -> Any:
    """What is known as ``package>name`` of any package: older files write the name alone."""
    known = known_objects(custom_objects)
    found = [known[full] for full in known if full.endswith(f">{name}")]
    return found[0] if len(found) == 1 else None


def is_registered(obj: Any) -> bool:
    """Is this class or function registered?"""
    try:
        return obj in _names
    except TypeError:
        return False
