"""Objects to the JSON of Keras 3 and back.

``{"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": None}`` is
an object; plain values, lists and dictionaries stand for themselves, everything else has a form of
its own (``__numpy__``, ``__slice__`` ...). Code inside a file is never run.
Source: keras/src/saving/serialization_lib.py of Keras 3.15.
"""

from __future__ import annotations

import contextlib
import importlib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras import _registry

PLAIN = (str, int, float, bool)

# Where a name without a usable module is looked for, in this order.
_BUILTIN = (
    "layers",
    "models",
    "optimizers",
    "optimizers.schedules",
    "losses",
    "metrics",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "callbacks",
    "ops",
    "utils",
    "applications.convnext",
    "applications.inception_resnet_v2",
    "utils._feature_space",
)

# Last part of the module a class of ebb lives in -> module of Keras.
_KERAS_MODULES = {
    "layers": "keras.layers",
    "optimizers": "keras.optimizers",
    "schedules": "keras.optimizers.schedules",
    "losses": "keras.losses",
    "metrics": "keras.metrics",
    "initializers": "keras.initializers",
    "regularizers": "keras.regularizers",
    "constraints": "keras.constraints",
    "callbacks": "keras.callbacks",
    "activations": "keras.activations",
    "ops": "keras.ops",
    "_layer": "keras.layers",
    "_optimizer": "keras.optimizers",
    "_schedule": "keras.optimizers.schedules",
    "_loss": "keras.losses",
    "_metric": "keras.metrics",
    "_initializer": "keras.initializers",
    "_regularizer": "keras.regularizers",
    "_constraint": "keras.constraints",
    "_callback": "keras.callbacks",
    "_sequential": "keras",
    "_model": "keras",
}

_found: dict[tuple[str, str | None], Any] = {}  # classes and functions of ebb.keras, by name
_shared: list[dict[int, Any]] = []
_serialized: list[dict[int, dict[str, Any]]] = []


_NOTHING_KNOWN = contextlib.nullcontext()


class ConfigError(TypeError):
    """An object cannot be made of its configuration."""


@contextlib.contextmanager
def sharing_scope() -> Iterator[None]:
    """One object in the file stays one object: what Keras calls ObjectSharingScope."""
    _shared.append({})
    _serialized.append({})
    try:
        yield
    finally:
        _shared.pop()
        _serialized.pop()


