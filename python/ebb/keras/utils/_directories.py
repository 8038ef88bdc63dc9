"""Datasets of files in folders: one folder for each class."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._dataset import Dataset
from ebb.keras import _seeds
from ebb.keras.utils import _images

Array = npt.NDArray[Any]

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_TEXTS = (".txt",)


def _walk(folder: str, formats: tuple[str, ...], follow_links: bool) -> list[str]:
    found = []
    for root, folders, names in os.walk(folder, followlinks=follow_links):
        folders.sort()
        found += [os.path.join(root, n) for n in sorted(names) if n.lower().endswith(formats)]
    return sorted(found)


def _classes(directory: str, class_names: Any) -> list[str]:
    found = sorted(
        name
        for name in os.listdir(directory)
        if os.path.isdir(os.path.join(directory, name)) and not name.startswith(".")
    )
    if class_names is None:
        return found
    if set(class_names) != set(found):
        raise ValueError(
            f"class_names: expected the names of the folders {found}, found {list(class_names)}"
        )
    return list(class_names)


def index_directory(
    directory: Any,
    labels: Any,
    formats: tuple[str, ...],
    class_names: Any,
    follow_links: bool,
) -> tuple[list[str], list[int] | None, list[str] | None]:
    """Paths, their labels and the names of the classes."""
    folder = os.fspath(directory)
    if labels is not None and not isinstance(labels, str):
        paths = _walk(folder, formats, follow_links)
        if len(paths) != len(labels):
            raise ValueError(
                f"labels: expected one for each of the {len(paths)} files, found {len(labels)}"
            )
        names = [str(label) for label in sorted(set(labels))]
        return paths, [int(label) for label in labels], list(class_names or names)
    if labels is None:
        return _walk(folder, formats, follow_links), None, None
    if labels != "inferred":
        raise ValueError(f'labels: expected "inferred", None or a list, found {labels!r}')
    names = _classes(folder, class_names)
    paths, numbers = [], []
    for number, name in enumerate(names):
        own = _walk(os.path.join(folder, name), formats, follow_links)
        paths += own
        numbers += [number] * len(own)
    return paths, numbers, names


def _encoded(numbers: list[int], label_mode: str | None, classes: int) -> Array:
    labels = np.asarray(numbers, np.int32)
    if label_mode == "binary":
        if classes != 2:
            raise ValueError(f'label_mode "binary" needs two classes, found {classes}')
        return labels.astype(np.float32)[:, None]
    if label_mode == "categorical":
        hot: Array = np.eye(classes, dtype=np.float32)[labels]
        return hot
    if label_mode != "int":
        raise ValueError(
            f"label_mode: expected int, binary, categorical or None, found {label_mode!r}"
        )
    return labels


def _share(items: Any, validation_split: float | None, which: str) -> Any:
    if not validation_split:
        return items
    count = int(validation_split * len(items))
    return items[:-count] if which == "training" and count else items[len(items) - count :]


def _check_split(validation_split: Any, subset: Any, shuffle: bool, seed: Any) -> None:
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"validation_split: expected 0 to 1, found {validation_split}")
    if (validation_split is None) != (subset is None):
        raise ValueError("validation_split and subset: expected both or none")
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(f"subset: expected training, validation or both, found {subset!r}")
    if validation_split and shuffle and seed is None:
        raise ValueError(
            "validation_split with shuffle needs a seed, so that both parts share no file"
        )


def _streams(
    paths: list[str],
    labels: Array | None,
    read: Any,
    batch_size: int | None,
    shuffle: bool,
    seed: Any,
    pads: bool,
) -> Dataset:
    """Files that are read when their batch is asked for."""
    count = len(paths)
    if count == 0:
        raise ValueError("there is no file of a known format in the folder")
    order = Dataset.range(count)
    if shuffle:
        order = order.shuffle(count, seed=seed)
    source = order._source

    def elements() -> Any:
        for at in source():
            content = read(paths[int(at)])
            yield content if labels is None else (content, np.asarray(labels[int(at)]))

    made = Dataset(elements, count)
    if batch_size is None:
        return made
    return made.padded_batch(batch_size) if pads else made.batch(batch_size)


def _build(
    found: tuple[list[str], list[int] | None, list[str] | None],
    options: dict[str, Any],
    read: Any,
    pads: bool = False,
) -> Any:
    """The dataset, or both, that the arguments ask for; ``pads``: elements differ in length."""
    paths, numbers, names = found
    split, subset = options["validation_split"], options["subset"]
    shuffle, seed, mode = options["shuffle"], options["seed"], options["label_mode"]
    _check_split(split, subset, shuffle, seed)
    if numbers is None or mode is None:
        mode = None
    seed = _seeds.next_seed() if seed is None else int(seed)
    if shuffle:
        order = np.random.RandomState(seed % 2**32).permutation(len(paths))
        paths = [paths[at] for at in order]
        numbers = None if numbers is None else [numbers[at] for at in order]
    labels = None
    if mode is not None and numbers is not None:
        labels = _encoded(numbers, mode, len(names or ()))
    if options["verbose"]:
        classes = f" belonging to {len(names)} classes" if names is not None else ""
        print(f"Found {len(paths)} files{classes}.")

    def part(which: Any) -> Any:
        own = None if labels is None else _share(labels, split, which)
        chosen = _share(paths, split, which)
        if options["verbose"] and split:
            print(f"Using {len(chosen)} files for {which}.")
        moves = shuffle and which != "validation"
        made: Any = _streams(chosen, own, read, options["batch_size"], moves, seed, pads)
        made.class_names, made.file_paths = names, chosen
        return made

    return (part("training"), part("validation")) if subset == "both" else part(subset)


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Images of folders, one for each class, in batches; files are read when they are needed.

    Parameters
    ----------
    directory : str or path
        The folder of the folders.
    labels : "inferred", None, or list of int
        Of the folders, none, or one for each file in the order of their paths.
    label_mode : {"int", "categorical", "binary"} or None
        ``(n,)`` int32, ``(n, classes)`` or ``(n, 1)`` float32, or no labels.
    class_names : list of str, optional
        Names of the folders in another order than that of the alphabet.
    color_mode : {"rgb", "rgba", "grayscale"}
        Channels: 3, 4 or 1.
    batch_size : int or None
        None gives single images.
    image_size : pair of int
        Height and width that all are brought to.
    shuffle : bool
        Whether the order is random; another one with each pass.
    seed : int, optional
        Of the order.
    validation_split : float, optional
        Share of the files that is left for validation.
    subset : {"training", "validation", "both"}, optional
        Which part.
    interpolation : {"bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"}
        How images are resized.
    follow_links : bool
        Whether links to folders are followed.
    crop_to_aspect_ratio, pad_to_aspect_ratio : bool
        Cut or fill in place of stretching.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels go.
    format : str
        Has no effect.
    verbose : bool
        Whether the number of files is printed.

    Returns
    -------
    Dataset, or a pair of them for ``subset="both"``
        Elements ``(images, labels)``: float32 from 0 to 255. It has ``class_names`` and
        ``file_paths``.

    Raises
    ------
    UnsupportedError
        Pillow is not installed.
    ValueError
        Arguments do not fit, or there is no image.
    """
    image = _images.pillow("image_dataset_from_directory")
    del image
    if color_mode not in _images._MODES:
        raise ValueError(f"color_mode: expected rgb, rgba or grayscale, found {color_mode!r}")
    size = (int(image_size[0]), int(image_size[1]))
    is_last = _images._is_last(data_format)

    def read(path: str) -> Array:
        array = _images.img_to_array(
            _images.load_img(path, color_mode=color_mode), "channels_last", "float32"
        )
        if crop_to_aspect_ratio:
            array = _cut(array, size)
        elif pad_to_aspect_ratio:
            array = _fill(array, size)
        made = _images.resize_array(array, size, interpolation)
        return made if is_last else made.transpose(2, 0, 1)

    found = index_directory(directory, labels, _IMAGES, class_names, follow_links)
    options = {
        "label_mode": label_mode, "batch_size": batch_size, "shuffle": shuffle, "seed": seed,
        "validation_split": validation_split, "subset": subset, "verbose": verbose,
    }  # fmt: skip
    return _build(found, options, read)


