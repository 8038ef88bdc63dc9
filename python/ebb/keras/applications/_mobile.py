"""MobileNet, MobileNetV2 and EfficientNet.

Howard and others, 2017; Sandler and others, 2018; Tan and Le, 2019.
"""

from __future__ import annotations

import math
from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import Chain, Request, half_padding

# -- MobileNet ---------------------------------------------------------------------------------

_MOBILE = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def build_mobile(request: Request, alpha: float, multiplier: int, dropout: float) -> Any:
    """Depthwise convolutions, each followed by one of size 1."""
    chain = Chain(request.begin(_square(request, (128, 160, 192, 224)), 32))
    rows = request.shape[0]
    chain.conv(int(32 * alpha), (3, 3), "conv1", padding="same", use_bias=False, strides=(2, 2))
    chain.norm("conv1_bn", axis=-1).put(layers.ReLU(6.0, name="conv1_relu"))
    for k, (filters, stride) in enumerate(_MOBILE, 1):
        if stride == 2:
            chain.pad(((0, 1), (0, 1)), f"conv_pad_{k}")
        chain.put(
            layers.DepthwiseConv2D(
                (3, 3),
                padding="same" if stride == 1 else "valid",
                depth_multiplier=multiplier,
                strides=(stride, stride),
                use_bias=False,
                name=f"conv_dw_{k}",
            )
        )
        chain.norm(f"conv_dw_{k}_bn", axis=-1).put(layers.ReLU(6.0, name=f"conv_dw_{k}_relu"))
        chain.conv(
            int(filters * alpha), (1, 1), f"conv_pw_{k}", padding="same", use_bias=False,
            strides=(1, 1),
        )  # fmt: skip
        chain.norm(f"conv_pw_{k}_bn", axis=-1).put(layers.ReLU(6.0, name=f"conv_pw_{k}_relu"))
    if request.include_top:
        chain.put(layers.GlobalAveragePooling2D(keepdims=True))
        chain.put(layers.Dropout(dropout, name="dropout"))
        chain.conv(request.classes, (1, 1), "conv_preds", padding="same")
        chain.put(layers.Reshape((request.classes,), name="reshape_2"))
        x = chain.act("predictions", request.activation).x
    else:
        x = request.pooled(chain.x)
    request.name = request.name or f"mobilenet_{alpha:0.2f}_{rows}"
    share = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0"}.get(alpha, "2_5")
    stem = f"mobilenet_{share}_{rows if rows in (128, 160, 192, 224) else 224}_tf"
    return request.end(x, "mobilenet", f"{stem}.h5", f"{stem}_no_top.h5")


def _square(request: Request, known: tuple[int, ...]) -> int:
    """The size of a square input that weights are known for; else 224."""
    shape = request.input_shape
    is_known = shape is not None and shape[0] == shape[1] and shape[0] in known
    return int(shape[0]) if is_known else 224


# -- MobileNetV2 -------------------------------------------------------------------------------

# filters, stride, expansion, how often
_INVERTED = (
    (16, 1, 1, 1), (24, 2, 6, 2), (32, 2, 6, 3), (64, 2, 6, 4), (96, 1, 6, 3), (160, 2, 6, 3),
    (320, 1, 6, 1),
)  # fmt: skip


