"""What of an architecture is compared with Keras's."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

CASES = {
    "VGG16": {"input_shape": (32, 32, 3), "classes": 5},
    "VGG19": {"include_top": False, "pooling": "max"},
    "ResNet50": {},
    "ResNet101": {"include_top": False},
    "ResNet152": {"include_top": False, "pooling": "avg"},
    "ResNet50V2": {},
    "ResNet101V2": {"include_top": False},
    "ResNet152V2": {"include_top": False, "pooling": "max"},
    "DenseNet121": {},
    "DenseNet169": {"include_top": False},
    "DenseNet201": {"include_top": False, "pooling": "avg"},
    "MobileNet": {},
    "MobileNetV2": {},
    "Xception": {},
    "InceptionV3": {},
    "EfficientNetB0": {},
    "EfficientNetB1": {"include_top": False},
    "EfficientNetB2": {"include_top": False},
    "EfficientNetB3": {"include_top": False},
    "EfficientNetB4": {"include_top": False, "input_shape": (32, 32, 3)},
    "EfficientNetB5": {"include_top": False, "input_shape": (32, 32, 3)},
    "EfficientNetB6": {"include_top": False, "input_shape": (32, 32, 3)},
    "EfficientNetB7": {"include_top": False, "input_shape": (32, 32, 3)},
    "ConvNeXtTiny": {},
    "ConvNeXtSmall": {"include_top": False},
    "ConvNeXtBase": {"include_top": False, "pooling": "avg"},
    "ConvNeXtLarge": {"include_top": False, "input_shape": (32, 32, 3)},
    "ConvNeXtXLarge": {"include_top": False, "input_shape": (32, 32, 3)},
    "EfficientNetV2B0": {},
    "EfficientNetV2B1": {"include_top": False},
    "EfficientNetV2B2": {"include_top": False},
    "EfficientNetV2B3": {"include_top": False, "pooling": "max"},
    "EfficientNetV2S": {},
    "EfficientNetV2M": {"include_top": False, "input_shape": (32, 32, 3)},
    "EfficientNetV2L": {"include_top": False, "input_shape": (32, 32, 3)},
    "InceptionResNetV2": {},
    "MobileNetV3Small": {"pooling": "avg", "include_top": False},
    "MobileNetV3Large": {},
    "NASNetMobile": {},
    "NASNetLarge": {"include_top": False, "input_shape": (96, 96, 3)},
}
MORE = {
    "MobileNet small": ("MobileNet", {"alpha": 0.25, "input_shape": (96, 96, 3), "classes": 7}),
    "MobileNetV2 small": (
        "MobileNetV2",
        {"alpha": 0.35, "input_shape": (96, 96, 3), "include_top": False, "pooling": "avg"},
    ),
    "ResNet50 odd": ("ResNet50", {"input_shape": (65, 33, 1), "classes": 3}),
    "ConvNeXtTiny gray": ("ConvNeXtTiny", {"input_shape": (64, 40, 1), "classes": 3}),
    "EfficientNetV2B0 plain": (
        "EfficientNetV2B0",
        {"input_shape": (65, 33, 1), "classes": 3},
    ),
    "MobileNetV3Small minimal": (
        "MobileNetV3Small",
        {"alpha": 1.5, "minimalistic": True, "input_shape": (64, 65, 3), "classes": 3},
    ),
    "MobileNetV3Large small": (
        "MobileNetV3Large",
        {"alpha": 0.75, "include_preprocessing": False, "dropout_rate": 0, "classes": 3},
    ),
    "NASNetMobile odd": ("NASNetMobile", {"input_shape": (65, 97, 3), "classes": 3}),
    "EfficientNetB0 odd": ("EfficientNetB0", {"input_shape": (65, 33, 3), "classes": 3}),
}
# Those with so many weights that comparing them takes minutes on a small machine.
LARGE = ("ConvNeXtLarge", "ConvNeXtXLarge", "EfficientNetV2L", "NASNetLarge")
# What is computed as well, with weights from a seed.
COMPUTED = {
    "ConvNeXtTiny": {"include_top": False, "pooling": "avg", "input_shape": (40, 33, 3)},
    "EfficientNetV2B0": {"include_top": False, "pooling": "avg", "input_shape": (40, 33, 3)},
    "InceptionResNetV2": {"include_top": False, "pooling": "avg", "input_shape": (75, 80, 3)},
    "MobileNetV3Small": {"input_shape": (40, 33, 3), "classes": 12},
    "NASNetMobile": {"include_top": False, "pooling": "max", "input_shape": (65, 64, 3)},
}
KEPT = [
    "activation",
    "axis",
    "batch_shape",
    "depth_multiplier",
    "epsilon",
    "filters",
    "init_values",
    "kernel_size",
    "max_value",
    "momentum",
    "noise_shape",
    "padding",
    "pool_size",
    "projection_dim",
    "rate",
    "scale",
    "strides",
    "target_shape",
    "units",
    "use_bias",
]


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Name to class and arguments."""
    return {**{name: (name, given) for name, given in CASES.items()}, **MORE}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if callable(value):
        return value.__name__
    if isinstance(value, dict):
        return value.get("config")
    return value


def rows(model: Any) -> list[Any]:
    """Every layer: class, name, settings, the layers before it, shapes of weights."""
    entries = json.loads(model.to_json())["config"]["layers"]
    found = []
    for layer, entry in zip(model.layers, entries):
        text = json.dumps(entry["inbound_nodes"])
        before = [part.split('"')[0] for part in text.split('"keras_history": ["')[1:]]
        config = {key: _plain(entry["config"][key]) for key in KEPT if key in entry["config"]}
        weights = [list(weight.shape) for weight in layer.weights]
        found.append([entry["class_name"], entry["name"], config, before, weights])
    return found


def told(model: Any) -> dict[str, Any]:
    """Numbers, and a digest of all layers."""
    text = json.dumps(rows(model), sort_keys=True)
    return {
        "name": model.name,
        "parameters": model.count_params(),
        "layers": len(model.layers),
        "digest": hashlib.sha256(text.encode()).hexdigest()[:16],
    }


def outputs(model: Any) -> list[float]:
    """The first numbers that the model gives for two images."""
    random = np.random.default_rng(7)
    weights = []
    for weight in model.get_weights():
        if weight.ndim > 1:
            spread = np.float32(1 / np.sqrt(np.prod(weight.shape[:-1])))
            weights.append(random.standard_normal(weight.shape, np.float32) * spread)
        else:
            weights.append(random.random(weight.shape, np.float32) + np.float32(0.5))
    model.set_weights(weights)
    images = random.random((2, *model.input_shape[1:]), np.float32) * 255
    made = np.asarray(model.predict(images, verbose=0))
    return [round(float(number), 6) for number in made[:, :6].reshape(-1)]
