"""DenseNet."""

from __future__ import annotations

from ebb.keras.applications import _plain
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]


DenseNet121 = architecture(
    "DenseNet121",
    "densenet121",
    "DenseNet with 121 layers of weights.",
    _plain.build_dense,
    "densenet121",
)


DenseNet169 = architecture(
    "DenseNet169",
    "densenet169",
    "DenseNet with 169 layers of weights.",
    _plain.build_dense,
    "densenet169",
)


DenseNet201 = architecture(
    "DenseNet201",
    "densenet201",
    "DenseNet with 201 layers of weights.",
    _plain.build_dense,
    "densenet201",
)


preprocess_input = preprocessing("torch")
