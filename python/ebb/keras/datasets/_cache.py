"""Files of the usual data sets, in the folder where Keras keeps them."""

from __future__ import annotations

import gzip
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import NotFoundError
from ebb.keras.utils._files import cache_folder

Array = npt.NDArray[Any]


def find(name: str, address: str) -> pathlib.Path:
    """The file of a name; says where to get it if it is not there."""
    path = pathlib.Path(name) if pathlib.Path(name).is_absolute() else cache_folder() / name
    if not path.exists():
        raise NotFoundError(
            f"ebb opens no connections: download {address} and put it there, "
            "or load the data set once with Keras, which keeps it in the same place",
            str(path),
        )
    return path


def read_npz(path: pathlib.Path, *names: str) -> list[Array]:
    """Arrays of a .npz; those of lists hold objects, which are lists of int."""
    with np.load(path, allow_pickle=False) as file:
        try:
            return [np.asarray(file[name]) for name in names]
        except ValueError:
            pass
    return _read_lists(path, names)


def _read_lists(path: pathlib.Path, names: tuple[str, ...]) -> list[Array]:
    """The same for arrays of lists, which numpy keeps as pickles: only lists of int are made."""
    import zipfile

    from ebb.keras.datasets._pickles import load_lists

    made = []
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as file:
                version = np.lib.format.read_magic(file)
                read: Any = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                shape, _, dtype = read(file)
                if dtype.hasobject:
                    made.append(load_lists(file.read(), shape))
                else:
                    content = np.frombuffer(file.read(), dtype)
                    made.append(content.reshape(shape))
    return made


def read_idx(path: pathlib.Path) -> Array:
    """A file of the MNIST family: a gzipped array of bytes with its shape before."""
    with gzip.open(path, "rb") as file:
        content = file.read()
    rank = content[3]
    shape = [int.from_bytes(content[4 + 4 * k : 8 + 4 * k], "big") for k in range(rank)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
