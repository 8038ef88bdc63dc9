"""Datasets of sounds in folders: one folder for each class."""

from __future__ import annotations

import wave
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import FormatError, UnsupportedError
from ebb.keras.utils._directories import _build, index_directory

Array = npt.NDArray[Any]

_SOUNDS = (".wav",)


def read_wav(path: str, length: int | None) -> Array:
    """Sound from -1 to 1 as ``(samples, channels)``; cut or filled with zeros to a length."""
    try:
        with wave.open(path, "rb") as file:
            channels, width = file.getnchannels(), file.getsampwidth()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as failure:
        raise FormatError(f"expected a wave file of 16 bits: {failure}", path) from failure
    if width != 2:
        raise FormatError(f"expected samples of 16 bits, found {8 * width}", path)
    numbers = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    sound: Array = numbers.reshape(-1, channels)
    if length is None:
        return sound
    return np.pad(sound[:length], [(0, max(length - len(sound), 0)), (0, 0)])


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Sounds of folders, one for each class, in batches; files are read when they are needed.

    Parameters
    ----------
    directory : str or path
        The folder of the folders; files are ``.wav`` of 16 bits.
    labels : "inferred", None, or list of int
        Of the folders, none, or one for each file in the order of their paths.
    label_mode : {"int", "categorical", "binary"} or None
        Form of the labels.
    class_names : list of str, optional
        Names of the folders in another order than that of the alphabet.
    batch_size : int or None
        None gives single sounds.
    sampling_rate : int, optional
        Not supported: sounds keep the rate that they have.
    output_sequence_length : int, optional
        Samples that all are brought to; None: as long as the longest of a batch.
    ragged : bool
        Not supported: False.
    shuffle : bool
        Whether the order is random; another one with each pass.
    seed : int, optional
        Of the order.
    validation_split : float, optional
        Share of the files that is left for validation.
    subset : {"training", "validation", "both"}, optional
        Which part.
    follow_links : bool
        Whether links to folders are followed.
    verbose : bool
        Whether the number of files is printed.

    Returns
    -------
    Dataset, or a pair of them for ``subset="both"``
        Elements ``(sounds, labels)``: float32 ``(n, samples, channels)`` from -1 to 1. It has
        ``class_names`` and ``file_paths``.

    Raises
    ------
    UnsupportedError
        ``sampling_rate`` or ``ragged``.
    ValueError
        Arguments do not fit, or there is no sound.
    FormatError
        While reading: a file is no sound of 16 bits.
    """
    if ragged:
        raise UnsupportedError(
            "ragged tensors are not supported: leave it False, or give output_sequence_length",
            "audio_dataset_from_directory",
        )
    if sampling_rate is not None:
        raise UnsupportedError(
            "sampling_rate: sounds keep their rate; change it in the files",
            "audio_dataset_from_directory",
        )
    found = index_directory(directory, labels, _SOUNDS, class_names, follow_links)
    options = {
        "label_mode": label_mode, "batch_size": batch_size, "shuffle": shuffle, "seed": seed,
        "validation_split": validation_split, "subset": subset, "verbose": verbose,
    }  # fmt: skip

    def read(path: str) -> Array:
        return read_wav(path, output_sequence_length)

    return _build(found, options, read, output_sequence_length is None)
