"""VGG19."""

from __future__ import annotations

from ebb.keras.applications import _plain
from ebb.keras.applications._frame import architecture, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]


VGG19 = architecture("VGG19", "vgg19", "VGG with 19 layers of weights.", _plain.build_vgg, "vgg19")


preprocess_input = preprocessing("caffe")
