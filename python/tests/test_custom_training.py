"""Training in steps of the caller's own: the numbers of Keras, and everything given back."""

from __future__ import annotations

import gc
import json
import pathlib
import sys
from typing import Any

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent / "goldens"
sys.path.insert(0, str(FOLDER))

import custom_parts  # noqa: E402
import custom_steps  # noqa: E402
from training_golden import differences  # noqa: E402

from ebb import keras, tf  # noqa: E402

GOLDEN = json.loads((FOLDER / "custom_training.json").read_text(encoding="utf-8"))
CASES = {**custom_steps.CASES, **custom_parts.CASES}


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_keras(name: str) -> None:
    keras.backend.clear_session()
    ours: Any = json.loads(json.dumps(CASES[name](keras, tf)))
    gc.collect()  # classes that a function defines are cycles
    assert not differences(ours, GOLDEN[name], name)
