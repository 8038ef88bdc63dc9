"""Writes recurrent.json: what recurrent_cases.py and detail_cases.py give with Keras.

Usage: make_recurrent.py [NAME ...]          all of them without a name
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

import detail_cases  # noqa: E402
import keras  # noqa: E402
import recurrent_cases  # noqa: E402

PATH = pathlib.Path(__file__).resolve().parent / "recurrent.json"


def main(names: list[str]) -> None:
    """Runs the cases, or those named, and writes the file."""
    found: dict[str, Any] = {}
    if names and PATH.exists():
        found = json.loads(PATH.read_text(encoding="utf-8"))
    found["keras"] = keras.__version__
    for name, case in {**recurrent_cases.CASES, **detail_cases.CASES}.items():
        if not names or name in names:
            keras.backend.clear_session()
            found[name] = json.loads(json.dumps(case(keras)))
    PATH.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
