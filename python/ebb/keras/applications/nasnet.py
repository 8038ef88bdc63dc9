"""NASNet (Zoph and others, 2017)."""

from __future__ import annotations

from typing import Any

from ebb.keras import layers
from ebb.keras.applications._frame import Chain, Request, described, half_padding, preprocessing
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]

# filters at the end, blocks of a group, filters at the start, do reductions keep the tensor before
_SIZES = {"Mobile": (1056, 4, 32, True, 224), "Large": (4032, 6, 96, False, 331)}


def _norm(chain: Chain, name: str) -> Chain:
    return chain.norm(name, axis=-1, momentum=0.9997, epsilon=1e-3)


def _conv(chain: Chain, filters: int, name: str) -> Chain:
    return chain.conv(
        filters, (1, 1), name, padding="same", use_bias=False, kernel_initializer="he_normal"
    )


def _separable(x: Any, filters: int, size: int, name: str, stride: int = 1) -> Any:
    """Two separable convolutions, each with activation before and normalization behind."""
    chain, padding = Chain(x), "same"
    for k in (1, 2):
        chain.act()
        if k == 1 and stride == 2:
            chain.pad(half_padding(chain.x, size), f"separable_conv_1_pad_{name}")
            padding = "valid"
        chain.put(
            layers.SeparableConv2D(
                filters,
                (size, size),
                strides=(stride, stride) if k == 1 else (1, 1),
                name=f"separable_conv_{k}_{name}",
                padding=padding if k == 1 else "same",
                use_bias=False,
            )
        )
        _norm(chain, f"separable_conv_{k}_bn_{name}")
    return chain.x


def _mean(x: Any, name: str, size: int = 3, stride: int = 1, padding: str = "same") -> Any:
    return layers.AveragePooling2D(
        (size, size), strides=(stride, stride), padding=padding, name=name
    )(x)


def _largest(x: Any, name: str) -> Any:
    return layers.MaxPooling2D((3, 3), strides=(2, 2), padding="valid", name=name)(x)


def _add(first: Any, second: Any, name: str | None) -> Any:
    return layers.Add(name=name)([first, second])


