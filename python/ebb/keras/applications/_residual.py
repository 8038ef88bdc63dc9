"""ResNet and ResNetV2 (He and others, 2015 and 2016)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import Chain, Request

_EPSILON = 1.001e-5
DEPTHS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}


def _block(x: Any, filters: int, stride: int, is_first: bool, name: str) -> Any:
    """Three convolutions beside a shortcut."""
    shortcut = x
    if is_first:
        side = Chain(x).conv(4 * filters, 1, f"{name}_0_conv", strides=stride)
        shortcut = side.norm(f"{name}_0_bn", epsilon=_EPSILON).x
    chain = Chain(x)
    steps: list[tuple[int, int, dict[str, Any]]] = [
        (filters, 1, {"strides": stride}),
        (filters, 3, {"padding": "same"}),
        (4 * filters, 1, {}),
    ]
    for step, (width, size, more) in enumerate(steps, 1):
        chain.conv(width, size, f"{name}_{step}_conv", **more)
        chain.norm(f"{name}_{step}_bn", epsilon=_EPSILON)
        if step < 3:
            chain.act(f"{name}_{step}_relu")
    x = layers.Add(name=f"{name}_add")([shortcut, chain.x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _block_v2(x: Any, filters: int, stride: int, is_first: bool, name: str) -> Any:
    """The same with normalization and activation before each convolution."""
    chain = Chain(x).norm(f"{name}_preact_bn", epsilon=_EPSILON).act(f"{name}_preact_relu")
    if is_first:
        shortcut = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(chain.x)
    else:
        shortcut = layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    chain.conv(filters, 1, f"{name}_1_conv", strides=1, use_bias=False)
    chain.norm(f"{name}_1_bn", epsilon=_EPSILON).act(f"{name}_1_relu")
    chain.pad(((1, 1), (1, 1)), f"{name}_2_pad")
    chain.conv(filters, 3, f"{name}_2_conv", strides=stride, use_bias=False)
    chain.norm(f"{name}_2_bn", epsilon=_EPSILON).act(f"{name}_2_relu")
    chain.conv(4 * filters, 1, f"{name}_3_conv")
    return layers.Add(name=f"{name}_out")([shortcut, chain.x])


def build(request: Request, depth: str, is_v2: bool) -> Any:
    """One of the six."""
    chain = Chain(request.begin(224, 32)).pad(((3, 3), (3, 3)), "conv1_pad")
    chain.conv(64, 7, "conv1_conv", strides=2)
    if not is_v2:
        chain.norm("conv1_bn", epsilon=_EPSILON).act("conv1_relu")
    chain.pad(((1, 1), (1, 1)), "pool1_pad")
    chain.put(layers.MaxPooling2D(3, strides=2, name="pool1_pool"))
    x = chain.x
    for group, count in enumerate(DEPTHS[depth], 2):
        filters, name = 64 * 2 ** (group - 2), f"conv{group}"
        for k in range(1, count + 1):
            if is_v2:
                stride = 2 if k == count and group < 5 else 1
                x = _block_v2(x, filters, stride, k == 1, f"{name}_block{k}")
            else:
                stride = 2 if k == 1 and group > 2 else 1
                x = _block(x, filters, stride, k == 1, f"{name}_block{k}")
    if is_v2:
        x = Chain(x).norm("post_bn", epsilon=_EPSILON).act("post_relu").x
    x = request.top(x)
    return request.end_kernels(x, "resnet", f"resnet{depth}{'v2' if is_v2 else ''}")
