"""What the ledger says: Memory (now), Receipt (what came back), Plan (what a load would take)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ebb._native import ffi, lib

CLASSES: tuple[str, ...] = tuple(
    ffi.string(lib.ebb_class_name(i)).decode() for i in range(lib.EBB_CLASS_COUNT)
)
_CODE = int(lib.EBB_CLASS_CODE)
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(
    r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:(b)|([kmgt])(?:i?b)?|)\s*", re.IGNORECASE
)


def parse_bytes(value: int | str | None) -> int:
    """Bytes of a number or a text: ``67108864``, ``"64MiB"``, ``"1.5 GB"``.

    Units are powers of 1024. None is 0: no limit.

    Raises
    ------
    ValueError
        If the text is no size, or the number is negative or does not fit 64 bits.
    TypeError
        If it is neither a whole number nor a text.
    """
    if value is None:
        return 0
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError(f'expected bytes as a number or a text like "64MiB", got {value!r}')
        number, unit = match[1], _UNITS[(match[2] or match[3] or "").lower()]
        size = int(number) * unit if number.isdigit() else round(float(number) * unit)
    else:
        try:
            size = value.__index__()
        except AttributeError:
            kind = type(value).__name__
            raise TypeError(
                f'expected bytes as a number or a text like "64MiB", got {kind}'
            ) from None
    if not 0 <= size < 2**64:
        raise ValueError(f"expected bytes from 0 to 2**64 - 1, got {value!r}")
    return size


def format_bytes(count: int) -> str:
    """``812 bytes``, ``12.3 KiB``, ``528 MiB``."""
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            break
        size, unit = size / 1024, larger
    if unit == "bytes":
        return f"{count:,} byte{'' if count == 1 else 's'}"
    return f"{size:.0f} {unit}" if abs(size) >= 100 else f"{size:.3g} {unit}"


def html_table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A small table for notebooks; everything is escaped."""
    import html

    body = "".join(
        f'<tr><td style="text-align:left">{html.escape(name)}</td>'
        f'<td style="text-align:right">{html.escape(str(value))}</td></tr>'
        for name, value in rows
    )
    head = f'<tr><th colspan="2" style="text-align:left">{html.escape(title)}</th></tr>'
    return f"<table>{head}{body}</table>"


def class_bytes(values: Any) -> dict[str, int]:
    """By class, from an array of C."""
    return dict(zip(CLASSES, map(int, values)))


def _classes_text(by_class: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size:,}" for name, size in by_class.items() if size)


