"""ebb.from_keras() and ebb.to_keras(): models of real Keras, in memory.

The other side runs in a Python of its own, named by EBB_KERAS_PYTHON, of this version of Python.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import _cffi_backend
import numpy as np
import pytest

import ebb
from ebb import keras

KERAS_PYTHON = os.environ.get("EBB_KERAS_PYTHON")
ROOT = pathlib.Path(ebb.__file__).resolve().parent

HEAD = """
import gc
import numpy as np
import keras
import ebb
import ebb.keras

rng = np.random.default_rng(0)
x = rng.random((8, 6), dtype=np.float32)
y = rng.random((8, 2), dtype=np.float32)

def make(keras):
    keras.utils.set_random_seed(3)
    a = keras.Input((6,), name="a")
    h = keras.layers.Dense(5, use_bias=False, name="d")(a)
    h = keras.layers.BatchNormalization(name="n")(h)
    inner = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, name="deep")], name="inner")
    h = keras.layers.Add()([inner(h), keras.layers.Dense(4)(h)]) * 2.0
    return keras.Model(a, keras.layers.Dense(2, name="out")(h), name="net")

def close(one, other):
    one, other = np.asarray(one), np.asarray(other)
    assert one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-5), (one, other)

"""

FROM = """
before = ebb.memory().live
theirs = make(keras)
theirs.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
theirs.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
ours = ebb.from_keras(theirs)
assert type(ours).__module__.startswith("ebb.") and ours.name == "net"
close(ours.predict(x, verbose=0), theirs.predict(x, verbose=0))
assert ours.compiled and ours.loss == "mse"
assert len(ours.optimizer.variables) == len(theirs.optimizer.variables)
for one, other in zip(ours.optimizer.variables, theirs.optimizer.variables):
    close(one, other)
theirs.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
ours.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
for one, other in zip(ours.get_weights(), theirs.get_weights()):
    close(one, other)
assert getattr(ebb.from_keras(theirs, compile=False), "optimizer", None) is None
try:
    ebb.from_keras(keras.Sequential([keras.layers.Dense(1)]))
    raise AssertionError("took a model that is not built")
except RuntimeError as failure:
    assert "built" in str(failure)
    del failure
gc.disable()
del ours, one, other
assert ebb.memory().live == before, ebb.memory()
"""

TO = """
ours = make(ebb.keras)
ours.compile(ebb.keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
ours.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
theirs = ours.to_keras()
assert isinstance(theirs, keras.Model) and theirs.name == "net"
close(ours.predict(x, verbose=0), theirs.predict(x, verbose=0))
assert theirs.loss == "mse" and isinstance(theirs.optimizer, keras.optimizers.Adam)
for one, other in zip(ours.optimizer.variables, theirs.optimizer.variables):
    close(one, other)
theirs.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
ours.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
for one, other in zip(ours.get_weights(), theirs.get_weights()):
    close(one, other)
"""

CUSTOM = """
def scale(k):
    class Scale(k.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1],), initializer="ones", name="w")
        def call(self, x):
            return x * self.w * self.factor
        def get_config(self):
            return {**super().get_config(), "factor": self.factor}
    return Scale

Theirs, Ours = scale(keras), scale(ebb.keras)
a = keras.Input((6,))
model = keras.Model(a, keras.layers.Dense(2)(Theirs(3.0)(a)))
made = ebb.from_keras(model, custom_objects={"Scale": Ours})
assert isinstance(made.layers[1], Ours) and made.layers[1].factor == 3.0
close(made.predict(x, verbose=0), model.predict(x, verbose=0))
back = ebb.to_keras(made, custom_objects={"Scale": Theirs})
close(back.predict(x, verbose=0), model.predict(x, verbose=0))
"""

TEXTS = """
import sys
import tensorflow as tf
sys.path.insert(0, {folder!r})
import text_cases

def listed(model, texts):
    return text_cases.listed(model.predict(text_cases.inputs_of(name, texts), verbose=0))

for name in ("table", "tf idf", "in and out"):
    theirs = text_cases.ALL[name](keras)
    text_cases.fill(theirs)
    ours = ebb.from_keras(theirs)
    back = ebb.to_keras(ours)
    wanted = listed(theirs, tf.constant)
    for found in (listed(ours, lambda x: np.asarray(x, object)), listed(back, tf.constant)):
        for one, other in zip(found, wanted):
            assert one == other if isinstance(one[0], str) else close(one, other) is None, name
"""


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Any:
    """Runs code where Keras is installed."""
    if not KERAS_PYTHON:
        pytest.skip("EBB_KERAS_PYTHON does not name a Python with Keras")
    version = subprocess.run(
        [KERAS_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"],
        check=True,
        capture_output=True,
        text=True,
    )
    if version.stdout.split() != [str(part) for part in sys.version_info[:2]]:
        pytest.skip("EBB_KERAS_PYTHON is another version of Python")
    backend = pathlib.Path(_cffi_backend.__file__)
    (tmp_path / backend.name).symlink_to(backend)

    def runner(code: str) -> None:
        package = pathlib.Path(ebb.__file__).parent.parent
        environment = {
            **os.environ,
            "PYTHONPATH": f"{package}{os.pathsep}{tmp_path}",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }
        done = subprocess.run(
            [KERAS_PYTHON or "", "-c", HEAD + code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return runner


def test_from_keras(run: Any) -> None:
    run(FROM)


def test_to_keras(run: Any) -> None:
    run(TO)


def test_layers_of_the_user(run: Any) -> None:
    run(CUSTOM)


def test_without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(NotImplementedError, match="pip install keras"):
        ebb.to_keras(model)
    with pytest.raises(ValueError, match="int"):
        ebb.from_keras(3)


class Stand:
    """What from_keras() uses of a model of tf.keras: its methods, not its class."""

    built = True
    compiled = True

    def __init__(self, model: Any) -> None:
        self.model = model
        self.name = model.name
        self.layers = model.layers
        self.weights = model.weights
        self.optimizer = model.optimizer

    def to_json(self) -> str:
        """Its configuration."""
        return self.model.to_json()  # type: ignore[no-any-return]

    def get_compile_config(self) -> Any:
        """Its settings."""
        return self.model.get_compile_config()


def test_anything_that_looks_like_a_model() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="like")
    model.compile("adam", "mse")
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    model.fit(x, y, verbose=0)
    made = ebb.from_keras(Stand(model))
    assert np.array_equal(made.predict(x, verbose=0), model.predict(x, verbose=0))
    assert isinstance(made.optimizer, keras.optimizers.Adam)


def test_words(run: Any) -> None:
    """Vocabularies, which are no weights, go along in both directions."""
    run(TEXTS.format(folder=str(pathlib.Path(__file__).parent / "goldens")))
