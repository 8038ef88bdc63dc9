"""Ctrl-C inside of training, evaluation and prediction."""

from __future__ import annotations

import signal
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)


@pytest.fixture
def alarm() -> Iterator[Any]:
    """Sends SIGINT after some seconds."""

    def ring(number: int, frame: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def wide() -> Any:
    """A model whose steps take a while."""
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(512, activation="relu"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    return model


def rows(count: int = 4096) -> tuple[Any, Any]:
    """Data for it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 64)).astype(np.float32)
    return x, x[:, :1]


@pytest.mark.parametrize("seconds", [0.02, 0.11, 0.27])
def test_interrupted_fit(alarm: Any, seconds: float) -> None:
    x, y = rows()
    model = wide()
    model.fit(x, y, verbose=0, validation_data=(x, y))
    begin, held = time.monotonic(), set()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            alarm(seconds)
            model.fit(x, y, epochs=100_000, verbose=0, validation_data=(x, y))
        model.fit(x, y, verbose=0)  # a History of one epoch again
        held.add(ebb.memory().live)
    assert time.monotonic() - begin < 30
    assert len(held) == 1
    assert np.isfinite(model.evaluate(x, y, verbose=0))
    assert model.fit(x[:64], y[:64], verbose=0).epoch == [0]
    gone = weakref.ref(model)
    del model
    assert gone() is None


def test_interrupted_evaluation(alarm: Any) -> None:
    x, y = rows(256)
    model = wide()

    def endless() -> Iterator[Any]:
        while True:
            yield x, y

    held = set()
    for _ in range(3):
        for call in (model.evaluate, model.predict):
            with pytest.raises(KeyboardInterrupt):
                alarm(0.1)
                call(endless(), verbose=0)
        held.add(ebb.memory().live)
    assert len(held) == 1
    assert np.isfinite(model.evaluate(x, y, verbose=0))


def test_an_interrupt_inside_of_a_callback() -> None:
    x, y = rows(256)
    model = wide()

    class Press(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[Press()])
    assert model.fit(x, y, verbose=0).epoch == [0]


def test_interrupts_at_any_moment(alarm: Any) -> None:
    x, y = rows(512)
    model = wide()

    def whole() -> None:
        model.fit(x, y, epochs=3, verbose=0)
        model.predict(x, verbose=0)
        model.evaluate(x, y, verbose=0)

    whole()
    model.fit(x, y, verbose=0)
    before, begin = ebb.memory().live, time.monotonic()
    whole()
    length, caught = time.monotonic() - begin, 0
    for number in range(40):
        try:
            alarm(max(1e-4, length * number / 40))
            whole()
            alarm(0)
        except KeyboardInterrupt:
            caught += 1
        alarm(0)
    assert caught > 0
    assert model.fit(x, y, verbose=0).epoch == [0]
    assert ebb.memory().live == before
