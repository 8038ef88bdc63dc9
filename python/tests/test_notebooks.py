"""Every notebook runs from top to bottom; what it prints is what is stored in it."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert path.stat().st_size < BYTES_MAX, "outputs are stored small"
    stored = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    for cell in run.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    nbclient.NotebookClient(
        run, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert printed(run) == printed(stored)
