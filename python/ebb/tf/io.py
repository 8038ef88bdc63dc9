"""``tf.io``: files and folders. Texts and images are not decoded."""

from __future__ import annotations

import glob as _glob
import os
import shutil
from types import SimpleNamespace
from typing import Any

from ebb._errors import NotFoundError


def _list(path: Any) -> list[str]:
    if not os.path.isdir(path):
        raise NotFoundError(f"Could not find directory {path}")
    return sorted(os.listdir(path))


def _glob_(pattern: Any) -> list[str]:
    patterns = pattern if isinstance(pattern, (list, tuple)) else [pattern]
    return sorted(path for p in patterns for path in _glob.glob(os.fspath(p)))


def _copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    if os.path.exists(dst) and not overwrite:
        raise FileExistsError(f"file already exists: {dst}")
    shutil.copyfile(src, dst)


def _rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    if os.path.exists(dst) and not overwrite:
        raise FileExistsError(f"file already exists: {dst}")
    os.replace(src, dst)


def _open(name: Any, mode: str = "r") -> Any:
    return open(name, mode)


gfile = SimpleNamespace(
    GFile=_open, exists=os.path.exists, isdir=os.path.isdir, listdir=_list, glob=_glob_,
    makedirs=lambda path: os.makedirs(path, exist_ok=True), mkdir=os.mkdir, remove=os.remove,
    rmtree=shutil.rmtree, copy=_copy, rename=_rename, join=os.path.join, stat=os.stat,
    walk=os.walk,
)  # fmt: skip
