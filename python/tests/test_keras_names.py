"""Names of layers and models, counted as Keras counts them."""

from __future__ import annotations

import numpy as np
import pytest

from ebb import keras

L = keras.layers


@pytest.fixture(autouse=True)
def fresh() -> None:
    keras.backend.clear_session()


def test_names_are_counted_by_class() -> None:
    assert [L.Dense(1).name, L.Dense(1).name, L.Conv2D(1, 1).name] == ["dense", "dense_1", "conv2d"]
    assert L.BatchNormalization().name == "batch_normalization"
    assert L.MultiHeadAttention(1, 1).name == "multi_head_attention"
    assert L.Dense(1, name="mine").name == "mine" and L.Dense(1).name == "dense_2"
    assert keras.Sequential().name == "sequential"
    x = keras.Input((3,))
    assert keras.Model(x, L.Dense(1)(x)).name == "functional"
    assert (x._keras_history.operation.name, x.name) == ("input_layer", "keras_tensor")
    assert keras.Input((3,), name="given").name == "given"


def test_clear_session_begins_anew_and_touches_no_model() -> None:
    model = keras.Sequential([keras.Input((3,)), L.Dense(2)])
    before = model.predict(np.ones((1, 3)), verbose=0)
    keras.backend.clear_session()
    assert L.Dense(1).name == "dense"
    np.testing.assert_array_equal(model.predict(np.ones((1, 3)), verbose=0), before)


def test_names_that_are_none() -> None:
    with pytest.raises(ValueError, match="cannot contain character `/`"):
        L.Dense(1, name="a/b")
    with pytest.raises(ValueError, match="must be a string"):
        L.Dense(1, name=3)


def test_uids() -> None:
    assert keras.backend.get_uid("thing") == 1 and keras.backend.get_uid("thing") == 2
    keras.backend.reset_uids()
    assert keras.backend.get_uid("thing") == 1
