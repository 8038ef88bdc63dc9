"""``tf.nn``: activations, convolutions, pooling, losses, normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ebb._apply import apply, one
from ebb._dtype import as_dtype, int32
from ebb._errors import ArgumentError, UnsupportedError
from ebb._operators import binary, cast, convert, dtype_of, int_array, operand, unary
from ebb.tf import random as _random
from ebb.tf._arrays import concat, expand_dims, gather, squeeze, transpose
from ebb.tf._math import (
    in_top_k,
    reduce,
    reduce_variance,
    sigmoid,
    softplus,
    softsign,
    tanh,
    top_k,
)


def relu(features: Any, name: str | None = None) -> Any:
    """``max(x, 0)``."""
    return unary("Relu", features, name)


def relu6(features: Any, name: str | None = None) -> Any:
    """``min(max(x, 0), 6)``."""
    return unary("Relu6", features, name)


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Any:
    """``x`` where it is above 0, else ``alpha * x``."""
    return one("LeakyRelu", (operand(features),), {"alpha": float(alpha)}, name)


def elu(features: Any, name: str | None = None) -> Any:
    """``x`` where it is above 0, else ``exp(x) - 1``."""
    return unary("Elu", features, name)


def selu(features: Any, name: str | None = None) -> Any:
    """The scaled exponential linear unit."""
    return unary("Selu", features, name)


def crelu(features: Any, axis: int = -1, name: str | None = None) -> Any:
    """``relu`` of the tensor and of its negative, one after the other."""
    x = convert(features)
    return relu(concat([x, -x], axis))


def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Any:
    """The Gaussian error linear unit."""
    x = convert(features)
    if approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1.0 + unary("Tanh", inner))
    return 0.5 * x * (1.0 + unary("Erf", x / math.sqrt(2.0)))


def silu(features: Any, beta: float = 1.0) -> Any:
    """``x * sigmoid(beta * x)``."""
    x = convert(features)
    return x * sigmoid(x * beta)


swish = silu


def _last_axis(op: str, x: Any, axis: Any, name: str | None) -> Any:
    x = operand(x)
    rank, place = len(x.shape), -1 if axis is None else int(axis)
    if place in (-1, rank - 1):
        return one(op, (x,), None, name)
    order = list(range(rank))
    order[place], order[-1] = order[-1], order[place]
    return transpose(one(op, (transpose(x, order),)), order)


def softmax(logits: Any, axis: Any = None, name: str | None = None) -> Any:
    """Exponentials, divided by their sum along an axis (the last one)."""
    return _last_axis("Softmax", logits, axis, name)


def log_softmax(logits: Any, axis: Any = None, name: str | None = None) -> Any:
    """The logarithm of ``softmax``."""
    return _last_axis("LogSoftmax", logits, axis, name)


def bias_add(value: Any, bias: Any, data_format: Any = None, name: str | None = None) -> Any:
    """Adds a vector along the axis of channels."""
    x = operand(value)
    kind = "NCHW" if data_format and str(data_format).startswith("NC") else "NHWC"
    return one("BiasAdd", (x, operand(bias, None, dtype_of(x))), {"data_format": kind}, name)


# -- convolutions ----------------------------------------------------------------------------------


def _window(value: Any, count: int) -> list[int]:
    """A number, one for each axis, or with those of batch and channels: always all of them."""
    numbers = [int(v) for v in np.atleast_1d(np.asarray(value))]
    if len(numbers) == 1:
        numbers *= count
    return numbers if len(numbers) == count + 2 else [1, *numbers, 1]


def _check_format(data_format: Any) -> None:
    if data_format is not None and str(data_format).startswith("NC"):
        raise UnsupportedError("only channels-last data are supported here", "data_format")


def _padding(padding: Any) -> dict[str, Any]:
    if isinstance(padding, str):
        return {"padding": padding.upper()}
    flat = [int(n) for pair in padding for n in pair]
    return {"padding": "EXPLICIT", "explicit_paddings": flat}


def conv2d(
    input: Any, filters: Any, strides: Any, padding: Any, data_format: Any = "NHWC",
    dilations: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """A convolution: ``(batch, rows, columns, in)`` with ``(rows, columns, in, out)``."""
    _check_format(data_format)
    attributes = {"strides": _window(strides, 2), **_padding(padding)}
    attributes["dilations"] = _window(1 if dilations is None else dilations, 2)
    x = operand(input)
    return one("Conv2D", (x, operand(filters, None, dtype_of(x))), attributes, name)


def conv3d(
    input: Any, filters: Any, strides: Any, padding: str, data_format: Any = "NDHWC",
    dilations: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """A convolution over three axes."""
    _check_format(data_format)
    attributes = {"strides": _window(strides, 3), "padding": padding.upper()}
    attributes["dilations"] = _window(1 if dilations is None else dilations, 3)
    x = operand(input)
    return one("Conv3D", (x, operand(filters, None, dtype_of(x))), attributes, name)


def conv1d(
    input: Any, filters: Any, stride: Any, padding: str, data_format: Any = "NWC",
    dilations: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """A convolution over one axis."""
    _check_format(data_format)
    step = _window(stride, 1)[1]
    spread = 1 if dilations is None else _window(dilations, 1)[1]
    x, kernel = expand_dims(convert(input), 1), expand_dims(convert(filters), 0)
    made = conv2d(x, kernel, [1, step], padding, None, [1, spread], name)
    return squeeze(made, 1)


def depthwise_conv2d(
    input: Any, filter: Any, strides: Any, padding: Any, data_format: Any = None,
    dilations: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """A convolution of each channel by itself: ``(rows, columns, in, multiplier)``."""
    _check_format(data_format)
    attributes = {"strides": _window(strides, 2), **_padding(padding)}
    attributes["dilations"] = _window(1 if dilations is None else dilations, 2)
    x = operand(input)
    kernel = operand(filter, None, dtype_of(x))
    return one("DepthwiseConv2dNative", (x, kernel), attributes, name)


def separable_conv2d(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: Any,
    data_format: Any = None, dilations: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """A convolution of each channel by itself, then one across channels."""
    x = depthwise_conv2d(input, depthwise_filter, strides, padding, data_format, dilations)
    return conv2d(x, pointwise_filter, 1, "VALID")


def conv2d_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
    data_format: Any = "NHWC", dilations: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """The gradient of a convolution: filters are ``(rows, columns, out, in)``."""
    _check_format(data_format)
    attributes = {"strides": _window(strides, 2), **_padding(padding)}
    attributes["dilations"] = _window(1 if dilations is None else dilations, 2)
    inputs = (int_array(output_shape), operand(filters), operand(input))
    return one("Conv2DBackpropInput", inputs, attributes, name)


def _pool(op: str, x: Any, ksize: Any, strides: Any, padding: Any, data_format: Any,
          name: str | None) -> Any:  # fmt: skip
    _check_format(data_format)
    x = operand(x)
    count = len(x.shape) - 2
    if count not in (2, 3):
        raise ArgumentError(f"pooling takes 4 or 5 axes, got {len(x.shape)}")
    attributes = {
        "ksize": _window(ksize, count), "strides": _window(strides, count),
        "padding": str(padding).upper(),
    }  # fmt: skip
    return one(op if count == 2 else f"{op}3D", (x,), attributes, name)


def max_pool(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The largest element of each window."""
    return _pool("MaxPool", input, ksize, strides, padding, data_format, name)


