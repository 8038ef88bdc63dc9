"""Scopes: what is made inside goes at their end."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import threading
import weakref

import numpy as np
import pytest
from conftest import dense_json

import ebb

X = np.zeros((1, 10), "float32")


def test_everything_made_inside_goes(examples: pathlib.Path) -> None:
    before = ebb.memory().live
    with ebb.scope("fold 1") as scope:
        first = ebb.load(examples / "digits_mlp.keras")
        second = ebb.from_json(dense_json())
        third = second.clone()
        part = second.cut("dense_0")
        inside = scope.memory().live
        assert inside == ebb.memory().live - before
        assert "fold 1" in repr(scope)
        assert "fold 1" in ebb.report()
    assert ebb.memory().live == before
    assert not any(model.alive for model in (first, second, third, part))
    with pytest.raises(ebb.StaleHandleError):
        second.predict(X)
    assert scope.receipt is not None
    assert scope.receipt.models == 4
    assert scope.receipt.bytes == inside
    assert "closed" in repr(scope)
    assert scope._repr_html_().startswith("<table>")
    assert first.close() is None


def test_an_error_inside(examples: pathlib.Path) -> None:
    before = ebb.memory().live
    with pytest.raises(KeyError), ebb.scope():
        ebb.load(examples / "digits_mlp.keras")
        held = ebb.load(examples / "digits_mlp.keras")
        raise KeyError("inside")
    assert ebb.memory().live == before
    assert not held.alive


def test_models_outside_stay() -> None:
    outside = ebb.from_json(dense_json())
    with ebb.scope():
        inside = ebb.from_json(dense_json())
        del inside  # goes before the scope does
    assert outside.predict(X).shape == (1, 2)


def test_scopes_nest() -> None:
    with ebb.scope("outer") as outer:
        first = ebb.from_json(dense_json())
        with ebb.scope("inner") as inner:
            second = ebb.from_json(dense_json())
            assert outer.memory().live > inner.memory().live > second.memory().live
        assert first.alive
        assert not second.alive
        third = ebb.from_json(dense_json())
    assert not third.alive


def test_too_deep() -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(ebb.scope())
        with pytest.raises(ebb.ArgumentError):
            ebb.scope()


def test_a_limit() -> None:
    with ebb.scope(bytes_max="2 MiB") as scope:
        assert scope.memory().limit == 2 << 20
        with pytest.raises(ebb.OutOfMemoryError):
            ebb.from_json(dense_json((1024, 1024)))
        before = scope.memory().live
        ebb.from_json(dense_json()).close()
        assert scope.memory().live == before


def test_a_scope_that_is_dropped_closes() -> None:
    scope = ebb.scope()
    reference = weakref.ref(scope)
    model = ebb.from_json(dense_json(), scope=scope)
    assert model.alive
    del scope
    assert reference() is None
    assert not model.alive


def test_closing_twice() -> None:
    with ebb.scope() as scope:
        receipt = scope.close()
        assert scope.close() is receipt
        outside = ebb.from_json(dense_json())  # of the runtime: the scope is closed
    assert outside.alive


def test_a_scope_is_that_of_its_thread() -> None:
    made = []
    with ebb.scope():
        thread = threading.Thread(target=lambda: made.append(ebb.from_json(dense_json())))
        thread.start()
        thread.join()
    assert made[0].alive
    made.clear()


def test_a_scope_is_that_of_its_task() -> None:
    async def work(wait: float) -> bool:
        with ebb.scope():
            model = ebb.from_json(dense_json())
            await asyncio.sleep(wait)
            return model.alive

    async def main() -> list[bool]:
        return await asyncio.gather(*(work(wait / 100) for wait in range(5)))

    assert asyncio.run(main()) == [True] * 5


def test_of_another_runtime() -> None:
    with ebb.scope(), ebb.Runtime() as runtime:
        model = ebb.from_json(dense_json())  # the scope is the default runtime's
        assert model.runtime is runtime
        with runtime.scope("own"):
            inside = ebb.from_json(dense_json())
            assert inside.runtime is runtime
        assert model.alive
        assert not inside.alive


def test_many_folds_are_flat() -> None:
    figures = []
    for fold in range(20):
        with ebb.scope(f"fold {fold}"):
            models = [ebb.from_json(dense_json()) for _ in range(3)]
            for model in models:
                model.predict(X)
        figures.append(ebb.memory().live)
    assert len(set(figures)) == 1
    del models, model
