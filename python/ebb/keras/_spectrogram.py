"""Layers of sound: MelSpectrogram (Python computes it) and STFTSpectrogram (its windows learn)."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb.keras import _policy, initializers
from ebb.keras._host_layer import HOSTS, HostLayer
from ebb.keras._layer import Layer
from ebb.keras._variable import to_numpy
from ebb.keras.ops import _contract, _elementwise, _shape
from ebb.keras.ops.math import stft

Array = npt.NDArray[Any]

# The scale of mel: 1127 * log(1 + hertz / 700).
_BREAK, _FACTOR = 700.0, 1127.0


def _mel(hertz: Any) -> Array:
    made: Array = _FACTOR * np.log(1.0 + np.asarray(hertz, np.float32) / np.float32(_BREAK))
    return np.asarray(made, np.float32)


class MelSpectrogram(HostLayer):
    """Sound as the strength of each pitch over time, on data or at the begin of a model.

    Keras's ``keras.layers.MelSpectrogram``.

    Parameters
    ----------
    fft_length : int
        Samples of a Fourier transform.
    sequence_stride : int
        Samples from one column to the next.
    sequence_length : int, optional
        Samples that the window covers; None: ``fft_length``.
    window : {"hann", "hamming"}, array_like or None
        Weight of each sample.
    sampling_rate : int
        Samples in a second.
    num_mel_bins : int
        Rows of the result.
    min_freq, max_freq : float
        Lowest and highest frequency; ``max_freq`` None: half of the sampling rate.
    power_to_db : bool
        Whether the result is in decibels.
    top_db : float
        How far below the loudest number of all the result may go, in decibels.
    mag_exp : float
        Exponent of the magnitudes: 2 for power.
    min_power, ref_power : float
        The least power, and the power of 0 decibels.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        length = sequence_length or fft_length
        if fft_length < length:
            raise ValueError(
                "`fft_length` must be greater than or equal to `sequence_length`. Received: "
                f"`sequence_length`={length}, `fft_length`={fft_length}."
            )
        self._configure(
            fft_length=fft_length, sequence_stride=sequence_stride, sequence_length=length,
            window=window, sampling_rate=sampling_rate, num_mel_bins=num_mel_bins,
            min_freq=min_freq, max_freq=max_freq or int(sampling_rate / 2),
            power_to_db=power_to_db, top_db=top_db, mag_exp=mag_exp, min_power=min_power,
            ref_power=ref_power,
        )  # fmt: skip

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for a shape of input: ``(..., num_mel_bins, time)``."""
        *rows, samples = input_shape
        # One less than Keras says where the last frame does not fit: what there really is.
        even = 2 * (self.fft_length // 2) - self.fft_length
        time = None if samples is None else (samples + even) // self.sequence_stride + 1
        return (*rows, self.num_mel_bins, time)

    def _result_dtype(self) -> str:
        return self.compute_dtype

    def call(self, inputs: Any) -> Any:
        """Spectrograms of sounds.

        Parameters
        ----------
        inputs : array_like of float
            ``(samples,)`` or ``(n, samples)``.

        Returns
        -------
        Tensor
            ``(num_mel_bins, time)`` or ``(n, num_mel_bins, time)``.
        """
        return super().call(inputs)

    def _compute(self, inputs: Any) -> Array:
        kind = self.compute_dtype if self.compute_dtype == "float64" else "float32"
        sound = np.asarray(to_numpy(inputs), kind)
        if sound.ndim not in (1, 2):
            raise ValueError(f"expected sounds (samples,) or (n, samples), found {sound.shape}")
        real, imaginary = stft(
            sound, self.sequence_length, self.sequence_stride, self.fft_length, self.window, True
        )
        power = np.sqrt(np.square(to_numpy(real)) + np.square(to_numpy(imaginary)))
        made = np.power(power, self.mag_exp) @ self._matrix(power.shape[-1]).astype(kind)
        if self.power_to_db:
            made = self._decibels(made)
        turned: Array = np.swapaxes(made, -1, -2).astype(self.compute_dtype)
        return turned

    def _matrix(self, bins: int) -> Array:
        """How much each frequency counts for each row."""
        return self.linear_to_mel_weight_matrix(
            self.num_mel_bins, bins, self.sampling_rate, self.min_freq, self.max_freq
        )

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: str = "float32",
    ) -> Array:
        """How much each frequency of a spectrogram counts for each row: triangles that overlap.

        Parameters
        ----------
        num_mel_bins, num_spectrogram_bins : int
            Columns and rows of the result.
        sampling_rate : float
            Samples in a second.
        lower_edge_hertz, upper_edge_hertz : float
            Lowest and highest frequency.
        dtype : str
            Type of the result.

        Returns
        -------
        ndarray
            ``(num_spectrogram_bins, num_mel_bins)``; its first row is 0.
        """
        hertz = np.linspace(0, sampling_rate / 2, num_spectrogram_bins, dtype=np.float32)[1:]
        bins = _mel(hertz)[:, None]
        ends = _mel(lower_edge_hertz), _mel(upper_edge_hertz)
        edges = np.linspace(*ends, num_mel_bins + 2, dtype=np.float32)
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (bins - lower) / (center - lower), (upper - bins) / (upper - center)
        weights = np.maximum(np.float32(0), np.minimum(rising, falling))
        made: Array = np.pad(weights, [(1, 0), (0, 0)]).astype(dtype)
        return made

    def _decibels(self, power: Array) -> Array:
        made = 10.0 * np.log10(np.maximum(power, power.dtype.type(self.min_power)))
        made = made - 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
        kept: Array = np.maximum(made, made.max() - self.top_db).astype(power.dtype)
        return kept


_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Sound as the strength of each frequency over time; the waves that it looks for are weights.

    Keras's ``keras.layers.STFTSpectrogram``.

    Parameters
    ----------
    mode : {"log", "magnitude", "psd", "real", "imag", "angle", "stft"}
        What is given of each frequency.
    frame_length : int
        Samples of a frame.
    frame_step : int, optional
        Samples from one frame to the next; None: half a frame.
    fft_length : int, optional
        Samples of a Fourier transform; None: the power of two that a frame fits in.
    window : str or array_like
        Weight of each sample of a frame.
    periodic : bool
        Whether the window is one of a wave that goes on.
    scaling : {"density", "spectrum"} or None
        What the window is divided by.
    padding : {"valid", "same"}
        Whether zeros are put around the sound.
    expand_dims : bool
        Whether channels keep an axis of their own.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are; None: the global setting.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                "`frame_step` should be a positive integer not greater than `frame_length`. "
                f"Received frame_step={frame_step}, frame_length={frame_length}"
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                "`fft_length` should be not less than `frame_length`. Received "
                f"fft_length={fft_length}, frame_length={frame_length}"
            )
        if fft_length is not None and fft_length & (fft_length - 1):
            warnings.warn(
                f"`fft_length` is recommended to be a power of two. Received {fft_length}",
                stacklevel=2,
            )
        for name, value, allowed in (
            ("mode", mode, _MODES),
            ("scaling", scaling, ("density", "spectrum", None)),
            ("padding", padding, ("valid", "same")),
        ):
            if value not in allowed:
                raise ValueError(f"`{name}` must be one of {allowed}. Received: {value!r}")
        super().__init__(**kwargs)
        self._configure(
            mode=mode, frame_length=frame_length, frame_step=frame_step, fft_length=fft_length,
            window=window if isinstance(window, str) else np.asarray(window).tolist(),
            periodic=periodic, scaling=scaling, padding=padding, expand_dims=expand_dims,
            data_format=data_format or _policy.settings.image_data_format,
        )  # fmt: skip
        self._step = frame_step or frame_length // 2
        self._bins = (fft_length or 2 ** math.ceil(math.log2(frame_length))) // 2 + 1

    def build(self, *shapes: Any, **named: Any) -> None:
        """Make the waves.

        Parameters
        ----------
        input_shape : tuple
        """
        if self._added:
            return
        for part, other in (("real", "imag"), ("imag", "real")):
            if self.mode != other:
                wave = initializers.STFT(part, self.window, self.scaling, self.periodic)
                shape = (self.frame_length, 1, self._bins)
                weight = self.add_weight(shape=shape, initializer=wave, name=f"{part}_kernel")
                setattr(self, f"{part}_kernel", weight)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for a shape of input."""
        is_last = self.data_format == "channels_last"
        rows, first, second = input_shape
        samples, channels = (first, second) if is_last else (second, first)
        bins = self._bins * (2 if self.mode == "stft" else 1)
        time = None
        if samples is not None and self.padding == "same":
            time = -(-samples // self._step)
        elif samples is not None:
            time = (samples - self.frame_length) // self._step + 1
        if self.expand_dims:
            return (rows, time, bins, channels) if is_last else (rows, channels, time, bins)
        joined = None if channels is None else channels * bins
        return (rows, time, joined) if is_last else (rows, joined, time)

    def _traces(self) -> bool:
        return True

    def _trace_body(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Spectrograms of sounds.

        Parameters
        ----------
        inputs : tensor of float
            ``(n, samples, channels)``, or channels before samples; the number of samples is known.

        Returns
        -------
        tensor
            As ``compute_output_shape`` says.

        Raises
        ------
        ValueError
            Another rank.
        UnsupportedError
            The number of samples is not known.
        """
        if len(inputs.shape) != 3:
            raise ValueError(
                f'Input 0 of layer "{self.name}" is incompatible with the layer: expected ndim=3, '
                f"found ndim={len(inputs.shape)}. Full shape received: {inputs.shape}"
            )
        self.build(inputs.shape)
        frames = self._frames(inputs)
        parts = [
            self._wave(frames, getattr(self, f"{part}_kernel"))
            for part, other in (("real", "imag"), ("imag", "real"))
            if self.mode != other
        ]
        if len(parts) == 1:
            return self._arrange(parts[0])
        real, imaginary = parts
        if self.mode == "stft":
            return self._arrange(_shape.concatenate([real, imaginary], axis=-1))
        if self.mode == "angle":
            return self._arrange(_elementwise.arctan2(imaginary, real))
        power = _elementwise.add(_elementwise.square(real), _elementwise.square(imaginary))
        return self._strength(power)

    def _strength(self, power: Any) -> Any:
        if self.mode == "psd":
            inner = _shape.pad(power[..., 1:-1], [(0, 0), (0, 0), (0, 0), (1, 1)])
            return self._arrange(_elementwise.add(power, inner))
        least = _policy.settings.epsilon
        made = self._arrange(_elementwise.sqrt(_elementwise.maximum(power, least)))
        if self.mode == "magnitude":
            return made
        return _elementwise.log(_elementwise.maximum(made, least))

    def _frames(self, x: Any) -> Any:
        """``(n, channels, time, frame_length)``."""
        if self.data_format == "channels_last":
            x = _shape.transpose(x, (0, 2, 1))
        samples = x.shape[-1]
        if samples is None:
            raise UnsupportedError(
                "the number of samples has to be known: give Input its shape", self.name
            )
        time = (samples - self.frame_length) // self._step + 1
        if self.padding == "same":
            time = -(-samples // self._step)
            more = max((time - 1) * self._step + self.frame_length - samples, 0)
            x = _shape.pad(x, [(0, 0), (0, 0), (more // 2, more - more // 2)])
        places = np.arange(time)[:, None] * self._step + np.arange(self.frame_length)
        return _shape.take(x, places.astype(np.int32), axis=-1)

    def _wave(self, frames: Any, kernel: Any) -> Any:
        """How strong each wave is in each frame."""
        return _contract.matmul(frames, _shape.squeeze(kernel, 1))

    def _arrange(self, x: Any) -> Any:
        """Axes in the order that was asked for, from ``(n, channels, time, bins)``."""
        is_last = self.data_format == "channels_last"
        if self.expand_dims:
            return _shape.transpose(x, (0, 2, 3, 1)) if is_last else x
        _, channels, time, bins = x.shape
        order = (0, 2, 1, 3) if is_last else (0, 1, 3, 2)
        shape = (-1, time, channels * bins) if is_last else (-1, channels * bins, time)
        return _shape.reshape(_shape.transpose(x, order), shape)


HOSTS.add("STFTSpectrogram")  # files of it are loaded in Python as well
