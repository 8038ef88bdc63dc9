"""The memory profiler: live bytes over time, by owner and class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ebb._call import Keep, check, collect_text, new_error, options
from ebb._errors import StateError
from ebb._handle import Handle
from ebb._memory import format_bytes, parse_bytes
from ebb._native import ffi, lib
from ebb._runtime import Runtime
from ebb._runtime import runtime as _here

if TYPE_CHECKING:
    from typing_extensions import Self


class Profile(NamedTuple):
    """A profile in figures; bytes are those of the runtime without the profiler's own.

    Attributes
    ----------
    current, peak : int
        Live bytes now (or when it stopped), and the most.
    peak_seconds, seconds : float
        When that was, since the start; how long the profile is.
    changes : int
        Blocks that came or went.
    moments, joined : int
        On the timeline; those that were joined with their neighbour.
    owners, marks, spans, spans_dropped : int
    bytes_profiler : int
        Its own memory.
    """

    current: int
    peak: int
    peak_seconds: float
    seconds: float
    changes: int
    moments: int
    joined: int
    owners: int
    marks: int
    spans: int
    spans_dropped: int
    bytes_profiler: int


class Profiler(Handle):
    """Live bytes over time, by owner (a model, a session, arrays ...) and class.

    Nothing is sampled: the ledger tells every change.

    ::

        with ebb.Profiler() as profiler:
            model = ebb.load("my_model.keras")
            profiler.mark("loaded")
        profiler.save("profile.svg")

    Parameters
    ----------
    moments_max : int, optional
        Of the timeline, before neighbours are joined; 1024.
    owners_max : int, optional
        Told apart; 31.
    spans_max : int, optional
        Loads, predictions, unloads kept; 512.
    interval : float, optional
        At most one moment in so many seconds; None: every change.
    bytes_max : int or str, optional
        Of the profiler itself.
    runtime : Runtime, optional
    """

    __slots__ = ("_options", "_runtime")
    _instead = "save what it found: profiler.save('profile.json')"

    def __init__(
        self,
        *,
        moments_max: int | None = None,
        owners_max: int | None = None,
        spans_max: int | None = None,
        interval: float | None = None,
        bytes_max: int | str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        super().__init__(lib.ebb_python_close_profiler)
        self._runtime = runtime or _here()
        self._options = options(
            "ebb_profiler_options",
            moments_max=moments_max,
            owners_max=owners_max,
            spans_max=spans_max,
            interval_ns=None if interval is None else round(interval * 1e9),
            bytes_max=parse_bytes(bytes_max),
        )

    @property
    def handle(self) -> Any:
        """The ``ebb_profiler`` of C. Raises `StateError` before `start`."""
        box = self._checked()
        if box.id == 0:
            raise StateError("the profiler was not started", "profiler")
        return box.profiler

    def start(self) -> Self:
        """Starts; what is live already is its first moment. One at a time for a runtime.

        Raises
        ------
        StateError
            Another one runs.
        """
        if self.id:
            lib.ebb_profiler_close(self._checked().profiler)
        error = new_error()
        slot = self._slot("profiler")
        check(lib.ebb_profiler_start(self._runtime.handle, self._options, slot, error), error)
        return self

    def mark(self, label: str) -> None:
        """Puts a label on the timeline: ``"epoch 2"``.

        Raises
        ------
        StateError
            It is stopped.
        """
        keep = Keep()
        check(lib.ebb_profiler_mark(self.handle, keep.text(label)))

    def stop(self) -> Profile:
        """Ends the timeline; it can still be read and saved."""
        check(lib.ebb_profiler_stop(self.handle))
        return self.read()

    def read(self) -> Profile:
        """The figures, running or stopped."""
        c = ffi.new("ebb_profile *")
        check(lib.ebb_profiler_read(self.handle, c))
        return Profile(
            int(c.current), int(c.peak), c.peak_ns / 1e9, c.time_ns / 1e9, int(c.changes),
            int(c.moments), int(c.joined), int(c.owners), int(c.marks), int(c.spans),
            int(c.spans_dropped), int(c.bytes_profiler),
        )  # fmt: skip

    def _write(self, form: int) -> str:
        return collect_text(lib.ebb_profiler_write, self.handle, form)

    def text(self) -> str:
        """A table by owner and class, and the timeline as a bar chart."""
        return self._write(lib.EBB_PROFILE_TEXT)

    def json(self) -> dict[str, Any]:
        """Owners, classes, every moment, marks, spans."""
        import json

        made: dict[str, Any] = json.loads(self._write(lib.EBB_PROFILE_JSON))
        return made

    def svg(self) -> str:
        """A drawing: stacked areas by owner, peak line, marks, legend."""
        return self._write(lib.EBB_PROFILE_SVG)

    def trace(self) -> str:
        """Trace events for Chrome's, Perfetto's and TensorBoard's viewers."""
        return self._write(lib.EBB_PROFILE_TRACE)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file, its format told by the ending, or a folder with all of them.

        Parameters
        ----------
        path : path
            Ends with ``.txt``, ``.json``, ``.svg`` or ``.trace.json``, or names a folder.

        Raises
        ------
        ArgumentError
            Another ending.
        InputOutputError
            It cannot be written.
        """
        keep, error = Keep(), new_error()
        check(lib.ebb_profiler_save(self.handle, keep.text(path), error), error)

    def close(self) -> None:
        """Gives its memory back, stopping it first. Closing twice is no error."""
        status = lib.ebb_profiler_close(self._checked().profiler)
        if status != lib.EBB_E_STALE:
            check(status)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *failure: object) -> None:
        status = lib.ebb_profiler_stop(self.handle)
        if status != lib.EBB_E_STALE:
            check(status)

    def __repr__(self) -> str:
        if not self.id:
            return "<ebb.Profiler not started>"
        try:
            found = self.read()
        except Exception:
            return "<ebb.Profiler closed>"
        return f"<ebb.Profiler peak {format_bytes(found.peak)} in {found.seconds:.3f} s>"

    def _repr_html_(self) -> str:
        return self.svg()
