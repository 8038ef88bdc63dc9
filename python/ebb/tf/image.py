"""``tf.image``: what is done to images before a model sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._apply import one
from ebb._dtype import as_dtype, float32
from ebb._errors import UnsupportedError
from ebb._operators import cast, convert, int_array
from ebb._values import Tensor
from ebb.tf import random as _random
from ebb.tf._arrays import expand_dims, pad, reverse, slice_, squeeze, tile, where
from ebb.tf._arrays import transpose as _transpose
from ebb.tf._math import clip_by_value, reduce, reduce_variance


class ResizeMethod:
    """How pixels between pixels are made."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"


_METHODS = {
    "bilinear": "ResizeBilinear", "nearest": "ResizeNearestNeighbor", "bicubic": "ResizeBicubic",
}  # fmt: skip


def resize(
    images: Any, size: Any, method: str = ResizeMethod.BILINEAR,
    preserve_aspect_ratio: bool = False, antialias: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """Images of another size: ``(rows, columns, channels)``, or several of them.

    The result is float32; with ``method="nearest"`` of the type of the images.
    """
    if method not in _METHODS or antialias:
        what = "antialias=True" if antialias else f"method={method!r}"
        raise UnsupportedError(
            f"{what} is not supported; methods are {list(_METHODS)}", "tf.image.resize"
        )
    x = convert(images)
    alone = x.ndim == 3
    x = expand_dims(x, 0) if alone else x
    rows, columns = (int(n) for n in size)
    if preserve_aspect_ratio:
        scale = min(rows / x.shape[1], columns / x.shape[2])
        rows, columns = round(x.shape[1] * scale), round(x.shape[2] * scale)
    dtype = x.dtype
    x = cast(x, float32)
    made = one(_METHODS[method], (x, int_array([rows, columns])), {"half_pixel_centers": True})
    made = cast(made, dtype) if method == "nearest" else made
    return squeeze(made, 0) if alone else made


def _axes(x: Tensor) -> tuple[int, int]:
    return (0, 1) if x.ndim == 3 else (1, 2)


def flip_left_right(image: Any) -> Any:
    """Columns turned around."""
    x = convert(image)
    return reverse(x, [_axes(x)[1]])


def flip_up_down(image: Any) -> Any:
    """Rows turned around."""
    x = convert(image)
    return reverse(x, [_axes(x)[0]])


def random_flip_left_right(image: Any, seed: Any = None) -> Any:
    """Columns turned around, or not."""
    return where(_random.uniform([], seed=seed) < 0.5, flip_left_right(image), image)


def random_flip_up_down(image: Any, seed: Any = None) -> Any:
    """Rows turned around, or not."""
    return where(_random.uniform([], seed=seed) < 0.5, flip_up_down(image), image)


def transpose(image: Any, name: str | None = None) -> Any:
    """Rows and columns exchanged."""
    x = convert(image)
    return _transpose(x, [1, 0, 2] if x.ndim == 3 else [0, 2, 1, 3])


def rot90(image: Any, k: int = 1, name: str | None = None) -> Any:
    """Turned by 90 degrees, ``k`` times, counter-clockwise."""
    x = convert(image)
    for _ in range(int(k) % 4):
        x = flip_up_down(transpose(x))
    return x


def rgb_to_grayscale(images: Any, name: str | None = None) -> Any:
    """One channel out of three."""
    x = convert(images)
    weights = np.array([0.2989, 0.5870, 0.1140], np.float32)
    grey = reduce("Sum", convert_image_dtype(x, float32) * weights, [-1], True)
    return convert_image_dtype(grey, x.dtype)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Any:
    """Three channels out of one."""
    x = convert(images)
    return tile(x, [1] * (x.ndim - 1) + [3])


def convert_image_dtype(
    image: Any, dtype: Any, saturate: bool = False, name: str | None = None
) -> Any:
    """Another type, with whole numbers from 0 to their largest for floats from 0 to 1."""
    x, kind = convert(image), as_dtype(dtype)
    if x.dtype is kind:
        return x
    if x.dtype.is_floating == kind.is_floating:
        if kind.is_floating:
            return cast(x, kind)
        raise UnsupportedError("from integers to integers is not supported", "convert_image_dtype")
    if kind.is_floating:
        return cast(x, kind) * (1.0 / float(x.dtype.max))
    scaled = x * (float(kind.max) + 0.5)
    return cast(clip_by_value(scaled, 0.0, float(kind.max)) if saturate else scaled, kind)


def adjust_brightness(image: Any, delta: Any) -> Any:
    """Brighter by ``delta``, which is between -1 and 1."""
    x = convert(image)
    return convert_image_dtype(convert_image_dtype(x, float32) + delta, x.dtype, True)


def adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    """Each channel's distance from its mean, times a factor."""
    x = convert(images)
    y = convert_image_dtype(x, float32)
    mean = reduce("Mean", y, list(_axes(x)), True)
    return convert_image_dtype((y - mean) * contrast_factor + mean, x.dtype, True)


def per_image_standardization(image: Any) -> Any:
    """Mean 0 and deviation 1 for each image."""
    x = cast(convert(image), float32)
    axes = [x.ndim - 3, x.ndim - 2, x.ndim - 1]
    count = float(np.prod([x.shape[a] for a in axes]))
    mean, variance = reduce("Mean", x, axes, True), reduce_variance(x, axes, True)
    return _scaled(x - mean, variance, count)


def _scaled(centred: Any, variance: Any, count: float) -> Any:
    least = 1.0 / count**0.5
    deviation = one("Sqrt", (variance,))
    return centred / one("Maximum", (deviation, np.array(least, np.float32)))


def total_variation(images: Any, name: str | None = None) -> Any:
    """The sum of the distances of neighbouring pixels: a number for each image.

    Parameters
    ----------
    images : tensor
        ``(rows, columns, channels)``, or several of them.

    Raises
    ------
    ValueError
        For another number of axes.
    """
    x = convert(images)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"tf.image.total_variation: expected images of 3 axes, or 4 for several; "
            f"found shape {tuple(x.shape)}"
        )
    lead = [0] * (x.ndim - 3)
    last = [x.ndim - 3, x.ndim - 2, x.ndim - 1]
    sums = []
    for step in ([1, 0, 0], [0, 1, 0]):
        sizes = [*[-1] * len(lead), *(x.shape[axis] - s for axis, s in zip(last, step))]
        distance = slice_(x, [*lead, *step], sizes) - slice_(x, [0] * x.ndim, sizes)
        sums.append(reduce("Sum", one("Abs", (distance,)), last, False))
    return sums[0] + sums[1]


def crop_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Any:
    """A part of the image."""
    x = convert(image)
    lead = [0] * (x.ndim - 3)
    return slice_(x, [*lead, offset_height, offset_width, 0],
                  [*[-1] * len(lead), target_height, target_width, -1])  # fmt: skip


def pad_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Any:
    """The image in the midst of zeros."""
    x = convert(image)
    rows, columns = _axes(x)
    widths = [[0, 0]] * (x.ndim - 3) + [
        [offset_height, target_height - offset_height - x.shape[rows]],
        [offset_width, target_width - offset_width - x.shape[columns]],
        [0, 0],
    ]
    return pad(x, widths)


def central_crop(image: Any, central_fraction: float) -> Any:
    """The middle of the image."""
    x = convert(image)
    rows, columns = (x.shape[a] for a in _axes(x))
    top, left = (int((n - n * central_fraction) / 2) for n in (rows, columns))
    return crop_to_bounding_box(x, top, left, rows - 2 * top, columns - 2 * left)
