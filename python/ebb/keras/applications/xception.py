"""Xception."""

from __future__ import annotations

from ebb.keras.applications import _inception
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


Xception = architecture("Xception", "xception", "Xception.", _inception.build_xception)


preprocess_input = preprocessing("tf")
