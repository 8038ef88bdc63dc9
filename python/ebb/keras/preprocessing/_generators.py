"""Batches of changed images: ``ImageDataGenerator`` and what its ``flow`` methods give."""

from __future__ import annotations

import math
import os
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from ebb.keras.ops import _resample
from ebb.keras.utils import _directories, _images
from ebb.keras.utils._py_dataset import PyDataset

Array = npt.NDArray[Any]


class Iterator(PyDataset):
    """Batches by number, in an order that changes with each pass.

    Parameters
    ----------
    n : int
        Samples.
    batch_size : int
        Samples of a batch.
    shuffle : bool
        Whether the order is random.
    seed : int, optional
        Of the order and of what is changed.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        super().__init__()
        self.n, self.batch_size, self.shuffle = n, batch_size, shuffle
        self.seed = seed
        self.total_batches_seen = 0
        self.batch_index = 0
        self.random = np.random.RandomState(seed)
        self._order: Array = np.arange(n)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Makes a new order."""
        self._order = self.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def reset(self) -> None:
        """Begins with the first batch."""
        self.batch_index = 0

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, index: int) -> Any:
        """One batch.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        ndarray or tuple of ndarray
        """
        if index >= len(self):
            raise ValueError(f"there are {len(self)} batches, no number {index}")
        self.total_batches_seen += 1
        at = index * self.batch_size
        return self._batch(self._order[at : at + self.batch_size])

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        if self.batch_index >= len(self):
            self.batch_index = 0
            self.on_epoch_end()
        self.batch_index += 1
        return self[self.batch_index - 1]

    next = __next__

    def _batch(self, rows: Array) -> Any:
        raise NotImplementedError


