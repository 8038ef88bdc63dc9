"""Ctrl-C inside of training, evaluation and prediction."""

from __future__ import annotations

import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb.keras import _branches, _drawing, _symbolic

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


class Nested(keras.layers.Layer):
    """Layers in layers, that run as Python."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x) if float(np.max(x)) > -100 else x


def test_ends_of_blocks_that_an_interrupt_keeps_from_running() -> None:
    """Raised where each block of a call in calls would end; the next call is no part of it."""
    layer = Nested(Nested(keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.9)])))
    x, state = np.ones((4, 3), np.float32), _symbolic.tracing

    def run(stop: int) -> int:
        seen = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal seen
            if frame.f_code.co_name == "__exit__":
                seen += 1
                if seen == stop:
                    sys.settrace(None)
                    raise KeyboardInterrupt

        sys.settrace(trace)
        try:
            layer(x, training=True)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        return seen

    ends = run(-1)
    assert run(-1) <= ends and ends > 2
    calm, held = dict(vars(state)), ebb.memory().live
    for stop in range(1, ends + 1):
        run(stop)
        assert vars(state) == calm, stop
        assert ebb.memory().live == held


def test_blocks_that_end_late_or_never() -> None:
    state = _symbolic.tracing
    calm = dict(vars(state))
    late = _symbolic.Changed(draws=True, training=True)
    with _symbolic.Changed(training=False, scope=("outer",)):
        late.__enter__()
        assert state.training and state.draws
    assert vars(state) == calm
    with _symbolic.Changed(training=False):
        del late
        assert state.training is False
    never = _symbolic.Changed(scope=("never",))
    never.__enter__()
    del never
    assert vars(state) == calm


def test_an_interrupt_where_a_replay_would_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(replay: Any) -> None:
        raise KeyboardInterrupt

    calm = dict(vars(_symbolic.tracing))
    with monkeypatch.context() as patch:
        patch.setattr(_drawing.Replay, "end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _branches.both(lambda: None, [], None)
    assert vars(_symbolic.tracing) == calm
