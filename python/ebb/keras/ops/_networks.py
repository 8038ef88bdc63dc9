"""Operations of neural networks: convolutions, pooling, normalizations, attention, losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._policy import settings
from ebb.keras.ops import _contract as c
from ebb.keras.ops import _elementwise as e
from ebb.keras.ops import _reduce as r
from ebb.keras.ops import _shape as s
from ebb.keras.ops import _windows
from ebb.keras.ops._operation import composed, eager, is_symbolic
from ebb.keras.ops._promotion import as_array, meet, wrap


def shape_of(x: Any) -> tuple[Any, ...]:
    """The shape of a tensor, an array or anything that becomes one."""
    return tuple(x.shape) if hasattr(x, "shape") else as_array(x).shape


def _lengths(x: Any, what: str) -> tuple[int, ...]:
    lengths = shape_of(x)[1:-1]
    if None in lengths:
        raise ValueError(f"{what}: the size of symbolic images has to be known, not {x.shape}")
    return tuple(lengths)


def _patches(
    x: Any, size: Any, strides: Any, dilation: Any, padding: str, what: str
) -> list[tuple[tuple[int, ...], Any]]:
    """For each place of a window the part of symbolic (n, *lengths, c) that it sees."""
    rank, lengths = len(size), _lengths(x, what)
    pads = [
        _windows.borders(lengths[i], size[i], strides[i], dilation[i], padding) for i in range(rank)
    ]
    if any(pads):
        x = s.pad(x, [(0, 0), *pads, (0, 0)])
    made = []
    for at in np.ndindex(*size):
        key: list[Any] = [slice(None)]
        for i in range(rank):
            wide = (size[i] - 1) * dilation[i] + 1
            steps = (lengths[i] + sum(pads[i]) - wide) // strides[i] + 1
            first = at[i] * dilation[i]
            key.append(slice(first, first + (steps - 1) * strides[i] + 1, strides[i]))
        made.append((at, s.get_item(x, tuple(key))))
    return made


def _sum(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = e.add(total, part)
    return total


@composed
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution in one to three dimensions; groups if the kernel has fewer channels."""
    is_last = _windows.channels_last(data_format)
    if not is_symbolic(inputs, kernel):
        x, w = meet([inputs, kernel], floats=True)
        return wrap(_windows.convolve(x, w, strides, padding, dilation_rate, is_last))
    rank, depth = len(shape_of(kernel)) - 2, shape_of(kernel)[-2]
    x = inputs if is_last else s.moveaxis(inputs, 1, -1)
    groups = x.shape[-1] // depth
    size = shape_of(kernel)[:-2]
    strides, dilation = (
        _windows.sizes_of(value, rank, name)
        for value, name in ((strides, "strides"), (dilation_rate, "dilation_rate"))
    )
    kernels = s.split(kernel, groups, axis=-1) if groups > 1 else [kernel]
    planes = s.split(x, groups, axis=-1) if groups > 1 else [x]
    parts = [
        _sum(
            [
                c.matmul(part, s.get_item(w, at))
                for at, part in _patches(plane, size, strides, dilation, padding, "conv")
            ]
        )
        for plane, w in zip(planes, kernels)
    ]
    made = s.concatenate(parts, axis=-1) if groups > 1 else parts[0]
    return made if is_last else s.moveaxis(made, -1, 1)


