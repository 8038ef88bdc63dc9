"""ResNet."""

from __future__ import annotations

from ebb.keras.applications import _residual
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["ResNet101", "ResNet152", "ResNet50", "decode_predictions", "preprocess_input"]


ResNet50 = architecture(
    "ResNet50", "resnet50", "ResNet with 50 layers of weights.", _residual.build, "50", False
)


ResNet101 = architecture(
    "ResNet101", "resnet101", "ResNet with 101 layers of weights.", _residual.build, "101", False
)


ResNet152 = architecture(
    "ResNet152", "resnet152", "ResNet with 152 layers of weights.", _residual.build, "152", False
)


preprocess_input = preprocessing("caffe")
