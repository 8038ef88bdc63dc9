"""The scripts of users, in the folder EBB_SHARED names: each passes, and its pages come back."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

SHARED = os.environ.get("EBB_SHARED")
SCRIPTS = sorted(pathlib.Path(SHARED, "seeds").glob("s0*.py")) if SHARED else []
RESIDENT_BYTES_MAX = 4 * 2**20
# Runs a script; the resident size at its end may not be far above that at its first look at memory.
# numpy's products keep buffers of their own after their first use: that is made before.
RUN = """
import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import accept, numpy
numpy.ones((256, 1024), "float32") @ numpy.ones((1024, 1024), "float32")
first, memory = [], accept.memory
def noted():
    live = memory()
    first.append(accept.resident()) if not first else None
    return live
accept.memory = noted
names = {"__name__": "__main__"}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), names)
names.clear()
grown = accept.resident() - first[0] if first else 0
sys.exit(0 if grown <= int(sys.argv[2]) else f"{grown / 2**20:.1f} MiB more are resident")
"""


@pytest.mark.skipif(not SCRIPTS, reason="EBB_SHARED names no folder with scripts")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_seed(script: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(script), str(RESIDENT_BYTES_MAX)],
        cwd=tmp_path,
        env=dict(os.environ, EBB_ACCEPT="ebb", PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