@composed
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution of each channel with filters of its own: a kernel (*size, channels, filters)."""
    is_last = _windows.channels_last(data_format)
    if not is_symbolic(inputs, kernel):
        x, w = meet([inputs, kernel], floats=True)
        return wrap(_windows.convolve_depthwise(x, w, strides, padding, dilation_rate, is_last))
    rank = len(shape_of(kernel)) - 2
    x = inputs if is_last else s.moveaxis(inputs, 1, -1)
    size = shape_of(kernel)[:-2]
    strides, dilation = (
        _windows.sizes_of(value, rank, name)
        for value, name in ((strides, "strides"), (dilation_rate, "dilation_rate"))
    )
    parts = _patches(x, size, strides, dilation, padding, "depthwise_conv")
    made = _sum([e.multiply(s.expand_dims(part, -1), s.get_item(kernel, at)) for at, part in parts])
    made = s.reshape(made, (-1, *made.shape[1:-2], made.shape[-2] * made.shape[-1]))
    return made if is_last else s.moveaxis(made, -1, 1)


@composed
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """A depthwise convolution, then one of size 1 over all channels."""
    made = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(made, pointwise_kernel, 1, "valid", data_format, 1)


@eager("inputs kernel", "meet_float")
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """The transpose of a convolution; the kernel is ``(*size, filters, channels)``."""
    return _windows.convolve_transposed(
        inputs, kernel, strides, padding, output_padding, dilation_rate,
        _windows.channels_last(data_format),
    )  # fmt: skip


def _layer(name: str, inputs: Any, **settings: Any) -> Any:
    """A layer that does the same inside a model."""
    from ebb.keras import layers

    rank = len(inputs.shape) - 2
    return getattr(layers, f"{name}{rank}D")(**settings)(inputs)


@composed
def max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Largest of each window."""
    if is_symbolic(inputs):
        return _layer(
            "MaxPooling", inputs, pool_size=pool_size, strides=strides, padding=padding,
            data_format=data_format,
        )  # fmt: skip
    is_last = _windows.channels_last(data_format)
    return wrap(_windows.pool(as_array(inputs), pool_size, strides, padding, is_last, True))


@composed
def average_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Mean of each window; what is outside the image does not count."""
    if is_symbolic(inputs):
        return _layer(
            "AveragePooling", inputs, pool_size=pool_size, strides=strides, padding=padding,
            data_format=data_format,
        )  # fmt: skip
    is_last = _windows.channels_last(data_format)
    return wrap(_windows.pool(as_array(inputs), pool_size, strides, padding, is_last, False))


@composed
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Largest of each of ``output_size`` windows."""
    if is_symbolic(inputs):
        return _layer(
            "AdaptiveMaxPooling", inputs, output_size=output_size, data_format=data_format
        )
    is_last = _windows.channels_last(data_format)
    return wrap(_windows.pool_adaptive(as_array(inputs), output_size, is_last, np.max))


@composed
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Mean of each of ``output_size`` windows."""
    if is_symbolic(inputs):
        return _layer(
            "AdaptiveAveragePooling", inputs, output_size=output_size, data_format=data_format
        )
    is_last = _windows.channels_last(data_format)
    return wrap(_windows.pool_adaptive(as_array(inputs), output_size, is_last, np.mean))


# -- normalizations ----------------------------------------------------------------------------


def _along(x: Any, value: Any, axis: int) -> Any:
    """A vector lined up with an axis of ``x``."""
    rank = len(shape_of(x))
    if axis % rank == rank - 1:
        return value
    return s.reshape(value, [-1 if i == axis % rank else 1 for i in range(rank)])


@composed
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset`` along an axis."""
    factor = e.rsqrt(e.add(variance, epsilon))
    if scale is not None:
        factor = e.multiply(factor, scale)
    made = e.multiply(e.subtract(x, _along(x, mean, axis)), _along(x, factor, axis))
    return made if offset is None else e.add(made, _along(x, offset, axis))


def _axes(x: Any, axis: Any) -> list[int]:
    rank = len(shape_of(x))
    return sorted(a % rank for a in (axis if isinstance(axis, (list, tuple)) else [axis]))


def _over_axes(x: Any, value: Any, axes: list[int]) -> Any:
    rank, lengths = len(shape_of(x)), list(shape_of(value))
    if len(lengths) != len(axes) or axes == list(range(rank - len(axes), rank)):
        return value
    return s.reshape(value, [lengths.pop(0) if i in axes else 1 for i in range(rank)])


def _epsilon(epsilon: float | None) -> float:
    return float(settings.epsilon) if epsilon is None else epsilon


