"""Runtimes: limits, the default one, blocks, logs, reports."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import subprocess
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from conftest import dense_json

import ebb
from ebb._memory import parse_bytes
from ebb._native import ffi


@pytest.mark.parametrize(
    ("given", "size"),
    [
        (None, 0),
        (0, 0),
        (4096, 4096),
        (np.int64(4096), 4096),
        ("4096", 4096),
        ("64MiB", 64 << 20),
        ("64 MB", 64 << 20),
        ("1.5G", 3 << 29),
        ("2gib", 2 << 30),
        (" 512 KiB ", 512 << 10),
        ("1TiB", 1 << 40),
        ("12 B", 12),
    ],
)
def test_sizes(given: Any, size: int) -> None:
    assert parse_bytes(given) == size


@pytest.mark.parametrize(
    "given", ["", "MiB", "-1", "64 XB", "1e9", -1, 2**64, "1 2", "20000000 TiB"]
)
def test_sizes_that_are_none(given: Any) -> None:
    with pytest.raises(ValueError, match="expected bytes"):
        parse_bytes(given)


@pytest.mark.parametrize("given", [1.5, [], b"64MiB"])
def test_sizes_of_other_types(given: Any) -> None:
    with pytest.raises(TypeError, match="expected bytes"):
        parse_bytes(given)


def test_a_runtime_holds_its_own_models(examples: pathlib.Path) -> None:
    with ebb.Runtime(threads=1) as runtime:
        model = runtime.load(examples / "digits_mlp.keras")
        assert model.runtime is runtime
        assert runtime.memory().by_model == {"digits_mlp": model.memory().live}
        assert ebb.runtime() is runtime
        other = ebb.load(examples / "digits_mlp.keras")
        assert other.runtime is runtime
        assert list(ebb.memory().by_model) == ["digits_mlp", "digits_mlp#2"]
        assert [m.id for m in runtime.models()] == [other.id, model.id]
    assert not runtime.alive
    assert not model.alive
    assert ebb.runtime() is not runtime
    with pytest.raises(ebb.StaleHandleError):
        runtime.memory()
    with pytest.raises(ebb.StaleHandleError):
        model.predict(np.zeros((1, 8, 8, 1), "float32"))


def test_blocks_nest_and_end_out_of_order() -> None:
    outer, inner = ebb.Runtime(), ebb.Runtime()
    with outer:
        with inner:
            assert ebb.runtime() is inner
        assert ebb.runtime() is outer
        assert not inner.alive
    assert not outer.alive


def test_a_runtime_in_one_thread_is_not_that_of_another() -> None:
    seen = []
    with ebb.Runtime() as runtime:
        thread = threading.Thread(target=lambda: seen.append(ebb.runtime() is runtime))
        thread.start()
        thread.join()
    assert seen == [False]


def test_close_twice_and_its_receipt(examples: pathlib.Path) -> None:
    runtime = ebb.Runtime()
    live = runtime.load(examples / "digits_mlp.keras")
    took = live.memory().live
    receipt = runtime.close()
    assert receipt.models == 1
    assert receipt.bytes >= took
    assert receipt.kept == 0
    assert runtime.close().bytes == 0
    assert repr(runtime) == "<ebb.Runtime closed>"


def test_a_dropped_runtime_is_closed(examples: pathlib.Path) -> None:
    runtime = ebb.Runtime()
    reference = weakref.ref(runtime)
    model = runtime.load(examples / "digits_mlp.keras")
    del runtime
    assert reference() is not None  # the model's
    assert model.alive
    del model
    assert reference() is None


def test_a_limit_refuses_and_harms_nothing(examples: pathlib.Path) -> None:
    limit = ebb.plan(examples / "digits_mlp.keras").peak + 16384
    with ebb.Runtime(bytes_max=limit) as runtime:
        assert runtime.memory().limit == limit
        model = runtime.load(examples / "digits_mlp.keras")
        before = runtime.memory()
        with pytest.raises(MemoryError, match="OOM") as failure:
            runtime.load(examples / "digits_mlp.keras")
        assert isinstance(failure.value, ebb.OutOfMemoryError)
        assert runtime.memory().live == before.live
        assert model.predict(np.zeros((1, 8, 8, 1), "float32")).shape == (1, 10)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"isa": "sse9"}, ebb.ArgumentError),
        ({"bytes_max": "many"}, ValueError),
        ({"log_level": "loud"}, ValueError),
        ({"threads": -1}, OverflowError),
    ],
)
def test_bad_options(option: Any, error: Any) -> None:
    with pytest.raises(error):
        ebb.Runtime(**option)


def test_configure_comes_too_late() -> None:
    ebb.runtime()
    with pytest.raises(ebb.StateError, match="configure it before"):
        ebb.configure(threads=1)
    with pytest.raises(TypeError, match="no such option: thread;"):
        ebb.configure(thread=1)


def test_configure_before_the_first_use() -> None:
    code = "import ebb; ebb.configure(bytes_max='64MiB'); print(ebb.memory().limit)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == f"{64 << 20}\n"


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        ebb.memory()  # a handler may call ebb
        self.lines.append(f"{record.levelname} {record.getMessage()}")


@pytest.fixture
def lines() -> Any:
    handler, level = _Lines(), ebb.log.level
    ebb.log.addHandler(handler)
    ebb.log.setLevel("DEBUG")
    yield handler.lines
    ebb.log.removeHandler(handler)
    ebb.log.setLevel(level)


def test_the_log_tells_a_models_life(
    examples: pathlib.Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(examples)
    assert ebb.log is logging.getLogger("ebb")
    model = ebb.load("digits_mlp.keras")
    assert lines[-1].startswith("INFO loaded digits_mlp.keras: ")
    del model
    for _ in range(3):  # the interpreter delivers it between two of its instructions
        pass
    assert "unloaded digits_mlp.keras: " in lines[-1]
    with pytest.raises(FileNotFoundError):
        ebb.load("missing.h5")
    assert lines[-1].startswith("ERROR missing.h5: not loaded: ")
    assert len(lines) == 3


def test_the_log_of_another_thread(examples: pathlib.Path, lines: list[str]) -> None:
    def work() -> None:
        for _ in range(40):
            ebb.load(examples / "digits_mlp.keras").close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ebb.memory()
    assert len(lines) == 240


@pytest.mark.parametrize(
    ("level", "count"), [("off", 0), ("error", 1), ("info", 3), (20, 3), (40, 1)]
)
def test_levels_of_the_log(
    examples: pathlib.Path, lines: list[str], level: Any, count: int
) -> None:
    with ebb.Runtime(log_level=level) as runtime:
        runtime.load(examples / "digits_mlp.keras").close()
        with pytest.raises(ebb.NotFoundError):
            runtime.load("missing.h5")
    assert len([line for line in lines if "digits_mlp" in line or "missing" in line]) == count


def test_reports(examples: pathlib.Path, mlp: ebb.Model) -> None:
    text = ebb.report()
    assert "digits_mlp" in text
    report = json.loads(ebb.report("json"))
    assert report
    with pytest.raises(ValueError, match='"table" or "json"'):
        ebb.report("xml")


def test_trim_gives_plans_back() -> None:
    model = ebb.from_json(dense_json())
    before = ebb.memory()
    for rows in (3, 5, 7, 9):
        model.predict(np.zeros((rows, 10), "float32"))
    grown = ebb.memory()
    assert grown.cached > before.cached
    assert grown.live - grown.cached == before.live - before.cached
    receipt = ebb.trim()
    assert receipt.bytes == grown.cached
    assert ebb.memory().live == before.live
    assert ebb.memory().cached == 0


def test_an_import_is_light(tmp_path: pathlib.Path) -> None:
    """Under 40 ms and 12 MB above numpy: the best of five processes, in time of the processor."""
    code = (
        "import time, numpy, os\n"
        "def pages(): return int(open('/proc/self/statm').read().split()[1])\n"
        "before, begin = pages(), time.process_time()\n"
        "import ebb\n"
        "print(time.process_time() - begin, (pages() - before) * os.sysconf('SC_PAGE_SIZE'))\n"
    )
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    figures = []
    for _ in range(5):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
        figures.append([float(figure) for figure in done.stdout.split()])
    seconds, resident = (min(figure[i] for figure in figures) for i in (0, 1))
    assert resident < 12e6
    assert seconds < 0.040


def test_names_are_all_there() -> None:
    later = {"keras", "tf", "from_keras", "to_keras", "plot_memory"}
    for name in ebb.__all__:
        if name not in later:
            assert getattr(ebb, name) is not None
    assert set(ebb.__all__) <= set(dir(ebb))
    with pytest.raises(AttributeError, match="no attribute 'load_modell'"):
        ebb.load_modell


def test_entries_of_models_stay_while_they_are_read() -> None:
    """With memory reused at once: names and handles come from an array that is still there."""
    with ebb.Runtime() as runtime:
        models = [ebb.from_json(dense_json(name=f"net_{i}")) for i in range(3)]
        names = []
        for entry in runtime._entries():
            clutter = [ffi.new("char[]", ffi.sizeof("ebb_model_entry") * n) for n in range(1, 20)]
            names.append(ffi.string(entry.name).decode())
            del clutter
        assert names == ["net_2", "net_1", "net_0"]
        assert [m.id for m in runtime.models()] == [m.id for m in reversed(models)]
        assert set(runtime.memory().by_model) == set(names)
        del models, entry
