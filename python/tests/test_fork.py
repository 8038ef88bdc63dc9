"""After a fork: the child has a runtime of its own, and leaves the parent's alone."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import sys
import threading
import traceback
from typing import Any, Callable

import numpy as np
import pytest
from conftest import EXAMPLES, dense_json

import ebb

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

X = np.zeros((1, 10), "float32")


def in_child(work: Callable[[], Any], *, clean: bool = False) -> None:
    """Runs work in a forked child; fails with what it raised there."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            work()
        except BaseException:
            text = traceback.format_exc()
        os.write(writing, text.encode()[:60000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as end:
        text = end.read().decode()
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status), f"the child was ended by signal {os.WTERMSIG(status)}"
    assert text == ""


def test_objects_of_the_parent_say_so() -> None:
    model, scope, runtime = ebb.from_json(dense_json()), ebb.scope(), ebb.runtime()
    model.predict(X)
    held = [model]

    def work() -> None:
        for call in (
            lambda: model.predict(X),
            lambda: model.predict(X.tolist()),
            lambda: model.info,
            model.get_weights,
            model.unload,
            model.close,
            scope.memory,
            scope.close,
            runtime.memory,
            runtime.close,
        ):
            with pytest.raises(ebb.ForkError, match="belongs to the parent process"):
                call()
        assert not model.alive
        assert not scope.alive
        assert not runtime.alive
        assert repr(model) == "<ebb.Model closed>"
        held.clear()

    in_child(work)
    assert model.predict(X).shape == (1, 2)
    assert scope.alive


def test_the_child_has_a_runtime_of_its_own(examples: pathlib.Path) -> None:
    parents = ebb.runtime()
    model = ebb.from_json(dense_json())

    def work() -> None:
        nonlocal model
        assert ebb.runtime() is not parents
        assert ebb.memory().models == 0
        with ebb.loaded(examples / "digits_mlp.keras") as own:
            y = own.predict(np.load(examples / "digits_x.npy"))
        assert np.allclose(y, np.load(examples / "digits_mlp_y.npy"), atol=1e-5)
        before = ebb.memory().live
        del model  # the parent's: nothing happens
        assert ebb.memory().live == before

    in_child(work)
    assert model.alive


def test_blocks_that_end_in_the_child() -> None:
    def work() -> None:
        with pytest.raises(ebb.ForkError), ebb.device("CPU:0", runtime=parents):
            pass

    parents = ebb.runtime()
    with ebb.scope(), ebb.from_json(dense_json()) as model:
        in_child(work)
        child = os.fork()
        if child == 0:
            try:
                with model:
                    raise KeyError
            except (KeyError, ebb.ForkError):
                os._exit(7)
            os._exit(8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert model.predict(X).shape == (1, 2)


def test_a_runtime_that_is_current() -> None:
    with ebb.Runtime(bytes_max="1GiB"):

        def work() -> None:
            with pytest.raises(ebb.ForkError):
                ebb.memory()

        in_child(work)
        ebb.memory()


def test_forks_while_threads_predict() -> None:
    model, stop = ebb.from_json(dense_json()), threading.Event()

    def predict() -> None:
        while not stop.is_set():
            model.predict(X)

    def work() -> None:
        with ebb.from_json(dense_json()) as own:
            assert own.predict(X).shape == (1, 2)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            in_child(work)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_child_of_a_child() -> None:
    model = ebb.from_json(dense_json())

    def work() -> None:
        own = ebb.from_json(dense_json())

        def inner() -> None:
            for parents in (model, own):
                with pytest.raises(ebb.ForkError):
                    parents.predict(X)
            assert ebb.from_json(dense_json()).predict(X).shape == (1, 2)

        in_child(inner)
        assert own.predict(X).shape == (1, 2)

    in_child(work)


def _square(number: int) -> int:
    with ebb.loaded(EXAMPLES / "digits_mlp.keras") as model:
        return len(model.predict(np.zeros((number, 8, 8, 1), "float32")))


def test_multiprocessing() -> None:
    ebb.memory()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_square, range(1, 9)) == list(range(1, 9))
        pool.close()
        pool.join()


def test_a_child_that_ends_like_a_program() -> None:
    """Its interpreter runs to the end, with objects of both processes alive."""
    model = ebb.from_json(dense_json())
    child = os.fork()
    if child == 0:
        os.close(1)
        os.close(2)
        own = ebb.from_json(dense_json())
        own.predict(X)
        code = 0
        try:
            import atexit

            atexit._run_exitfuncs()
            code = 5 if own.alive else 6
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6
    assert model.predict(X).shape == (1, 2)
