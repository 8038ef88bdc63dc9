"""For notebooks: ``%load_ext ebb.notebook``, then ``%%ebb_scope`` at the head of a cell.

The models that such a cell makes or loads go at its end, with every byte, whatever names still
hold them; the receipt says how much it was. ``%ebb_memory`` shows what is live.
"""

from __future__ import annotations

from typing import Any

import ebb


def _run_cell(shell: Any, cell: str) -> None:
    """Runs the code of a cell in the notebook's namespace; its failure is raised again."""
    result = shell.run_cell(cell, store_history=False)
    failure = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
    if failure is not None:
        # IPython has shown it with its traceback already; the cell must still count as failed.
        raise failure


def ebb_scope(line: str, cell: str, shell: Any = None) -> None:
    """Run a cell in a scope of its own and print what the scope gave back at its end.

    Parameters
    ----------
    line : str
        Words behind ``%%ebb_scope``: a tag for reports, and ``limit=200MiB``.
    cell : str
        The code.
    shell : InteractiveShell, optional
        The one that runs it; IPython's own if left out.

    Raises
    ------
    ValueError
        The limit is no size.
    """
    if shell is None:
        from IPython import get_ipython

        shell = get_ipython()
    tag, limit = read_line(line)
    scope = ebb.scope(tag, bytes_max=limit)
    try:
        with scope:
            _run_cell(shell, cell)
    finally:
        print(scope.receipt)


def read_line(line: str) -> tuple[str | None, str | None]:
    """Tag and limit of ``"fold 1 limit=200MiB"``; None: not given."""
    words = line.split()
    limits = [word[len("limit=") :] for word in words if word.startswith("limit=")]
    tag = " ".join(word for word in words if not word.startswith("limit="))
    return tag or None, limits[-1] if limits else None


def ebb_memory(line: str = "") -> Any:
    """Show what is live, by model and class.

    Parameters
    ----------
    line : str
        Not looked at.

    Returns
    -------
    Memory
    """
    del line
    return ebb.memory()


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook its magics; ``%load_ext ebb.notebook`` calls it.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def scope_magic(line: str, cell: str) -> Any:
        return ebb_scope(line, cell, shell)

    shell.register_magic_function(scope_magic, "cell", "ebb_scope")
    shell.register_magic_function(ebb_memory, "line", "ebb_memory")


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again.

    Parameters
    ----------
    shell : InteractiveShell
    """
    for kind, name in (("cell", "ebb_scope"), ("line", "ebb_memory")):
        shell.magics_manager.magics[kind].pop(name, None)
