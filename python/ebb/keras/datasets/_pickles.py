"""Pickles that hold lists, dicts, numbers, bytes and arrays: read without running any code.

The files of IMDB, Reuters and CIFAR are pickles. Only what these need is made; any other class is
refused.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import FormatError

Array = npt.NDArray[Any]

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The few names that arrays are made of."""
        if (module, name) not in _ALLOWED:
            raise FormatError(f"holds {module}.{name}, which is not read from files", "pickle")
        if name == "_reconstruct":
            return _array_made
        return super().find_class(module, name)


def _array_made(kind: Any, shape: Any, code: Any) -> Any:
    del kind, code
    return np.ndarray(shape, np.int8)


def load(content: bytes, encoding: str = "bytes") -> Any:
    """What a pickle holds."""
    return _Reader(io.BytesIO(content), encoding=encoding).load()


def load_lists(content: bytes, shape: tuple[int, ...]) -> Array:
    """An array of lists of int, as numpy pickles it."""
    held = load(content)
    made: Array = np.empty(shape, object)
    for index, item in enumerate(np.asarray(held, object).reshape(-1)):
        made.reshape(-1)[index] = list(item)
    return made
