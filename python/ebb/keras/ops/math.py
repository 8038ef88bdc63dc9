"""Fourier transforms, segments, special functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras.ops._composed import erfc, erfinv
from ebb.keras.ops._elementwise import erf, rsqrt
from ebb.keras.ops._operation import composed, eager
from ebb.keras.ops._promotion import Array, as_array, meet, to_float, wrap
from ebb.keras.ops._reduce import (
    in_top_k,
    logsumexp,
    segment_max,
    segment_min,
    segment_prod,
    segment_sum,
    top_k,
)

__all__ = [
    "cdist",
    "erf",
    "erfc",
    "erfinv",
    "extract_sequences",
    "fft",
    "fft2",
    "ifft2",
    "in_top_k",
    "irfft",
    "istft",
    "logdet",
    "logsumexp",
    "rfft",
    "rsqrt",
    "segment_max",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "slogdet",
    "stft",
    "top_k",
    "view_as_complex",
    "view_as_real",
]


def _complex(name: str, x: Any) -> Array:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"{name}: expected a pair: real and imaginary part")
    real, imaginary = meet(list(x), floats=True)
    if real.shape != imaginary.shape:
        raise ValueError(f"{name}: the parts differ in shape: {real.shape}, {imaginary.shape}")
    return np.asarray(real + 1j * imaginary, np.complex128)


def _parts(x: Array, kind: Any = np.float32) -> tuple[Array, Array]:
    return x.real.astype(kind), x.imag.astype(kind)


@eager("")
def fft(x: Any) -> Any:
    """Fourier transform of a pair (real, imaginary) along the last axis: a pair."""
    return _parts(np.fft.fft(_complex("fft", x)))


@eager("")
def fft2(x: Any) -> Any:
    """Fourier transform of a pair (real, imaginary) along the last two axes: a pair."""
    return _parts(np.fft.fft2(_complex("fft2", x)))


@eager("")
def ifft2(x: Any) -> Any:
    """Inverse of ``fft2``."""
    return _parts(np.fft.ifft2(_complex("ifft2", x)))


@eager(promote="float")
def rfft(x: Any, fft_length: int | None = None) -> Any:
    """Fourier transform of real numbers along the last axis: a pair (real, imaginary)."""
    return _parts(np.fft.rfft(x, fft_length), x.dtype)


@eager("")
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """Inverse of ``rfft``."""
    return np.fft.irfft(_complex("irfft", x), fft_length).astype(np.float32)


def _frames(x: Array, length: int, stride: int) -> Array:
    count = max((x.shape[-1] - length) // stride + 1, 0)
    at = np.arange(count)[:, None] * stride + np.arange(length)
    return x[..., at]


@eager()
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Overlapping parts of the last axis, on an axis of their own."""
    return _frames(x, sequence_length, sequence_stride)


def _window(window: Any, length: int, fft_length: int, kind: Any) -> Array:
    if window is None:
        shape = np.ones(length)
    elif isinstance(window, str):
        makers: Any = {"hann": np.hanning, "hamming": np.hamming}
        if window not in makers:
            raise ValueError(f'stft: window: expected "hann" or "hamming", found {window!r}')
        shape = makers[window](length + 1)[:-1]
    else:
        shape = as_array(window)
    left = (fft_length - length) // 2
    return np.pad(shape, (left, fft_length - length - left)).astype(kind)


@eager(promote="float")
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Fourier transforms of overlapping windows: a pair (real, imaginary)."""
    if center:
        pads = [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)]
        x = np.pad(x, pads, mode="reflect")
    shape = _window(window, sequence_length, fft_length, x.dtype)
    frames = _frames(x, fft_length, sequence_stride) * shape
    return _parts(np.fft.rfft(frames, fft_length), x.dtype)


@eager("")
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Inverse of ``stft``: windows added up, divided by the sum of their squares."""
    frames = np.fft.irfft(_complex("istft", x), fft_length)
    shape = _window(window, sequence_length, fft_length, np.float64)
    total = fft_length + sequence_stride * (frames.shape[-2] - 1)
    made, weight = np.zeros((*frames.shape[:-2], total)), np.zeros(total)
    for i in range(frames.shape[-2]):
        at = slice(i * sequence_stride, i * sequence_stride + fft_length)
        made[..., at] += frames[..., i, :] * shape
        weight[at] += shape * shape
    made = made / np.where(weight > 1e-10, weight, 1)
    start = fft_length // 2 if center else 0
    end = start + length if length is not None else -start if center else None
    return made[..., start:end].astype(np.float32)


@eager(promote="float")
def logdet(x: Any) -> Any:
    """Logarithm of the determinants of positive definite matrices."""
    return np.linalg.slogdet(x)[1]


@eager(promote="float")
def slogdet(x: Any) -> Any:
    """Sign and logarithm of the size of determinants."""
    sign, size = np.linalg.slogdet(x)
    return np.asarray(sign, x.dtype), np.asarray(size, x.dtype)


@eager("x y", "meet_float")
def cdist(x: Any, y: Any) -> Any:
    """Euclidean distances of every row of ``x`` to every row of ``y``."""
    difference = x[..., :, None, :] - y[..., None, :, :]
    return np.sqrt(np.sum(difference * difference, -1))


@composed
def view_as_complex(x: Any) -> Any:
    """Pairs on the last axis as complex numbers: a numpy array."""
    pairs = to_float(x)
    if pairs.shape[-1:] != (2,):
        raise ValueError(f"view_as_complex: expected a last axis of 2, found {pairs.shape}")
    return pairs[..., 0] + 1j * pairs[..., 1]


@composed
def view_as_real(x: Any) -> Any:
    """Complex numbers as pairs on a new last axis."""
    array = as_array(x)
    return wrap(np.stack([array.real, array.imag], -1))
