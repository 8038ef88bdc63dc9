"""Writes extras.json: what Keras makes of extras_cases.py. Needs Keras and TensorFlow."""

from __future__ import annotations

import json
import pathlib

import extras_cases
import keras
import tensorflow as tf

PATH = pathlib.Path(__file__).with_name("extras.json")


def main() -> None:
    """One line for each result."""
    found = extras_cases.outputs(keras, tf.data.Dataset)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items()]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
