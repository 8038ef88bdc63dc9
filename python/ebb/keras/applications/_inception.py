"""InceptionV3 (Szegedy and others, 2015) and Xception (Chollet, 2016)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import Chain, Request


def _conv(x: Any, filters: int, rows: int, columns: int, stride: int = 1, same: bool = True) -> Any:
    """Convolution, normalization without a factor, activation."""
    chain = Chain(x).conv(
        filters, (rows, columns), strides=(stride, stride), padding="same" if same else "valid",
        use_bias=False,
    )  # fmt: skip
    return chain.norm(scale=False).act().x


def _path(x: Any, *steps: tuple[int, int, int]) -> Any:
    for filters, rows, columns in steps:
        x = _conv(x, filters, rows, columns)
    return x


def _mean(x: Any, filters: int) -> Any:
    pooled = layers.AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x)
    return _conv(pooled, filters, 1, 1)


def _join(parts: list[Any], name: str | None = None) -> Any:
    return layers.Concatenate(axis=3, name=name)(parts)


def build_inception(request: Request) -> Any:
    """Blocks of paths with windows of different sizes."""
    x = _conv(request.begin(299, 75), 32, 3, 3, 2, False)
    x = _conv(_conv(x, 32, 3, 3, same=False), 64, 3, 3)
    x = layers.MaxPooling2D((3, 3), strides=(2, 2))(x)
    x = _conv(_conv(x, 80, 1, 1, same=False), 192, 3, 3, same=False)
    x = layers.MaxPooling2D((3, 3), strides=(2, 2))(x)
    for k, pooled in enumerate((32, 64, 64)):
        x = _join(
            [_path(x, (64, 1, 1)), _path(x, (48, 1, 1), (64, 5, 5)),
             _path(x, (64, 1, 1), (96, 3, 3), (96, 3, 3)), _mean(x, pooled)], f"mixed{k}"
        )  # fmt: skip
    first = _conv(x, 384, 3, 3, 2, False)
    second = _conv(_path(x, (64, 1, 1), (96, 3, 3)), 96, 3, 3, 2, False)
    x = _join([first, second, layers.MaxPooling2D((3, 3), strides=(2, 2))(x)], "mixed3")
    for k, n in enumerate((128, 160, 160, 192), 4):
        x = _join(
            [_path(x, (192, 1, 1)), _path(x, (n, 1, 1), (n, 1, 7), (192, 7, 1)),
             _path(x, (n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)), _mean(x, 192)],
            f"mixed{k}",
        )  # fmt: skip
    first = _conv(_path(x, (192, 1, 1)), 320, 3, 3, 2, False)
    second = _conv(_path(x, (192, 1, 1), (192, 1, 7), (192, 7, 1)), 192, 3, 3, 2, False)
    x = _join([first, second, layers.MaxPooling2D((3, 3), strides=(2, 2))(x)], "mixed8")
    for k in range(2):
        one, mid = _path(x, (320, 1, 1)), _path(x, (384, 1, 1))
        both = _join([_path(mid, (384, 1, 3)), _path(mid, (384, 3, 1))], f"mixed9_{k}")
        deep = _path(x, (448, 1, 1), (384, 3, 3))
        wide = _join([_path(deep, (384, 1, 3)), _path(deep, (384, 3, 1))])
        x = _join([one, both, wide, _mean(x, 192)], f"mixed{9 + k}")
    x = request.top(x, named=False)
    return request.end_kernels(x, "inception_v3", "inception_v3")


# -- Xception ----------------------------------------------------------------------------------


def _separable(chain: Chain, filters: int, name: str) -> Chain:
    chain.put(layers.SeparableConv2D(filters, (3, 3), padding="same", use_bias=False, name=name))
    return chain.norm(f"{name}_bn", axis=-1)


def _shrink(x: Any, widths: tuple[int, int], block: int) -> Any:
    """Two separable convolutions and pooling, beside a convolution of stride 2."""
    side = Chain(x).conv(widths[1], (1, 1), strides=(2, 2), padding="same", use_bias=False)
    side.norm(axis=-1)
    chain, name = Chain(x), f"block{block}"
    if block > 2:
        chain.act(f"{name}_sepconv1_act")
    _separable(chain, widths[0], f"{name}_sepconv1").act(f"{name}_sepconv2_act")
    _separable(chain, widths[1], f"{name}_sepconv2")
    chain.put(layers.MaxPooling2D((3, 3), strides=(2, 2), padding="same", name=f"{name}_pool"))
    return layers.Add()([chain.x, side.x])


def build_xception(request: Request) -> Any:
    """Separable convolutions with shortcuts."""
    chain = Chain(request.begin(299, 71))
    for k, (filters, stride) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{k}"
        chain.conv(filters, (3, 3), name, strides=(stride, stride), use_bias=False)
        chain.norm(f"{name}_bn", axis=-1).act(f"{name}_act")
    x = chain.x
    for block, width in ((2, 128), (3, 256), (4, 728)):
        x = _shrink(x, (width, width), block)
    for block in range(5, 13):
        chain = Chain(x)
        for k in (1, 2, 3):
            chain.act(f"block{block}_sepconv{k}_act")
            _separable(chain, 728, f"block{block}_sepconv{k}")
        x = layers.Add()([chain.x, x])
    chain = Chain(_shrink(x, (728, 1024), 13))
    for k, width in ((1, 1536), (2, 2048)):
        _separable(chain, width, f"block14_sepconv{k}").act(f"block14_sepconv{k}_act")
    return request.end_kernels(request.top(chain.x, named=False), "xception", "xception")
