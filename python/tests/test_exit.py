"""The end of a process: quiet and clean, whatever is still alive."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import sys, os, threading, time
sys.path.insert(0, {tests!r})
import numpy as np
import ebb
from conftest import dense_json, EXAMPLES
x = np.zeros((1, 10), "float32")
model = ebb.from_json(dense_json())
model.predict(x)
"""


def run(code: str, *, returns: int = 0, **how: Any) -> subprocess.CompletedProcess[str]:
    """A process of its own, which has to end by itself with this code."""
    text = BEGIN.format(tests=os.path.dirname(os.path.abspath(__file__))) + code
    command = [sys.executable, "-X", "dev", "-c", text]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120, **how)
    assert done.returncode == returns, done.stderr
    return done


@pytest.mark.parametrize(
    "code",
    [
        "",
        "models = [ebb.load(EXAMPLES / 'digits_mlp.keras') for _ in range(3)]",
        "scope = ebb.scope().__enter__()\ninside = ebb.from_json(dense_json())",
        "place = ebb.device('CPU:0').__enter__()",
        "runtime = ebb.Runtime()\nother = runtime.from_json(dense_json())",
        "runtime = ebb.Runtime().__enter__()\nother = ebb.from_json(dense_json())",
        "class Cycle: pass\nc = Cycle()\nc.me, c.model = c, model\ndel c, model",
        "import gc; gc.disable()\nclass Cycle: pass\nc = Cycle()\nc.me, c.model = c, model\ndel c",
        "lazy = ebb.LazyModel(EXAMPLES / 'digits_mlp.keras')\nlazy.predict(np.zeros((1, 8, 8, 1)))",
        "ebb.idle_timer(0.001)\ntime.sleep(0.01)",
        "profiler = ebb.Profiler().start()",
        "monitor = ebb.LeakMonitor()\nmonitor.watch(model)",
        "sys.modules['held'] = model",
        "import builtins; builtins.held = model",
        "import atexit; atexit.register(lambda: print(model.alive))",
        "ebb.runtime().close()",
        "model.unload()",
        "def bad():\n    yield ebb.from_json(dense_json())\ng = bad(); held = next(g)",
        "x = ebb.memory()",
        "import ebb._runtime; del sys.modules['ebb._runtime'], sys.modules['ebb']",
    ],
)
def test_objects_alive_at_the_end(code: str) -> None:
    done = run(code)
    assert done.stderr == ""


def test_objects_after_the_end() -> None:
    """What an object sees when the runtime is closed already."""
    done = run(
        "import atexit\n"
        "class Last:\n"
        "    def __init__(self): self.model = model\n"
        "    def __del__(self):\n"
        "        try: self.model.predict(x)\n"
        "        except ebb.StaleHandleError: os.write(1, b'stale\\n')\n"
        "last = Last()\n"
        "sys.modules['last'] = last\n"
    )
    assert done.stdout in ("stale\n", "")
    assert done.stderr == ""


def test_an_exception_at_the_end() -> None:
    done = run("raise KeyError('the end')", returns=1)
    assert done.stderr.rstrip().endswith("KeyError: 'the end'")
    assert "Exception ignored" not in done.stderr


def test_exit_inside_a_block() -> None:
    code = "with ebb.scope(), ebb.load(EXAMPLES / 'digits_mlp.keras') as m:\n    sys.exit(3)"
    assert run(code, returns=3).stderr == ""
    assert run("os._exit(4)", returns=4).stderr == ""


def test_threads_that_still_predict() -> None:
    code = (
        "def work():\n"
        "    try:\n"
        "        while True: model.predict(x)\n"
        "    except ebb.StaleHandleError: pass\n"
        "for _ in range(3): threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.05)\n"
    )
    for _ in range(5):
        run(code)


def test_a_thread_in_a_long_prediction() -> None:
    code = (
        "big = ebb.from_json(dense_json((512, 2048, 512)))\n"
        "rows = np.ones((200000, 512), 'float32')\n"
        "threading.Thread(target=lambda: big.predict(rows), daemon=True).start()\n"
        "time.sleep(0.1)\n"
    )
    run(code)


def test_threads_that_are_waited_for() -> None:
    code = (
        "def work():\n"
        "    time.sleep(0.1)\n"
        "    os.write(1, f'{model.predict(x).shape} {ebb.memory().models}\\n'.encode())\n"
        "threading.Thread(target=work).start()\n"
    )
    assert run(code).stdout == "(1, 2) 1\n"


def test_a_log_whose_handler_is_gone() -> None:
    code = (
        "import logging\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, record): os.write(1, record.getMessage().encode() + b'\\n')\n"
        "ebb.log.addHandler(Handler()); ebb.log.setLevel('INFO')\n"
        "other = ebb.load(EXAMPLES / 'digits_mlp.keras')\n"
        "logging.shutdown()\n"
        "ebb.log.handlers.clear()\n"
        "del Handler\n"
    )
    done = run(code)
    assert done.stdout.startswith("loaded ")
    assert done.stderr == ""


def test_a_log_that_goes_on_to_the_end() -> None:
    code = (
        "import logging\n"
        "logging.basicConfig(level='INFO', stream=sys.stdout, format='%(message)s')\n"
        "other = ebb.load(EXAMPLES / 'digits_mlp.keras')\n"
    )
    done = run(code)
    assert "loaded " in done.stdout
    assert done.stderr == ""


def test_a_handler_that_raises() -> None:
    code = (
        "import logging\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, record): raise KeyError('broken')\n"
        "ebb.log.addHandler(Handler()); ebb.log.setLevel('INFO')\n"
        "other = ebb.load(EXAMPLES / 'digits_mlp.keras')\n"
        "del other\n"
        "print(ebb.memory().models)\n"
    )
    done = run(code)
    assert done.stdout == "1\n"
    assert done.stderr.count("Logging error") >= 2
    assert "KeyError: 'broken'" in done.stderr


def test_temporary_files_go(tmp_path: pathlib.Path) -> None:
    code = f"path = ebb.temporary_file('.npy', folder={str(tmp_path)!r}); print(path)"
    path = run(code).stdout.strip()
    assert path.startswith(str(tmp_path))
    assert not os.path.exists(path)
    spill = f"s = ebb.Spill({str(tmp_path / 'p.npy')!r}); s.append(x)"
    run(spill)
    assert os.listdir(tmp_path) == []


def test_threads_under_a_subinterpreters_nose() -> None:
    """Importing in a thread that is not the main one is no different."""
    code = (
        "import sys, threading\n"
        "def work():\n"
        "    import ebb\n"
        "    ebb.memory()\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "import ebb\n"
        "print(ebb.memory().live > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, check=True, text=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_no_memory_is_lost_to_python() -> None:
    """Objects of the face itself: as many after 300 lives as after 100."""
    code = (
        "import gc\n"
        "def life():\n"
        "    with ebb.scope(), ebb.loaded(EXAMPLES / 'digits_mlp.keras') as m:\n"
        "        m.predict(np.zeros((3, 8, 8, 1))); m.info; m.weights[0]; m.memory()\n"
        "    try: m.predict(x)\n"
        "    except ebb.StaleHandleError: pass\n"
        "gc.disable()\n"
        "for _ in range(100): life()\n"
        "before = len(gc.get_objects())\n"
        "for _ in range(200): life()\n"
        "print(len(gc.get_objects()) - before)\n"
    )
    assert abs(int(run(code).stdout)) < 20
