"""MobileNet."""

from __future__ import annotations

from typing import Any

from ebb.keras.applications import _mobile
from ebb.keras.applications._frame import Request, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]


def MobileNet(  # noqa: N802
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Any:
    """MobileNet.

    Parameters
    ----------
    alpha : float
        Factor of all widths.
    depth_multiplier : int
        Filters of each channel.
    dropout : float
        Before the classifier.
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
    name : str, optional
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
    return _mobile.build_mobile(request, alpha, depth_multiplier, dropout)


preprocess_input = preprocessing("tf")
