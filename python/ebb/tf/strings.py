"""``tf.strings``: functions of texts, which are numpy arrays of str. Nothing of it is in a graph.

Patterns are those of Python's ``re``, which for what scripts clean texts with is that of RE2.
"""

from __future__ import annotations

import re
import string
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from ebb._tensor import Tensor
from ebb._texts import to_texts

Array = npt.NDArray[Any]

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_BLANKS = " \t\n\v\f\r"


def _each(function: Callable[[str], Any], value: Any, kind: Any = object) -> Array:
    given = to_texts(value)
    made = np.empty(given.size, kind)
    made[:] = [function(text) for text in given.reshape(-1).tolist()]
    return made.reshape(given.shape)


def lower(input: Any, encoding: str = "", name: str | None = None) -> Array:
    """Small letters; without ``encoding="utf-8"`` only those of ASCII change."""
    return _each(str.lower if encoding else lambda text: text.translate(_LOWER), input)


def upper(input: Any, encoding: str = "", name: str | None = None) -> Array:
    """Capital letters; without ``encoding="utf-8"`` only those of ASCII change."""
    return _each(str.upper if encoding else lambda text: text.translate(_UPPER), input)


def strip(input: Any, name: str | None = None) -> Array:
    """Without blanks at both ends."""
    return _each(lambda text: text.strip(_BLANKS), input)


def regex_replace(
    input: Any, pattern: str, rewrite: str, replace_global: bool = True, name: str | None = None
) -> Array:
    r"""What the pattern finds is replaced; ``\1`` in ``rewrite`` is the first group."""
    compiled = re.compile(pattern)
    return _each(lambda text: compiled.sub(rewrite, text, 0 if replace_global else 1), input)


def regex_full_match(input: Any, pattern: str, name: str | None = None) -> Any:
    """Does the pattern match all of a text?"""
    compiled = re.compile(pattern, re.DOTALL)
    return Tensor.from_array(_each(lambda text: bool(compiled.fullmatch(text)), input, np.bool_))


def length(input: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """Bytes of each text, or with ``unit="UTF8_CHAR"`` characters."""
    count = len if unit == "UTF8_CHAR" else lambda text: len(text.encode())
    return Tensor.from_array(_each(count, input, np.int32))


def join(inputs: Any, separator: str = "", name: str | None = None) -> Array:
    """Texts of several arrays, joined one by one."""
    columns = np.broadcast_arrays(*[to_texts(item) for item in inputs])
    rows = zip(*(column.reshape(-1).tolist() for column in columns))
    made = np.empty(columns[0].size, object)
    made[:] = [separator.join(row) for row in rows]
    return made.reshape(columns[0].shape)


def split(input: Any, sep: str | None = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """Words of each text: a list of lists, since rows differ in length; a list for one text."""
    given = to_texts(input)
    rows = [
        re.findall(f"[^{_BLANKS}]+", text) if not sep and maxsplit < 0
        else text.split(sep or None, maxsplit)
        for text in given.reshape(-1).tolist()
    ]  # fmt: skip
    return rows[0] if given.ndim == 0 else rows
