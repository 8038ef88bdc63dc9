"""VGG16."""

from __future__ import annotations

from ebb.keras.applications import _plain
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]


VGG16 = architecture("VGG16", "vgg16", "VGG with 16 layers of weights.", _plain.build_vgg, "vgg16")


preprocess_input = preprocessing("caffe")