def serialize_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary with every value serialized."""
    return {key: serialize_keras_object(value) for key, value in values.items()}


def serialize_keras_object(obj: Any) -> Any:
    """Turn an object into values that JSON has.

    Parameters
    ----------
    obj : object
        Anything of ``ebb.keras``, an object with ``get_config()``, a named function, an array,
        or a list, tuple or dict of such.

    Returns
    -------
    object
        What ``deserialize_keras_object`` makes the same object of.

    Raises
    ------
    UnsupportedError
        A lambda: there is no way to write one down without running code from files.
    TypeError
        An object without ``get_config()``.
    """
    if obj is None or isinstance(obj, PLAIN):
        return obj
    if isinstance(obj, list):
        return [serialize_keras_object(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(serialize_keras_object(item) for item in obj)
    if isinstance(obj, dict):
        return serialize_dict(obj)
    special = None if hasattr(type(obj), "get_config") else _serialize_special(obj)
    if special is not None:
        return special.get("plain", special)
    made = _serialize_object(obj)
    if _serialized:
        known = _serialized[-1]
        if id(obj) in known:
            made["shared_object_id"] = known[id(obj)]["shared_object_id"] = id(obj)
        else:
            known[id(obj)] = made
    return made


def _serialize_special(obj: Any) -> dict[str, Any] | None:
    """Values with a form of their own; {"plain": value} for those that JSON has."""
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {"start": obj.start, "stop": obj.stop, "step": obj.step}
        return {"class_name": "__slice__", "config": serialize_dict(parts)}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, np.ndarray) and obj.ndim > 0:
        value = {"value": obj.tolist(), "dtype": str(obj.dtype)}
        return {"class_name": "__numpy__", "config": value}
    if isinstance(obj, (np.generic, np.ndarray)):
        return {"plain": obj.item()}
    if isinstance(obj, np.dtype):
        return {"plain": obj.name}
    if isinstance(obj, type) and issubclass(obj, np.generic):
        return {"plain": np.dtype(obj).name}
    history = getattr(obj, "_keras_history", None)
    if history is not None and hasattr(obj, "shape"):
        place = [history[0].name, history[1], history[2]]
        config = {"shape": list(obj.shape), "dtype": str(obj.dtype), "keras_history": place}
        return {"class_name": "__keras_tensor__", "config": config}
    if hasattr(obj, "numpy") and hasattr(obj, "dtype") and not hasattr(obj, "get_config"):
        value = {"value": np.asarray(obj).tolist(), "dtype": _dtype_name(obj.dtype)}
        return {"class_name": "__tensor__", "config": value}
    return None


def _dtype_name(dtype: Any) -> str:
    """``"float32"`` for a dtype of numpy, ebb.tf, or a name."""
    return str(getattr(dtype, "name", dtype))


def _serialize_object(obj: Any) -> dict[str, Any]:
    """Functions, classes and objects with get_config()."""
    if isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>":
        raise UnsupportedError(
            "a lambda cannot be written to a file; give it a name with `def`, and register it with "
            "@ebb.keras.saving.register_keras_serializable()",
            "serialize",
        )
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        config = obj.get_config()
        if not isinstance(config, dict):
            raise TypeError(f"get_config() of {obj!r} gave {type(config).__name__}, not a dict")
        made = {**name_of_class(type(obj)), "config": serialize_dict(config)}
        made = {key: made[key] for key in ("module", "class_name", "config", "registered_name")}
        for extra, method in (
            ("build_config", "get_build_config"),
            ("compile_config", "get_compile_config"),
        ):
            value = getattr(obj, method)() if hasattr(obj, method) else None
            if value is not None:
                made[extra] = serialize_dict(value)
        return made
    if hasattr(obj, "__name__"):
        return _serialize_function(obj)
    raise TypeError(
        f"Cannot serialize {obj!r} of type {type(obj).__name__}: it has no get_config() method"
    )


def _serialize_function(obj: Any) -> dict[str, Any]:
    """A function or class, by name."""
    module = str(getattr(obj, "__module__", "") or "")
    name = _registry.get_registered_name(obj)
    kind = "function" if not isinstance(obj, type) else type(obj).__name__
    if module.split(".", 1)[0] == "ebb" and not _registry.is_registered(obj):
        home = _KERAS_MODULES.get(module.rsplit(".", 1)[-1], "builtins")
        module = home if kind == "function" else module
    return {"module": module, "class_name": kind, "config": name, "registered_name": name}


def name_of_class(kind: type) -> dict[str, Any]:
    """Module, class_name and registered_name of a class, as Keras 3 writes them.

    Classes of ebb are called by the names of Keras; the user's by their own.
    """
    told = kind.__dict__.get("_keras_name")
    if told is not None:
        return {"module": told[0], "class_name": told[1], "registered_name": None}
    module = str(kind.__module__)
    if module.split(".", 1)[0] == "ebb" and not _registry.is_registered(kind):
        if kind.__name__ == "Functional":
            name = kind.__name__
            home = "keras.src.models.functional"
            return {"module": home, "class_name": name, "registered_name": name}
        home = _KERAS_MODULES.get(module.rsplit(".", 1)[-1], "keras.layers")
        return {"module": home, "class_name": kind.__name__, "registered_name": None}
    return {
        "module": None if module == "__main__" else module,
        "class_name": kind.__name__,
        "registered_name": _registry.get_registered_name(kind),
    }


# -- back -----------------------------------------------------------------------------------------


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    **kwargs: Any,
) -> Any:
    """Make an object of what ``serialize_keras_object`` gave.

    Parameters
    ----------
    config : object
        The JSON form.
    custom_objects : dict, optional
        Name to class or function of the user.
    safe_mode : bool
        Whatever is given, code inside ``config`` is not run.
    module_objects : dict, optional
        Names that stand for themselves: ``{"relu": relu}``.

    Returns
    -------
    object

    Raises
    ------
    TypeError
        A class or function that nobody knows; names it.
    UnsupportedError
        Code (``__lambda__``) in place of a name.
    """
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise TypeError(f"Unknown arguments: {sorted(kwargs)}")
    known = _registry.known_objects(custom_objects)
    if config is None:
        return None
    if isinstance(config, str) and known.get(config) is not None:
        return known[config]
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(item, known, safe_mode) for item in config]
    if module_objects is not None and isinstance(config, str):
        return _of_module(config, module_objects)
    if isinstance(config, PLAIN):
        return config
    if not isinstance(config, dict):
        raise TypeError(f"Could not parse config: {config!r}")
    if "class_name" not in config or "config" not in config:
        return {
            key: deserialize_keras_object(value, known, safe_mode) for key, value in config.items()
        }
    return _deserialize_entry(config, known, module_objects)


def _of_module(name: str, module_objects: Mapping[str, Any]) -> Any:
    """A bare name among given ones: a class is made with its defaults, a function is it."""
    found = module_objects.get(name, name)
    return found() if isinstance(found, type) else found


def _deserialize_entry(
    entry: dict[str, Any], known: dict[str, Any], module_objects: Mapping[str, Any] | None
) -> Any:
    """A dictionary with class_name and config."""
    class_name = entry["class_name"]
    inner = entry["config"] if entry["config"] is not None else {}
    for field in ("class_name", "module", "registered_name"):
        if not isinstance(entry.get(field), str) and (
            field == "class_name" or entry.get(field) is not None
        ):
            raise ConfigError(f"{field}: expected a text, got {entry[field]!r}")
    if class_name.startswith("__") and class_name.endswith("__"):
        return _deserialize_special(class_name, inner, known)
    shared = entry.get("shared_object_id")
    if shared is not None and _shared and shared in _shared[-1]:
        return _shared[-1][shared]
    if class_name == "function":
        return find_function(inner, entry, known)
    kind = find_class(entry, known, module_objects)
    if isinstance(kind, types.FunctionType):
        return kind
    if not hasattr(kind, "from_config"):
        raise TypeError(f"{class_name} has no from_config() method, so that it cannot be made")
    made = _make(kind, inner, entry, known)
    if shared is not None and _shared:
        _shared[-1][shared] = made
    return made


def _is_ours(failure: BaseException) -> bool:
    """Was it raised by a line of ebb, not by one of the user's classes?"""
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(name).partition(".")[0] == "ebb"


