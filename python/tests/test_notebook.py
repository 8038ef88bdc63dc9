"""``%load_ext ebb.notebook``: what a cell makes goes at its end."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import dense_json

import ebb
from ebb import notebook


class Result:
    """What IPython's run_cell gives."""

    def __init__(self, failure: BaseException | None) -> None:
        self.error_before_exec = None
        self.error_in_exec = failure


class Shell:
    """As much of IPython's shell as the magics use."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {"ebb": ebb}
        self.magics: dict[str, dict[str, Any]] = {"cell": {}, "line": {}}
        self.magics_manager = self

    def register_magic_function(self, function: Any, kind: str, name: str) -> None:
        """Keeps a magic."""
        self.magics[kind][name] = function

    def run_cell(self, code: str, store_history: bool = False) -> Result:
        """Runs code."""
        assert store_history is False
        try:
            exec(code, self.user_ns)
        except Exception as failure:
            return Result(failure)
        return Result(None)


def cell(tail: str = "") -> str:
    """Code that makes a model."""
    return f"model = ebb.from_json({dense_json()!r})\n{tail}"


def test_models_of_a_cell_go_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    notebook.load_ipython_extension(shell)
    before = ebb.memory().live
    shell.magics["cell"]["ebb_scope"]("fold 1", cell("held = model.memory().live"))
    assert ebb.memory().live == before
    assert shell.user_ns["held"] > 0
    with pytest.raises(ebb.StaleHandleError):
        shell.user_ns["model"].predict([[1.0] * 10])
    assert "byte" in capsys.readouterr().out
    shell.user_ns.clear()


def test_a_cell_that_fails_gives_its_bytes_back_and_fails() -> None:
    shell = Shell()
    before = ebb.memory().live
    with pytest.raises(ZeroDivisionError):
        notebook.ebb_scope("", cell("1 / 0"), shell)
    assert ebb.memory().live == before
    shell.user_ns.clear()


def test_a_limit_is_kept() -> None:
    shell = Shell()
    with pytest.raises(ebb.OutOfMemoryError):
        notebook.ebb_scope("small limit=4KiB", cell(), shell)
    with pytest.raises(ValueError, match="lots"):
        notebook.ebb_scope("limit=lots", "", shell)
    assert notebook.read_line("a b limit=1GiB") == ("a b", "1GiB")
    assert notebook.read_line("") == (None, None)


def test_memory_and_unloading() -> None:
    shell = Shell()
    notebook.load_ipython_extension(shell)
    assert shell.magics["line"]["ebb_memory"]("").live == ebb.memory().live
    notebook.unload_ipython_extension(shell)
    assert shell.magics == {"cell": {}, "line": {}}


@pytest.mark.keeps_files
def test_in_ipython() -> None:
    testing = pytest.importorskip("IPython.core.interactiveshell")
    shell = testing.InteractiveShell()
    notebook.load_ipython_extension(shell)
    shell.user_ns["ebb"] = ebb
    before = ebb.memory().live
    shell.run_cell_magic("ebb_scope", "tag", cell())
    assert ebb.memory().live == before
    shell.user_ns.pop("model")
    shell.history_manager.end_session()
    shell.reset()
