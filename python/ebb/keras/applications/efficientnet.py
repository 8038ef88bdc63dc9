"""EfficientNet."""

from __future__ import annotations

from typing import Any

from ebb.keras.applications import _mobile
from ebb.keras.applications._frame import architecture
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = [
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "decode_predictions",
    "preprocess_input",
]


EfficientNetB0 = architecture(
    "EfficientNetB0",
    "efficientnetb0",
    "EfficientNet, size 0 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb0",
)


EfficientNetB1 = architecture(
    "EfficientNetB1",
    "efficientnetb1",
    "EfficientNet, size 1 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb1",
)


EfficientNetB2 = architecture(
    "EfficientNetB2",
    "efficientnetb2",
    "EfficientNet, size 2 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb2",
)


EfficientNetB3 = architecture(
    "EfficientNetB3",
    "efficientnetb3",
    "EfficientNet, size 3 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb3",
)


EfficientNetB4 = architecture(
    "EfficientNetB4",
    "efficientnetb4",
    "EfficientNet, size 4 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb4",
)


EfficientNetB5 = architecture(
    "EfficientNetB5",
    "efficientnetb5",
    "EfficientNet, size 5 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb5",
)


EfficientNetB6 = architecture(
    "EfficientNetB6",
    "efficientnetb6",
    "EfficientNet, size 6 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb6",
)


EfficientNetB7 = architecture(
    "EfficientNetB7",
    "efficientnetb7",
    "EfficientNet, size 7 of 0 to 7.",
    _mobile.build_efficient,
    "efficientnetb7",
)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Gives images as they are: the model itself brings them into range.

    Parameters
    ----------
    x : array, tensor or symbolic tensor
        ``(height, width, 3)`` or with samples before.
    data_format : str, optional
        Has no effect.

    Returns
    -------
    ndarray, Tensor or KerasTensor, as ``x``
    """
    return x