def _adjusted(p: Any, x: Any, filters: int, name: str) -> Any:
    """The tensor before, in the shape of this one."""
    if p is None:
        return x
    if p.shape[-2] != x.shape[-2]:
        p = layers.Activation("relu", name=f"adjust_relu_1_{name}")(p)
        first = Chain(_mean(p, f"adjust_avg_pool_1_{name}", 1, 2, "valid"))
        _conv(first, filters // 2, f"adjust_conv_1_{name}")
        second = Chain(p).pad(((0, 1), (0, 1)))
        second.put(layers.Cropping2D(cropping=((1, 0), (1, 0))))
        second.x = _mean(second.x, f"adjust_avg_pool_2_{name}", 1, 2, "valid")
        _conv(second, filters // 2, f"adjust_conv_2_{name}")
        both = Chain(layers.Concatenate(axis=-1)([first.x, second.x]))
        return _norm(both, f"adjust_bn_{name}").x
    if p.shape[-1] != filters:
        chain = _conv(Chain(p).act(), filters, f"adjust_conv_projection_{name}")
        return _norm(chain, f"adjust_bn_{name}").x
    return p


def _cell(x: Any, p: Any, filters: int, name: str, kind: str) -> tuple[Any, Any]:
    """What both kinds of cells begin with: both tensors with the same shape."""
    p = _adjusted(p, x, filters, name)
    chain = _conv(Chain(x).act(), filters, f"{kind}_conv_1_{name}")
    return p, _norm(chain, f"{kind}_bn_1_{name}").x


def _normal(x: Any, p: Any, filters: int, name: str) -> tuple[Any, Any]:
    """A cell that keeps the size of the image."""
    before = x
    p, h = _cell(x, p, filters, name, "normal")
    x1 = _add(
        _separable(h, filters, 5, f"normal_left1_{name}"),
        _separable(p, filters, 3, f"normal_right1_{name}"),
        f"normal_add_1_{name}",
    )
    x2 = _add(
        _separable(p, filters, 5, f"normal_left2_{name}"),
        _separable(p, filters, 3, f"normal_right2_{name}"),
        f"normal_add_2_{name}",
    )
    x3 = _add(_mean(h, f"normal_left3_{name}"), p, f"normal_add_3_{name}")
    x4 = _add(
        _mean(p, f"normal_left4_{name}"),
        _mean(p, f"normal_right4_{name}"),
        f"normal_add_4_{name}",
    )
    x5 = _add(_separable(h, filters, 3, f"normal_left5_{name}"), h, f"normal_add_5_{name}")
    parts = [p, x1, x2, x3, x4, x5]
    return layers.Concatenate(axis=-1, name=f"normal_concat_{name}")(parts), before


def _reduction(x: Any, p: Any, filters: int, name: str) -> tuple[Any, Any]:
    """A cell that halves the size of the image."""
    before = x
    p, h = _cell(x, p, filters, name, "reduction")
    padding = half_padding(h, 3)
    padded = layers.ZeroPadding2D(padding, name=f"reduction_pad_1_{name}")(h)
    x1 = _add(
        _separable(h, filters, 5, f"reduction_left1_{name}", 2),
        _separable(p, filters, 7, f"reduction_right1_{name}", 2),
        f"reduction_add_1_{name}",
    )
    x2 = _add(
        _largest(padded, f"reduction_left2_{name}"),
        _separable(p, filters, 7, f"reduction_right2_{name}", 2),
        f"reduction_add_2_{name}",
    )
    x3 = _add(
        _mean(padded, f"reduction_left3_{name}", 3, 2, "valid"),
        _separable(p, filters, 5, f"reduction_right3_{name}", 2),
        f"reduction_add3_{name}",
    )
    x4 = _add(x2, _mean(x1, f"reduction_left4_{name}"), None)
    x5 = _add(
        _separable(x1, filters, 3, f"reduction_left4_{name}"),
        _largest(padded, f"reduction_right5_{name}"),
        f"reduction_add4_{name}",
    )
    parts = [x2, x3, x4, x5]
    return layers.Concatenate(axis=-1, name=f"reduction_concat_{name}")(parts), before


def _build(request: Request, kind: str) -> Any:
    last, blocks, first, keeps, size = _SIZES[kind]
    chain = Chain(request.begin(size, 32))
    chain.conv(
        first, (3, 3), "stem_conv1", strides=(2, 2), padding="valid", use_bias=False,
        kernel_initializer="he_normal",
    )  # fmt: skip
    filters = last // 24
    x, p = _reduction(_norm(chain, "stem_bn1").x, None, filters // 4, "stem_1")
    x, p = _reduction(x, p, filters // 2, "stem_2")
    for group in range(3):
        if group:
            x, before = _reduction(x, p, filters * 2**group, f"reduce_{group * blocks}")
            p = before if keeps else p
        for k in range(blocks):
            number = group * blocks + k + (1 if group else 0)
            x, p = _normal(x, p, filters * 2**group, f"{number}")
    x = layers.Activation("relu")(x)
    if request.include_top:
        x = request.classifier(layers.GlobalAveragePooling2D()(x))
    else:
        x = request.pooled(x)
    stem, remote = f"nasnet_{kind.lower()}", f"NASNet-{kind.lower()}"
    sources = (f"{remote}.h5", f"{remote}-no-top.h5")
    return request.end(x, "nasnet", f"{stem}.h5", f"{stem}_no_top.h5", sources)


def _of(kind: str) -> Any:
    def make(
        input_shape: Any = None,
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = f"nasnet_{kind.lower()}",
    ) -> Any:
        if kind == "Mobile" and not include_top and input_shape is None:
            input_shape = (224, 224, 3)
        request = Request(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return _build(request, kind)

    return described(make, f"NASNet{kind}", f"NASNet, size {kind}.")


NASNetMobile = _of("Mobile")
NASNetLarge = _of("Large")


preprocess_input = preprocessing("tf")
