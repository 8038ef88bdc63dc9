"""The progress bar of fit, evaluate and predict, and where its text goes.

Text is Keras's to the character: bold counts, a bar of twenty cells, times, then results. It is
written to ``sys.stdout``, or into ``logging`` after :func:`disable_interactive_logging`.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

_LOGGER = logging.getLogger("ebb")
_BOLD, _GREEN, _WHITE, _PLAIN = "\x1b[1m", "\33[32m", "\33[37m", "\x1b[0m"
_CELL = "━"
_MINUTE, _HOUR = 60, 3600
_SMALL = 1e-3  # results up to here are written with an exponent


class _Output:
    """Whether text goes to ``sys.stdout``."""

    interactive = True


def enable_interactive_logging() -> None:
    """Progress and messages go to ``sys.stdout`` (the default)."""
    _Output.interactive = True


def disable_interactive_logging() -> None:
    """Progress and messages go to the logger ``"ebb"``, level INFO."""
    _Output.interactive = False


def is_interactive_logging_enabled() -> bool:
    """Whether progress and messages go to ``sys.stdout``."""
    return _Output.interactive


def print_message(message: Any, line_break: bool = True) -> None:
    """Shows a message where the progress goes."""
    text = str(message)
    if not _Output.interactive:
        _LOGGER.info("%s", text)
        return
    text += "\n" if line_break else ""
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "utf-8"
        plain = text.replace(_CELL, "=")
        sys.stdout.write(plain.encode(encoding, errors="ignore").decode(encoding))
    sys.stdout.flush()


def _is_redrawn() -> bool:
    """Whether a line may be drawn over with a carriage return."""
    stdout = sys.stdout
    return bool(
        os.name == "posix"
        or (hasattr(stdout, "isatty") and stdout.isatty())
        or "ipykernel" in sys.modules
        or "PYCHARM_HOSTED" in os.environ
    )


def _step_time(seconds: float, unit: str) -> str:
    """``" 12ms/step"``."""
    if seconds >= 1 or seconds == 0:
        return f" {seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f" {seconds * 1e3:.0f}ms/{unit}"
    return f" {seconds * 1e6:.0f}us/{unit}"


def _remaining(seconds: float) -> str:
    """Time that is left: ``"1:02:03"``, ``"2:03"``, ``"3s"``."""
    if seconds > _HOUR:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours:.0f}:{int(rest // _MINUTE):02d}:{int(rest % _MINUTE):02d}"
    if seconds > _MINUTE:
        return f"{int(seconds // _MINUTE)}:{int(seconds % _MINUTE):02d}"
    return f"{int(seconds)}s"


class Progbar:
    """A progress bar.

    Parameters
    ----------
    target : int or None
        Steps in all; None when not known.
    width : int
        Cells of the bar.
    verbose : int
        0 says nothing, 1 draws a bar, 2 writes one line at the end.
    interval : float
        Seconds between two drawings at least.
    stateful_metrics, stateless_metrics : iterable of str, optional
        Names whose values are shown as they are, or as their mean over the steps. At most one of
        the two; with neither all are means.
    unit_name : str
        What is counted.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Give `stateful_metrics` or `stateless_metrics`, not both: each says which "
                "metrics are treated otherwise than the rest."
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self._as_is = None if stateless_metrics is not None else set(stateful_metrics or ())
        self._as_mean = None if stateless_metrics is None else set(stateless_metrics)
        self._redraws = _is_redrawn()
        self._seen = 0
        self._sums: dict[str, tuple[Any, float]] = {}
        self._start = time.time()
        self._drawn_at = 0.0
        self._first_step_at: float | None = None
        self._drawn_width = 0

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Shows that ``current`` steps are done.

        Parameters
        ----------
        current : int
            Steps done.
        values : iterable of (str, float), optional
            Results to show.
        finalize : bool, optional
            Whether this is the last time; None = when ``current`` reaches ``target``.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._take(name, value, current, finalize)
        self._seen = current
        now = time.time()
        per_step = self._per_step(current, now)
        if self.verbose == 1:
            if now - self._drawn_at < self.interval and not finalize:
                return
            self._draw(current, now, per_step, finalize)
        elif self.verbose == 2 and finalize and self.target:
            count = f"{current:{self._digits()}d}/{self.target}"
            text = f"{count} - {now - self._start:.0f}s -{_step_time(per_step, self.unit_name)}"
            print_message(f"{text}{self._results(signed=False)}\n", line_break=False)
        self._drawn_at = now

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Shows that ``n`` more steps are done."""
        self.update(self._seen + n, values)

    def _take(self, name: str, value: Any, current: int, finalize: bool) -> None:
        """Keeps a value, or adds it to the mean."""
        is_mean = (
            name in self._as_mean if self._as_mean is not None else name not in (self._as_is or ())
        )
        if not is_mean or finalize:
            self._sums[name] = (value, 1)
            return
        steps = max(current - self._seen, 1)
        total, count = self._sums.get(name, (0.0, 0))
        self._sums[name] = (total + value * steps, count + steps)

    def _results(self, signed: bool) -> str:
        """`` - accuracy: 0.5000 - loss: 1.2345e-04``; signed: large negative ones are plain."""
        text = ""
        for name, (total, count) in self._sums.items():
            value = total if isinstance(total, float) else float(np.mean(total))
            mean = value / max(1, count)
            size = abs(mean) if signed else mean
            text += f" - {name}: {mean:.4f}" if size > _SMALL else f" - {name}: {mean:.4e}"
        return text

    def _digits(self) -> int:
        return int(math.log10(self.target)) + 1 if self.target else 1

    def _bar(self, current: int) -> tuple[str, int]:
        """The count with its cells, and how many of its characters are not seen."""
        if not self.target or self.target < 0:
            return f"{current:7d}/Unknown", 0
        full = int(self.width * (float(current) / self.target))
        text = f"{_BOLD}{current:{self._digits()}d}/{self.target}{_PLAIN} "
        unseen = len(_BOLD) + len(_PLAIN)
        if full > 0:
            text += f"{_GREEN}{_CELL * full}{_PLAIN}"
            unseen += len(_GREEN) + len(_PLAIN)
        return (
            text + f"{_WHITE}{_CELL * (self.width - full)}{_PLAIN}",
            unseen + len(_WHITE) + len(_PLAIN),
        )

    def _draw(self, current: int, now: float, per_step: float, finalize: bool) -> None:
        bar, unseen = self._bar(current)
        if self.target and self.target > 0 and not finalize:
            clock = _remaining(per_step * (self.target - current))
        else:
            clock = f"{now - self._start:.0f}s"
        info = f" {_BOLD}{clock}{_PLAIN}" + _step_time(per_step, self.unit_name)
        info += self._results(signed=True)
        width = len(bar) + len(info) - unseen - len(_BOLD) - len(_PLAIN)
        begin = "\b" * self._drawn_width + "\r" if self._redraws else "\n"
        padding = " " * max(0, self._drawn_width - width)
        print_message(begin + bar + info + padding + ("\n" if finalize else ""), line_break=False)
        self._drawn_width = width

    def _per_step(self, current: int, now: float) -> float:
        """Seconds a step takes; the first one, which prepares things, does not count."""
        if not current:
            return 0
        if self._first_step_at is not None and current > 1:
            seconds = (now - self._first_step_at) / (current - 1)
        else:
            seconds = (now - self._start) / current
        if current == 1:
            self._first_step_at = now
        return seconds
