"""Every test is measured: bytes, threads and files after it equal those before, without gc."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import ebb

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "models"


def _figures() -> tuple[int, ...]:
    now = ebb.memory()
    descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    return now.live, now.threads, now.descriptors, now.models, descriptors


# A shell that starts something in the background has interrupts ignored; the tests need them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def ledger(request: pytest.FixtureRequest) -> Iterator[Any]:
    """What the default runtime holds after a test equals what it held before, to the byte.

    The garbage collector is off meanwhile: nothing may depend on it. Tests that open plots or
    processes of their own, which keep files open, are marked ``keeps_files``.
    """
    gc.collect()
    gc.disable()
    before = _figures()
    try:
        yield ebb.memory
    finally:
        gc.enable()
    request.node.rep_failed = getattr(request.node, "rep_failed", False)
    if request.node.rep_failed:
        # The traceback holds the test's objects.
        gc.collect()
        return
    after = _figures()
    if request.node.get_closest_marker("keeps_files") is not None:
        before, after = before[:4], after[:4]
    # A thread may have had a file open for a moment when it began: fewer is well.
    before = (*before[:4], *(min(a, b) for a, b in zip(before[4:], after[4:])))
    assert after == before, "live bytes, threads, files of ebb, models, files of the process"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Notes on the item whether its test failed, for the ledger."""
    report = yield
    if report.when == "call" and report.failed:
        item.rep_failed = True  # type: ignore[attr-defined]
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marks."""
    config.addinivalue_line("markers", "keeps_files: the process may have more files open after it")


@pytest.fixture(scope="session")
def examples() -> pathlib.Path:
    """The folder of model files."""
    return EXAMPLES


@pytest.fixture
def mlp() -> Iterator[ebb.Model]:
    """A model with an input of 8 x 8 x 1 and ten outputs."""
    with ebb.loaded(EXAMPLES / "digits_mlp.keras") as model:
        yield model


def dense_json(sizes: tuple[int, ...] = (10, 32, 2), name: str = "dense_model") -> str:
    """Keras's JSON of a chain of dense layers."""
    layers = ", ".join(
        f'{{"module": "keras.layers", "class_name": "Dense", "registered_name": null, "config": '
        f'{{"name": "dense_{i}", "units": {units}, "activation": "relu"}}}}'
        for i, units in enumerate(sizes[1:])
    )
    return (
        f'{{"module": "keras", "class_name": "Sequential", "registered_name": null, "config": '
        f'{{"name": "{name}", "layers": [{{"module": "keras.layers", "class_name": "InputLayer", '
        f'"registered_name": null, "config": {{"batch_shape": [null, {sizes[0]}], '
        f'"dtype": "float32", "name": "x"}}}}, {layers}]}}}}'
    )
