"""Images: colours, sizes, patches, filters. Samples first; channels last by default."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras.ops import _elementwise as e
from ebb.keras.ops import _reduce as r
from ebb.keras.ops import _resample, _windows
from ebb.keras.ops import _shape as s
from ebb.keras.ops._networks import _patches, depthwise_conv, shape_of
from ebb.keras.ops._operation import composed, eager, is_symbolic
from ebb.keras.ops._promotion import Array, as_array, to_float

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]


def _rank(name: str, images: Any) -> int:
    rank = len(shape_of(images))
    if rank not in (3, 4):
        raise ValueError(f"{name}: expected one image or samples of images: {shape_of(images)}")
    return rank


def _channel_axis(images: Any, data_format: str | None) -> int:
    return -1 if _windows.channels_last(data_format) else -3


@composed
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """Brightness of each pixel: one channel."""
    _rank("rgb_to_grayscale", images)
    axis = _channel_axis(images, data_format)
    weights = np.array([0.2989, 0.5870, 0.1140], np.float32)
    shape = [1] * len(shape_of(images))
    shape[axis] = 3
    return r.sum_(e.multiply(images, weights.reshape(shape)), axis=axis, keepdims=True)


@eager("images", "float")
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Hue, saturation and value of colours from 0 to 1."""
    axis = _channel_axis(images, data_format)
    red, green, blue = np.moveaxis(images, axis, 0)
    value = np.max(images, axis)
    span = value - np.min(images, axis)
    safe = np.where(span > 0, span, 1)
    saturation = np.where(value > 0, span / np.where(value > 0, value, 1), 0)
    hue = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = np.where(span > 0, (hue / 6) % 1, 0)
    return np.stack([hue, saturation, value], axis).astype(images.dtype)


@eager("images", "float")
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """Colours of hue, saturation and value."""
    axis = _channel_axis(images, data_format)
    hue, saturation, value = np.moveaxis(images, axis, 0)
    parts = []
    for shift in (5, 3, 1):
        at = (shift + hue * 6) % 6
        parts.append(value - value * saturation * np.clip(np.minimum(at, 4 - at), 0, 1))
    return np.stack(parts, axis).astype(images.dtype)


def _border(size: Any, one: Any, other: Any, target: Any, names: str) -> tuple[int, int]:
    if [one, other, target].count(None) != 1:
        raise ValueError(f"exactly two of {names} are needed")
    if target is None:
        return one, other
    return (target - size - other, other) if one is None else (one, target - size - one)


def _box(
    images: Any, sides: tuple[Any, ...], height: Any, width: Any, data_format: str | None, sign: int
) -> tuple[list[tuple[int, int]], int]:
    """What is put around (sign 1) or cut away (sign -1) on each axis."""
    rank = _rank("pad_images" if sign > 0 else "crop_images", images)
    first = rank - 3 if _windows.channels_last(data_format) else rank - 2
    top, left, bottom, right = sides
    lengths = shape_of(images)
    pairs = []
    for axis, (one, other, target, names) in enumerate(
        [(top, bottom, height, "top, bottom and target_height"),
         (left, right, width, "left, right and target_width")]
    ):  # fmt: skip
        size = lengths[first + axis]
        if sign < 0 and target is not None:
            pair = _border(-size, one, other, -target, names)
        else:
            pair = _border(size, one, other, target, names)
        if min(pair) < 0:
            raise ValueError(f"borders of {pair} do not fit {size} pixels")
        pairs.append(pair)
    return pairs, first


@composed
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Zeros around images; two of top, bottom and height, and of left, right and width."""
    sides = (top_padding, left_padding, bottom_padding, right_padding)
    pairs, first = _box(images, sides, target_height, target_width, data_format, 1)
    widths = [(0, 0)] * len(shape_of(images))
    widths[first : first + 2] = pairs
    return s.pad(images, widths)


@composed
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """A part of images; two of top, bottom and height, and of left, right and width."""
    sides = (top_cropping, left_cropping, bottom_cropping, right_cropping)
    pairs, first = _box(images, sides, target_height, target_width, data_format, -1)
    lengths = shape_of(images)
    key: list[Any] = [slice(None)] * first
    for (before, after), length in zip(pairs, lengths[first:]):
        key.append(slice(before, length - after))
    return s.get_item(images, tuple(key))


@composed
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Windows as channels: ``(n, steps, steps, height * width * channels)``."""
    return _as_channels(images, size, strides, dilation_rate, padding, data_format, 2)