def _make(kind: Any, inner: Any, entry: dict[str, Any], known: dict[str, Any]) -> Any:
    """An object of a class; a field of a wrong kind is an error of the config."""
    try:
        return _make_parts(kind, inner, entry, known)
    except (AttributeError, IndexError, KeyError, RecursionError) as failure:
        if not _is_ours(failure):
            raise
        raise ConfigError(
            f"{kind.__name__} could not be made: its config lacks something, or has a value of "
            f"the wrong kind ({type(failure).__name__}: {failure})"
        ) from failure


def _make_parts(kind: Any, inner: Any, entry: dict[str, Any], known: dict[str, Any]) -> Any:
    """An object of a class, built and compiled if its entry says how."""
    with _registry.CustomObjectScope(known) if known else _NOTHING_KNOWN:
        try:
            made = kind.from_config(dict(inner))
        except ConfigError:
            raise
        except TypeError as failure:
            raise ConfigError(
                f"{kind.__name__} could not be made from its config ({failure}). Objects inside a "
                f"config must be deserialized by the class's own from_config().\nconfig={entry}"
            ) from failure
        build = entry.get("build_config")
        if build and not getattr(made, "built", True) and hasattr(made, "build_from_config"):
            made.build_from_config(build)
        settings = entry.get("compile_config")
        if settings and hasattr(made, "compile_from_config"):
            made.compile_from_config(settings)
    return made


def _deserialize_special(class_name: str, inner: Any, known: dict[str, Any]) -> Any:
    """The forms with underscores."""
    if class_name == "__numpy__":
        return np.array(inner["value"], dtype=inner["dtype"])
    if class_name == "__tensor__":
        from ebb._tensor import Tensor

        return Tensor.from_array(np.array(inner["value"], dtype=inner["dtype"]))
    if class_name == "__bytes__":
        return inner["value"].encode("utf-8")
    if class_name == "__ellipsis__":
        return Ellipsis
    if class_name == "__slice__":
        parts = (inner[name] for name in ("start", "stop", "step"))
        return slice(*(deserialize_keras_object(part, known) for part in parts))
    if class_name == "__tuple__":
        return tuple(deserialize_keras_object(item, known) for item in inner.get("items", inner))
    if class_name == "__lambda__":
        raise UnsupportedError(
            "the file holds the byte code of a Python lambda, which is never run; give a "
            "replacement with ebb.keras.saving.register_lambda(), or a named function",
            "lambda",
        )
    raise TypeError(f"Could not parse an entry of class {class_name}")


