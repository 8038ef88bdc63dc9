"""When memory comes back: at the last name, at close(), at the end of a scope; copies."""

from __future__ import annotations

import copy
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

L = keras.layers
X = np.linspace(-1, 1, 48).reshape(6, 8).astype(np.float32)


def small() -> Any:
    """A model of two layers."""
    return keras.Sequential([keras.Input((8,)), L.Dense(16), L.Dense(2)])


def test_the_last_name() -> None:
    live = ebb.memory().live
    models = [small() for _ in range(3)]
    references = [weakref.ref(model) for model in models]
    assert ebb.memory().live > live
    models.clear()
    assert [reference() for reference in references] == [None] * 3
    assert ebb.memory().live == live


def test_nothing_grows_over_rounds() -> None:
    small().predict(X, verbose=0)
    live = ebb.memory().live
    for _ in range(20):
        model = small()
        model.compile("adam", "mse")
        model.fit(X, np.zeros((6, 2)), verbose=0)
        model.evaluate(X, np.zeros((6, 2)), verbose=0)
        model.predict(X, verbose=0)
        del model
        assert ebb.memory().live == live


def test_close_tells_what_came_back() -> None:
    model = small()
    model.predict(X, verbose=0)
    receipt = model.close()
    assert receipt.bytes > 0 and receipt.models == 1
    with pytest.raises(ebb.StaleHandleError):
        model.predict(X, verbose=0)
    with pytest.raises(ebb.StaleHandleError):
        model.get_weights()
    with pytest.raises(ebb.StaleHandleError):
        model(X)
    assert model.count_params() == 178  # what it was is still known


def test_with_a_model() -> None:
    live = ebb.memory().live
    with small() as model:
        model.predict(X, verbose=0)
    assert ebb.memory().live == live
    with pytest.raises(ebb.StaleHandleError):
        model.predict(X, verbose=0)
    with pytest.raises(KeyError), small() as model:
        raise KeyError
    assert ebb.memory().live == live


def test_scopes_take_models_along() -> None:
    live = ebb.memory().live
    with ebb.scope():
        model = small()
        model.compile("sgd", "mse")
        model.fit(X, np.zeros((6, 2)), verbose=0)
    assert ebb.memory().live == live
    with pytest.raises(ebb.StaleHandleError):
        model.predict(X, verbose=0)


def test_layers_called_on_numbers_go_too() -> None:
    live = ebb.memory().live
    layer = L.Dense(3)
    result = layer(X)
    assert ebb.memory().live > live
    del layer, result
    assert ebb.memory().live == live


def test_symbolic_tensors_hold_no_memory() -> None:
    live = ebb.memory().live
    x = keras.Input((8,))
    y = L.Dense(1000)(L.Dense(1000)(x))
    assert y.shape == (None, 1000) and ebb.memory().live == live


def test_copies_are_models_of_their_own() -> None:
    model = small()
    model.compile("adam", "mse")
    model.fit(X, np.zeros((6, 2)), verbose=0)
    want = model.predict(X, verbose=0)
    for again in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(X, verbose=0), want)
        again.set_weights([w * 0 for w in again.get_weights()])
    np.testing.assert_array_equal(model.predict(X, verbose=0), want)
    with pytest.raises((TypeError, ebb.EbbError)):
        pickle.dumps(keras.Sequential([keras.Input((8,)), L.Lambda(lambda x: x)]))


def test_copies_of_layers() -> None:
    layer = L.Dense(3)
    layer.build((None, 8))
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(again.get_weights()[0], layer.get_weights()[0])
        again.kernel.assign(np.zeros((8, 3)))
    assert layer.kernel.numpy().any()


def test_threads_share_a_model() -> None:
    model = small()
    want, results = model.predict(X, verbose=0), []
    threads = [
        threading.Thread(target=lambda: results.append(model.predict(X, verbose=0)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.array_equal(result, want) for result in results)
