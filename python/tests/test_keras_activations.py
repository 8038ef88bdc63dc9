"""``ebb.keras.activations``: numbers are Keras's (test_keras_preprocessing.py); names and forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ebb import keras
from ebb._generated.activations import ALIASES, NAMES
from ebb.keras import activations, ops


def test_every_name_of_the_library() -> None:
    """What layers know by name is a function here, and the same in a layer."""
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)
    for name in (*NAMES, *ALIASES):
        function = activations.get(name)
        assert callable(function)
        layer = keras.layers.Activation(name)
        np.testing.assert_allclose(
            np.asarray(function(x)), np.asarray(layer(x)), rtol=2e-5, atol=2e-6, err_msg=name
        )


@pytest.mark.parametrize("name", [name for name in activations.__all__ if name != "threshold"])
def test_symbolic_equals_eager(name: str) -> None:
    """A function called on the tensors of a model is a part of it."""
    function = getattr(activations, name)
    if name in ("get", "serialize", "deserialize"):
        return
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)
    inputs = keras.Input((6,))
    got = keras.Model(inputs, function(inputs)).predict(x, verbose=0)
    np.testing.assert_allclose(got, np.asarray(function(x)), rtol=2e-5, atol=2e-6)


def test_relu_with_parameters_in_a_model() -> None:
    """Slope, limit and threshold."""
    x = np.linspace(-3, 3, 13, dtype=np.float32)[:, None]
    for settings in (
        {"negative_slope": 0.2},
        {"max_value": 1.5},
        {"threshold": 1.0},
        {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5},
    ):
        inputs = keras.Input((1,))
        model = keras.Model(inputs, activations.relu(inputs, **settings))
        want = np.asarray(activations.relu(x, **settings))
        np.testing.assert_allclose(model.predict(x, verbose=0), want, rtol=1e-6)


def test_get_serialize_deserialize() -> None:
    """Names, functions, configurations and None."""
    assert activations.get(None) is activations.linear
    assert activations.get("relu") is activations.relu
    assert activations.get(activations.gelu) is activations.gelu
    assert activations.serialize(activations.softmax) == "softmax"
    assert activations.deserialize("swish") is activations.silu
    with pytest.raises(ValueError, match="did you mean"):
        activations.get("rleu")
    with pytest.raises(ValueError, match="identifier"):
        activations.get(3)
    with pytest.raises(ValueError, match="no activation"):
        activations.serialize(3)  # type: ignore[arg-type]


def test_functions_of_the_user() -> None:
    """A function made of keras.ops is an activation; registered, it has a name."""

    @keras.saving.register_keras_serializable(package="test")
    def doubled(x: Any) -> Any:
        return ops.maximum(x, 0) * 2

    assert activations.deserialize(activations.serialize(doubled)) is doubled
    layer = keras.layers.Dense(2, activation=doubled, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), layer])
    got = model.predict(np.array([[1.0, 2.0, -1.0], [-1, -1, -1]], np.float32), verbose=0)
    assert got.tolist() == [[4.0, 4.0], [0.0, 0.0]]
    del keras.saving.get_custom_objects()["test>doubled"]
