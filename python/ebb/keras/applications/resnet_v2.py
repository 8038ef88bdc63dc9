"""ResNetV2."""

from __future__ import annotations

from ebb.keras.applications import _residual
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["ResNet101V2", "ResNet152V2", "ResNet50V2", "decode_predictions", "preprocess_input"]


ResNet50V2 = architecture(
    "ResNet50V2", "resnet50v2", "ResNetV2 with 50 layers of weights.", _residual.build, "50", True
)


ResNet101V2 = architecture(
    "ResNet101V2",
    "resnet101v2",
    "ResNetV2 with 101 layers of weights.",
    _residual.build,
    "101",
    True,
)


ResNet152V2 = architecture(
    "ResNet152V2",
    "resnet152v2",
    "ResNetV2 with 152 layers of weights.",
    _residual.build,
    "152",
    True,
)


preprocess_input = preprocessing("tf")
