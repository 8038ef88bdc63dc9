"""``ebb.keras.datasets``: files in the folder where Keras keeps them."""

from __future__ import annotations

import gzip
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

import ebb
from ebb.keras import datasets


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty cache folder."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


@pytest.mark.parametrize("name", datasets.__all__)
def test_missing_files_say_where_to_get_them(name: str, folder: pathlib.Path) -> None:
    """The error has the place and the address."""
    with pytest.raises(ebb.NotFoundError, match=r"(?s)opens no connections.*http|http.*download"):
        getattr(datasets, name).load_data()


def test_mnist(folder: pathlib.Path) -> None:
    """Four arrays of a .npz."""
    x, y = np.zeros((3, 28, 28), np.uint8), np.arange(3, dtype=np.uint8)
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    (x_train, y_train), (x_test, _) = datasets.mnist.load_data()
    assert (x_train.shape, y_train.tolist(), x_test.shape) == ((3, 28, 28), [0, 1, 2], (1, 28, 28))


def test_fashion_mnist(folder: pathlib.Path) -> None:
    """Gzipped arrays of bytes."""
    (folder / "fashion-mnist").mkdir()
    for name in datasets.fashion_mnist._FILES:
        shape = (2, 3, 3) if "images" in name else (2,)
        head = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
        content = head + bytes(range(int(np.prod(shape))))
        (folder / "fashion-mnist" / name).write_bytes(gzip.compress(content))
    (x, y), _ = datasets.fashion_mnist.load_data()
    assert (x.shape, y.tolist(), int(x[1, 2, 2])) == ((2, 3, 3), [0, 1], 17)


def test_houses(folder: pathlib.Path) -> None:
    """Shares to train and test with."""
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    np.savez(folder / "boston_housing.npz", x=x, y=y)
    np.savez(folder / "california_housing.npz", x=x, y=y)
    for module in (datasets.boston_housing, datasets.california_housing):
        (x_train, y_train), (x_test, _) = module.load_data()
        assert (len(x_train), len(x_test)) == (8, 2)
        assert np.array_equal(x_train[:, 0], y_train * 2)


def test_reviews(folder: pathlib.Path) -> None:
    """Arrays of lists are read without running what a pickle could."""
    rows = np.empty(3, object)
    rows[:] = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
    labels = np.array([0, 1, 0])
    np.savez(folder / "imdb.npz", x_train=rows, y_train=labels, x_test=rows, y_test=labels)
    np.savez(folder / "reuters.npz", x=rows, y=labels)
    (x, _), (x_test, _) = datasets.imdb.load_data(num_words=8)
    assert sorted(map(len, x)) == [3, 4, 5] and len(x_test) == 3
    assert all(row[0] == 1 and max(row) < 8 for row in x)
    short, _ = datasets.imdb.load_data(maxlen=5)[0]
    assert sorted(map(len, short)) == [3, 4]
    (x, _), (x_test, _) = datasets.reuters.load_data(test_split=0.34)
    assert (len(x), len(x_test)) == (1, 2)
    (folder / "imdb_word_index.json").write_text('{"film": 1}')
    assert datasets.imdb.get_word_index() == {"film": 1}
    assert len(datasets.reuters.get_label_names()) == 46


def test_coloured_images(folder: pathlib.Path) -> None:
    """Pickles of bytes and lists; rows become images with channels last."""

    def write(name: str, content: dict[bytes, Any]) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol=2))

    data = np.tile(np.arange(3, dtype=np.uint8)[:, None], (2, 1024)).reshape(2, 3072)
    part = {b"data": data, b"labels": [3, 4], b"fine_labels": [5, 6], b"coarse_labels": [1, 2]}
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        write(f"cifar-10-batches-py/{name}", part)
    for name in ("train", "test"):
        write(f"cifar-100-python/{name}", part)
    (x, y), (x_test, _) = datasets.cifar10.load_data()
    assert (x.shape, y.shape, x_test.shape) == ((10, 32, 32, 3), (10, 1), (2, 32, 32, 3))
    assert x[0, 0, 0].tolist() == [0, 1, 2]
    (_, y), _ = datasets.cifar100.load_data("coarse")
    assert y[:, 0].tolist() == [1, 2]
    with pytest.raises(ValueError, match="label_mode"):
        datasets.cifar100.load_data("other")


def test_pickles_run_no_code(folder: pathlib.Path) -> None:
    """A file that wants to call something is refused."""
    path = folder / "cifar-100-python"
    path.mkdir()
    (path / "train").write_bytes(pickle.dumps(print))
    with pytest.raises(ebb.FormatError, match="print"):
        datasets.cifar100.load_data()
