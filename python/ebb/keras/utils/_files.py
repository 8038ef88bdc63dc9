"""Files of data sets: found in the cache folder, copied there, unpacked. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import urllib.parse
from typing import Any

from ebb._errors import FormatError, NotFoundError


def cache_folder(cache_dir: Any = None, cache_subdir: str = "datasets") -> pathlib.Path:
    """Where data sets are: ``~/.keras/datasets``, or below ``$KERAS_HOME``."""
    home = cache_dir or os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return pathlib.Path(os.path.expanduser(os.fspath(home))) / cache_subdir


def _hash_of(path: pathlib.Path, algorithm: str) -> str:
    made = hashlib.new(algorithm)
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            made.update(part)
    return made.hexdigest()


def _check_hash(path: pathlib.Path, wanted: str | None, algorithm: str) -> None:
    if wanted is None:
        return
    if algorithm == "auto":
        algorithm = "sha256" if len(wanted) == 64 else "md5"
    found = _hash_of(path, algorithm)
    if found != wanted:
        raise FormatError(
            f"another file than expected: its {algorithm} is {found}, not {wanted}", str(path)
        )


def _local(origin: str) -> pathlib.Path | None:
    parts = urllib.parse.urlparse(origin)
    if parts.scheme == "file":
        return pathlib.Path(urllib.parse.unquote(parts.path))
    return None if parts.scheme in ("http", "https", "ftp", "gs", "s3") else pathlib.Path(origin)


def _fetch(path: pathlib.Path, origin: str, force: bool) -> None:
    source = _local(origin)
    if source is None:
        if path.exists() and not force:
            return
        raise NotFoundError(
            f"ebb opens no connections: download {origin} with another tool and put it there",
            str(path),
        )
    if not source.exists():
        raise NotFoundError("no such file", str(source))
    if path.exists() and not force and source.stat().st_size == path.stat().st_size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """The path of a file in the cache folder; files of this machine are copied there.

    Parameters
    ----------
    fname : str, optional
        Name in the folder; by default that of the origin.
    origin : str
        A path, a ``file:`` address, or the address that it was downloaded from.
    untar, extract : bool
        Whether it is an archive that is unpacked.
    md5_hash, file_hash : str, optional
        What it must be.
    cache_subdir : str
        Folder below the cache folder.
    hash_algorithm : {"auto", "md5", "sha256"}
        Of ``file_hash``.
    archive_format : {"auto", "tar", "zip"}
        Of the archive.
    cache_dir : str, optional
        By default ``~/.keras``.
    force_download : bool
        Whether it is copied again.

    Returns
    -------
    str
        The file, or the folder of an unpacked archive.

    Raises
    ------
    NotFoundError
        The file is not there: ebb opens no connections. Says where it belongs.
    FormatError
        It is another file than the hash says.
    """
    if origin is None:
        raise ValueError("get_file: expected an origin")
    name = fname or os.path.basename(urllib.parse.urlparse(origin).path)
    if not name:
        raise ValueError(f"get_file: no file name in {origin!r}")
    path = cache_folder(cache_dir, cache_subdir) / name
    _fetch(path, origin, force_download)
    _check_hash(
        path, file_hash or md5_hash, "md5" if md5_hash and not file_hash else hash_algorithm
    )
    if not (untar or extract):
        return str(path)
    folder = path.with_name(path.name.split(".")[0] if untar else f"{path.name}_extracted")
    if not folder.exists() or force_download:
        shutil.unpack_archive(str(path), str(folder), _archive(path, archive_format))
    return str(folder)


def _archive(path: pathlib.Path, archive_format: str) -> str | None:
    if archive_format == "tar":
        return "tar"
    if archive_format == "zip" or path.suffix == ".zip":
        return "zip"
    for ending, name in ((".tar.gz", "gztar"), (".tgz", "gztar"), (".tar.bz2", "bztar"),
                         (".tar.xz", "xztar"), (".tar", "tar")):  # fmt: skip
        if path.name.endswith(ending):
            return name
    return None