@composed
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Windows of volumes as channels."""
    return _as_channels(volumes, size, strides, dilation_rate, padding, data_format, 3)


def _as_channels(
    images: Any, size: Any, strides: Any, dilation: Any, padding: str, data_format: Any, rank: int
) -> Any:
    size = _windows.sizes_of(size, rank, "size")
    strides = size if strides is None else _windows.sizes_of(strides, rank, "strides")
    dilation = _windows.sizes_of(dilation, rank, "dilation_rate")
    is_last, is_one = _windows.channels_last(data_format), len(shape_of(images)) == rank + 1
    x = s.expand_dims(images, 0) if is_one else images
    x = x if is_last else s.moveaxis(x, 1, -1)
    parts = [part for _, part in _patches(x, size, strides, dilation, padding, "extract_patches")]
    made = s.concatenate(parts, axis=-1)
    made = made if is_last else s.moveaxis(made, -1, 1)
    return s.squeeze(made, axis=0) if is_one else made


def _gauss(size: int, sigma: float) -> Array:
    at = np.arange(size) - (size - 1) / 2
    bell = np.exp(-0.5 * (at / sigma) ** 2)
    made: Array = (bell / bell.sum()).astype(np.float32)
    return made


def _filtered(images: Any, kernel: Array, data_format: Any, padding: str = "same") -> Any:
    """Every channel by the same kernel (h, w)."""
    axis = _channel_axis(images, data_format)
    channels = shape_of(images)[axis]
    is_one = len(shape_of(images)) == 3
    x = s.expand_dims(images, 0) if is_one else images
    weights = np.repeat(kernel[:, :, None, None], channels, 2)
    made = depthwise_conv(x, weights, 1, padding, data_format or "channels_last")
    return s.squeeze(made, axis=0) if is_one else made


@composed
def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Blurred by a bell of a given width."""
    _rank("gaussian_blur", images)
    sizes = _windows.sizes_of(kernel_size, 2, "kernel_size")
    widths = (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(sigma)
    kernel = np.outer(_gauss(sizes[0], widths[0]), _gauss(sizes[1], widths[1]))
    return _filtered(images, kernel.astype(np.float32), data_format)


@composed
def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Differences of neighbours in the two directions, on a new last axis."""
    _rank("sobel_edges", images)
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    first = len(shape_of(images)) - (3 if _windows.channels_last(data_format) else 2)
    widths = [(0, 0)] * len(shape_of(images))
    widths[first] = widths[first + 1] = (1, 1)
    wide = s.pad(images, widths, mode="reflect")
    edges = [_filtered(wide, kernel, data_format, "valid") for kernel in (down, down.T)]
    return s.stack(edges, axis=-1)


@composed
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """Structural similarity of images, from -1 to 1: one number for each."""
    kernel = np.outer(_gauss(filter_size, filter_sigma), _gauss(filter_size, filter_sigma))
    kernel = kernel.astype(np.float32)

    def blur(x: Any) -> Any:
        return _filtered(x, kernel, data_format, "valid")

    first, second = blur(image1), blur(image2)
    product, squares = e.multiply(first, second), e.add(e.square(first), e.square(second))
    both = e.subtract(blur(e.multiply(image1, image2)), product)
    spread = e.subtract(blur(e.add(e.square(image1), e.square(image2))), squares)
    small, large = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    light = e.divide(e.add(e.multiply(product, 2.0), small), e.add(squares, small))
    contrast = e.divide(e.add(e.multiply(both, 2.0), large), e.add(spread, large))
    return r.mean(e.multiply(light, contrast), axis=(-3, -2, -1))


# -- sizes -------------------------------------------------------------------------------------


def _crop_to_ratio(images: Any, size: tuple[int, int], first: int) -> Any:
    height, width = shape_of(images)[first : first + 2]
    new_h = min(height, int(float(width * size[0]) / size[1]))
    new_w = min(width, int(float(height * size[1]) / size[0]))
    top, left = int((height - new_h) / 2), int((width - new_w) / 2)
    key = (slice(None),) * first + (slice(top, top + new_h), slice(left, left + new_w))
    return s.get_item(images, key)


def _pad_to_ratio(images: Any, size: tuple[int, int], first: int, fill: float) -> Any:
    height, width = shape_of(images)[first : first + 2]
    new_h = max(height, int(float(width * size[0]) / size[1]))
    new_w = max(width, int(float(height * size[1]) / size[0]))
    top, left = int((new_h - height) / 2), int((new_w - width) / 2)
    widths = [(0, 0)] * len(shape_of(images))
    widths[first : first + 2] = (top, new_h - height - top), (left, new_w - width - left)
    return s.pad(images, widths, constant_values=fill)


@composed
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images in another size.

    Parameters
    ----------
    images : tensor or array
        ``(n, height, width, channels)``, or without n.
    size : pair of int
        New height and width.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"}
        How pixels are mixed.
    antialias : bool
        Whether the window widens when images shrink.
    crop_to_aspect_ratio, pad_to_aspect_ratio : bool
        Cut or fill what does not have the ratio of the new size.
    fill_mode : {"constant"}
        What is filled in.
    fill_value : float
        The constant.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are.

    Returns
    -------
    Tensor, or KerasTensor if ``images`` is one

    Raises
    ------
    ValueError
        Both crop and pad, or an unknown choice.
    """
    rank = _rank("resize", images)
    height, width = _windows.sizes_of(size, 2, "size")
    is_last = _windows.channels_last(data_format)
    first = rank - 3 if is_last else rank - 2
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: either crop or pad to the aspect ratio, not both")
    if fill_mode != "constant":
        raise ValueError(f'resize: fill_mode: expected "constant", found {fill_mode!r}')
    if is_symbolic(images):
        from ebb.keras import layers

        return layers.Resizing(
            height, width, interpolation=interpolation, antialias=antialias,
            crop_to_aspect_ratio=crop_to_aspect_ratio, pad_to_aspect_ratio=pad_to_aspect_ratio,
            fill_value=fill_value, data_format="channels_last" if is_last else "channels_first",
        )(images)  # fmt: skip
    if crop_to_aspect_ratio:
        images = _crop_to_ratio(images, (height, width), first)
    if pad_to_aspect_ratio:
        images = _pad_to_ratio(images, (height, width), first, fill_value)
    return _resized(images, height, width, interpolation, antialias, first)


@eager("images")
def _resized(
    images: Any, height: int, width: int, interpolation: str, antialias: bool, first: int
) -> Any:
    """On arrays."""
    made: Array = to_float(images)
    for axis, length in ((first, height), (first + 1, width)):
        made = _resample.resize_axis(made, axis, length, interpolation, antialias)
    if images.dtype.kind in "iu":
        limits = np.iinfo(images.dtype)
        made = np.clip(np.round(made), limits.min, limits.max)
    return made.astype(images.dtype)


@eager("images scale translation")
def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """Scales and moves some axes at once: output pixel i is input ``(i - translation) / scale``."""
    made = to_float(images)
    for k, axis in enumerate(spatial_dims):
        weights = _resample.weights_of(
            made.shape[axis], int(output_shape[axis]), float(scale[k]), float(translation[k]),
            method, antialias,
        )  # fmt: skip
        made = _resample.apply_axis(made, axis, weights)
    return made


# -- transforms --------------------------------------------------------------------------------


@eager("inputs coordinates")
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: Any = 0
) -> Any:
    """Values between the elements of an array: ``coordinates`` has one row for each axis."""
    if order not in (0, 1):
        raise UnsupportedError("map_coordinates: order: only 0 and 1 are supported")
    return _resample.sample(inputs, list(coordinates), order, fill_mode, fill_value)


