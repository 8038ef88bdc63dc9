"""Makes tape.npz: what Keras with TensorFlow gives for the cases of tape_cases.py.

Run by hand, with an interpreter that has TensorFlow: ``python make_tape.py``.
"""

from __future__ import annotations

import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from tape_cases import CASES


def main() -> None:
    """Writes the file."""
    made = {}
    for name, case in CASES.items():
        keras.backend.clear_session()
        for key, value in case(keras, tf).items():
            made[f"{name}/{key}"] = np.asarray(value, np.float32)
    path = pathlib.Path(__file__).parent / "tape.npz"
    np.savez_compressed(path, **made)


if __name__ == "__main__":
    main()
