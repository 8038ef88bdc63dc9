"""Texts: numpy arrays of str, for there are no tensors of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def is_texts(array: Array) -> bool:
    """Does an array hold texts? Of objects the first one tells."""
    if array.dtype.kind == "O":
        return array.size > 0 and isinstance(array.reshape(-1)[0], (str, bytes))
    return array.dtype.kind in "UST"


def begins_with_text(value: Any) -> bool:
    """Is it a text, or a list or an array of texts? The first one tells."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (str, bytes)) or (isinstance(value, np.ndarray) and is_texts(value))


def to_texts(x: Any) -> Array:
    """Texts, bytes, lists of them or arrays as an array of str."""
    if isinstance(x, (str, bytes)):
        single: Array = to_texts([x]).reshape(())
        return single
    if hasattr(x, "numpy"):
        x = x.numpy()
    elif hasattr(x, "to_numpy"):
        x = x.to_numpy()
    array = x if isinstance(x, np.ndarray) else np.asarray(x, object)
    if array.dtype.kind in "UT":
        return array.astype(object)
    if array.dtype.kind not in "OS":
        raise TypeError(f"expected texts, found an array of {array.dtype}")
    flat = array.reshape(-1).tolist()
    if all(type(item) is str for item in flat):
        return array
    made = np.empty(len(flat), object)
    for at, item in enumerate(flat):
        if not isinstance(item, (str, bytes)):
            raise TypeError(f"expected texts, found {type(item).__name__}")
        made[at] = item.decode() if isinstance(item, bytes) else str(item)
    return made.reshape(array.shape)
