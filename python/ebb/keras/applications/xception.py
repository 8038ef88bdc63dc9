"""Xception."""

from __future__ import annotations

from typing import Any

from ebb.keras.applications import _inception
from ebb.keras.applications import imagenet_utils as _utils
from ebb.keras.applications._frame import Request
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


def Xception(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "xception",
) -> Any:
    """Xception.

    Parameters
    ----------
    include_top : bool
        Whether the classifier is there.
    weights : "imagenet", path or None
        "imagenet": the file of Keras in ``~/.keras/models``; None: random.
    input_tensor : KerasTensor, optional
        What it is put on.
    input_shape : tuple of int, optional
        ``(height, width, channels)``; without the classifier any size.
    pooling : {"avg", "max"}, optional
        What comes in place of the classifier.
    classes : int
        Of the classifier.
    classifier_activation : str or None
        Of the classifier.
    name : str
        Of the model.

    Returns
    -------
    Model

    Raises
    ------
    NotFoundError
        The weights are not there; says where to get them.
    """
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _inception.build_xception(request)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Brings images from 0 to 255 into the range of the weights.

    Parameters
    ----------
    x : array, tensor or symbolic tensor
        ``(height, width, 3)`` or with samples before.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are.

    Returns
    -------
    ndarray, Tensor or KerasTensor, as ``x``
    """
    return _utils.preprocess_input(x, data_format, "tf")
