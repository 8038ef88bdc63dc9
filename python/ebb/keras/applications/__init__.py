"""Architectures that are known by name. Weights come from files: ebb opens no connections.

``weights="imagenet"`` reads the file of Keras in ``~/.keras/models``; a file that is not there is
an error that says where to get it. ``weights=None`` and paths work without.
"""

from __future__ import annotations

from ebb.keras import _missing
from ebb.keras.applications import (
    convnext,
    densenet,
    efficientnet,
    efficientnet_v2,
    imagenet_utils,
    inception_resnet_v2,
    inception_v3,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    nasnet,
    resnet,
    resnet50,
    resnet_v2,
    vgg16,
    vgg19,
    xception,
)
from ebb.keras.applications.convnext import (
    ConvNeXtBase,
    ConvNeXtLarge,
    ConvNeXtSmall,
    ConvNeXtTiny,
    ConvNeXtXLarge,
)
from ebb.keras.applications.densenet import DenseNet121, DenseNet169, DenseNet201
from ebb.keras.applications.efficientnet import (
    EfficientNetB0,
    EfficientNetB1,
    EfficientNetB2,
    EfficientNetB3,
    EfficientNetB4,
    EfficientNetB5,
    EfficientNetB6,
    EfficientNetB7,
)
from ebb.keras.applications.efficientnet_v2 import (
    EfficientNetV2B0,
    EfficientNetV2B1,
    EfficientNetV2B2,
    EfficientNetV2B3,
    EfficientNetV2L,
    EfficientNetV2M,
    EfficientNetV2S,
)
from ebb.keras.applications.inception_resnet_v2 import InceptionResNetV2
from ebb.keras.applications.inception_v3 import InceptionV3
from ebb.keras.applications.mobilenet import MobileNet
from ebb.keras.applications.mobilenet_v2 import MobileNetV2
from ebb.keras.applications.mobilenet_v3 import MobileNetV3Large, MobileNetV3Small
from ebb.keras.applications.nasnet import NASNetLarge, NASNetMobile
from ebb.keras.applications.resnet import ResNet50, ResNet101, ResNet152
from ebb.keras.applications.resnet_v2 import ResNet50V2, ResNet101V2, ResNet152V2
from ebb.keras.applications.vgg16 import VGG16
from ebb.keras.applications.vgg19 import VGG19
from ebb.keras.applications.xception import Xception

__all__ = [
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
    "Xception",
    "convnext",
    "densenet",
    "efficientnet",
    "efficientnet_v2",
    "imagenet_utils",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3",
    "nasnet",
    "resnet",
    "resnet50",
    "resnet_v2",
    "vgg16",
    "vgg19",
    "xception",
]

__getattr__ = _missing.guard(__name__, globals())