@composed
def layer_normalization(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Any:
    """Mean 0 and variance 1 along axes, then times ``gamma`` plus ``beta``."""
    if kwargs.pop("rms_scaling", False) or kwargs:
        raise UnsupportedError(f"layer_normalization: {sorted(kwargs) or 'rms_scaling'}")
    axes = _axes(x, axis)
    mean, variance = r.moments(x, axes=axes, keepdims=True)
    made = e.multiply(e.subtract(x, mean), e.rsqrt(e.add(variance, _epsilon(epsilon))))
    if gamma is not None:
        made = e.multiply(made, _over_axes(x, gamma, axes))
    return made if beta is None else e.add(made, _over_axes(x, beta, axes))


@composed
def rms_normalization(
    x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """Divides by the root of the mean square along axes, then times ``scale``."""
    axes = _axes(x, axis)
    square = r.mean(e.square(x), axis=tuple(axes), keepdims=True)
    made = e.multiply(x, e.rsqrt(e.add(square, _epsilon(epsilon))))
    return made if scale is None else e.multiply(made, _over_axes(x, scale, axes))


# -- attention ---------------------------------------------------------------------------------


@composed
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """Scaled dot product attention.

    Parameters
    ----------
    query : tensor
        ``(batch, length, heads, width)``.
    key, value : tensor
        ``(batch, keys, heads, width)``.
    bias : tensor, optional
        Added to the scores ``(batch, heads, length, keys)``.
    mask : tensor of bool, optional
        Which keys a query sees, in the shape of the scores.
    scale : float, optional
        Of the scores; by default ``1 / sqrt(width)``.
    is_causal : bool
        Whether a query sees no later keys.
    flash_attention : bool, optional
        Has no effect.
    attn_logits_soft_cap : float, optional
        Not supported.

    Returns
    -------
    Tensor, or KerasTensor if an argument is one
        The shape of ``query``.
    """
    if attn_logits_soft_cap is not None:
        raise UnsupportedError("dot_product_attention: attn_logits_soft_cap is not supported")
    if len(shape_of(query)) != 4:
        raise ValueError(f"dot_product_attention: expected four axes, found {shape_of(query)}")
    factor = 1.0 / math.sqrt(shape_of(query)[-1]) if scale is None else scale
    scores = e.multiply(c.einsum("bqhd,bkhd->bhqk", query, key), factor)
    if bias is not None:
        scores = e.add(scores, bias)
    low = -0.7 * float(np.finfo(np.float32).max)
    if mask is not None:
        scores = e.where(mask, scores, low)
    if is_causal:
        lengths = shape_of(query)[1], shape_of(key)[1]
        if None in lengths:
            raise ValueError("dot_product_attention: is_causal needs known lengths")
        scores = e.where(np.tri(*lengths, dtype=bool)[None, None], scores, low)
    return c.einsum("bhqk,bkhd->bqhd", e.softmax(scores, axis=-1), value)


# -- losses ------------------------------------------------------------------------------------


@composed
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Cross entropy of each number with a probability or a logit."""
    if from_logits:
        rest = e.log1p(e.exp(e.negative(e.absolute(output))))
        return e.add(e.subtract(e.relu(output), e.multiply(output, target)), rest)
    least = _epsilon(None)
    p = e.clip(output, least, 1 - least)
    yes = e.multiply(target, e.log(p))
    no = e.multiply(e.subtract(1.0, target), e.log(e.subtract(1.0, p)))
    return e.negative(e.add(yes, no))


def _same_shape(name: str, target: Any, output: Any) -> None:
    known, wanted = shape_of(target), shape_of(output)
    if len(known) != len(wanted) or any(
        a is not None and b is not None and a != b for a, b in zip(known, wanted)
    ):
        raise ValueError(f"{name}: target and output differ in shape: {known} and {wanted}")


@composed
def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Cross entropy of distributions along an axis with probabilities or logits."""
    _same_shape("categorical_crossentropy", target, output)
    if from_logits:
        logs = e.log_softmax(output, axis=axis)
    else:
        least = _epsilon(None)
        p = e.divide(output, r.sum_(output, axis=axis, keepdims=True))
        logs = e.log(e.clip(p, least, 1 - least))
    return e.negative(r.sum_(e.multiply(target, logs), axis=axis))


@composed
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Cross entropy of classes, as integers, with probabilities or logits along an axis."""
    lengths = shape_of(output)
    if len(shape_of(target)) == len(lengths) and shape_of(target)[-1] == 1:
        target = s.squeeze(target, axis=-1)
    if from_logits:
        logs = e.log_softmax(output, axis=axis)
    else:
        least = _epsilon(None)
        p = e.clip(output, least, 1 - least)
        logs = e.log(e.divide(p, r.sum_(p, axis=axis, keepdims=True)))
    if lengths[axis] is None:
        raise ValueError("sparse_categorical_crossentropy: the number of classes is not known")
    hot = s.one_hot(target, lengths[axis], axis=axis % len(lengths))
    return e.negative(r.sum_(e.multiply(hot, logs), axis=axis))


@composed
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """Peak signal to noise ratio in decibel."""
    _same_shape("psnr", x1, x2)
    error = r.mean(e.square(e.subtract(x1, x2)))
    return e.subtract(20 * math.log10(max_val), e.multiply(e.log10(error), 10.0))


# -- blocks ------------------------------------------------------------------------------------


@composed
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Channels become blocks of pixels."""
    is_last = _windows.channels_last(data_format)
    x = x if is_last else s.moveaxis(x, 1, -1)
    _, h, w, depth = shape_of(x)
    b = block_size
    if h is None or w is None or depth % (b * b):
        raise ValueError(f"depth_to_space: {shape_of(x)} does not make blocks of {b}")
    x = s.reshape(x, (-1, h, w, b, b, depth // (b * b)))
    x = s.reshape(s.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h * b, w * b, depth // (b * b)))
    return x if is_last else s.moveaxis(x, -1, 1)


@composed
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Blocks of pixels become channels."""
    is_last = _windows.channels_last(data_format)
    x = x if is_last else s.moveaxis(x, 1, -1)
    _, h, w, depth = shape_of(x)
    b = block_size
    if h is None or w is None or h % b or w % b:
        raise ValueError(f"space_to_depth: {shape_of(x)} does not divide into blocks of {b}")
    x = s.reshape(x, (-1, h // b, b, w // b, b, depth))
    x = s.reshape(s.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h // b, w // b, depth * b * b))
    return x if is_last else s.moveaxis(x, -1, 1)


def _pair(value: Any) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    return int(pair[0]), int(pair[1])


def _steps(length: int, size: int, dilation: int, padding: int, stride: int) -> int:
    return (length + 2 * padding - dilation * (size - 1) - 1) // stride + 1


@eager()
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Windows of images ``(n, channels, h, w)`` as columns: ``(n, channels * window, steps)``."""
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = map(_pair, (kernel_size, dilation, padding, stride))
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    view = _windows.windows(np.moveaxis(x, 1, -1), (kh, kw), (sh, sw), (dh, dw), "valid")
    n, h, w, channels = view.shape[:4]
    return view.transpose(0, 3, 4, 5, 1, 2).reshape(n, channels * kh * kw, h * w)


@eager()
def fold(
    x: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Sums columns of windows back to images: the transpose of ``unfold``."""
    (oh, ow), (kh, kw), (dh, dw) = map(_pair, (output_size, kernel_size, dilation))
    (ph, pw), (sh, sw) = _pair(padding), _pair(stride)
    rows, columns = _steps(oh, kh, dh, ph, sh), _steps(ow, kw, dw, pw, sw)
    parts = x.reshape(x.shape[0], -1, kh, kw, rows, columns)
    made = np.zeros((x.shape[0], parts.shape[1], oh + 2 * ph, ow + 2 * pw), x.dtype)
    for i in range(kh):
        for j in range(kw):
            at = slice(i * dh, i * dh + (rows - 1) * sh + 1, sh)
            to = slice(j * dw, j * dw + (columns - 1) * sw + 1, sw)
            made[:, :, at, to] += parts[:, :, i, j]
    return made[:, :, ph : ph + oh, pw : pw + ow]


@composed
def polar(abs_: Any, angle: Any) -> Any:
    """Complex numbers of lengths and angles: a numpy array."""
    size, phase = meet([abs_, angle], floats=True)
    return size * np.exp(1j * phase).astype(np.complex64)
