"""``ebb.keras.utils`` and ``ebb._dataset``: labels, sequences, images, files, datasets."""

from __future__ import annotations

import io
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb._dataset import Dataset
from ebb.keras import utils

Folder = pathlib.Path


def test_labels_and_sequences_refuse() -> None:
    """What does not fit; the numbers are in test_keras_preprocessing.py."""
    with pytest.raises(ValueError, match="classes from 0 to 1"):
        utils.to_categorical([0, 2], num_classes=2)
    with pytest.raises(ValueError, match="classes"):
        utils.to_categorical([-1])
    with pytest.raises(ValueError, match="list of sequences"):
        utils.pad_sequences([1, 2])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="padding"):
        utils.pad_sequences([[1]], padding="middle")
    with pytest.raises(ValueError, match="use object"):
        utils.pad_sequences([["a"]], value="x")
    words = utils.pad_sequences([["a", "b"], ["c"]], dtype=object, value="", padding="post")
    assert words.tolist() == [["a", "b"], ["c", ""]]
    assert utils.to_categorical([]).shape == (0, 0)


class Squares(utils.PyDataset):
    """Three batches of numbers and their squares."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        x = np.full((4, 1), index, np.float32)
        return x, x * x


def test_py_dataset() -> None:
    """A dataset of the user's own: length, passes, fit."""
    data = Squares()
    assert data.num_batches == 3
    assert [float(x[0, 0]) for x, _ in data] == [0.0, 1.0, 2.0]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    assert utils.Sequence is utils.PyDataset
    with pytest.raises(NotImplementedError, match="__getitem__"):
        utils.PyDataset()[0]


# -- datasets ----------------------------------------------------------------------------------


def arrays(dataset: Dataset) -> list[Any]:
    """Elements as lists."""
    return [np.asarray(item).tolist() for item in dataset]


def test_dataset_order_and_amount() -> None:
    """take, skip, repeat, shard, concatenate, enumerate, filter."""
    numbers = Dataset.range(6)
    assert (len(numbers), arrays(numbers)) == (6, [0, 1, 2, 3, 4, 5])
    assert arrays(numbers.take(2)) == [0, 1]
    assert arrays(numbers.skip(4)) == [4, 5]
    assert (len(numbers.repeat(2)), arrays(numbers.repeat(2))) == (12, [0, 1, 2, 3, 4, 5] * 2)
    assert arrays(numbers.repeat().take(8)) == [0, 1, 2, 3, 4, 5, 0, 1]
    assert arrays(numbers.shard(3, 1)) == [1, 4]
    assert arrays(numbers.take(1).concatenate(numbers.skip(5))) == [0, 5]
    assert arrays(numbers.filter(lambda n: n % 2 == 0)) == [0, 2, 4]
    assert [int(n) for n, _ in numbers.enumerate(3)] == [3, 4, 5, 6, 7, 8]
    assert arrays(numbers.flat_map(lambda n: Dataset.range(int(n)))).count(0) == 5
    assert int(numbers.reduce(np.int64(0), lambda a, b: a + int(b))) == 15
    assert int(numbers.repeat().cardinality()) == -1
    assert int(numbers.filter(bool).cardinality()) == -2
    with pytest.raises(TypeError, match="infinite"):
        len(numbers.repeat())


def test_dataset_batches() -> None:
    """batch, unbatch, padded batches, structures."""
    data = Dataset.from_tensor_slices({"a": [1, 2, 3], "b": [[1.0], [2.0], [3.0]]})
    batches = list(data.batch(2))
    assert batches[0]["a"].numpy().tolist() == [1, 2]
    assert batches[1]["b"].shape == (1, 1)
    assert len(data.batch(2, drop_remainder=True)) == 1
    assert [int(row["a"]) for row in data.batch(2).unbatch()] == [1, 2, 3]
    ragged = Dataset.from_generator(lambda: iter([np.array([1]), np.array([2, 3])]))
    assert arrays(ragged.padded_batch(2)) == [[[1, 0], [2, 3]]]
    both = Dataset.zip((Dataset.range(2), Dataset.range(5)))
    assert [(int(a), int(b)) for a, b in both] == [(0, 0), (1, 1)]
    assert len(both) == 2
    with pytest.raises(ValueError, match="rows differ"):
        Dataset.from_tensor_slices(([1, 2], [1, 2, 3]))
    with pytest.raises(ValueError, match="batch_size"):
        data.batch(0)


