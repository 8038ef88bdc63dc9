"""MobileNetV3 (Howard and others, 2019)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import (
    PREPROCESSING,
    Chain,
    Request,
    described,
    half_padding,
)
from ebb.keras.applications._mobile import divisible, norm
from ebb.keras.applications.efficientnet import preprocess_input
from ebb.keras.applications.imagenet_utils import decode_predictions

# The functions that make the models are in ebb.keras.applications alone, as they are in Keras.
__all__ = ["decode_predictions", "preprocess_input"]

# expansion, filters, is the window large, stride, are channels weighed, is it hard_swish
_SMALL = (
    (1, 16, 0, 2, 1, 0), (72 / 16, 24, 0, 2, 0, 0), (88 / 24, 24, 0, 1, 0, 0), (4, 40, 1, 2, 1, 1),
    (6, 40, 1, 1, 1, 1), (6, 40, 1, 1, 1, 1), (3, 48, 1, 1, 1, 1), (3, 48, 1, 1, 1, 1),
    (6, 96, 1, 2, 1, 1), (6, 96, 1, 1, 1, 1), (6, 96, 1, 1, 1, 1),
)  # fmt: skip
_LARGE = (
    (1, 16, 0, 1, 0, 0), (4, 24, 0, 2, 0, 0), (3, 24, 0, 1, 0, 0), (3, 40, 1, 2, 1, 0),
    (3, 40, 1, 1, 1, 0), (3, 40, 1, 1, 1, 0), (6, 80, 0, 2, 0, 1), (2.5, 80, 0, 1, 0, 1),
    (2.3, 80, 0, 1, 0, 1), (2.3, 80, 0, 1, 0, 1), (6, 112, 0, 1, 1, 1), (6, 112, 0, 1, 1, 1),
    (6, 160, 1, 2, 1, 1), (6, 160, 1, 1, 1, 1), (6, 160, 1, 1, 1, 1),
)  # fmt: skip
# blocks, filters of the last convolution
_SIZES = {"Small": (_SMALL, 1024), "Large": (_LARGE, 1280)}


def _act(chain: Chain, is_hard: bool) -> Chain:
    return chain.act(kind="hard_swish") if is_hard else chain.put(layers.ReLU())


def _weighed(x: Any, width: int, name: str) -> Any:
    """Channels by what all of the image says of them."""
    name = f"{name}squeeze_excite_"
    side = Chain(layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}avg_pool")(x))
    side.conv(divisible(width * 0.25), 1, f"{name}conv", padding="same")
    side.put(layers.ReLU(name=f"{name}relu"))
    side.conv(width, 1, f"{name}conv_1", padding="same")
    scale = layers.ReLU(6.0)(side.x + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{name}mul")([x, scale])


def _block(
    x: Any, number: int, expansion: float, filters: int, size: int, stride: int, weighs: bool,
    is_hard: bool,
) -> Any:  # fmt: skip
    """Wide in the middle, narrow at both ends."""
    name = f"expanded_conv_{number}_" if number else "expanded_conv_"
    before, chain = x.shape[-1], Chain(x)
    wide = divisible(before * expansion)
    if number:
        chain.conv(wide, 1, f"{name}expand", padding="same", use_bias=False)
        _act(norm(chain, f"{name}expand_bn"), is_hard)
    if stride == 2:
        chain.pad(half_padding(chain.x, size), f"{name}depthwise_pad")
    chain.put(
        layers.DepthwiseConv2D(
            size,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            name=f"{name}depthwise",
        )
    )
    _act(norm(chain, f"{name}depthwise_bn"), is_hard)
    if weighs:
        chain.x = _weighed(chain.x, wide, name)
    chain.conv(filters, 1, f"{name}project", padding="same", use_bias=False)
    norm(chain, f"{name}project_bn")
    if stride == 1 and before == filters:
        return layers.Add(name=f"{name}add")([x, chain.x])
    return chain.x


def _top(request: Request, chain: Chain, last: int, dropout: float, is_hard: bool) -> Any:
    """The classifier: convolutions of size 1."""
    chain.put(layers.GlobalAveragePooling2D(keepdims=True))
    _act(chain.conv(last, 1, "conv_2", padding="same"), is_hard)
    if dropout > 0:
        chain.put(layers.Dropout(dropout))
    chain.conv(request.classes, 1, "logits", padding="same").put(layers.Flatten())
    return chain.act("predictions", request.activation).x


def _file(request: Request, size: str, alpha: float, minimalistic: bool) -> str:
    """The name of the file of weights, without what follows on it."""
    if request.weights == "imagenet" and alpha not in ((1.0,) if minimalistic else (0.75, 1.0)):
        raise ValueError(
            "If imagenet weights are being loaded, alpha can be one of `0.75`, `1.0` for non "
            f"minimalistic or `1.0` for minimalistic only. Received: alpha={alpha}"
        )
    kind = f"{size.lower()}{'_minimalistic' if minimalistic else ''}"
    return f"weights_mobilenet_v3_{kind}_224_{alpha}_float"


def _build(
    request: Request, size: str, alpha: float, minimalistic: bool, dropout: float,
    include_preprocessing: bool,
) -> Any:  # fmt: skip
    blocks, last = _SIZES[size]
    stem = _file(request, size, alpha, minimalistic)
    chain = Chain(request.begin(224, 32, needs_size=False))
    if include_preprocessing:
        chain.put(layers.Rescaling(scale=1.0 / 127.5, offset=-1.0))
    chain.conv(16, 3, "conv", strides=(2, 2), padding="same", use_bias=False)
    x = _act(norm(chain, "conv_bn"), not minimalistic).x
    for number, (expansion, filters, is_large, stride, weighs, is_hard) in enumerate(blocks):
        x = _block(
            x, number, expansion, divisible(filters * alpha),
            5 if is_large and not minimalistic else 3, stride, bool(weighs and not minimalistic),
            bool(is_hard and not minimalistic),
        )  # fmt: skip
    chain = Chain(x).conv(divisible(x.shape[-1] * 6), 1, "conv_1", padding="same", use_bias=False)
    _act(norm(chain, "conv_1_bn"), not minimalistic)
    if request.include_top:
        last = divisible(last * alpha) if alpha > 1.0 else last
        x = _top(request, chain, last, dropout, not minimalistic)
    else:
        x = request.pooled(chain.x, "avg_pool", "max_pool")
    return request.end(x, "mobilenet_v3", f"{stem}.h5", f"{stem}_no_top_v2.h5")


_OWN = f"""\
    alpha : float
        Factor of all widths.
    minimalistic : bool
        Whether it does without large windows, weighed channels and hard_swish.
    dropout_rate : float
        Before the classifier.
{PREPROCESSING}"""


def _of(size: str) -> Any:
    def make(
        input_shape: Any = None,
        alpha: float = 1.0,
        minimalistic: bool = False,
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        classes: int = 1000,
        pooling: str | None = None,
        dropout_rate: float = 0.2,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str = f"MobileNetV3{size}",
    ) -> Any:
        request = Request(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return _build(request, size, alpha, minimalistic, dropout_rate, include_preprocessing)

    return described(make, f"MobileNetV3{size}", f"MobileNetV3, size {size}.", _OWN)


MobileNetV3Small = _of("Small")
MobileNetV3Large = _of("Large")
