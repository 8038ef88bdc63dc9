"""Every script of examples/python runs, and leaves no byte behind."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "examples" / "python"
# Runs a script with the collector off, drops its names, and says what is left.
RUN = """
import gc, sys
import ebb, ebb.keras
gc.disable()
before = ebb.memory()
names = {"__name__": "__main__"}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), names)
names.clear()
after = ebb.memory()
sys.exit(0 if (after.live, after.threads) == (before.live, before.threads) else
         f"{after.live - before.live} bytes, {after.threads - before.threads} threads left")
"""


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_example(script: pathlib.Path, tmp_path: pathlib.Path) -> None:
    if script.stem == "grid_search":
        pytest.importorskip("sklearn")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(script)],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