def test_dataset_shuffles() -> None:
    """Another order with each pass, the same orders for the same seed."""
    first = Dataset.range(50).shuffle(50, seed=1)
    one, two = arrays(first), arrays(first)
    assert sorted(one) == sorted(two) == list(range(50))
    assert one != two
    again = Dataset.range(50).shuffle(50, seed=1)
    assert arrays(again) == one
    fixed = Dataset.range(9).shuffle(3, seed=1, reshuffle_each_iteration=False)
    assert arrays(fixed) == arrays(fixed)


def test_dataset_map_cache_fit() -> None:
    """map is given tensors, cache keeps, fit trains on it."""
    calls: list[int] = []

    def double(x: Any, y: Any) -> Any:
        calls.append(1)
        return x * 2.0, y

    x = np.arange(8, dtype=np.float32)[:, None]
    data = Dataset.from_tensor_slices((x, 2 * x)).map(double).cache().batch(4).prefetch(-1)
    list(data)
    list(data)
    assert len(calls) == 8
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(data, epochs=2, verbose=0).history["loss"]).all()
    assert data.element_spec[0].shape == (None, 1)
    assert next(data.as_numpy_iterator())[0].shape == (4, 1)


def test_split_dataset() -> None:
    """Two parts of arrays, lists and datasets."""
    left, right = utils.split_dataset(np.arange(10), left_size=0.7)
    assert (arrays(left), arrays(right)) == ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9])
    left, right = utils.split_dataset(Dataset.range(10), right_size=3, shuffle=True, seed=1)
    assert sorted(arrays(left) + arrays(right)) == list(range(10))
    left, right = utils.split_dataset((np.arange(4), np.arange(4) * 2), left_size=1)
    assert [int(b) for _, b in right] == [2, 4, 6]
    for sizes in ({}, {"left_size": 11}, {"left_size": 1.5}, {"left_size": 6, "right_size": 6}):
        with pytest.raises(ValueError):
            utils.split_dataset(np.arange(10), **sizes)


def test_timeseries() -> None:
    """Order and errors; the numbers are in test_keras_preprocessing.py."""
    data = utils.timeseries_dataset_from_array(
        np.arange(12.0), np.arange(12.0), 3, shuffle=True, seed=2, batch_size=None
    )
    begins = [float(x[0]) for x, _ in data]
    assert sorted(begins) == list(range(10)) != begins
    with pytest.raises(ValueError, match="sequence_length"):
        utils.timeseries_dataset_from_array(np.arange(3), None, 5)
    with pytest.raises(ValueError, match="start_index"):
        utils.timeseries_dataset_from_array(np.arange(3), None, 1, start_index=5)


def test_pack_and_unpack() -> None:
    """x, y and weights."""
    assert utils.unpack_x_y_sample_weight((1, 2)) == (1, 2, None)
    assert utils.unpack_x_y_sample_weight(1) == (1, None, None)
    assert utils.pack_x_y_sample_weight(1, 2) == (1, 2)
    assert utils.pack_x_y_sample_weight(1, 2, 3) == (1, 2, 3)
    with pytest.raises(ValueError, match="4 parts"):
        utils.unpack_x_y_sample_weight((1, 2, 3, 4))


# -- images ------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Folder) -> Folder:
    """Two folders of three pictures of one colour."""
    image = pytest.importorskip("PIL.Image")
    for number, name in enumerate(("cats", "dogs")):
        (tmp_path / name).mkdir()
        for k in range(3):
            colour = np.full((8, 6, 3), 50 * number + 10 * k, np.uint8)
            image.fromarray(colour).save(tmp_path / name / f"{k}.png")
    return tmp_path


def test_images(tmp_path: Folder) -> None:
    """Arrays to images and back, files, sizes."""
    pytest.importorskip("PIL.Image")
    array = np.arange(4 * 3 * 3, dtype=np.float32).reshape(4, 3, 3)
    image = utils.array_to_img(array, scale=False)
    assert image.size == (3, 4)
    assert np.array_equal(utils.img_to_array(image), array)
    utils.save_img(tmp_path / "a.png", array, scale=False)
    assert np.array_equal(utils.img_to_array(utils.load_img(tmp_path / "a.png")), array)
    small = utils.load_img(tmp_path / "a.png", color_mode="grayscale", target_size=(2, 2))
    assert utils.img_to_array(small).shape == (2, 2, 1)
    cut = utils.load_img(tmp_path / "a.png", target_size=(2, 4), keep_aspect_ratio=True)
    assert cut.size == (4, 2)
    content = io.BytesIO((tmp_path / "a.png").read_bytes())
    assert utils.load_img(content).size == (3, 4)
    smart = keras.preprocessing.image.smart_resize(array, (2, 2))
    assert isinstance(smart, np.ndarray) and smart.shape == (2, 2, 3)
    with pytest.raises(ValueError, match="three axes"):
        utils.array_to_img(np.ones(3))
    with pytest.raises(ValueError, match="color_mode"):
        utils.load_img(tmp_path / "a.png", color_mode="cmyk")