class _Record:
    """Fields that are set once; equal when they are equal."""

    __slots__: tuple[str, ...] = ()

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return isinstance(other, _Record) and self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, for JSON."""
        return self._fields()


class Memory(_Record):
    """The ledger of a runtime, a model, a scope or a device at one moment. Bytes.

    Attributes
    ----------
    live : int
        In use, as taken from the operating system: whole pages.
    peak : int
        Highest ``live`` since it was opened or loaded.
    cached : int
        The part of ``live`` that is kept only for speed; ``ebb.trim()`` gives it back.
    fixed : int
        Of the runtime: stays until it closes. Not part of ``live``.
    limit : int
        0: none.
    by_class : dict of str to int
        Live bytes of weights, activations, scratch, gradients, optimizer, data, meta; and code,
        which is measured and not part of ``live``.
    by_model : dict of str to int
        Live bytes of every loaded model of a runtime, by name, the newest first. A second model of
        a name is ``"name#2"``.
    cpu, gpu : int
        Live bytes by kind of device.
    threads, descriptors, models : int
        Threads that ebb started and that run, files it holds open, models that are loaded.
    """

    __slots__ = (
        "_runtime",
        "by_class",
        "by_model",
        "cached",
        "cpu",
        "descriptors",
        "fixed",
        "gpu",
        "limit",
        "live",
        "models",
        "peak",
        "threads",
    )  # fmt: skip

    def __init__(self, c: Any, by_model: dict[str, int], gpu: int = 0, runtime: Any = None) -> None:
        self.live, self.peak, self.cached = int(c.live), int(c.peak), int(c.cached)
        self.fixed, self.limit = int(c.fixed), int(c.limit)
        self.by_class = class_bytes(c.by_class)
        self.by_model = by_model
        self.cpu, self.gpu = self.live - gpu, gpu
        self.threads, self.descriptors = int(c.threads), int(c.descriptors)
        self.models = int(c.models) if not by_model else len(by_model)
        self._runtime = runtime

    @property
    def by_device(self) -> dict[str, int]:
        """Live bytes of every logical device, as they are when this is first asked for.

        Listing the logical devices fixes how they are configured, so nothing does it unasked.
        """
        if self._runtime is None:
            return {}
        return {device.name: device.live for device in self._runtime.devices()}

    def _rows(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [("live", f"{self.live:,}"), ("peak", f"{self.peak:,}")]
        rows += [("cached", f"{self.cached:,}"), ("fixed", f"{self.fixed:,}")]
        rows += [("limit", f"{self.limit:,}")] if self.limit else []
        rows += [("gpu", f"{self.gpu:,}")] if self.gpu else []
        rows += [(f"  {name}", f"{size:,}") for name, size in self.by_class.items() if size]
        rows += [(f"  model {name}", f"{size:,}") for name, size in self.by_model.items()]
        return rows

    def __repr__(self) -> str:
        parts = [f"{self.live:,} bytes live", f"peak {self.peak:,}", f"cached {self.cached:,}"]
        if self.fixed:
            parts.append(f"fixed {self.fixed:,}")
        if self.limit:
            parts.append(f"limit {self.limit:,}")
        if self.models:
            parts.append(f"{self.models} model{'' if self.models == 1 else 's'}")
        classes = _classes_text(self.by_class)
        return f"Memory({', '.join(parts)}{': ' if classes else ''}{classes})"

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._rows())
        return "\n".join(f"{name:<{width}}  {value:>15}" for name, value in self._rows())

    def _repr_html_(self) -> str:
        return html_table("memory, bytes", self._rows())


class Receipt(_Record):
    """What an unload, delete, trim or close gave back. Bytes are exact.

    Attributes
    ----------
    bytes : int
        Given back: the sum of the counted classes (without code).
    by_class : dict of str to int
        Given back by class; code is measured.
    kept : int
        Could not be given back; 0 in every known case. ``kept_reason`` says why.
    live_after : int
        Live bytes of the runtime after the call.
    models, threads, descriptors : int
        Models that went, threads ended, files closed.
    files : list of str
        Names of the files that were removed; ``"..."`` at the end if there were more.
    files_removed, files_bytes : int
        How many files that were, and their size on disk.
    waited, seconds : float
        Time spent waiting for calls in flight, and in the whole call.
    """

    __slots__ = (
        "by_class",
        "bytes",
        "descriptors",
        "files",
        "files_bytes",
        "files_removed",
        "kept",
        "kept_reason",
        "live_after",
        "models",
        "seconds",
        "threads",
        "waited",
    )  # fmt: skip

    def __init__(self, c: Any) -> None:
        self.bytes = int(c.bytes_total)
        self.by_class = class_bytes(c.bytes)
        self.kept = int(c.bytes_kept)
        self.kept_reason = ffi.string(c.kept_reason).decode(errors="replace")
        self.live_after = int(c.live_after)
        self.models, self.threads = int(c.models), int(c.threads)
        self.descriptors = int(c.descriptors)
        self.files = ffi.string(c.files).decode(errors="replace").splitlines()
        self.files_removed, self.files_bytes = int(c.files_removed), int(c.files_bytes)
        self.waited, self.seconds = c.wait_ns / 1e9, c.time_ns / 1e9

    def _rows(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [("given back", f"{self.bytes:,}")]
        rows += [(f"  {name}", f"{size:,}") for name, size in self.by_class.items() if size]
        rows += [("kept", f"{self.kept:,} ({self.kept_reason})")] if self.kept else []
        rows += [("live after", f"{self.live_after:,}"), ("models", self.models)]
        if self.files_removed:
            rows += [("files removed", f"{self.files_removed} ({self.files_bytes:,} bytes)")]
            rows += [(f"  {name}", "") for name in self.files]
        rows += [("time", f"{self.seconds * 1e3:.3f} ms")]
        return rows

    def __repr__(self) -> str:
        classes = _classes_text(self.by_class)
        parts = [f"{self.bytes:,} bytes back" + (f" ({classes})" if classes else "")]
        if self.models:
            parts.append(f"{self.models} model{'' if self.models == 1 else 's'}")
        if self.files_removed:
            parts.append(f"{self.files_removed} files, {self.files_bytes:,} bytes")
        if self.kept:
            parts.append(f"{self.kept:,} bytes kept: {self.kept_reason}")
        parts.append(f"{self.live_after:,} live")
        return f"Receipt({', '.join(parts)}, {self.seconds * 1e3:.3f} ms)"

    def _repr_html_(self) -> str:
        return html_table("receipt, bytes", self._rows())


class Plan(_Record):
    """What a load will take, to the byte, stated without reading a weight.

    Attributes
    ----------
    total : int
        Live bytes after the load.
    peak : int
        Highest live bytes while loading.
    by_class : dict of str to int
        ``total`` by class.
    file_bytes : int
        Size of the file.
    parameters : int
        Elements of all variables.
    batch, lanes, threads : int
        As chosen.
    flops : int
        Floating point operations for one row.
    """

    __slots__ = (
        "batch",
        "by_class",
        "file_bytes",
        "flops",
        "lanes",
        "parameters",
        "peak",
        "threads",
        "total",
    )  # fmt: skip

    def __init__(self, c: Any) -> None:
        self.total, self.peak = int(c.total), int(c.peak)
        self.by_class = class_bytes(c.by_class)
        self.file_bytes, self.parameters = int(c.file_bytes), int(c.parameters)
        self.batch, self.lanes, self.threads = int(c.batch), int(c.lanes), int(c.threads)
        self.flops = int(c.flops)

    def _rows(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [("total", f"{self.total:,}")]
        rows += [(f"  {name}", f"{size:,}") for name, size in self.by_class.items() if size]
        rows += [("peak while loading", f"{self.peak:,}"), ("file", f"{self.file_bytes:,}")]
        rows += [("parameters", f"{self.parameters:,}"), ("flops a row", f"{self.flops:,}")]
        rows += [("batch, lanes, threads", f"{self.batch}, {self.lanes}, {self.threads}")]
        return rows

    def __repr__(self) -> str:
        return (
            f"Plan({self.total:,} bytes ({_classes_text(self.by_class)}), peak {self.peak:,}, "
            f"{self.parameters:,} parameters, batch {self.batch})"
        )

    def _repr_html_(self) -> str:
        return html_table("plan, bytes", self._rows())
