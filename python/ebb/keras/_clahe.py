"""ContrastLimitedAdaptiveHistogramEqualization: Python computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ebb.keras import _policy
from ebb.keras._host_layer import HostLayer
from ebb.keras._variable import to_numpy

Array = npt.NDArray[Any]

_LEVELS = 256


def _spread(tiles: Array, clip_limit: float, size: int) -> Array:
    """New brightness of each level in each tile: ``(..., 256)`` of ``(..., size)`` pixels."""
    flat = tiles.reshape(-1, size)
    places = np.arange(len(flat))[:, None] * _LEVELS + flat
    counts = np.bincount(places.reshape(-1), minlength=len(flat) * _LEVELS)
    histogram = counts.reshape(*tiles.shape[:-1], _LEVELS).astype(np.float32)
    if clip_limit > 0:
        clipped = np.clip(histogram, 0, np.float32(clip_limit * size / 256.0))
        excess = (histogram - clipped).sum(-1, keepdims=True, dtype=np.float32)
        histogram = clipped + excess / np.float32(256)
    sums = np.cumsum(histogram, -1, dtype=np.float32)
    least = sums.min(-1, keepdims=True)
    whole = np.float32(size) - least
    scaled = (sums - least) * np.float32(255) / np.where(whole == 0, np.float32(1), whole)
    made: Array = np.clip(scaled, 0, 255).astype(np.float32)
    return made


def _between(count: int, tile: int) -> tuple[Array, Array, Array]:
    """For each pixel of an axis the tiles before and behind it, and the weight of the latter."""
    at = (np.arange(count * tile, dtype=np.float32) - np.float32(tile / 2)) / np.float32(tile) + 1
    first = np.floor(at)
    low, high = (np.clip(place, 0, count + 1).astype(np.int64) for place in (first, first + 1))
    return low, high, (at - first).astype(np.float32)


class ContrastLimitedAdaptiveHistogramEqualization(HostLayer):
    """Evens out the brightness of each part of an image, on data or at the begin of a model.

    Keras's ``keras.layers.ContrastLimitedAdaptiveHistogramEqualization``.

    Parameters
    ----------
    value_range : pair of float
        Darkest and brightest value.
    clip_limit : float
        How often a brightness counts at most, as a multiple of the mean; 0: no limit.
    tile_grid_size : pair of int
        Parts along height and width.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are; None: the global setting.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._configure(
            value_range=value_range, clip_limit=clip_limit, tile_grid_size=tile_grid_size,
            data_format=data_format or _policy.settings.image_data_format,
        )  # fmt: skip

    def _result_dtype(self) -> str:
        return self.compute_dtype

    def call(self, inputs: Any) -> Any:
        """Images with more contrast.

        Parameters
        ----------
        inputs : array_like
            One image or several, of 3 or 4 axes.

        Returns
        -------
        Tensor
            Of the same shape and type.
        """
        return super().call(inputs)

    def _compute(self, inputs: Any) -> Array:
        images = to_numpy(inputs)
        if images.ndim not in (3, 4):
            raise ValueError(f"expected images of 3 or 4 axes, found {images.shape}")
        kind = images.dtype if images.dtype.kind in "iu" else np.dtype(self.compute_dtype)
        is_first = self.data_format == "channels_first"
        batch = images if images.ndim == 4 else images[None]
        batch = np.moveaxis(batch, 1, -1) if is_first else batch
        low, high = (np.float32(end) for end in self.value_range)
        is_usual = (low, high) == (0, 255)
        if not is_usual:
            batch = (batch.astype(np.float32) - low) / (high - low) * np.float32(255)
        made = self._equalized(batch)
        if not is_usual:
            made = made / np.float32(255) * (high - low) + low
        made = made.astype(kind)
        made = np.moveaxis(made, -1, 1) if is_first else made
        return made if images.ndim == 4 else made[0]

    def _equalized(self, images: Array) -> Array:
        rows, height, width, channels = images.shape
        down, across = self.tile_grid_size
        tile = -(-height // down), -(-width // across)
        more = tile[0] * down - height, tile[1] * across - width
        if any(more):
            images = np.pad(images, [(0, 0), (0, more[0]), (0, more[1]), (0, 0)], mode="symmetric")
        levels = np.clip(images, 0, _LEVELS - 1).astype(np.int64)
        tiles = levels.reshape(rows, down, tile[0], across, tile[1], channels)
        tiles = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(rows, down, across, channels, -1)
        table = _spread(tiles, self.clip_limit, tile[0] * tile[1])
        table = np.pad(table, [(0, 0), (1, 1), (1, 1), (0, 0), (0, 0)], mode="edge")
        top, bottom, weight_y = _between(down, tile[0])
        left, right, weight_x = _between(across, tile[1])
        row = np.arange(rows)[:, None, None, None]
        channel = np.arange(channels)

        def near(y: Array, x: Array) -> Array:
            made: Array = table[row, y[:, None, None], x[:, None], channel, levels]
            return made

        side = weight_x[:, None]
        upper = near(top, left) * (1 - side) + near(top, right) * side
        lower = near(bottom, left) * (1 - side) + near(bottom, right) * side
        weight = weight_y[:, None, None]
        made: Array = upper * (1 - weight) + lower * weight
        return made[:, :height, :width]