def test_image_dataset(pictures: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Batches of pictures, their classes, parts for validation."""
    data = utils.image_dataset_from_directory(pictures, image_size=(4, 4), batch_size=4, seed=1)
    assert "Found 6 files belonging to 2 classes." in capsys.readouterr().out
    assert data.class_names == ["cats", "dogs"]
    x, y = next(iter(data))
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((4, 4, 4, 3), (4,), "float32", "int32")
    for image, label in zip(np.asarray(x), np.asarray(y)):
        assert (image.mean() >= 50) == bool(label)
    one, two = utils.image_dataset_from_directory(
        pictures, image_size=(4, 4), validation_split=0.34, subset="both", seed=1, verbose=False,
        label_mode="categorical",
    )  # fmt: skip
    assert not set(one.file_paths) & set(two.file_paths)
    assert len(one.file_paths) + len(two.file_paths) == 6
    assert next(iter(one))[1].shape == (4, 2)
    plain = utils.image_dataset_from_directory(pictures, labels=None, verbose=False)
    assert next(iter(plain)).shape == (6, 256, 256, 3)
    with pytest.raises(ValueError, match="seed"):
        utils.image_dataset_from_directory(pictures, validation_split=0.5, subset="training")
    with pytest.raises(ValueError, match="class_names"):
        utils.image_dataset_from_directory(pictures, class_names=["a", "b"])
    flow = keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255).flow_from_directory(
        pictures, target_size=(4, 4), batch_size=4
    )
    x, y = next(flow)
    assert (x.shape, y.shape, flow.class_indices) == ((4, 4, 4, 3), (4, 2), {"cats": 0, "dogs": 1})


def test_text_dataset(tmp_path: Folder) -> None:
    """Batches of texts and their classes."""
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
        for k in range(2):
            (tmp_path / name / f"{k}.txt").write_text(f"{name} number {k}")
    data = utils.text_dataset_from_directory(
        tmp_path, label_mode="binary", shuffle=False, verbose=False, max_length=8
    )
    texts, labels = next(iter(data))
    assert texts.tolist() == ["bad numb", "bad numb", "good num", "good num"]
    assert labels.numpy().tolist() == [[0.0], [0.0], [1.0], [1.0]]
    with pytest.raises(ValueError, match="no file"):
        utils.image_dataset_from_directory(tmp_path, verbose=False)


# -- files -------------------------------------------------------------------------------------


def test_get_file(tmp_path: Folder) -> None:
    """Files of this machine are copied and unpacked; nothing is downloaded."""
    source = tmp_path / "data.txt"
    source.write_text("hello")
    for origin in (str(source), source.as_uri()):
        path = utils.get_file(origin=origin, cache_dir=tmp_path / "cache")
        assert pathlib.Path(path).read_text() == "hello"
    with pytest.raises(ebb.NotFoundError, match="download"):
        utils.get_file("a.bin", "https://example.org/a.bin", cache_dir=tmp_path)
    with pytest.raises(ebb.FormatError, match="md5"):
        utils.get_file(origin=str(source), cache_dir=tmp_path / "c", md5_hash="0" * 32)
    digest = "5d41402abc4b2a76b9719d911017c592"
    utils.get_file(origin=str(source), cache_dir=tmp_path / "c", file_hash=digest)
    import shutil

    archive = shutil.make_archive(str(tmp_path / "pack"), "gztar", tmp_path, "data.txt")
    folder = utils.get_file(origin=archive, cache_dir=tmp_path / "c", untar=True)
    assert (pathlib.Path(folder) / "data.txt").read_text() == "hello"


def test_sources_and_names() -> None:
    """What leads to a tensor; names that other parts of ebb have."""
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    y = keras.layers.Dense(1)(keras.layers.add([a, b]) * 2.0)
    assert {tensor.name for tensor in utils.get_source_inputs(y)} == {"a", "b"}
    with pytest.raises(TypeError, match="symbolic"):
        utils.get_source_inputs(np.ones(2))
    for name in utils.__all__:
        assert getattr(utils, name) is not None
    with pytest.raises(ebb.UnsupportedError, match=r"utils\.legacy"):
        utils.legacy
    assert utils.is_keras_tensor(a)


def test_pillow_is_asked_for_late() -> None:
    """Nothing of Pillow is imported before it is needed."""
    code = "import sys, ebb.keras; print(any(name.split('.')[0] == 'PIL' for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
