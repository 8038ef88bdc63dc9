"""The library's log, as records of ``logging.getLogger("ebb")``.

Lines wait in C while the library works and are delivered when its call has come back, in the
thread that made the call: a handler may call ebb. A program that has not imported ``logging`` has
no handler, so ``logging`` is not imported for it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from ebb._native import ffi, lib

if TYPE_CHECKING:
    import logging

#: ``ebb_log_level`` and what ``logging`` calls it.
_LEVELS = {
    "off": (lib.EBB_LOG_OFF, 100),
    "error": (lib.EBB_LOG_ERROR, 40),
    "warning": (lib.EBB_LOG_WARNING, 30),
    "info": (lib.EBB_LOG_INFO, 20),
    "debug": (lib.EBB_LOG_DEBUG, 10),
}
_NUMBERS = dict(_LEVELS.values())

_logger: logging.Logger | None = None


def logger() -> logging.Logger:
    """``logging.getLogger("ebb")``: loads, unloads and training at INFO, failures at ERROR."""
    global _logger
    if _logger is None:
        import logging

        _logger = logging.getLogger("ebb")
        if not _logger.handlers:
            _logger.addHandler(logging.NullHandler())
    return _logger


def deliver() -> None:
    """Hands the lines that wait to the logger."""
    log = logger() if "logging" in sys.modules else None
    line, lost = ffi.new("ebb_python_line *"), ffi.new("uint32_t *")
    while lib.ebb_python_log_take(line, lost):
        if log is None:
            continue
        if lost[0]:
            _hand_over(log, 30, f"{lost[0]} lines of the log were dropped")
        _hand_over(log, _NUMBERS[line.level], ffi.string(line.text).decode(errors="replace"))


def _hand_over(log: logging.Logger, level: int, text: str) -> None:
    """One line. A handler that raises is told of as `logging` does, and breaks no call of ebb."""
    try:
        log.log(level, "%s", text)
    except Exception:
        from logging import Handler

        Handler().handleError(log.makeRecord(log.name, level, __file__, 0, text, (), None))


def log_level(level: str | int | None) -> int:
    """``ebb_log_level`` for a name ("info") or a level of ``logging``; None is "info"."""
    if level is None:
        return int(lib.EBB_LOG_INFO)
    if isinstance(level, str):
        if level.lower() not in _LEVELS:
            names = ", ".join(_LEVELS)
            raise ValueError(f"log_level: expected one of {names}, got {level!r}")
        return int(_LEVELS[level.lower()][0])
    return int(max(ours for ours, theirs in _LEVELS.values() if theirs >= min(level, 100)))


lib.ebb_python_begin(ffi.cast("void *", id(deliver)), threading.main_thread().ident or 0)
