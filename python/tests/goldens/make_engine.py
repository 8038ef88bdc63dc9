"""Writes engine.json: what Keras says of the models of engine_models.py, and computes with them."""

from __future__ import annotations

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import engine_models
import keras
import numpy as np

CUSTOM = ("custom_layer", "transformer", "subclass", "functions")


def main() -> None:
    """Builds every model."""
    found = {"keras": keras.__version__}
    for name, build in engine_models.MODELS.items():
        keras.backend.clear_session()
        model = build(keras)
        engine_models.fill(model)
        outputs = model.predict(engine_models.data(model), verbose=0)
        flat = keras.tree.flatten(outputs)
        found[name] = {
            "name": model.name,
            "config": None if name in CUSTOM else json.loads(model.to_json())["config"],
            "layers": [layer.name for layer in model.layers],
            "weights": [[w.path, list(w.shape), bool(w.trainable)] for w in model.weights],
            "parameters": model.count_params(),
            "outputs": [np.asarray(y, np.float32).round(6).tolist() for y in flat],
            "output_names": list(model.output_names) if hasattr(model, "output_names") else None,
        }
    path = pathlib.Path(__file__).with_name("engine.json")
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