def divisible(filters: float) -> int:
    """The nearest multiple of 8, not more than a tenth below."""
    near = max(8, int(filters + 4) // 8 * 8)
    return near + 8 if near < 0.9 * filters else near


def norm(chain: Chain, name: str) -> Chain:
    """Normalization with the settings of MobileNetV2."""
    return chain.norm(name, axis=-1, epsilon=1e-3, momentum=0.999)


def _inverted(x: Any, filters: int, stride: int, expansion: int, number: int) -> Any:
    """Wide in the middle, narrow at both ends."""
    width, name = x.shape[-1], f"block_{number}_" if number else "expanded_conv_"
    chain = Chain(x)
    if number:
        chain.conv(expansion * width, 1, f"{name}expand", padding="same", use_bias=False,
                   activation=None)  # fmt: skip
        norm(chain, f"{name}expand_BN").put(layers.ReLU(6.0, name=f"{name}expand_relu"))
    if stride == 2:
        chain.pad(half_padding(chain.x, 3), f"{name}pad")
    chain.put(
        layers.DepthwiseConv2D(
            3,
            strides=stride,
            activation=None,
            use_bias=False,
            padding="same" if stride == 1 else "valid",
            name=f"{name}depthwise",
        )
    )
    norm(chain, f"{name}depthwise_BN").put(layers.ReLU(6.0, name=f"{name}depthwise_relu"))
    chain.conv(filters, 1, f"{name}project", padding="same", use_bias=False, activation=None)
    norm(chain, f"{name}project_BN")
    if width == filters and stride == 1:
        return layers.Add(name=f"{name}add")([x, chain.x])
    return chain.x


def build_mobile_v2(request: Request, alpha: float) -> Any:
    """Inverted residual blocks."""
    chain = Chain(request.begin(_square(request, (96, 128, 160, 192, 224)), 32))
    rows = request.shape[0]
    chain.conv(divisible(32 * alpha), 3, "Conv1", strides=(2, 2), padding="same", use_bias=False)
    norm(chain, "bn_Conv1").put(layers.ReLU(6.0, name="Conv1_relu"))
    x, number = chain.x, 0
    for filters, stride, expansion, count in _INVERTED:
        for k in range(count):
            x = _inverted(
                x, divisible(int(filters * alpha)), stride if k == 0 else 1, expansion, number
            )
            number += 1
    last = divisible(1280 * alpha) if alpha > 1.0 else 1280
    chain = Chain(x).conv(last, 1, "Conv_1", use_bias=False)
    norm(chain, "Conv_1_bn").put(layers.ReLU(6.0, name="out_relu"))
    if request.include_top:
        x = request.classifier(layers.GlobalAveragePooling2D()(chain.x))
    else:
        x = request.pooled(chain.x)
    request.name = request.name or f"mobilenetv2_{alpha:0.2f}_{rows}"
    known = rows if rows in (96, 128, 160, 192, 224) else 224
    stem = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{known}"
    return request.end(x, "mobilenet_v2", f"{stem}.h5", f"{stem}_no_top.h5")


# -- EfficientNet ------------------------------------------------------------------------------

# width, depth, size of the image, dropout
EFFICIENT = {
    "efficientnetb0": (1.0, 1.0, 224, 0.2),
    "efficientnetb1": (1.0, 1.1, 240, 0.2),
    "efficientnetb2": (1.1, 1.2, 260, 0.3),
    "efficientnetb3": (1.2, 1.4, 300, 0.3),
    "efficientnetb4": (1.4, 1.8, 380, 0.4),
    "efficientnetb5": (1.6, 2.2, 456, 0.4),
    "efficientnetb6": (1.8, 2.6, 528, 0.5),
    "efficientnetb7": (2.0, 3.1, 600, 0.5),
}
# size of the window, how often, filters before and after, expansion, stride
_STAGES = (
    (3, 1, 32, 16, 1, 1), (3, 2, 16, 24, 6, 2), (5, 2, 24, 40, 6, 2), (3, 3, 40, 80, 6, 2),
    (5, 3, 80, 112, 6, 1), (5, 4, 112, 192, 6, 2), (3, 1, 192, 320, 6, 1),
)  # fmt: skip
_SPREAD = (0.229, 0.224, 0.225)


def kernels(scale: float = 2.0, distribution: str = "truncated_normal") -> Any:
    """The initializer of convolutions."""
    from ebb.keras.initializers import VarianceScaling

    return VarianceScaling(scale=scale, mode="fan_out", distribution=distribution)


def _stage(
    x: Any, name: str, size: int, before: int, after: int, expansion: int, stride: int, drop: float
) -> Any:
    """An inverted residual block that weighs its channels."""
    plain = {"padding": "same", "kernel_initializer": kernels()}
    wide, chain = before * expansion, Chain(x)
    if expansion != 1:
        chain.conv(wide, 1, f"{name}expand_conv", use_bias=False, **plain)
        chain.norm(f"{name}expand_bn").act(f"{name}expand_activation", "swish")
    if stride == 2:
        chain.pad(half_padding(chain.x, size), f"{name}dwconv_pad")
    chain.put(
        layers.DepthwiseConv2D(
            size,
            strides=stride,
            padding="valid" if stride == 2 else "same",
            use_bias=False,
            depthwise_initializer=kernels(),
            name=f"{name}dwconv",
        )
    )
    chain.norm(f"{name}bn").act(f"{name}activation", "swish")
    scale = Chain(layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(chain.x))
    scale.put(layers.Reshape((1, 1, wide), name=f"{name}se_reshape"))
    scale.conv(max(1, before // 4), 1, f"{name}se_reduce", activation="swish", **plain)
    scale.conv(wide, 1, f"{name}se_expand", activation="sigmoid", **plain)
    chain.x = layers.Multiply(name=f"{name}se_excite")([chain.x, scale.x])
    chain.conv(after, 1, f"{name}project_conv", use_bias=False, **plain)
    chain.norm(f"{name}project_bn")
    if stride == 1 and before == after:
        if drop > 0:
            chain.put(layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}drop"))
        return layers.Add(name=f"{name}add")([chain.x, x])
    return chain.x


def build_efficient(request: Request, kind: str) -> Any:
    """One of the eight."""
    width, depth, size, dropout = EFFICIENT[kind]

    def filters(count: int) -> int:
        return divisible(count * width)

    chain = Chain(request.begin(size, 32)).put(layers.Rescaling(1.0 / 255.0))
    chain.put(layers.Normalization(axis=3))
    if request.weights == "imagenet":
        chain.put(layers.Rescaling([1.0 / math.sqrt(spread) for spread in _SPREAD]))
    chain.pad(half_padding(chain.x, 3), "stem_conv_pad")
    plain = {"use_bias": False, "kernel_initializer": kernels()}
    chain.conv(filters(32), 3, "stem_conv", strides=2, padding="valid", **plain)
    x = chain.norm("stem_bn").act("stem_activation", "swish").x
    counts = [math.ceil(depth * repeats) for _, repeats, *_ in _STAGES]
    done, total = 0, float(sum(counts))
    for k, (window, _, before, after, expansion, stride) in enumerate(_STAGES):
        for j in range(counts[k]):
            x = _stage(
                x, f"block{k + 1}{chr(j + 97)}_", window, filters(after if j else before),
                filters(after), expansion, 1 if j else stride, 0.2 * done / total,
            )  # fmt: skip
            done += 1
    chain = Chain(x).conv(filters(1280), 1, "top_conv", padding="same", **plain)
    x = chain.norm("top_bn").act("top_activation", "swish").x
    x = request.top(x, dropout, kernel_initializer=kernels(1.0 / 3.0, "uniform"))
    return request.end(x, "efficientnet", f"{kind}.h5", f"{kind}_notop.h5")