def _each(images: Array, data_format: Any, count: int) -> Array:
    """As (n, height, width, channels)."""
    x = images if images.ndim == 4 else images[None]
    x = x if _windows.channels_last(data_format) else np.moveaxis(x, 1, -1)
    return np.repeat(x, count, 0) if len(x) == 1 and count > 1 else x


def _back(made: Array, images: Array, data_format: Any) -> Array:
    made = made if _windows.channels_last(data_format) else np.moveaxis(made, -1, 1)
    return made.astype(images.dtype) if images.ndim == 4 else made[0].astype(images.dtype)


_ORDERS = {"nearest": 0, "bilinear": 1}


def _warp(
    images: Array,
    rows: Array,
    interpolation: str,
    fill_mode: str,
    fill_value: Any,
    data_format: Any,
) -> Array:
    """Output pixel (x, y) reads input (a0 x + a1 y + a2, b0 x + b1 y + b2) / (c0 x + c1 y + 1)."""
    if interpolation not in _ORDERS:
        raise ValueError(f"interpolation: expected nearest or bilinear, found {interpolation!r}")
    x = _each(images, data_format, len(rows))
    height, width = x.shape[1:3]
    at_y, at_x = np.meshgrid(
        np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32), indexing="ij"
    )
    made = []
    for image, t in zip(x, rows):
        depth = t[6] * at_x + t[7] * at_y + 1
        to_x = (t[0] * at_x + t[1] * at_y + t[2]) / depth
        to_y = (t[3] * at_x + t[4] * at_y + t[5]) / depth
        planes = [
            _resample.sample(image[..., k], [to_y, to_x], _ORDERS[interpolation], fill_mode,
                             fill_value)
            for k in range(image.shape[-1])
        ]  # fmt: skip
        made.append(np.stack(planes, -1))
    return _back(np.stack(made), images, data_format)


