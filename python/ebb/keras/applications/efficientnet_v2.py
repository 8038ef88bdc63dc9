"""EfficientNetV2 (Tan and Le, 2021)."""

from __future__ import annotations

import math
from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import PREPROCESSING, Chain, Request, described
from ebb.keras.applications._mobile import kernels
from ebb.keras.applications.efficientnet import preprocess_input
from ebb.keras.applications.imagenet_utils import decode_predictions
from ebb.keras.initializers import Constant

__all__ = [
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "decode_predictions",
    "preprocess_input",
]

# stages, width, depth, size of the image
_SIZES = {
    "B0": ("B", 1.0, 1.0, 224),
    "B1": ("B", 1.0, 1.1, 240),
    "B2": ("B", 1.1, 1.2, 260),
    "B3": ("B", 1.2, 1.4, 300),
    "S": ("S", 1.0, 1.0, 384),
    "M": ("M", 1.0, 1.0, 480),
    "L": ("L", 1.0, 1.0, 480),
}
# how often, filters before and after, expansion, stride; the first three are fused
_STAGES = {
    "B": (
        (1, 32, 16, 1, 1), (2, 16, 32, 4, 2), (2, 32, 48, 4, 2), (3, 48, 96, 4, 2),
        (5, 96, 112, 6, 1), (8, 112, 192, 6, 2),
    ),
    "S": (
        (2, 24, 24, 1, 1), (4, 24, 48, 4, 2), (4, 48, 64, 4, 2), (6, 64, 128, 4, 2),
        (9, 128, 160, 6, 1), (15, 160, 256, 6, 2),
    ),
    "M": (
        (3, 24, 24, 1, 1), (5, 24, 48, 4, 2), (5, 48, 80, 4, 2), (7, 80, 160, 4, 2),
        (14, 160, 176, 6, 1), (18, 176, 304, 6, 2), (5, 304, 512, 6, 1),
    ),
    "L": (
        (4, 32, 32, 1, 1), (7, 32, 64, 4, 2), (7, 64, 96, 4, 2), (10, 96, 192, 4, 2),
        (19, 192, 224, 6, 1), (25, 224, 384, 6, 2), (7, 384, 640, 6, 1),
    ),
}  # fmt: skip


class _Stage:
    """One inverted residual block, fused or with weighed channels."""

    def __init__(self, x: Any, name: str, before: int, after: int, expansion: int) -> None:
        self.start, self.name, self.chain = x, name, Chain(x)
        self.before, self.after, self.expansion = before, after, expansion

    def conv(self, filters: int, size: int, name: str, stride: int = 1) -> _Stage:
        """A convolution with normalization."""
        self.chain.conv(
            filters, size, f"{self.name}{name}_conv", strides=stride, padding="same",
            use_bias=False, kernel_initializer=kernels(),
        )  # fmt: skip
        self.chain.norm(f"{self.name}{name}_bn", momentum=0.9)
        return self

    def act(self, name: str = "") -> _Stage:
        """An activation."""
        self.chain.act(f"{self.name}{name}activation", "swish")
        return self

    def fused(self, stride: int) -> _Stage:
        """Convolutions alone."""
        if self.expansion == 1:
            return self.conv(self.after, 3, "project", stride).act("project_")
        self.conv(self.before * self.expansion, 3, "expand", stride).act("expand_")
        return self.conv(self.after, 1, "project")

    def weighed(self, stride: int) -> _Stage:
        """A depthwise convolution between two of size 1, channels weighed."""
        name, wide = self.name, self.before * self.expansion
        if self.expansion != 1:
            self.conv(wide, 1, "expand").act("expand_")
        depthwise = layers.DepthwiseConv2D(
            3,
            strides=stride,
            depthwise_initializer=kernels(),
            padding="same",
            use_bias=False,
            name=f"{name}dwconv2",
        )
        self.chain.put(depthwise).norm(f"{name}bn", momentum=0.9)
        self.act()
        scale = Chain(layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(self.chain.x))
        scale.put(layers.Reshape((1, 1, wide), name=f"{name}se_reshape"))
        plain = {"padding": "same", "kernel_initializer": kernels()}
        few = max(1, self.before // 4)
        scale.conv(few, 1, f"{name}se_reduce", activation="swish", **plain)
        scale.conv(wide, 1, f"{name}se_expand", activation="sigmoid", **plain)
        self.chain.x = layers.Multiply(name=f"{name}se_excite")([self.chain.x, scale.x])
        return self.conv(self.after, 1, "project")

    def end(self, stride: int, drop: float) -> Any:
        """The shortcut, where shapes allow one."""
        if stride != 1 or self.before != self.after:
            return self.chain.x
        if drop:
            self.chain.put(
                layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{self.name}drop")
            )
        return layers.Add(name=f"{self.name}add")([self.chain.x, self.start])


def _begin(request: Request, is_base: bool, size: int, include_preprocessing: bool) -> Chain:
    """The input, in the range of the weights."""
    chain = Chain(request.begin(size, 32))
    if include_preprocessing and is_base and request.shape[2] == 3:
        chain.put(layers.Rescaling(1.0 / 255))
        variance = [0.229**2, 0.224**2, 0.225**2]
        chain.put(layers.Normalization(mean=[0.485, 0.456, 0.406], variance=variance, axis=3))
    elif include_preprocessing:
        chain.put(layers.Rescaling(1.0 / 128.0, offset=-1))
    return chain


def _build(request: Request, kind: str, include_preprocessing: bool) -> Any:
    key, width, depth, size = _SIZES[kind]
    stages = _STAGES[key]

    def filters(count: int) -> int:
        return max(8, int(count * width + 4) // 8 * 8)

    chain = _begin(request, key == "B", size, include_preprocessing)
    plain = {"padding": "same", "use_bias": False, "kernel_initializer": kernels()}
    chain.conv(filters(stages[0][1]), 3, "stem_conv", strides=2, **plain)
    x = chain.norm("stem_bn", momentum=0.9).act("stem_activation", "swish").x
    done, total = 0, float(sum(stage[0] for stage in stages))
    for k, (repeats, before, after, expansion, stride) in enumerate(stages):
        for j in range(math.ceil(depth * repeats)):
            stage = _Stage(
                x, f"block{k + 1}{chr(j + 97)}_", filters(after if j else before), filters(after),
                expansion,
            )  # fmt: skip
            own = 1 if j else stride
            made = stage.fused(own) if k < 3 else stage.weighed(own)
            x = made.end(own, 0.2 * done / total)
            done += 1
    chain = Chain(x).conv(filters(1280), 1, "top_conv", **plain)
    x = chain.norm("top_bn", momentum=0.9).act("top_activation", "swish").x
    dense = {"kernel_initializer": kernels(1.0 / 3.0, "uniform"), "bias_initializer": Constant(0.0)}
    x = request.top(x, 0.2, **dense)
    return request.end(x, "efficientnet_v2", f"{request.name}.h5", f"{request.name}_notop.h5")


def _of(kind: str) -> Any:
    def make(
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str = f"efficientnetv2-{kind.lower()}",
    ) -> Any:
        request = Request(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return _build(request, kind, include_preprocessing)

    called = f"EfficientNetV2{kind}"
    return described(make, called, f"EfficientNetV2, size {kind}.", PREPROCESSING)


EfficientNetV2B0 = _of("B0")
EfficientNetV2B1 = _of("B1")
EfficientNetV2B2 = _of("B2")
EfficientNetV2B3 = _of("B3")
EfficientNetV2S = _of("S")
EfficientNetV2M = _of("M")
EfficientNetV2L = _of("L")
