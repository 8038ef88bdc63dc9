"""Files beside weights in .keras files: ``assets/layers/text_vectorization/vocabulary.txt``.

A layer writes and reads them itself (``save_assets``, ``load_assets``) in a folder of its own,
which lies in the archive where its weights would. Source: keras/src/saving/saving_lib.py of 3.15.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from ebb._errors import FormatError
from ebb.keras.saving import _files, _paths

_FOLDER = "assets"
BYTES_MAX = 1 << 30


@contextlib.contextmanager
def written(model: Any) -> Iterator[list[tuple[str, str]]]:
    """The files of a model's layers: name in the archive and path, while the context is open."""
    owners = [place for place in _paths.walk(model) if hasattr(place.owner, "save_assets")]
    if not owners:
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        for place in owners:
            own = os.path.join(folder, _FOLDER, *place.path.split("/"))
            os.makedirs(own, exist_ok=True)
            place.owner.save_assets(own)
        found = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names]
        yield sorted((os.path.relpath(path, folder).replace(os.sep, "/"), path) for path in found)


def write(path: str, assets: list[tuple[str, str]], *rest: Any) -> None:
    """A .keras file with assets; it appears whole or not at all.

    Parameters
    ----------
    rest
        As for ``_files.write_parts``.
    """
    if not assets:
        _files.write_parts(path, *rest)
        return
    beside = os.path.dirname(os.path.abspath(path))
    with tempfile.TemporaryDirectory(dir=beside, prefix=".ebb-") as folder:
        made = os.path.join(folder, "model.keras")
        _files.write_parts(made, *rest)
        with zipfile.ZipFile(made, "a") as archive:
            for name, source in assets:
                archive.write(source, name)
        os.replace(made, path)


def load(model: Any, path: str) -> None:
    """Every layer of a model reads its files.

    Raises
    ------
    FormatError
        A file is missing or damaged.
    """
    owners = [place for place in _paths.walk(model) if hasattr(place.owner, "load_assets")]
    if not owners:
        return
    with tempfile.TemporaryDirectory() as folder:
        base = path
        if not os.path.isdir(path):
            base = folder
            _extract(path, folder)
        for place in owners:
            own = os.path.join(base, _FOLDER, *place.path.split("/"))
            try:
                place.owner.load_assets(own)
            except UnicodeDecodeError as failure:
                raise FormatError(
                    f"{_FOLDER}/{place.path} of layer '{place.owner.name}' is no text in UTF-8 "
                    f"({failure.reason} at byte {failure.start})",
                    path,
                ) from failure
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as failure:
                raise FormatError(
                    f"the file has no {os.path.basename(str(failure.filename))} for layer "
                    f"'{place.owner.name}', expected it at {_FOLDER}/{place.path}",
                    path,
                ) from failure


def _extract(path: str, folder: str) -> None:
    """The assets of an archive into a folder; names that lead outside are refused before."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.startswith(f"{_FOLDER}/")]
            if sum(member.file_size for member in members) > BYTES_MAX:
                raise FormatError(f"assets have more than {BYTES_MAX} bytes", path)
            for member in members:
                archive.extract(member, folder)
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError,
        NotADirectoryError, IsADirectoryError, FileExistsError,
    ) as failure:  # fmt: skip
        raise FormatError(f"a damaged archive ({failure})", path) from failure
