"""Images as arrays, read and written with Pillow where that is installed."""

from __future__ import annotations

import importlib
import io
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb.keras._policy import settings
from ebb.keras.ops import _resample

Array = npt.NDArray[Any]

_MODES = {"grayscale": "L", "rgba": "RGBA", "rgb": "RGB"}
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow(what: str) -> Any:
    """The module ``PIL.Image``."""
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        raise UnsupportedError(
            f"{what} needs the package Pillow, which is not installed: pip install pillow"
        ) from None


def _is_last(data_format: str | None) -> bool:
    chosen = data_format or settings.image_data_format
    if chosen not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format: expected channels_last or channels_first: {chosen!r}")
    return chosen == "channels_last"


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Any:
    """Makes an image of Pillow.

    Parameters
    ----------
    x : array_like
        ``(height, width, channels)`` with 1, 3 or 4 channels.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are.
    scale : bool
        Whether numbers are moved and stretched to 0 to 255.
    dtype : str, optional
        In which it is computed; by default ``floatx``.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    UnsupportedError
        Pillow is not installed.
    ValueError
        Another shape.
    """
    image = pillow("array_to_img")
    array = np.asarray(x, dtype or settings.floatx)
    if array.ndim != 3:
        raise ValueError(f"array_to_img: expected three axes, found the shape {array.shape}")
    if not _is_last(data_format):
        array = array.transpose(1, 2, 0)
    if scale:
        array = array - array.min()
        high = array.max()
        array = array / high * 255 if high != 0 else array
    channels = array.shape[2]
    if channels == 1:
        kind = "int32" if array.max() > 255 else "uint8"
        return image.fromarray(array[:, :, 0].astype(kind))
    if channels in (3, 4):
        return image.fromarray(array.astype("uint8"))
    raise ValueError(f"array_to_img: expected 1, 3 or 4 channels, found {channels}")


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """Makes an array of an image of Pillow.

    Parameters
    ----------
    img : PIL.Image.Image or array_like
        An image.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels go.
    dtype : str, optional
        Of the array; by default ``floatx``.

    Returns
    -------
    ndarray
        ``(height, width, channels)``.

    Raises
    ------
    ValueError
        Not two or three axes.
    """
    array = np.asarray(img, dtype or settings.floatx)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3:
        raise ValueError(f"img_to_array: expected two or three axes, found {array.shape}")
    return array if _is_last(data_format) else array.transpose(2, 0, 1)


def _filter(image: Any, name: str) -> Any:
    if name not in _INTERPOLATIONS:
        raise ValueError(f"interpolation: expected one of {_INTERPOLATIONS}, found {name!r}")
    return getattr(getattr(image, "Resampling", image), name.upper())


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Reads an image file.

    Parameters
    ----------
    path : str, path, or file
        Where it is.
    color_mode : {"rgb", "rgba", "grayscale"}
        Which channels it gets.
    target_size : pair of int, optional
        Height and width that it is brought to.
    interpolation : {"nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"}
        How.
    keep_aspect_ratio : bool
        Whether the middle of the image is cut out, in place of stretching.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    UnsupportedError
        Pillow is not installed.
    ValueError
        An unknown choice.
    """
    image = pillow("load_img")
    if color_mode not in _MODES:
        raise ValueError(f"color_mode: expected one of {sorted(_MODES)}, found {color_mode!r}")
    if isinstance(path, io.BytesIO):
        img = image.open(path)
        img.load()
    else:
        content = pathlib.Path(os.fspath(path)).read_bytes()
        img = image.open(io.BytesIO(content))
    wanted = _MODES[color_mode]
    if not (wanted == "L" and img.mode in ("I;16", "I")) and img.mode != wanted:
        img = img.convert(wanted)
    if target_size is None:
        return img
    height, width = target_size
    resample = _filter(image, interpolation)
    if (img.height, img.width) == (height, width):
        return img
    if not keep_aspect_ratio:
        return img.resize((width, height), resample)
    cut_h = min(img.height, int(float(img.width * height) / width))
    cut_w = min(img.width, int(float(img.height * width) / height))
    top, left = int((img.height - cut_h) / 2), int((img.width - cut_w) / 2)
    box = [left, top, left + cut_w, top + cut_h]
    return img.resize((width, height), resample, box=box)


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array to an image file.

    Parameters
    ----------
    path : str, path or file
        Where to.
    x : array_like
        ``(height, width, channels)``.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are.
    file_format : str, optional
        By default what the name says.
    scale : bool
        Whether numbers are moved and stretched to 0 to 255.
    **kwargs
        For ``PIL.Image.save``.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format in ("jpg", "jpeg"):
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def resize_array(array: Array, size: Any, interpolation: str) -> Array:
    """An image ``(height, width, channels)`` in another size, as float32."""
    method = {"bilinear": "bilinear", "nearest": "nearest"}.get(interpolation, interpolation)
    made = array.astype(np.float32)
    for axis in (0, 1):
        made = _resample.resize_axis(made, axis, int(size[axis]), method, False)
    return made


def smart_resize(
    x: Any,
    size: Any,
    interpolation: str = "bilinear",
    data_format: str = "channels_last",
    backend_module: Any = None,
) -> Any:
    """Resizes without stretching: what does not fit the ratio is cut away.

    Parameters
    ----------
    x : array_like or tensor
        ``(height, width, channels)`` or with samples before.
    size : pair of int
        New height and width.
    interpolation : {"bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"}
        How pixels are mixed.
    data_format : {"channels_last", "channels_first"}
        Where the channels are.
    backend_module
        Has no effect.

    Returns
    -------
    ndarray or Tensor, as ``x``
    """
    from ebb.keras.ops import image

    made = image.resize(
        x, size, interpolation=interpolation, crop_to_aspect_ratio=True, data_format=data_format
    )
    return np.array(made) if isinstance(x, np.ndarray) else made