def _lookup(path: str) -> Any:
    """``"layers.Dense"`` in ebb.keras, or None."""
    module, _, name = path.rpartition(".")
    try:
        home = importlib.import_module(f"ebb.keras.{module}" if module else "ebb.keras")
    except ModuleNotFoundError:
        return None
    return getattr(home, name, None)


def find_builtin(name: str, module: str | None = None) -> Any:
    """The class or function of ebb.keras of this name, or None.

    Parameters
    ----------
    name : str
        ``"Dense"``, ``"relu"``.
    module : str, optional
        Of Keras: ``"keras.layers"``, ``"keras.src.optimizers.adam"``, ``"builtins"``.
    """
    if (name, module) in _found:
        return _found[name, module]
    hints = [part for part in _BUILTIN if part.rsplit(".", 1)[-1] in (module or "").split(".")]
    for home in [*sorted(hints, key=len, reverse=True), *_BUILTIN, ""]:
        found = _lookup(f"{home}.{name}" if home else name)
        if found is not None:
            _found[name, module] = found
            return found
    return None


def _is_of_keras(module: str | None) -> bool:
    """Is it a module of Keras or of what keeps its names?"""
    if module is not None and not isinstance(module, str):
        raise ConfigError(f"module: expected a text, got {module!r}")
    root = (module or "keras").split(".", 1)[0]
    return root in ("keras", "tf_keras", "tensorflow", "ebb", "builtins", "keras_core")


def find_class(
    entry: Mapping[str, Any],
    known: Mapping[str, Any],
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The class that an entry names: the user's first, then ebb's.

    Raises
    ------
    TypeError
        There is none.
    """
    class_name = entry["class_name"]
    is_bare = "module" not in entry
    if not known and module_objects is None and not is_bare:
        found = _found.get((class_name, entry["module"]))  # seen before, and nobody's own
        if found is not None:
            return found
    found = _registry.find_custom(class_name, entry.get("registered_name"), known, is_bare)
    if found is None and module_objects is not None:
        found = module_objects.get(class_name)
    if found is None and _is_of_keras(entry.get("module")):
        found = find_builtin(class_name, entry.get("module"))
    if found is None:
        raise _unknown("class", class_name, entry)
    return found


def find_function(name: Any, entry: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """The function that an entry names: the user's first, then ebb's.

    Raises
    ------
    TypeError
        There is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"Expected the name of a function, got {name!r}")
    found = _registry.find_custom(name, entry.get("registered_name"), known)
    if found is None and _is_of_keras(entry.get("module")):
        found = find_builtin(name, entry.get("module"))
    if found is None:
        ends = [known[full] for full in known if full.endswith(f">{name}")]
        found = ends[0] if ends else None
    if found is None:
        raise _unknown("function", name, entry)
    return found


def _unknown(what: str, name: str, entry: Mapping[str, Any]) -> TypeError:
    """What to say about a name that nobody knows."""
    full = name if what == "function" else entry.get("registered_name") or name
    return TypeError(
        f"Could not locate {what} '{name}'. Custom classes and functions must be made known: "
        f"decorate them with @ebb.keras.saving.register_keras_serializable(), or pass "
        f"custom_objects={{'{full}': ...}}. The entry was: {dict(entry)}"
    )


def custom_entries(config: Any, known: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Every entry of a configuration that only Python can make: the user's classes, and Lambda."""
    found: list[dict[str, Any]] = []
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)):
            waiting.extend(value)
        elif isinstance(value, dict):
            if _is_custom(value, known):
                found.append(value)
            waiting.extend(value.values())
    return found


def _is_custom(entry: Mapping[str, Any], known: Sequence[str]) -> bool:
    """Does an entry name something that is not ebb's?"""
    name = entry.get("class_name")
    if not isinstance(name, str) or "config" not in entry or name.startswith("__"):
        return False
    full = entry.get("registered_name") or name
    if ">" in name or (isinstance(full, str) and ">" in full) or name in known or full in known:
        return True
    if name == "function":
        return entry["config"] in known
    if name == "Lambda":
        return True
    if "module" not in entry:  # files of layers know the bare names of what was registered
        return any(item.endswith(f">{name}") for item in known)
    return entry["module"] is None or not _is_of_keras(entry["module"])
