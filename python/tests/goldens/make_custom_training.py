"""Writes custom_training.json: what custom_steps.py and custom_parts.py give with Keras.

Usage: make_custom_training.py [NAME ...]          all of them without a name
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import Any

for name, value in {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "",
}.items():
    os.environ.setdefault(name, value)

import custom_parts  # noqa: E402
import custom_steps  # noqa: E402
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

PATH = pathlib.Path(__file__).resolve().parent / "custom_training.json"


def main(names: list[str]) -> None:
    """Runs the cases, or those named, and writes the file."""
    found: dict[str, Any] = {}
    if names and PATH.exists():
        found = json.loads(PATH.read_text(encoding="utf-8"))
    found["keras"] = keras.__version__
    for name, case in {**custom_steps.CASES, **custom_parts.CASES}.items():
        if not names or name in names:
            keras.backend.clear_session()
            found[name] = json.loads(json.dumps(case(keras, tf)), parse_float=_short)
    PATH.write_text(json.dumps(found) + "\n", encoding="utf-8")


def _short(text: str) -> float:
    """Eight digits are more than float32 has."""
    return float(f"{float(text):.8g}")


if __name__ == "__main__":
    main(sys.argv[1:])
