"""Images and classes of ImageNet."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ebb._errors import NotFoundError
from ebb.keras._policy import settings
from ebb.keras.ops import _elementwise as _e
from ebb.keras.ops import _shape as _s
from ebb.keras.utils._files import cache_folder

__all__ = ["decode_predictions", "preprocess_input"]

_MEANS = {"caffe": (103.939, 116.779, 123.68), "torch": (0.485, 0.456, 0.406)}
_SPREAD = (0.229, 0.224, 0.225)
_CLASSES = "imagenet_class_index.json"


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Brings images from 0 to 255 into the range that a network was trained with.

    Parameters
    ----------
    x : array, tensor or symbolic tensor
        ``(height, width, 3)`` or with samples before.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are.
    mode : {"caffe", "tf", "torch"}
        "caffe": blue first, without the mean; "tf": from -1 to 1; "torch": mean 0, deviation 1.

    Returns
    -------
    ndarray, Tensor or KerasTensor, as ``x``

    Raises
    ------
    ValueError
        An unknown mode.
    """
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f"mode: expected caffe, tf or torch, found {mode!r}")
    is_array = isinstance(x, np.ndarray)
    if is_array and x.dtype.kind != "f":
        x = x.astype(settings.floatx)
    if mode == "tf":
        made = _e.subtract(_e.divide(x, 127.5), 1.0)
        return np.array(made) if is_array else made
    rank = len(x.shape)
    axis = rank - 1 if (data_format or settings.image_data_format) == "channels_last" else rank - 3
    shape = [3 if i == axis else 1 for i in range(rank)]
    mean = np.array(_MEANS[mode], np.float32).reshape(shape)
    if mode == "caffe":
        made = _e.subtract(_s.flip(x, axis=axis), mean)
    else:
        spread = np.array(_SPREAD, np.float32).reshape(shape)
        made = _e.divide(_e.subtract(_e.divide(x, 255.0), mean), spread)
    return np.array(made) if is_array else made


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The most probable classes with their names.

    Parameters
    ----------
    preds : array_like
        ``(n, 1000)``.
    top : int
        How many.

    Returns
    -------
    list of lists of tuple
        WordNet's number, name, probability.

    Raises
    ------
    ValueError
        Another shape.
    NotFoundError
        The names are not in ``~/.keras/models``; says where to get them.
    """
    rows = np.asarray(preds)
    if rows.ndim != 2 or rows.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape "
            f"(samples, 1000)). Received array with shape: {rows.shape}"
        )
    path = cache_folder(cache_subdir="models") / _CLASSES
    if not path.exists():
        raise NotFoundError(
            "ebb opens no connections: download https://storage.googleapis.com/download.tensorflow"
            f".org/data/{_CLASSES} and put it there",
            str(path),
        )
    names = json.loads(path.read_text())
    return [
        [(*names[str(at)], float(row[at])) for at in np.argsort(row)[::-1][:top]] for row in rows
    ]
