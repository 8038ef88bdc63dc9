"""Runs a case of goldens/training_cases.py with ebb and compares it with what Keras gave."""

from __future__ import annotations

import json
import math
import pathlib
import sys
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent / "goldens"
sys.path.insert(0, str(FOLDER))

import training_cases  # noqa: E402
from training_cases import classifier, data, screen, two_heads  # noqa: E402

from ebb import keras  # noqa: E402

__all__ = ["check_case", "classifier", "data", "differences", "screen", "two_heads"]
TOLERANCE = 2e-5  # of float32 sums in another order


def differences(ours: Any, wanted: Any, path: str) -> list[str]:
    """Places that are not the same."""
    if isinstance(wanted, dict) and isinstance(ours, dict):
        if list(ours) != list(wanted):
            return [f"{path}: names {list(ours)} instead of {list(wanted)}"]
        return [d for k in wanted for d in differences(ours[k], wanted[k], f"{path}/{k}")]
    if isinstance(wanted, list) and isinstance(ours, list):
        if len(ours) != len(wanted):
            return [f"{path}: {ours} instead of {wanted}"]
        pairs = enumerate(zip(ours, wanted))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}[{i}]")]
    if isinstance(wanted, float) and isinstance(ours, (int, float)):
        near = abs(ours - wanted) <= TOLERANCE * max(1.0, abs(wanted))
        same = near or (math.isnan(ours) and math.isnan(wanted))
    else:
        same = ours == wanted
    return [] if same else [f"{path}: {ours!r} instead of {wanted!r}"]


def check_case(name: str) -> None:
    """The case gives what Keras gave; automatic names are counted from the start."""
    keras.backend.clear_session()
    wanted = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))[name]
    ours = json.loads(json.dumps(training_cases.CASES[name](keras)))
    found = differences(ours, wanted, name)
    assert not found, found
