"""Configurations with a wrong value in every field: a clear error or a model, and nothing left."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

VALUES: list[Any] = [None, -1, 2**70, "x", [], {}, True, {"class_name": "Nope", "config": {}}]


def places(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of nested dictionaries and lists."""
    items: Any = ()
    if isinstance(part, dict):
        items = part.items()
    elif isinstance(part, list):
        items = enumerate(part)
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def test_a_wrong_value_in_every_field() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="relu")])
    model.compile("sgd", "mse")
    text = model.to_json()
    del model
    before = ebb.memory().live
    refused = 0
    for path in places(json.loads(text))[1:]:
        for value in VALUES:
            config = json.loads(text)
            inner = config
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            try:
                keras.models.model_from_json(json.dumps(config))
            except (ebb.EbbError, ValueError, TypeError) as failure:
                assert str(failure) and not isinstance(failure, ebb.InternalError), path
                refused += 1
            assert ebb.memory().live == before, path
    assert refused > 100


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "3", '"x"', "{}", "null", ""])
def test_other_json(text: str) -> None:
    with pytest.raises(ValueError):
        keras.models.model_from_json(text)


def test_what_a_users_class_raises_is_passed_on() -> None:
    class Broken(keras.layers.Layer):
        @classmethod
        def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
            raise KeyError("mine")

    entry = {"class_name": "Broken", "config": {}, "module": None, "registered_name": "Broken"}
    with pytest.raises(KeyError, match="mine"):
        keras.layers.deserialize(entry, custom_objects={"Broken": Broken})


def test_long_doubles_are_data() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    x = np.ones((8, 4), np.longdouble)
    assert np.isfinite(model.fit(x, x[:, :2], verbose=0).history["loss"]).all()
    del model
