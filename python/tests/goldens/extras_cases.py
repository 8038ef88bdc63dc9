"""Layers of sound and contrast, crossed features, FeatureSpace, boxes and correlations: what is
computed with Keras and with ebb."""

from __future__ import annotations

from typing import Any

import numpy as np

TABLE: dict[str, list[Any]] = {
    "plain": [0.0, 0.1, 0.2, 0.3],
    "normal": [1.0, 2.0, 3.0, 4.0],
    "ranges": [0.5, 1.5, 9.0, 2.0],
    "number": [2, 4, 2, 7],
    "word": ["a", "b", "a", "c"],
    "name": ["x", "y", "z", "x"],
    "code": [5, 6, 7, 8],
    "scaled": [1.0, 2.0, 3.0, 5.0],
}
FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx",
           "rel_xywh", "rel_center_xywh")  # fmt: skip
STFT: list[dict[str, Any]] = [
    {"mode": "log", "frame_length": 24},
    {"mode": "magnitude", "frame_length": 24, "frame_step": 7, "padding": "same",
     "window": "hamming", "scaling": "spectrum", "periodic": True, "expand_dims": True},
    {"mode": "psd", "frame_length": 16, "fft_length": 32, "scaling": None},
    {"mode": "real", "frame_length": 16, "expand_dims": True},
    {"mode": "imag", "frame_length": 16},
    {"mode": "stft", "frame_length": 20},
]  # fmt: skip
MEL: list[dict[str, Any]] = [
    {"fft_length": 64, "sequence_stride": 20, "num_mel_bins": 6},
    {"fft_length": 64, "sequence_length": 50, "sequence_stride": 33, "num_mel_bins": 6,
     "window": "hamming", "power_to_db": False, "mag_exp": 1.0, "sampling_rate": 8000},
    {"fft_length": 32, "num_mel_bins": 5, "top_db": 10, "ref_power": 2.0, "max_freq": 3000.0},
]  # fmt: skip
CONTRAST: list[dict[str, Any]] = [
    {"tile_grid_size": (2, 2)},
    {"tile_grid_size": (3, 2), "clip_limit": 0.0},
    {"tile_grid_size": (2, 3), "value_range": (0, 1)},
]


def _flat(x: Any) -> list[Any]:
    array = np.asarray(x)
    return [list(array.shape), *np.round(array.astype(np.float64).reshape(-1), 4).tolist()]


def space(keras: Any, mode: str) -> Any:
    """A FeatureSpace with a column of each kind."""
    kind = keras.utils.FeatureSpace
    return kind(
        features={
            "plain": "float",
            "normal": "float_normalized",
            "ranges": kind.float_discretized(num_bins=3),
            "number": "integer_categorical",
            "word": kind.string_categorical(num_oov_indices=2),
            "name": kind.string_hashed(5),
            "code": "integer_hashed",
            "scaled": kind.float_rescaled(2.0, offset=1.0),
        },
        crosses=[("number", "word"), kind.cross(("name", "code"), 7)],
        crossing_dim=9,
        hashing_dim=4,
        output_mode=mode,
    )


def _layers(keras: Any, found: dict[str, Any]) -> None:
    random, layers = np.random.default_rng(0), keras.layers
    sound = random.standard_normal((2, 60, 2)).astype(np.float32)
    for number, given in enumerate(STFT):
        found[f"stft {number}"] = _flat(layers.STFTSpectrogram(**given)(sound))
    sound = random.standard_normal((2, 200)).astype(np.float32)
    for number, given in enumerate(MEL):
        layer = layers.MelSpectrogram(**given)
        found[f"mel {number}"] = [_flat(layer(sound)), _flat(layer(sound[0]))]
    images = random.random((2, 7, 8, 2)).astype(np.float32)
    for number, given in enumerate(CONTRAST):
        layer = layers.ContrastLimitedAdaptiveHistogramEqualization(**given)
        scaled = images if "value_range" in given else images * 255
        found[f"contrast {number}"] = [_flat(layer(scaled)), _flat(layer(scaled[0]))]
    features = np.array(["a", "b", "cc", ""]), np.array([1, -2, 3, 2**40])
    found["crossing"] = _flat(layers.HashedCrossing(100000)(features))
    columns = tuple(feature[:, None] for feature in features)
    found["crossing hot"] = _flat(layers.HashedCrossing(5, output_mode="one_hot")(columns))


def _boxes(keras: Any, found: dict[str, Any]) -> None:
    random, boxes = np.random.default_rng(1), keras.utils.bounding_boxes
    a, b = (random.random(shape).astype(np.float32) * 50 for shape in ((2, 3, 4), (3, 4)))
    a[..., 2:] += a[..., :2]
    b[..., 2:] += b[..., :2]
    for source in FORMATS:
        for target in FORMATS:
            made = boxes.convert_format(a[:1, :1], source, target, height=40, width=70)
            found[f"{source} {target}"] = _flat(made)
    found["iou"] = _flat(boxes.compute_iou(a, b, "xyxy"))
    found["iou rel"] = _flat(boxes.compute_iou(a / 100, a / 90, "rel_xyxy", image_shape=(9, 7, 3)))
    found["iou mask"] = _flat(boxes.compute_iou(a[0] - 60, b, "xyxy", use_masking=True))
    found["ciou"] = _flat(boxes.compute_ciou(a[0], b, "xyxy"))
    found["crop"] = _flat(boxes.crop(a, 5, 6, 30, 20))
    found["pad"] = _flat(boxes.pad(a, 5, 6))
    labels = np.arange(6).reshape(2, 3)
    clipped = boxes.clip_to_image_size({"boxes": a - 20, "labels": labels}, height=30, width=25)
    found["clip"] = [_flat(clipped["boxes"]), _flat(clipped["labels"])]
    given = {"anchor_format": "xyxy", "box_format": "xywh", "variance": [0.1, 0.1, 0.2, 0.2]}
    deltas = boxes.encode_box_to_deltas(b, a, **given)
    small = np.clip(np.asarray(deltas), -2, 2)
    found["deltas"] = [_flat(deltas), _flat(boxes.decode_deltas_to_boxes(b, small, **given))]
    for axis in (-1, 0):
        for name in ("pearson_correlation", "concordance_correlation"):
            made = getattr(keras.metrics, name)(a[0], b, axis=axis)
            found[f"{name} {axis}"] = _flat(made)


def outputs(keras: Any, dataset: Any) -> dict[str, Any]:
    """All of it; ``dataset``: ``tf.data.Dataset``."""
    found: dict[str, Any] = {}
    _layers(keras, found)
    _boxes(keras, found)
    table = {name: np.array(column) for name, column in TABLE.items()}
    for mode in ("concat", "dict"):
        made = space(keras, mode)
        made.adapt(dataset.from_tensor_slices(TABLE))
        rows, one = made(table), made({name: column[1] for name, column in TABLE.items()})
        encoded = made.get_encoded_features()
        if mode == "concat":
            found[mode] = [_flat(rows), _flat(one), list(encoded.shape)]
        else:
            found[mode] = {
                name: [_flat(rows[name]), _flat(one[name]), list(encoded[name].shape)]
                for name in sorted(rows)
            }
    return found
