"""Data made ready for models: the modules that older scripts import."""

from __future__ import annotations

from ebb.keras.preprocessing import image, sequence, text
from ebb.keras.utils import (
    image_dataset_from_directory,
    text_dataset_from_directory,
    timeseries_dataset_from_array,
)

__all__ = [
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]
