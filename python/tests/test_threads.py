"""Threads: calls side by side, unloads in between, interrupts."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conftest import dense_json

import ebb


def test_many_threads_one_model(examples: pathlib.Path) -> None:
    x, y = np.load(examples / "digits_x.npy"), np.load(examples / "digits_mlp_y.npy")
    with ebb.loaded(examples / "digits_mlp.keras", lanes=2) as model:

        def work(number: int) -> bool:
            rows = slice(number % 8, None)
            return all(
                np.allclose(model.predict(x[rows].copy()), y[rows], atol=1e-5) for _ in range(50)
            )

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(16)))


@pytest.mark.parametrize("shape", [(1, 10), (5000, 10)], ids=["short way", "in pieces"])
def test_predictions_while_another_unloads(shape: Any) -> None:
    """Every call answers right, or says that the model is gone."""
    x = np.ones(shape, "float32")
    for _ in range(15):
        model = ebb.from_json(dense_json())
        want = model.predict(x)
        model._piece = 32
        answers: list[int] = []
        others: list[BaseException] = []

        def work(
            model: Any = model, want: Any = want, answers: Any = answers, others: Any = others
        ) -> None:
            count = 0
            try:
                while True:
                    assert np.array_equal(model.predict(x), want)
                    count += 1
            except ebb.StaleHandleError:
                answers.append(count)
            except BaseException as failure:
                others.append(failure)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.005)
        model.unload()
        for thread in threads:
            thread.join()
        assert others == []
        assert len(answers) == 3
        del work, model


def test_the_last_name_goes_in_another_thread() -> None:
    box = [ebb.from_json(dense_json())]
    reference = weakref.ref(box[0])
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert reference() is None


def test_unload_has_a_deadline() -> None:
    model = ebb.from_json(dense_json((512, 2048, 2048, 512)))
    x = np.ones((4000, 512), "float32")
    model._read_ports()
    model._piece = 1 << 30  # all of it in one call of C
    thread = threading.Thread(target=lambda: model.predict(x))
    thread.start()
    time.sleep(0.05)
    begin = time.monotonic()
    with pytest.raises(ebb.BusyError) as failure:
        model.unload(deadline=0.01)
    assert isinstance(failure.value, TimeoutError)
    assert time.monotonic() - begin < 1
    assert model.alive
    thread.join()
    assert model.unload().waited < 1


def test_the_gil_is_free_during_a_prediction() -> None:
    model = ebb.from_json(dense_json((512, 2048, 2048, 512)))
    x = np.ones((8192, 512), "float32")
    model._read_ports()
    model._piece = 1 << 30
    inside = threading.Event()

    def work() -> None:
        inside.set()
        model.predict(x)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    counted = 0
    while thread.is_alive():
        counted += 1
        time.sleep(0.0005)
    thread.join()
    assert counted > 10


def test_loads_in_many_threads(examples: pathlib.Path) -> None:
    def work(_: int) -> int:
        with ebb.loaded(examples / "digits_mlp.keras") as model:
            return len(model.predict(np.zeros((2, 8, 8, 1), "f4")))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(24))) == [2] * 24


# -- interrupts


class Alarm(Exception):
    """What the timer raises, wherever the main thread is."""


@contextlib.contextmanager
def alarms(seconds: float) -> Iterator[None]:
    """One interrupt after so many seconds, at whatever place that is."""

    def ring(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_long_prediction_can_be_interrupted() -> None:
    """Some seconds of work; the interrupt is answered within one."""
    with ebb.from_json(dense_json((512, 2048, 2048, 512))) as model:
        x = np.ones((400_000, 512), "float32")
        live = ebb.memory()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt), alarms(0.2):
            model.predict(x)
        assert time.monotonic() - begin < 1.5
        after = ebb.memory()
        assert after.live - after.cached == live.live - live.cached
        assert np.array_equal(model.predict(x[:64]), model.predict(x[64:128]))


def _one_life() -> None:
    with ebb.scope("life"), ebb.device("CPU:0"):
        model = ebb.from_json(dense_json())
        model.predict(np.ones((3, 10), "float32"))
        model.weights["dense_0/kernel"]
        model.config()
        copy = model.clone()
        copy.quantize("float16", elements_min=1)
        with ebb.LeakMonitor() as monitor:
            monitor.watch(copy)
            monitor.check()
        copy.unload()
    with ebb.Runtime() as runtime:
        ebb.from_json(dense_json())
        runtime.memory()


def interrupt_anywhere() -> int:
    """A life from begin to end, interrupted after every so many microseconds. How often it was."""
    _one_life()
    before = (ebb.memory().live, ebb.memory().models)
    begin = time.perf_counter()
    _one_life()
    whole = time.perf_counter() - begin
    hits = 0
    for step in range(1, 151):
        try:
            with alarms(max(1e-5, whole * 1.2 * step / 150)):
                _one_life()
        except KeyboardInterrupt:
            hits += 1
        assert (ebb.memory().live, ebb.memory().models) == before, step
    return hits


def test_an_interrupt_anywhere_loses_no_byte() -> None:
    """In a process of its own: what is cut short in Python's library, its locks, stays there."""
    code = (
        f"import gc, sys; gc.disable(); sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import test_threads, logging\n"
        "logging.disable()\n"
        "print(test_threads.interrupt_anywhere())\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_an_interrupt_at_every_line() -> None:
    """The same life, interrupted at the n-th line of ebb's own code, for every n."""

    def run(stop: int) -> int:
        seen = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal seen
            if "/ebb/_" not in frame.f_code.co_filename:
                return None
            if event in ("line", "return"):
                seen += 1
                if seen == stop:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            _one_life()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        return seen

    lines = run(-1)
    assert lines > 300
    before = (ebb.memory().live, ebb.memory().models)
    for stop in range(1, lines + 1, 3):
        run(stop)
        assert (ebb.memory().live, ebb.memory().models) == before, stop
        assert ebb.current_device() == "CPU:0"
    assert ebb.from_json(dense_json()).memory().live > 0  # no scope is left around this place


def test_an_interrupt_in_a_callback() -> None:
    def interrupt(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    with ebb.from_json(dense_json()) as model:
        before = model.get_weights()
        with pytest.raises(KeyboardInterrupt):
            model.quantize(report=interrupt)
        for old, new in zip(before, model.get_weights()):
            assert np.array_equal(old, new)
        with pytest.raises(KeyboardInterrupt):
            ebb.each_model(["a.keras"], interrupt, failed=interrupt)
