"""VGG (Simonyan and Zisserman, 2014) and DenseNet (Huang and others, 2016)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import Chain, Request

_EPSILON = 1.001e-5
VGG = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
DENSE = {
    "densenet121": (6, 12, 24, 16),
    "densenet169": (6, 12, 32, 32),
    "densenet201": (6, 12, 48, 32),
}


def build_vgg(request: Request, kind: str) -> Any:
    """Blocks of convolutions of size 3."""
    chain = Chain(request.begin(224, 32))
    for block, count in enumerate(VGG[kind], 1):
        for k in range(1, count + 1):
            chain.conv(
                min(64 * 2 ** (block - 1), 512), (3, 3), f"block{block}_conv{k}",
                activation="relu", padding="same",
            )  # fmt: skip
        chain.put(layers.MaxPooling2D((2, 2), strides=(2, 2), name=f"block{block}_pool"))
    if request.include_top:
        chain.put(layers.Flatten(name="flatten"))
        for name in ("fc1", "fc2"):
            chain.put(layers.Dense(4096, activation="relu", name=name))
        x = request.classifier(chain.x)
    else:
        x = request.pooled(chain.x)
    return request.end_kernels(x, kind, kind)


def build_dense(request: Request, kind: str) -> Any:
    """Blocks whose layers see the results of all layers before."""
    chain = Chain(request.begin(224, 32)).pad(((3, 3), (3, 3)))
    chain.conv(64, 7, "conv1_conv", strides=2, use_bias=False)
    chain.norm("conv1_bn", epsilon=_EPSILON).act("conv1_relu").pad(((1, 1), (1, 1)))
    chain.put(layers.MaxPooling2D(3, strides=2, name="pool1"))
    for group, count in enumerate(DENSE[kind], 2):
        for k in range(1, count + 1):
            name = f"conv{group}_block{k}"
            side = Chain(chain.x).norm(f"{name}_0_bn", epsilon=_EPSILON).act(f"{name}_0_relu")
            side.conv(128, 1, f"{name}_1_conv", use_bias=False)
            side.norm(f"{name}_1_bn", epsilon=_EPSILON).act(f"{name}_1_relu")
            side.conv(32, 3, f"{name}_2_conv", padding="same", use_bias=False)
            chain.x = layers.Concatenate(axis=3, name=f"{name}_concat")([chain.x, side.x])
        if group < 5:
            name = f"pool{group}"
            width = chain.x.shape[3] // 2
            chain.norm(f"{name}_bn", epsilon=_EPSILON).act(f"{name}_relu")
            chain.conv(width, 1, f"{name}_conv", use_bias=False)
            chain.put(layers.AveragePooling2D(2, strides=2, name=f"{name}_pool"))
    chain.norm("bn", epsilon=_EPSILON).act("relu")
    return request.end_kernels(request.top(chain.x), "densenet", kind)
