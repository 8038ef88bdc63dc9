"""InceptionResNetV2 (Szegedy and others, 2016)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import Chain, Request, architecture, preprocessing
from ebb.keras.applications._scales import CustomScaleLayer
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["CustomScaleLayer", "InceptionResNetV2", "decode_predictions", "preprocess_input"]

# paths of each kind of block: filters and window of every convolution
_BLOCKS: dict[str, list[list[tuple[int, Any]]]] = {
    "block35": [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]],
    "block17": [[(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]],
    "block8": [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]],
}


def _conv(x: Any, filters: int, size: Any, name: str | None = None, **settings: Any) -> Any:
    """Convolution, normalization without a factor, activation."""
    settings.setdefault("padding", "same")
    chain = Chain(x).conv(filters, size, name, use_bias=False, **settings)
    chain.norm(name and f"{name}_bn", scale=False)
    return chain.act(name and f"{name}_ac").x


def _path(x: Any, *steps: tuple[int, Any]) -> Any:
    for filters, size in steps:
        x = _conv(x, filters, size)
    return x


def _half(x: Any, filters: int) -> Any:
    return _conv(x, filters, 3, strides=2, padding="valid")


def _join(parts: list[Any], name: str) -> Any:
    return layers.Concatenate(axis=3, name=name)(parts)


def _residual(x: Any, kind: str, number: int, scale: float, is_last: bool = False) -> Any:
    """Paths whose sum with the input is scaled."""
    name = f"{kind}_{number}"
    mixed = _join([_path(x, *steps) for steps in _BLOCKS[kind]], f"{name}_mixed")
    up = layers.Conv2D(x.shape[3], 1, padding="same", name=f"{name}_conv")(mixed)
    x = CustomScaleLayer(scale)([x, up])
    return x if is_last else layers.Activation("relu", name=f"{name}_ac")(x)


def _build(request: Request) -> Any:
    x = _half(request.begin(299, 75), 32)
    x = _conv(_conv(x, 32, 3, padding="valid"), 64, 3)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = _conv(_conv(x, 80, 1, padding="valid"), 192, 3, padding="valid")
    x = layers.MaxPooling2D(3, strides=2)(x)
    paths = [
        _path(x, (96, 1)),
        _path(x, (48, 1), (64, 5)),
        _path(x, (64, 1), (96, 3), (96, 3)),
    ]
    mean = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    x = _join([*paths, _conv(mean, 64, 1)], "mixed_5b")
    for number in range(1, 11):
        x = _residual(x, "block35", number, 0.17)
    paths = [_half(x, 384), _half(_path(x, (256, 1), (256, 3)), 384)]
    x = _join([*paths, layers.MaxPooling2D(3, strides=2)(x)], "mixed_6a")
    for number in range(1, 21):
        x = _residual(x, "block17", number, 0.1)
    paths = [
        _half(_path(x, (256, 1)), 384),
        _half(_path(x, (256, 1)), 288),
        _half(_path(x, (256, 1), (288, 3)), 320),
    ]
    x = _join([*paths, layers.MaxPooling2D(3, strides=2)(x)], "mixed_7a")
    for number in range(1, 10):
        x = _residual(x, "block8", number, 0.2)
    x = _residual(x, "block8", 10, 1.0, is_last=True)
    x = request.top(_conv(x, 1536, 1, "conv_7b"), named=False)
    return request.end_kernels(x, "inception_resnet_v2", "inception_resnet_v2")


InceptionResNetV2 = architecture(
    "InceptionResNetV2", "inception_resnet_v2", "InceptionResNetV2.", _build
)


preprocess_input = preprocessing("tf")