def _cut(array: Array, size: tuple[int, int]) -> Array:
    height, width = array.shape[:2]
    cut_h = min(height, int(float(width * size[0]) / size[1]))
    cut_w = min(width, int(float(height * size[1]) / size[0]))
    top, left = (height - cut_h) // 2, (width - cut_w) // 2
    return array[top : top + cut_h, left : left + cut_w]


def _fill(array: Array, size: tuple[int, int]) -> Array:
    height, width = array.shape[:2]
    new_h = max(height, int(float(width * size[0]) / size[1]))
    new_w = max(width, int(float(height * size[1]) / size[0]))
    top, left = (new_h - height) // 2, (new_w - width) // 2
    return np.pad(array, ((top, new_h - height - top), (left, new_w - width - left), (0, 0)))


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Texts of folders, one for each class, in batches; files are read when they are needed.

    Parameters
    ----------
    directory : str or path
        The folder of the folders.
    labels : "inferred", None, or list of int
        Of the folders, none, or one for each file in the order of their paths.
    label_mode : {"int", "categorical", "binary"} or None
        Form of the labels.
    class_names : list of str, optional
        Names of the folders in another order than that of the alphabet.
    batch_size : int or None
        None gives single texts.
    max_length : int, optional
        Longer texts are cut to this number of characters.
    shuffle : bool
        Whether the order is random; another one with each pass.
    seed : int, optional
        Of the order.
    validation_split : float, optional
        Share of the files that is left for validation.
    subset : {"training", "validation", "both"}, optional
        Which part.
    follow_links : bool
        Whether links to folders are followed.
    format : str
        Has no effect.
    verbose : bool
        Whether the number of files is printed.

    Returns
    -------
    Dataset, or a pair of them for ``subset="both"``
        Elements ``(texts, labels)``: texts are numpy arrays of str. It has ``class_names`` and
        ``file_paths``.

    Raises
    ------
    ValueError
        Arguments do not fit, or there is no text.
    """

    def read(path: str) -> Array:
        with open(path, encoding="utf-8", errors="replace") as file:
            return np.asarray(file.read()[:max_length], object)

    found = index_directory(directory, labels, _TEXTS, class_names, follow_links)
    options = {
        "label_mode": label_mode, "batch_size": batch_size, "shuffle": shuffle, "seed": seed,
        "validation_split": validation_split, "subset": subset, "verbose": verbose,
    }  # fmt: skip
    return _build(found, options, read)
