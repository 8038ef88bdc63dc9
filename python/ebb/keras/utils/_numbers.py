"""Labels, norms and sequences as arrays."""

from __future__ import annotations

from collections.abc import Sequence as SequenceType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _as_array(x: Any) -> Array:
    return x if isinstance(x, np.ndarray) else np.asarray(x)


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Turns class numbers into rows with a single one.

    Parameters
    ----------
    x : array_like of int
        Class numbers from 0, of any shape; a last axis of length 1 is dropped.
    num_classes : int, optional
        How many classes; by default the largest number plus one.

    Returns
    -------
    ndarray of float64
        ``x.shape + (num_classes,)``.

    Raises
    ------
    ValueError
        A number is outside ``[0, num_classes)``.
    """
    labels = _as_array(x).astype("int64")
    shape = labels.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    labels = labels.reshape(-1)
    if num_classes is None:
        num_classes = int(labels.max()) + 1 if labels.size else 0
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"to_categorical: expected classes from 0 to {num_classes - 1}, "
            f"found {labels.min()} to {labels.max()}"
        )
    rows = np.zeros((labels.size, num_classes))
    rows[np.arange(labels.size), labels] = 1
    return rows.reshape((*shape, num_classes))


def normalize(x: Any, axis: int = -1, order: int = 2) -> Array:
    """Divides by the norm along an axis; rows of zeros stay.

    Parameters
    ----------
    x : array_like
        Any shape.
    axis : int
        The axis of the norm.
    order : int
        Of the norm: 2 is the Euclidean one.

    Returns
    -------
    ndarray
        The shape of ``x``.
    """
    array = np.atleast_1d(_as_array(x))
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    norm[norm == 0] = 1
    quotient: Array = array / np.expand_dims(norm, axis)
    return quotient


def pad_sequences(
    sequences: SequenceType[SequenceType[Any]],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Makes one array of sequences of different lengths.

    Parameters
    ----------
    sequences : list of sequences
        Each a list of numbers, or an array ``(length, ...)``; all but the length must agree.
    maxlen : int, optional
        The common length; by default that of the longest.
    dtype : str or dtype
        Of the result; ``object`` for texts.
    padding, truncating : {"pre", "post"}
        Where to fill, and where to cut.
    value : number or str
        What to fill with.

    Returns
    -------
    ndarray
        ``(len(sequences), maxlen, ...)``.

    Raises
    ------
    ValueError
        An item is no sequence, shapes differ, or a choice is unknown.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("pad_sequences: expected a list of sequences")
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(f'pad_sequences: {name}: expected "pre" or "post", found {choice!r}')
    lengths, sample = [], ()
    for item in sequences:
        if not hasattr(item, "__len__"):
            raise ValueError(f"pad_sequences: expected a list of sequences, found {item!r} in it")
        lengths.append(len(item))
        if len(item) and not sample:
            sample = np.asarray(item).shape[1:]
    length = max(lengths, default=0) if maxlen is None else maxlen
    kind = np.dtype(dtype)
    is_text = kind.kind in "US"
    if isinstance(value, str) and not kind.hasobject and not is_text:
        raise ValueError(f"pad_sequences: the text {value!r} cannot fill dtype {kind}; use object")
    padded = np.full((len(lengths), length, *sample), value, dtype=kind)
    for row, item in zip(padded, sequences):
        if not len(item):
            continue
        kept = item[-length:] if truncating == "pre" and length else item[:length]
        cells = np.asarray(kept, dtype=kind)
        if cells.shape[1:] != sample:
            raise ValueError(
                f"pad_sequences: expected steps of shape {sample}, found {cells.shape[1:]}"
            )
        if padding == "post":
            row[: len(cells)] = cells
        else:
            row[length - len(cells) :] = cells
    return padded
