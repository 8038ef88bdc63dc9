"""ConvNeXt (Liu and others, 2022)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras._sequential import Sequential
from ebb.keras.applications._frame import PREPROCESSING, Chain, Request, described
from ebb.keras.applications._scales import LayerScale, StochasticDepth
from ebb.keras.applications.efficientnet import preprocess_input
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = [
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "LayerScale",
    "StochasticDepth",
    "decode_predictions",
    "preprocess_input",
]

# blocks of the third group, channels of the first
_SIZES = {"Tiny": (9, 96), "Small": (27, 96), "Base": (27, 128), "Large": (27, 192)}
_SIZES["XLarge"] = (27, 256)
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _norm(name: str | None = None) -> Any:
    return layers.LayerNormalization(epsilon=1e-6, name=name)


def _block(x: Any, width: int, name: str) -> Any:
    """A depthwise convolution and two dense layers beside a shortcut."""
    chain = Chain(x).conv(width, 7, f"{name}_depthwise_conv", padding="same", groups=width)
    chain.put(_norm(f"{name}_layernorm"))
    chain.put(layers.Dense(4 * width, name=f"{name}_pointwise_conv_1"))
    chain.act(f"{name}_gelu", "gelu")
    chain.put(layers.Dense(width, name=f"{name}_pointwise_conv_2"))
    chain.put(LayerScale(1e-6, width, name=f"{name}_layer_scale"))
    return x + chain.act(f"{name}_identity", "linear").x


def _shrinking(name: str, width: int) -> list[Any]:
    """What comes before each group of blocks."""
    stem = layers.Conv2D(width, kernel_size=4, strides=4, name=f"{name}_stem_conv")
    made = [Sequential([stem, _norm(f"{name}_stem_layernorm")], name=f"{name}_stem")]
    for k in range(3):
        norm = _norm(f"{name}_downsampling_layernorm_{k}")
        conv = layers.Conv2D(
            width * 2 ** (k + 1), kernel_size=2, strides=2, name=f"{name}_downsampling_conv_{k}"
        )
        made.append(Sequential([norm, conv], name=f"{name}_downsampling_block_{k}"))
    return made


def _build(request: Request, size: str, include_preprocessing: bool) -> Any:
    count, width = _SIZES[size]
    name = request.name or ""
    x = request.begin(224, 32)
    if include_preprocessing and request.shape[2] == 3:
        x = layers.Normalization(
            mean=[255 * mean for mean in _MEAN],
            variance=[(255 * spread) ** 2 for spread in _SPREAD],
            name=f"{name}_prestem_normalization",
        )(x)
    for group, (shrink, blocks) in enumerate(zip(_shrinking(name, width), (3, 3, count, 3))):
        x = shrink(x)
        for k in range(blocks):
            x = _block(x, width * 2**group, f"{name}_stage_{group}_block_{k}")
    if request.include_top:
        x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
        x = _norm(f"{name}_head_layernorm")(x)
        x = layers.Dense(request.classes, activation=request.activation, name=f"{name}_head_dense")(
            x
        )
    else:
        x = _norm()(request.pooled(x))
    return request.end(x, "convnext", f"{name}.h5", f"{name}_notop.h5")


def _of(size: str) -> Any:
    def make(
        include_top: bool = True,
        include_preprocessing: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = f"convnext_{size.lower()}",
    ) -> Any:
        request = Request(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return _build(request, size, include_preprocessing)

    return described(make, f"ConvNeXt{size}", f"ConvNeXt, size {size}.", PREPROCESSING)


ConvNeXtTiny = _of("Tiny")
ConvNeXtSmall = _of("Small")
ConvNeXtBase = _of("Base")
ConvNeXtLarge = _of("Large")
ConvNeXtXLarge = _of("XLarge")