@eager("images transform")
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    """Each output pixel from where 8 numbers for each image send it."""
    rows = transform if transform.ndim == 2 else transform[None]
    return _warp(images, rows, interpolation, fill_mode, fill_value, data_format)


def _perspective(start: Array, end: Array) -> Array:
    """The 8 numbers that send four end points back to the start points."""
    rows, right = [], []
    for (x, y), (u, v) in zip(end, start):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.linalg.solve(np.asarray(rows, np.float64), np.asarray(right, np.float64))


@eager("images start_points end_points")
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    """Images seen from elsewhere: four points ``(x, y)`` go to four others."""
    starts = start_points if start_points.ndim == 3 else start_points[None]
    ends = end_points if end_points.ndim == 3 else end_points[None]
    rows = np.stack([_perspective(a, b) for a, b in zip(starts, ends)])
    return _warp(images, rows, interpolation, "constant", fill_value, data_format)


@composed
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Every pixel moved by a smooth random field."""
    from ebb.keras.random import normal

    if is_symbolic(images):
        raise UnsupportedError(
            "keras.ops.image.elastic_transform computes on arrays only; inside a model use the "
            "layer RandomElasticTransform"
        )
    array = as_array(images)
    x = _each(array, data_format, 1)
    height, width = x.shape[1:3]
    size = 4 * math.ceil(sigma) + 1
    field = normal((2, *x.shape[:3]), seed=seed).numpy()[..., None]
    kernel = np.outer(_gauss(size, sigma), _gauss(size, sigma)).astype(np.float32)
    moved = [as_array(_filtered(part, kernel, "channels_last"))[..., 0] * alpha for part in field]
    at = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    made = [
        np.stack(
            [
                _resample.sample(
                    image[..., k],
                    [at[0] + dy, at[1] + dx],
                    _ORDERS[interpolation],
                    fill_mode,
                    fill_value,
                )
                for k in range(image.shape[-1])
            ],
            -1,
        )
        for image, dy, dx in zip(x, *moved)
    ]
    from ebb.keras.ops._promotion import wrap

    return wrap(_back(np.stack(made), array, data_format))
