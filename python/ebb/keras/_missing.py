"""What Keras has and ebb has not: names that end in a clear error, and near names for typos.

A module of ``ebb.keras`` ends with::

    __getattr__ = _missing.guard(__name__, globals())

What is listed here is an :class:`~ebb.UnsupportedError` that says why and what to do, also from
``from ebb.keras.layers import Lambda``. It is an ``ImportError`` too, for code that tries an import
and goes another way. Any other name is the AttributeError that it is in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ebb._errors import UnsupportedError

_FRAMEWORK = "it runs a model of another framework; rebuild that part from ebb.keras layers"

# Module behind "ebb.keras.": name to what to do instead.
ABSENT: dict[str, dict[str, str]] = {
    "": {
        "export": "model.export(folder) writes a SavedModel",
        "visualization": "draw images with matplotlib",
        "StatelessScope": "weights are read and set by get_weights() and set_weights()",
        "SymbolicScope": "shapes are known when a layer is called on a KerasTensor",
        "device": "use ebb.tf.device()",
        "name_scope": "names of layers are given by name=",
        "distribution": "models run on one device each; ebb.devices() lists them",
        "quantizers": "ebb.quantize() makes weights small",
        "Quantizer": "ebb.quantize() makes weights small",
        "distillation": "write the loss of the student as a function, or a train_step",
        "legacy": "it holds formats before Keras 2; use ebb.keras.saving",
        "RematScope": "the planner recomputes by itself where memory is limited",
        "remat": "the planner recomputes by itself where memory is limited",
    },
    "layers": {
        "FlaxLayer": _FRAMEWORK,
        "JaxLayer": _FRAMEWORK,
        "TFSMLayer": "load the folder as a model: ebb.load(folder)",
        "TorchModuleWrapper": _FRAMEWORK,
        "DenseFeatures": "encode features with CategoryEncoding, Normalization and Concatenate",
        "LocallyConnected1D": "Keras 3 has it no longer; use Conv1D or EinsumDense",
        "LocallyConnected2D": "Keras 3 has it no longer; use Conv2D or EinsumDense",
        "RandomHeight": "Keras 3 has it no longer; use RandomZoom",
        "RandomWidth": "Keras 3 has it no longer; use RandomZoom",
    },
    "optimizers": {
        "OptimizerMap": "give MultiOptimizer a dict",
    },
    "callbacks": {
        "OrbaxCheckpoint": "use ModelCheckpoint or BackupAndRestore",
    },
    "utils": {
        "legacy": "use ebb.keras.saving.serialize_keras_object()",
    },
    "utils.bounding_boxes": {
        "affine_transform": "multiply the corners by the matrix, with numpy",
    },
    "saving": {
        "KerasFileEditor": "load the model, change its weights and save it",
    },
    "dtype_policies": {
        "DTypePolicyMap": "give each layer its dtype",
        "AWQDTypePolicy": "ebb.quantize() makes weights small",
        "GPTQDTypePolicy": "ebb.quantize() makes weights small",
        "Int4DTypePolicy": "ebb.quantize() makes weights small",
        "QuantizedDTypePolicy": "ebb.quantize() makes weights small",
        "QuantizedFloat8DTypePolicy": "ebb.quantize() makes weights small",
    },
    "config": {
        "enable_unsafe_deserialization": "code inside files is never run; "
        "ebb.keras.saving.register_lambda() says what stands in for it",
        "set_backend": "there is one: ebb",
        "max_epochs": "give fit() its epochs",
        "max_steps_per_epoch": "give fit() its steps_per_epoch",
        "set_max_epochs": "give fit() its epochs",
        "set_max_steps_per_epoch": "give fit() its steps_per_epoch",
    },
}


class MissingNameError(UnsupportedError, ImportError):
    """Keras has it, ebb has not."""


def near(name: str, known: Iterable[str]) -> list[str]:
    """Names that ``name`` may have meant, the nearest first; at most three."""
    import difflib

    folded: dict[str, str] = {}
    for item in known:
        folded.setdefault(item.replace("_", "").lower(), item)
    key = name.replace("_", "").lower()
    found = difflib.get_close_matches(key, list(folded), n=3, cutoff=0.75)
    return [folded[item] for item in found]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The text of an error: no ``what`` is called ``name``, and what may have been meant."""
    names = near(name, known)
    hint = f"; did you mean {' or '.join(map(repr, names))}?" if names else ""
    return f"no {what} is called '{name}'{hint}"


def guard(module: str, names: Mapping[str, Any]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module.

    Parameters
    ----------
    module : str
        Its name: ``__name__``.
    names : mapping
        What it has: ``globals()``.

    Returns
    -------
    function
        Raises MissingNameError for what Keras alone has, AttributeError for anything else.
    """
    space = module.partition("ebb.keras")[2].lstrip(".")
    absent = ABSENT.get(space, {})

    def missing(name: str) -> Any:
        if name in absent:
            full = ".".join(part for part in ("keras", space, name) if part)
            raise MissingNameError(f"{full} is not supported: {absent[name]}")
        hint = ""
        if not name.startswith("_"):
            public = [item for item in names if not item.startswith("_")]
            found = near(name, public)
            hint = f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
        raise AttributeError(f"module '{module}' has no attribute '{name}'{hint}")

    return missing
