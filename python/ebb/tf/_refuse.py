"""What a name that is not there says: what it would be, and which names are near."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

_PARTS = {
    "sparse": "there are no sparse tensors; ebb.prune keeps a model's weights without their zeros",
    "SparseTensor": "there are no sparse tensors",
    "ragged": "there are no ragged tensors; Dataset.padded_batch fills rows up",
    "RaggedTensor": "there are no ragged tensors; Dataset.padded_batch fills rows up",
    "distribute": "one process, one model at a time on a device; tf.device places models",
    "estimator": "estimators left TensorFlow; use tf.keras",
    "feature_column": "use the preprocessing layers of tf.keras.layers",
    "lite": "ebb.Model.quantize and ebb.prune shrink models",
    "summary": "TensorBoard files are not written; tf.keras.callbacks.CSVLogger writes a table",
    "raw_ops": "use the functions of tf, tf.nn, tf.math and tf.linalg",
    "signal": "signals are not transformed",
    "audio": "audio files are not read",
    "lookup": "use tf.keras.layers.StringLookup and IntegerLookup",
    "xla": "nothing is compiled by XLA",
    "tpu": "there are no TPUs",
    "contrib": "contrib left TensorFlow",
    "TensorArray": "use a Python list and tf.stack",
}


def missing(module: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for a name that a module does not have."""
    near = difflib.get_close_matches(name, [n for n in names if not n.startswith("_")], 3)
    text = f"module 'ebb.{module}' has no attribute '{name}'"
    if name in _PARTS:
        text += f": {_PARTS[name]}"
    elif near:
        text += f". There is {', '.join(f'{module}.{n}' for n in near)}"
    else:
        text += ". ebb.tf has the part of TensorFlow that scripts with Keras models use"
    return AttributeError(text)


class Namespace:
    """Functions under one name: ``tf.math``."""

    def __init__(self, name: str, doc: str, **members: Any) -> None:
        self.__dict__.update(members)
        self.__name__ = name
        self.__doc__ = doc

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise missing(self.__name__, name, self.__dict__)

    def __dir__(self) -> list[str]:
        return sorted(name for name in self.__dict__ if not name.startswith("_"))

    def __repr__(self) -> str:
        return f"<module 'ebb.{self.__name__}'>"
