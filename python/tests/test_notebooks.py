"""Every notebook runs from top to bottom; what it prints is what is stored in it."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))
BYTES_MAX = 200_000


def printed(notebook: Any) -> list[str]:
    """What each cell says as text, without addresses, times and other figures."""
    said = []
    for cell in notebook.cells:
        text = ""
        for output in cell.get("outputs", []):
            text += output.get("text", "") + output.get("data", {}).get("text/plain", "")
        said.append(re.sub(r"\d[\d,.]*", "N", text))
    return said


# In a process of its own: a client of Jupyter keeps sockets for as long as it lives.
RUN = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(
    notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}
).execute()
nbformat.write(notebook, sys.argv[3])
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert path.stat().st_size < BYTES_MAX, "outputs are stored small"
    result = tmp_path / "run.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(tmp_path), str(result)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), IPYTHONDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said, stored = (nbformat.read(file, as_version=4) for file in (result, path))
    assert printed(said) == printed(stored)
