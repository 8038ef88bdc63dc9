"""Model files as texts and arrays: for models that only Python can put together."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ebb._arrays import DTYPES, Array, to_array, view_of
from ebb._call import Keep, check, collect_text, new_error, options
from ebb._errors import ArgumentError, FormatError, NotFoundError
from ebb._native import ffi, lib
from ebb._runtime import runtime

CONFIG_BYTES_MAX = 256 << 20
KERAS_VERSION = "3.15.1"  # in whose words files are written


class MissingFileError(NotFoundError, ValueError):
    """There is no such model file. Keras raises a ValueError for some endings: it is both."""

    def __str__(self) -> str:
        return super().__str__()


class FileParts(NamedTuple):
    """What a file says beside its numbers: see ebb/parts.h."""

    path: str
    is_by_path: bool
    keras_version: str
    config: dict[str, Any] | None
    compile_config: dict[str, Any] | None
    groups: list[tuple[str, list[str]]]
    optimizer: list[str]


def ending(path: str) -> str:
    """``.keras``, ``.weights.h5``, ``.h5`` (also for .hdf5), or ``""``."""
    lower = path.lower()
    for known in (".keras", ".weights.h5", ".h5", ".hdf5"):
        if lower.endswith(known):
            return ".h5" if known == ".hdf5" else known
    return ""


def member(path: str, name: str) -> str | None:
    """A text inside a .keras file or folder; None if it is not there."""
    if os.path.isdir(path):
        inside = os.path.join(path, name)
        if not os.path.isfile(inside):
            return None
        if os.path.getsize(inside) > CONFIG_BYTES_MAX:
            raise FormatError(f"more than {CONFIG_BYTES_MAX} bytes", inside)
        with open(inside, encoding="utf-8") as file:
            return file.read()
    try:
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                return None
            if archive.getinfo(name).file_size > CONFIG_BYTES_MAX:
                raise FormatError(f"{name} has more than {CONFIG_BYTES_MAX} bytes", path)
            return archive.read(name).decode("utf-8")
    except (zipfile.BadZipFile, EOFError, UnicodeDecodeError, NotImplementedError) as failure:
        raise FormatError(f"a damaged archive ({failure})", path) from failure


def _parsed(text: str | None, where: str) -> Any:
    """A JSON text; None for none."""
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as failure:
        raise FormatError(f"no JSON: {failure}", where) from failure


def read_parts(path: str) -> FileParts:
    """Configuration and names of the arrays of a .keras or .h5 file.

    Raises
    ------
    NotFoundError, FormatError, InputOutputError
        As for ``ebb.load``.
    """
    keep = Keep()
    told = json.loads(collect_text(lib.ebb_parts_write, runtime().handle, keep.text(path)))
    config = told["config"]
    if told["format"] == "keras":
        config = member(path, "config.json")
    groups = [(group["name"], list(group["arrays"])) for group in told["groups"]]
    own = [(name, arrays) for name, arrays in groups if not _is_state(name)]
    state = told["optimizer"] or [
        array for name, arrays in groups if name == "optimizer" for array in arrays
    ]
    parsed = _parsed(config, path)
    settings = told["compile_config"]
    if isinstance(parsed, dict) and told["format"] == "keras":
        settings = parsed.get("compile_config")
    version = told["keras_version"]
    return FileParts(path, told["by_path"], version, parsed, settings, own, state)


def _is_state(group: str) -> bool:
    """Is it a group of the optimizer, or of metrics?"""
    return group.split("/", 1)[0] in ("optimizer", "metrics")


class Arrays:
    """The arrays of a file, by path, held on the ledger until ``close()``."""

    def __init__(self, path: str) -> None:
        self._box = ffi.new("ebb_arrays *")
        keep, error = Keep(), new_error()
        status = lib.ebb_parts_open(runtime().handle, keep.text(path), self._box, error)
        check(status, error)
        self._index: dict[str, int] = {}
        name = ffi.new("char **")
        for index in range(lib.ebb_arrays_count(self._box[0])):
            lib.ebb_arrays_read(self._box[0], index, name, ffi.NULL)
            self._index[ffi.string(name[0]).decode()] = index

    def __contains__(self, path: str) -> bool:
        return path in self._index

    def __iter__(self) -> Any:
        return iter(self._index)

    def __getitem__(self, path: str) -> Array:
        """A copy of an array; bfloat16 comes as float32."""
        view = ffi.new("ebb_view *")
        check(lib.ebb_arrays_read(self._box[0], self._index[path], ffi.NULL, view))
        shape = tuple(int(view.dims[axis]) for axis in range(view.rank))
        size = int(lib.ebb_view_bytes(view))
        raw = np.frombuffer(ffi.buffer(view.data, size), dtype=np.uint8) if size else np.empty(0)
        if view.dtype == lib.EBB_BF16:
            wide = raw.view(np.uint16).astype(np.uint32) << 16
            return np.array(wide.view(np.float32).reshape(shape))
        dtype = DTYPES[view.dtype]
        made: Array = raw.view(dtype).reshape(shape).copy() if size else np.empty(shape, dtype)
        return made

    def close(self) -> None:
        """Gives their memory back."""
        if self._box[0].id:
            lib.ebb_arrays_close(self._box[0])
            self._box[0].id = 0

    def __enter__(self) -> Arrays:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_box", None) is not None and lib is not None:
            self.close()


class Part(NamedTuple):
    """An array to be written: its path, or its name in the group of a layer."""

    name: str | None
    value: Any
    layer: str | None = None


def write_parts(
    path: str,
    parts: Iterable[Part],
    config: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    deflate: bool = False,
) -> None:
    """Write a .keras, .weights.h5 or .h5 file of a configuration and arrays.

    Raises
    ------
    InputOutputError, ArgumentError
        It cannot be written; two arrays have one name.
    """
    keep, error = Keep(), new_error()
    given = list(parts)
    made = keep.hold(ffi.new("ebb_part[]", max(len(given), 1)))
    for index, part in enumerate(given):
        made[index].name = keep.text(part.name)
        made[index].layer = keep.text(part.layer)
        if part.name is None:
            continue
        array = to_array(part.value, part.name)
        if array.ndim > 8:
            raise ArgumentError("more than 8 axes", part.name)
        view, memory = view_of(array)
        keep.hold((array, memory))
        made[index].view = view[0]
    whole = options(
        "ebb_parts",
        keep,
        config=None if config is None else json.dumps(config),
        settings=None if settings is None else json.dumps(settings),
        keras_version=KERAS_VERSION,
        deflate=deflate,
    )
    whole.parts = made
    whole.count = len(given)
    check(lib.ebb_parts_save(runtime().handle, keep.text(path), whole, error), error)
