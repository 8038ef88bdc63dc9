"""Helpers around models: labels, sequences, images, datasets, files, seeds, drawings."""

from __future__ import annotations

from ebb.keras import _missing
from ebb.keras._progbar import (
    Progbar,
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from ebb.keras._registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from ebb.keras._serialization import deserialize_keras_object, serialize_keras_object
from ebb.keras._symbolic import is_keras_tensor
from ebb.keras._visualization import model_to_dot, plot_model
from ebb.keras.backend import clear_session, standardize_dtype
from ebb.keras.utils import bounding_boxes
from ebb.keras.utils._audio import audio_dataset_from_directory
from ebb.keras.utils._config import Config
from ebb.keras.utils._datasets import (
    pack_x_y_sample_weight,
    split_dataset,
    timeseries_dataset_from_array,
    unpack_x_y_sample_weight,
)
from ebb.keras.utils._directories import (
    image_dataset_from_directory,
    text_dataset_from_directory,
)
from ebb.keras.utils._feature_space import FeatureSpace
from ebb.keras.utils._files import get_file
from ebb.keras.utils._graphs import get_source_inputs
from ebb.keras.utils._images import array_to_img, img_to_array, load_img, save_img
from ebb.keras.utils._numbers import normalize, pad_sequences, to_categorical
from ebb.keras.utils._py_dataset import PyDataset, Sequence
from ebb.keras.utils._seeding import set_random_seed

__all__ = [
    "Config",
    "CustomObjectScope",
    "FeatureSpace",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "audio_dataset_from_directory",
    "bounding_boxes",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]

__getattr__ = _missing.guard(__name__, globals())