def avg_pool(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The mean of each window."""
    return _pool("AvgPool", input, ksize, strides, padding, data_format, name)


max_pool2d = max_pool3d = max_pool
avg_pool2d = avg_pool3d = avg_pool


def local_response_normalization(
    input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Each element, divided by its neighbours along the channels."""
    attributes = {"depth_radius": int(depth_radius), "bias": float(bias), "alpha": float(alpha)}
    return one("LRN", (operand(input),), {**attributes, "beta": float(beta)}, name)


lrn = local_response_normalization


def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC",
                   name: str | None = None) -> Any:  # fmt: skip
    """Blocks of rows and columns become channels."""
    return one("SpaceToDepth", (operand(input),), {"block_size": int(block_size)}, name)


def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC",
                   name: str | None = None) -> Any:  # fmt: skip
    """Channels become blocks of rows and columns."""
    return one("DepthToSpace", (operand(input),), {"block_size": int(block_size)}, name)


# -- normalization ---------------------------------------------------------------------------------


def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False,
            name: str | None = None) -> tuple[Any, Any]:  # fmt: skip
    """Mean and variance over axes."""
    tensor = convert(x)
    return reduce("Mean", tensor, axes, keepdims), reduce_variance(tensor, axes, keepdims)


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float,
    name: str | None = None,
) -> Any:  # fmt: skip
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``."""
    factor = unary("Rsqrt", convert(variance) + variance_epsilon)
    if scale is not None:
        factor = factor * scale
    result = (convert(x) - mean) * factor
    return result if offset is None else result + offset


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None,
                 dim: Any = None) -> Any:  # fmt: skip
    """The tensor, divided by its norm over axes."""
    tensor = convert(x)
    total = reduce("Sum", unary("Square", tensor), axis if axis is not None else dim, True)
    return tensor * unary("Rsqrt", binary("Maximum", total, epsilon))


def l2_loss(t: Any, name: str | None = None) -> Any:
    """Half the sum of squares."""
    return unary("L2Loss", t, name)


def zero_fraction(value: Any, name: str | None = None) -> Any:
    """The part of the elements that is zero."""
    x = convert(value)
    return reduce("Mean", cast(binary("Equal", x, 0), "float32"), None, False)


def dropout(
    x: Any, rate: Any, noise_shape: Any = None, seed: Any = None, name: str | None = None
) -> Any:
    """Elements set to zero at random; what stays is made larger."""
    tensor = convert(x)
    if not 0 <= float(rate) < 1:
        raise ValueError(
            f"`rate` must be a scalar tensor or a float in the range [0, 1). Received: rate={rate}"
        )
    if float(rate) == 0:
        return tensor
    noise = _random.uniform(tensor.shape if noise_shape is None else noise_shape, seed=seed)
    keep = cast(binary("GreaterEqual", noise, float(rate)), tensor.dtype)
    return tensor * keep / (1.0 - float(rate))


# -- losses, choosing ------------------------------------------------------------------------------


def sigmoid_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """The cross entropy of independent yes and no, from logits."""
    x = convert(logits)
    z = convert(labels, None, x.dtype)
    return relu(x) - x * z + unary("Log1p", unary("Exp", -unary("Abs", x)))


def weighted_cross_entropy_with_logits(
    labels: Any, logits: Any, pos_weight: Any, name: str | None = None
) -> Any:
    """As ``sigmoid_cross_entropy_with_logits``, a yes counting ``pos_weight`` times."""
    x = convert(logits)
    z = convert(labels, None, x.dtype)
    weight = 1.0 + (convert(pos_weight, None, x.dtype) - 1.0) * z
    tail = unary("Log1p", unary("Exp", -unary("Abs", x))) + relu(-x)
    return (1.0 - z) * x + weight * tail


def softmax_cross_entropy_with_logits(
    labels: Any, logits: Any, axis: int = -1, name: str | None = None
) -> Any:
    """The cross entropy of a distribution over classes, from logits."""
    x = convert(logits)
    return -reduce("Sum", convert(labels, None, x.dtype) * log_softmax(x, axis), axis, False)


softmax_cross_entropy_with_logits_v2 = softmax_cross_entropy_with_logits


def sparse_softmax_cross_entropy_with_logits(
    labels: Any, logits: Any, name: str | None = None
) -> Any:
    """The cross entropy of a class, given by its number, from logits."""
    x = convert(logits)
    classes = x.shape[-1]
    hot = one("OneHot", (operand(labels), np.array(classes, np.int32),
                         np.array(1, x.dtype.numpy), np.array(0, x.dtype.numpy)),
              {"axis": -1})  # fmt: skip
    return softmax_cross_entropy_with_logits(hot, x)


def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Any:
    """The Poisson loss, from the logarithm of the rate."""
    x = convert(log_input)
    return unary("Exp", x) - x * targets


def embedding_lookup(params: Any, ids: Any, max_norm: Any = None, name: str | None = None) -> Any:
    """Rows of a table by their numbers."""
    if max_norm is not None:
        raise UnsupportedError("max_norm is not supported", "tf.nn.embedding_lookup")
    return gather(params, cast(ids, int32) if as_dtype(convert(ids).dtype) is not int32 else ids)


def fused_batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any = None, variance: Any = None,
    epsilon: float = 0.001, data_format: str = "NHWC", is_training: bool = True,
    name: str | None = None, exponential_avg_factor: float = 1.0,
) -> Any:  # fmt: skip
    """Batch normalization in one operation: the result, mean and variance."""
    empty = np.zeros(0, np.float32)
    inputs = [operand(part) for part in (x, scale, offset)]
    inputs += [empty if part is None else operand(part) for part in (mean, variance)]
    attributes = {"epsilon": float(epsilon), "is_training": bool(is_training)}
    return tuple(apply("FusedBatchNormV3", inputs, attributes, name)[:3])


__all__ = [
    "avg_pool", "avg_pool2d", "avg_pool3d", "batch_normalization", "bias_add", "conv1d", "conv2d",
    "conv2d_transpose", "conv3d", "crelu", "depth_to_space", "depthwise_conv2d",
    "dropout", "elu", "embedding_lookup", "fused_batch_norm", "gelu", "in_top_k", "l2_loss",
    "l2_normalize", "leaky_relu", "local_response_normalization", "log_poisson_loss",
    "log_softmax", "lrn", "max_pool", "max_pool2d", "max_pool3d", "moments", "relu", "relu6",
    "selu", "separable_conv2d", "sigmoid", "sigmoid_cross_entropy_with_logits", "silu", "softmax",
    "softmax_cross_entropy_with_logits", "softplus", "softsign", "space_to_depth",
    "sparse_softmax_cross_entropy_with_logits", "swish", "tanh", "top_k",
    "weighted_cross_entropy_with_logits", "zero_fraction",
]  # fmt: skip