class NumpyArrayIterator(Iterator):
    """Batches of arrays, changed by a generator; made by ``ImageDataGenerator.flow``."""

    def __init__(
        self, x: Any, y: Any, sample_weight: Any, generator: Any, batch_size: int, shuffle: bool,
        seed: int | None, subset: str | None,
    ) -> None:  # fmt: skip
        self.x = np.asarray(x)
        self.y = None if y is None else np.asarray(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        if self.x.ndim != 4:
            raise ValueError(f"flow: expected four axes, found the shape {self.x.shape}")
        for other in (self.y, self.sample_weight):
            if other is not None and len(other) != len(self.x):
                raise ValueError(f"flow: {len(self.x)} images, but {len(other)} labels or weights")
        self.generator = generator
        if subset is not None:
            cut = int(len(self.x) * generator.validation_split)
            part = slice(None, cut) if subset == "validation" else slice(cut, None)
            self.x = self.x[part]
            self.y = None if self.y is None else self.y[part]
            self.sample_weight = None if self.sample_weight is None else self.sample_weight[part]
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _batch(self, rows: Array) -> Any:
        images = np.stack([self.generator.prepare(self.x[at], self.random) for at in rows])
        if self.y is None:
            return images
        if self.sample_weight is None:
            return images, self.y[rows]
        return images, self.y[rows], self.sample_weight[rows]


class DirectoryIterator(Iterator):
    """Batches of image files; made by ``ImageDataGenerator.flow_from_directory``.

    Attributes
    ----------
    classes : ndarray of int
        Of each file.
    class_indices : dict
        Name to number.
    filenames, filepaths : list of str
    samples : int
    """

    def __init__(
        self, directory: Any, generator: Any, target_size: Any, color_mode: str, classes: Any,
        class_mode: str | None, batch_size: int, shuffle: bool, seed: int | None,
        follow_links: bool, subset: str | None, interpolation: str,
    ) -> None:  # fmt: skip
        paths, numbers, names = _directories.index_directory(
            directory, "inferred", _directories._IMAGES, classes or None, follow_links
        )
        found = list(zip(paths, numbers or []))
        if subset is not None:
            kept = []
            for number in range(len(names or [])):
                own = [item for item in found if item[1] == number]
                cut = int(len(own) * generator.validation_split)
                kept += own[:cut] if subset == "validation" else own[cut:]
            found = kept
        self.generator, self.class_mode, self.color_mode = generator, class_mode, color_mode
        self.target_size, self.interpolation = tuple(target_size), interpolation
        self.directory = os.fspath(directory)
        self.filepaths = [path for path, _ in found]
        self.filenames = [os.path.relpath(path, self.directory) for path in self.filepaths]
        self.classes = np.asarray([number for _, number in found], np.int32)
        self.labels = self.classes
        self.class_indices = {name: number for number, name in enumerate(names or [])}
        self.num_classes, self.samples = len(self.class_indices), len(found)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        channels = {"grayscale": 1, "rgb": 3, "rgba": 4}[self.color_mode]
        return (*self.target_size, channels)

    def _batch(self, rows: Array) -> Any:
        images = []
        for at in rows:
            img = _images.load_img(
                self.filepaths[at], self.color_mode, self.target_size, self.interpolation
            )
            array = _images.img_to_array(img, "channels_last", "float32")
            images.append(self.generator.prepare(array, self.random))
        batch, labels = np.stack(images), self.classes[rows]
        if self.class_mode is None:
            return batch
        if self.class_mode == "input":
            return batch, batch.copy()
        if self.class_mode == "binary":
            return batch, labels.astype(np.float32)
        if self.class_mode == "sparse":
            return batch, labels.astype(np.float32)
        if self.class_mode != "categorical":
            raise ValueError(f"class_mode: no such one as {self.class_mode!r}")
        return batch, np.eye(self.num_classes, dtype=np.float32)[labels]


class ImageDataGenerator:
    """Makes batches of images, each changed at random.

    Parameters
    ----------
    featurewise_center, featurewise_std_normalization : bool
        Take the mean and divide by the deviation that ``fit`` found.
    samplewise_center, samplewise_std_normalization : bool
        The same with those of each image.
    zca_whitening : bool
        Not supported.
    zca_epsilon : float
        Has no effect.
    rotation_range : float
        Degrees, to both sides.
    width_shift_range, height_shift_range : float
        Share of the size if below 1, else pixels, to both sides.
    brightness_range : pair of float, optional
        Factors.
    shear_range : float
        Degrees, to both sides.
    zoom_range : float or pair of float
        Factors: from ``1 - zoom_range`` to ``1 + zoom_range``.
    channel_shift_range : float
        Added to each channel, to both sides.
    fill_mode : {"nearest", "constant", "reflect", "wrap"}
        What is outside the image.
    cval : float
        The constant.
    horizontal_flip, vertical_flip : bool
        Turn every second image over.
    rescale : float, optional
        Factor of all numbers.
    preprocessing_function : callable, optional
        Called with each image.
    data_format : {"channels_last"}, optional
        Channels are last.
    validation_split : float
        Share that ``subset="validation"`` gives.
    interpolation_order : int
        0 or 1.
    dtype : str, optional
        Of the images.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float = 0.0,
        height_shift_range: float = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        if zca_whitening:
            raise NotImplementedError("ImageDataGenerator: zca_whitening is not supported")
        if data_format not in (None, "channels_last"):
            raise NotImplementedError("ImageDataGenerator: channels have to be last")
        self.featurewise_center = featurewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_center = samplewise_center
        self.samplewise_std_normalization = samplewise_std_normalization
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.channel_shift_range = brightness_range, channel_shift_range
        is_pair = isinstance(zoom_range, (tuple, list, np.ndarray))
        low, high = tuple(zoom_range) if is_pair else (1 - zoom_range, 1 + zoom_range)
        self.zoom_range = (float(low), float(high))
        self.fill_mode, self.cval, self.rescale = fill_mode, cval, rescale
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.preprocessing_function = preprocessing_function
        self.validation_split = validation_split
        self.interpolation_order = min(interpolation_order, 1)
        self.dtype = np.dtype(dtype or "float32")
        self.mean: Any = None
        self.std: Any = None

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Finds the mean and the deviation of each channel.

        Parameters
        ----------
        x : array_like
            ``(n, height, width, channels)``.
        augment : bool
            Whether changed images are measured.
        rounds : int
            How many times, if so.
        seed : int, optional
            Of the changes.
        """
        array = np.asarray(x, self.dtype)
        if augment:
            random = np.random.RandomState(seed)
            array = np.stack([self._changed(img, random) for _ in range(rounds) for img in array])
        self.mean = array.mean((0, 1, 2))
        self.std = array.std((0, 1, 2))

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of arrays.

        Parameters
        ----------
        x : array_like
            ``(n, height, width, channels)``.
        y, sample_weight : array_like, optional
            One for each image.
        batch_size : int
            Images of a batch.
        shuffle : bool
            Whether the order is random.
        seed : int, optional
            Of order and changes.
        save_to_dir, save_prefix, save_format, ignore_class_split
            Have no effect.
        subset : {"training", "validation"}, optional
            Which part.

        Returns
        -------
        NumpyArrayIterator
        """
        return NumpyArrayIterator(x, y, sample_weight, self, batch_size, shuffle, seed, subset)

    def flow_from_directory(
        self,
        directory: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the image files in folders, one for each class.

        Parameters
        ----------
        directory : str or path
            The folder of the folders.
        target_size : pair of int
            Height and width.
        color_mode : {"rgb", "rgba", "grayscale"}
            Channels.
        classes : list of str, optional
            Names of the folders in another order.
        class_mode : {"categorical", "binary", "sparse", "input"} or None
            Form of the labels.
        batch_size : int
            Images of a batch.
        shuffle : bool
            Whether the order is random.
        seed : int, optional
            Of order and changes.
        save_to_dir, save_prefix, save_format, keep_aspect_ratio
            Have no effect.
        follow_links : bool
            Whether links to folders are followed.
        subset : {"training", "validation"}, optional
            Which part.
        interpolation : str
            How images are resized.

        Returns
        -------
        DirectoryIterator
        """
        return DirectoryIterator(
            directory, self, target_size, color_mode, classes, class_mode, batch_size, shuffle,
            seed, follow_links, subset, interpolation,
        )  # fmt: skip

    # -- one image -----------------------------------------------------------------------------

    def prepare(self, image: Array, random: Any) -> Array:
        """An image, changed at random and brought into range."""
        made = self._changed(image.astype(self.dtype), random)
        if self.preprocessing_function is not None:
            made = np.asarray(self.preprocessing_function(made), self.dtype)
        return self.standardize(made)

    def standardize(self, x: Array) -> Array:
        """Brings an image into range: rescale, mean, deviation.

        Parameters
        ----------
        x : ndarray
            ``(height, width, channels)``.

        Returns
        -------
        ndarray
        """
        made = x.astype(self.dtype)
        if self.rescale:
            made = made * self.dtype.type(self.rescale)
        if self.samplewise_center:
            made = made - made.mean()
        if self.samplewise_std_normalization:
            made = made / (made.std() + 1e-6)
        if self.featurewise_center and self.mean is not None:
            made = made - self.mean
        if self.featurewise_std_normalization and self.std is not None:
            made = made / (self.std + 1e-6)
        return made.astype(self.dtype)

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """An image changed at random.

        Parameters
        ----------
        x : ndarray
            ``(height, width, channels)``.
        seed : int, optional
            Of the changes.

        Returns
        -------
        ndarray
        """
        return self._changed(x, np.random.RandomState(seed))

    def _shift(self, amount: float, length: int, random: Any) -> float:
        if not amount:
            return 0.0
        return float(random.uniform(-amount, amount)) * (length if amount < 1 else 1)

    def _matrix(self, image: Array, random: Any) -> Array | None:
        """From places (row, column) of the new image to those of the old one."""
        turn = math.radians(random.uniform(-1, 1) * self.rotation_range)
        shear = math.radians(random.uniform(-1, 1) * self.shear_range)
        down = self._shift(self.height_shift_range, image.shape[0], random)
        right = self._shift(self.width_shift_range, image.shape[1], random)
        zoom_y, zoom_x = (
            random.uniform(*self.zoom_range, 2) if self.zoom_range != (1.0, 1.0) else (1.0, 1.0)
        )
        if not any((turn, shear, down, right)) and zoom_y == zoom_x == 1:
            return None
        made = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        whole = np.eye(3)
        whole[:2, :2] = made
        for part in (
            [[1, 0, down], [0, 1, right], [0, 0, 1]],
            [[1, -math.sin(shear), 0], [0, math.cos(shear), 0], [0, 0, 1]],
            [[zoom_y, 0, 0], [0, zoom_x, 0], [0, 0, 1]],
        ):
            whole = whole @ np.asarray(part, float)
        return whole

    def _changed(self, image: Array, random: Any) -> Array:
        matrix = self._matrix(image, random)
        if matrix is not None:
            middle = np.array([(n - 1) / 2 for n in image.shape[:2]])
            rows, columns = np.indices(image.shape[:2])
            places = np.stack([rows - middle[0], columns - middle[1], np.ones(rows.shape)])
            at = np.tensordot(matrix, places, 1)[:2] + middle[:, None, None]
            image = np.stack([
                _resample.sample(image[..., k], list(at), self.interpolation_order,
                                 self.fill_mode, self.cval)
                for k in range(image.shape[-1])
            ], -1)  # fmt: skip
        if self.channel_shift_range:
            move = random.uniform(-self.channel_shift_range, self.channel_shift_range)
            image = np.clip(image + move, image.min(), image.max())
        if self.horizontal_flip and random.random_sample() < 0.5:
            image = image[:, ::-1]
        if self.vertical_flip and random.random_sample() < 0.5:
            image = image[::-1]
        if self.brightness_range is not None:
            image = np.clip(image * random.uniform(*self.brightness_range), 0, 255)
        return image
