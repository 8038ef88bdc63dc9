"""Windows that move over images: convolutions and pooling on arrays, channels last."""

from __future__ import annotations

import math
from typing import Any, Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ebb.keras._policy import settings
from ebb.keras.ops._promotion import Array


def sizes_of(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """A number or one for each axis as a tuple."""
    sizes = (value,) * rank if isinstance(value, (int, np.integer)) else tuple(value)
    if len(sizes) != rank:
        raise ValueError(f"{name}: expected {rank} numbers, found {value!r}")
    return tuple(int(size) for size in sizes)


def channels_last(data_format: str | None) -> bool:
    """Whether the channels are on the last axis."""
    chosen = data_format or settings.image_data_format
    if chosen not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format: expected channels_last or channels_first: {chosen!r}")
    return chosen == "channels_last"


def borders(length: int, size: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """What is put before and after an axis."""
    if padding == "valid":
        return 0, 0
    if padding != "same":
        raise ValueError(f'padding: expected "valid" or "same", found {padding!r}')
    wide = (size - 1) * dilation + 1
    total = max((math.ceil(length / stride) - 1) * stride + wide - length, 0)
    return total // 2, total - total // 2


def windows(
    x: Array,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: str,
    fill: float = 0,
) -> Array:
    """Windows of (n, *lengths, c): (n, *steps, c, *size)."""
    rank = len(size)
    pads = [borders(x.shape[1 + i], size[i], strides[i], dilation[i], padding) for i in range(rank)]
    x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=np.asarray(fill, x.dtype))
    wide = tuple((s - 1) * d + 1 for s, d in zip(size, dilation))
    if any(x.shape[1 + i] < wide[i] for i in range(rank)):
        raise ValueError(f"the window {size} is larger than the image {x.shape[1:-1]}")
    view = sliding_window_view(x, wide, tuple(range(1, rank + 1)))
    key = (slice(None), *(slice(None, None, s) for s in strides), slice(None))
    places = key + tuple(slice(None, None, d) for d in dilation)
    picked: Array = view[places]
    return picked


def convolve(
    x: Array, kernel: Array, strides: Any, padding: str, dilation: Any, is_last: bool
) -> Array:
    """Convolution of (n, *lengths, c) with (*size, c / groups, filters)."""
    rank = kernel.ndim - 2
    x = x if is_last else np.moveaxis(x, 1, -1)
    strides = sizes_of(strides, rank, "strides")
    dilation = sizes_of(dilation, rank, "dilation_rate")
    depth, filters = kernel.shape[-2:]
    if x.ndim != rank + 2 or x.shape[-1] % depth:
        raise ValueError(f"conv: a kernel {kernel.shape} does not fit inputs {x.shape}")
    groups = x.shape[-1] // depth
    if filters % groups:
        raise ValueError(f"conv: {filters} filters do not make {groups} groups")
    view = windows(x, kernel.shape[:-2], strides, dilation, padding)
    parts = []
    for g in range(groups):
        own = view[(slice(None),) * (rank + 1) + (slice(g * depth, (g + 1) * depth),)]
        share = kernel[..., g * (filters // groups) : (g + 1) * (filters // groups)]
        sums = list(range(rank + 1, 2 * rank + 2))
        parts.append(np.tensordot(own, np.moveaxis(share, -2, 0), (sums, list(range(rank + 1)))))
    made = np.concatenate(parts, -1) if groups > 1 else parts[0]
    return made if is_last else np.moveaxis(made, -1, 1)


def convolve_depthwise(
    x: Array, kernel: Array, strides: Any, padding: str, dilation: Any, is_last: bool
) -> Array:
    """Convolution of each channel with filters of its own: (*size, c, multiplier)."""
    rank = kernel.ndim - 2
    x = x if is_last else np.moveaxis(x, 1, -1)
    strides = sizes_of(strides, rank, "strides")
    dilation = sizes_of(dilation, rank, "dilation_rate")
    view = windows(x, kernel.shape[:-2], strides, dilation, padding)
    letters = "xyz"[:rank]
    steps = "hwd"[:rank]
    made = np.einsum(f"n{steps}c{letters},{letters}cm->n{steps}cm", view, kernel)
    made = made.reshape((*made.shape[:-2], -1))
    return made if is_last else np.moveaxis(made, -1, 1)


def convolve_transposed(
    x: Array,
    kernel: Array,
    strides: Any,
    padding: str,
    extra: Any,
    dilation: Any,
    is_last: bool,
) -> Array:
    """The transpose of a convolution with (*size, filters, c)."""
    rank = kernel.ndim - 2
    x = x if is_last else np.moveaxis(x, 1, -1)
    strides = sizes_of(strides, rank, "strides")
    dilation = sizes_of(dilation, rank, "dilation_rate")
    extras = (None,) * rank if extra is None else sizes_of(extra, rank, "output_padding")
    lengths, cuts, full = [], [], []
    for i in range(rank):
        wide = (kernel.shape[i] - 1) * dilation[i] + 1
        n, s, more = x.shape[1 + i], strides[i], extras[i]
        if padding == "valid":
            length = (n - 1) * s + wide + (max(wide, s) - wide if more is None else more)
        else:
            length = n * s if more is None else (n - 1) * s + wide % 2 + more
        total = max((n - 1) * s + wide - length, 0) if padding == "same" else 0
        lengths.append(length)
        cuts.append(total // 2)
        full.append(max((n - 1) * s + wide, length + total // 2))
    made = np.zeros((x.shape[0], *full, kernel.shape[-2]), x.dtype)
    for at in np.ndindex(*kernel.shape[:-2]):
        at_rows: tuple[slice, ...] = (slice(None),)
        at_rows += tuple(
            slice(at[i] * dilation[i], at[i] * dilation[i] + (x.shape[1 + i] - 1) * strides[i] + 1,
                  strides[i])
            for i in range(rank)
        )  # fmt: skip
        made[at_rows] += x @ kernel[at].T
    inside: tuple[slice, ...] = (slice(None),)
    made = made[inside + tuple(slice(c, c + n) for c, n in zip(cuts, lengths))]
    return made if is_last else np.moveaxis(made, -1, 1)


def pool(x: Array, size: Any, strides: Any, padding: str, is_last: bool, is_max: bool) -> Array:
    """Largest or mean of each window; a mean leaves out what is outside the image."""
    rank = x.ndim - 2
    x = x if is_last else np.moveaxis(x, 1, -1)
    size = sizes_of(size, rank, "pool_size")
    strides = size if strides is None else sizes_of(strides, rank, "strides")
    one = (1,) * rank
    ends = tuple(range(-rank, 0))
    if is_max:
        low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        made = windows(x, size, strides, one, padding, low).max(ends)
    else:
        counts = windows(np.ones((1, *x.shape[1:-1], 1), x.dtype), size, strides, one, padding)
        made = windows(x, size, strides, one, padding).sum(ends) / counts.sum(ends)
    made = made.astype(x.dtype)
    return made if is_last else np.moveaxis(made, -1, 1)


def pool_adaptive(x: Array, size: Any, is_last: bool, function: Callable[..., Any]) -> Array:
    """Pooling to a given size: bins from floor(i n / m) to ceil((i + 1) n / m)."""
    rank = x.ndim - 2
    x = x if is_last else np.moveaxis(x, 1, -1)
    for i, m in enumerate(sizes_of(size, rank, "output_size")):
        n = x.shape[1 + i]
        bins = [
            function(np.take(x, np.arange(k * n // m, -(-(k + 1) * n // m)), 1 + i), axis=1 + i)
            for k in range(m)
        ]
        x = np.stack(bins, 1 + i)
    return x if is_last else np.moveaxis(x, -1, 1)
