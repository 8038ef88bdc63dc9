"""InceptionV3."""

from __future__ import annotations

from ebb.keras.applications import _inception
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]


InceptionV3 = architecture(
    "InceptionV3", "inception_v3", "InceptionV3.", _inception.build_inception
)


preprocess_input = preprocessing("tf")
