"""Streams of data: what ``tf.data`` pipelines do, one element after the other, in Python.

A ``Dataset`` can be gone through as often as one likes; each pass begins anew. Elements are
tensors, or tuples, lists and dicts of them; texts are numpy arrays of str. Nothing runs ahead in
threads, so that no element is held longer than it is used.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from ebb._dtype import as_dtype
from ebb._tensor import Tensor, to_array
from ebb._tensor_spec import TensorSpec

Array = npt.NDArray[Any]
AUTOTUNE = -1
INFINITE = -1
UNKNOWN = -2


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The structure with every leaf replaced."""
    if isinstance(structure, Mapping):
        return {key: map_structure(function, value) for key, value in structure.items()}
    if isinstance(structure, tuple):
        items = [map_structure(function, item) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    if isinstance(structure, list):
        return [map_structure(function, item) for item in structure]
    return function(structure)


def leaves(structure: Any) -> Iterator[Any]:
    """The leaves, in order."""
    if isinstance(structure, Mapping):
        structure = structure.values()
    elif not isinstance(structure, (tuple, list)):
        yield structure
        return
    for item in structure:
        yield from leaves(item)


def zip_structures(function: Callable[[list[Any]], Any], rows: list[Any]) -> Any:
    """One structure of ``function(leaves at the same place)``."""
    first = rows[0]
    if isinstance(first, Mapping):
        return {key: zip_structures(function, [row[key] for row in rows]) for key in first}
    if isinstance(first, (tuple, list)):
        items = [zip_structures(function, list(column)) for column in zip(*rows)]
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*items)
        return tuple(items) if isinstance(first, tuple) else items
    return function(rows)


def _array(value: Any) -> Any:
    """A leaf as a numpy array; Python lists have been made arrays by the caller."""
    if isinstance(value, str):
        return np.asarray(value, object)
    if isinstance(value, Tensor) or not isinstance(value, np.ndarray):
        return to_array(value)
    return value


def _tensor(array: Any) -> Any:
    """A leaf as users see it."""
    if isinstance(array, Dataset) or array.dtype.kind in "OUSV":
        return array
    return Tensor.from_array(array)


def _columns(value: Any) -> Any:
    """What the caller sliced along the first axis: a list of numbers is one array."""
    if isinstance(value, list) and not any(
        isinstance(item, (Mapping, tuple, np.ndarray, Tensor)) for item in value
    ):
        texts = any(isinstance(item, str) for item in value)
        return np.asarray(value, object) if texts else to_array(value)
    if isinstance(value, Mapping):
        return {key: _columns(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_columns(item) for item in value)
    if hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy())
    return _array(value)


class Dataset:
    """Elements that one can go through again and again.

    Made by ``Dataset.from_tensor_slices`` and its like, or by ``image_dataset_from_directory`` and
    its like; every method gives a new dataset and leaves this one as it is.
    """

    def __init__(
        self, source: Callable[[], Iterator[Any]], size: int = UNKNOWN, is_batched: bool = False
    ) -> None:
        self._source = source
        self._size = size
        self._is_batched = is_batched  # elements whose first axis is rows, fewer in the last one
        self._columns: Any = None  # arrays whose rows are the elements

    # -- sources -------------------------------------------------------------------------------

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """One element for each row.

        Parameters
        ----------
        tensors : array, or tuple or dict of arrays
            The same number of rows everywhere.
        name : str, optional
            Has no effect.

        Returns
        -------
        Dataset

        Raises
        ------
        ValueError
            The numbers of rows differ.
        """
        columns = _columns(tensors)
        counts = {len(leaf) for leaf in leaves(columns)}
        if len(counts) != 1:
            raise ValueError(f"from_tensor_slices: the numbers of rows differ: {sorted(counts)}")
        count = counts.pop()

        def rows() -> Iterator[Any]:
            for index in range(count):
                yield _row(columns, index)

        made = Dataset(rows, count)
        made._columns = columns
        return made

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """A single element."""
        element = _columns(tensors)
        return Dataset(lambda: iter([element]), 1)

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = (),
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """What a function gives that makes a generator.

        Parameters
        ----------
        generator : callable
            Called anew for each pass.
        output_types, output_shapes, output_signature
            Types that elements are converted to; shapes are not checked.
        args : tuple
            Of the call.
        name : str, optional
            Has no effect.

        Returns
        -------
        Dataset
        """
        kinds = output_types
        if output_signature is not None:
            kinds = map_structure(lambda spec: spec.dtype, output_signature)

        def elements() -> Iterator[Any]:
            for element in generator(*args):
                made = _typed(element, kinds)
                yield made

        return Dataset(elements)

    @staticmethod
    def range(*args: int, **kwargs: Any) -> Dataset:
        """Integers, int64: ``range(stop)`` or ``range(start, stop, step)``."""
        numbers = range(*(int(value) for value in args))
        kind = as_dtype(kwargs.get("output_type", "int64")).numpy
        return Dataset(lambda: (np.asarray(n, kind) for n in numbers), len(numbers))

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Elements of several datasets side by side, until the shortest ends."""
        parts = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
        parts = tuple(parts if datasets is None else datasets)
        sizes = [part._size for part in parts]
        size = UNKNOWN if UNKNOWN in sizes else min((n for n in sizes if n >= 0), default=INFINITE)
        return Dataset(lambda: zip(*(part._source() for part in parts)), size)

    # -- one element at a time -----------------------------------------------------------------

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """What a function makes of each element.

        Parameters
        ----------
        map_func : callable
            Called with the parts of a tuple as arguments, and with tensors in them.
        num_parallel_calls, deterministic, name
            Have no effect.

        Returns
        -------
        Dataset
        """
        source = self._source

        def elements() -> Iterator[Any]:
            for element in source():
                yield map_structure(_array, _called(map_func, element))

        return Dataset(elements, self._size, self._is_batched)

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """The elements that a function says True of."""
        source = self._source
        return Dataset(
            lambda: (item for item in source() if bool(to_array(_called(predicate, item)))),
            is_batched=self._is_batched,
        )

    def enumerate(self, start: int = 0, name: str | None = None) -> Dataset:
        """Pairs of a number and the element."""
        source = self._source

        def elements() -> Iterator[Any]:
            for number, element in enumerate(source(), start):
                yield np.asarray(number, np.int64), element

        return Dataset(elements, self._size)

    def flat_map(self, map_func: Callable[..., Any], name: str | None = None) -> Dataset:
        """The elements of the datasets that a function makes of each element."""
        source = self._source

        def elements() -> Iterator[Any]:
            for element in source():
                yield from _called(map_func, element)._source()

        return Dataset(elements)

    def interleave(self, map_func: Callable[..., Any], *_: Any, **__: Any) -> Dataset:
        """As ``flat_map``: one dataset after the other."""
        return self.flat_map(map_func)

    def window(
        self,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Datasets of ``size`` elements, each beginning ``shift`` elements further.

        Parameters
        ----------
        size, shift, stride : int
            Of a window; ``shift`` is ``size`` if not given.
        drop_remainder : bool
            Whether windows that are cut short by the end are left out.
        name : str, optional
            Has no effect.

        Returns
        -------
        Dataset
        """
        source, step = self._source, shift or size

        def elements() -> Iterator[Any]:
            held = list(source())
            for start in range(0, len(held), step):
                part = held[start : start + size * stride : stride]
                if len(part) == size or not drop_remainder:
                    yield Dataset(lambda part=part: iter(part), len(part))  # type: ignore[misc]

        return Dataset(elements)

    # -- batches -------------------------------------------------------------------------------

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Several elements as one, stacked.

        Parameters
        ----------
        batch_size : int
            How many.
        drop_remainder : bool
            Whether the last ones are left out if they are fewer.
        num_parallel_calls, deterministic, name
            Have no effect.

        Returns
        -------
        Dataset
        """
        return self._batches(int(batch_size), drop_remainder, np.stack)

    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Several elements as one, filled up to the longest.

        Parameters
        ----------
        batch_size : int
            How many.
        padded_shapes
            Has no effect: every axis grows to the longest of the batch.
        padding_values : number, optional
            What is filled in; 0 by default.
        drop_remainder : bool
            Whether the last ones are left out if they are fewer.
        name : str, optional
            Has no effect.

        Returns
        -------
        Dataset
        """
        fill = 0 if padding_values is None else padding_values

        def stack(arrays: list[Array]) -> Array:
            if not arrays[0].ndim:
                return np.stack(arrays)
            wide = np.max([array.shape for array in arrays], 0)
            return np.stack([
                np.pad(a, [(0, int(n) - m) for n, m in zip(wide, a.shape)], constant_values=fill)
                for a in arrays
            ])  # fmt: skip

        return self._batches(int(batch_size), drop_remainder, stack)

    def _batches(self, size: int, drops: bool, stack: Callable[[list[Array]], Any]) -> Dataset:
        if size < 1:
            raise ValueError(f"batch_size: expected at least 1, found {size}")
        source, count, columns, rows_all = self._source, self._size, self._columns, self._size
        if count >= 0:
            count = count // size if drops else -(-count // size)

        def slices() -> Iterator[Any]:
            for start in range(0, count * size, size):
                yield _row(columns, slice(start, min(start + size, rows_all)))

        if columns is not None and stack is np.stack:
            return Dataset(slices, count, not drops)

        def elements() -> Iterator[Any]:
            rows: list[Any] = []
            for element in source():
                rows.append(element)
                if len(rows) == size:
                    yield zip_structures(stack, rows)
                    rows = []
            if rows and not drops:
                yield zip_structures(stack, rows)

        return Dataset(elements, count, not drops)

    def unbatch(self, name: str | None = None) -> Dataset:
        """The rows of each element."""
        source = self._source

        def elements() -> Iterator[Any]:
            for element in source():
                for index in range(len(next(leaves(element)))):
                    yield _row(element, index)

        return Dataset(elements)

    def rebatch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """Batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    # -- order and amount ----------------------------------------------------------------------

    def shuffle(
        self,
        buffer_size: int,
        seed: int | None = None,
        reshuffle_each_iteration: bool = True,
        name: str | None = None,
    ) -> Dataset:
        """Elements in a random order.

        Parameters
        ----------
        buffer_size : int
            From how many the next one is drawn.
        seed : int, optional
            The same seed gives the same orders; Python's ``random`` if not given.
        reshuffle_each_iteration : bool
            Whether each pass has an order of its own.
        name : str, optional
            Has no effect.

        Returns
        -------
        Dataset
        """
        source = self._source
        first = random.randrange(2**31) if seed is None else int(seed)
        passes = [0]

        def elements() -> Iterator[Any]:
            generator = random.Random(first + (passes[0] if reshuffle_each_iteration else 0))
            passes[0] += 1
            held: list[Any] = []
            for element in source():
                held.append(element)
                if len(held) >= buffer_size:
                    at = generator.randrange(len(held))
                    held[at], held[-1] = held[-1], held[at]
                    yield held.pop()
            generator.shuffle(held)
            while held:
                yield held.pop()

        return Dataset(elements, self._size, self._is_batched)

    def repeat(self, count: int | None = None, name: str | None = None) -> Dataset:
        """All elements several times; without end if nothing is said."""
        source, ends = self._source, count is not None and count >= 0
        size = self._size * count if ends and self._size >= 0 and count is not None else (
            UNKNOWN if ends else INFINITE
        )  # fmt: skip

        def elements() -> Iterator[Any]:
            done = 0
            while not ends or (count is not None and done < count):
                is_empty = True
                for element in source():
                    is_empty = False
                    yield element
                if is_empty:
                    return
                done += 1

        return Dataset(elements, size, self._is_batched)

    def take(self, count: int, name: str | None = None) -> Dataset:
        """The first elements; all for -1."""
        if count < 0:
            return self._again()
        source = self._source

        def elements() -> Iterator[Any]:
            if count:
                for number, element in enumerate(source(), 1):
                    yield element
                    if number == count:
                        return

        size = count if self._size == INFINITE else min(self._size, count)
        return Dataset(elements, size, self._is_batched)

    def skip(self, count: int, name: str | None = None) -> Dataset:
        """Without the first elements."""
        source = self._source

        def elements() -> Iterator[Any]:
            for number, element in enumerate(source()):
                if number >= count:
                    yield element

        size = max(self._size - count, 0) if self._size >= 0 else self._size
        return Dataset(elements, size, self._is_batched)

    def shard(self, num_shards: int, index: int, name: str | None = None) -> Dataset:
        """Every ``num_shards``-th element, from number ``index`` on."""
        source = self._source

        def elements() -> Iterator[Any]:
            for number, element in enumerate(source()):
                if number % num_shards == index:
                    yield element

        size = self._size if self._size < 0 else len(range(index, self._size, num_shards))
        return Dataset(elements, size, self._is_batched)

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """These elements, then those of another dataset."""
        first, second = self._source, dataset._source

        def elements() -> Iterator[Any]:
            yield from first()
            yield from second()

        sizes = (self._size, dataset._size)
        size = UNKNOWN if UNKNOWN in sizes else INFINITE if INFINITE in sizes else sum(sizes)
        return Dataset(elements, size, self._is_batched)

    def cache(self, filename: str = "", name: str | None = None) -> Dataset:
        """Elements that are kept after the first whole pass; in memory, never in a file."""
        source = self._source
        kept: list[Any] = []
        is_whole = [False]

        def elements() -> Iterator[Any]:
            if is_whole[0]:
                yield from kept
                return
            found = []
            for element in source():
                found.append(element)
                yield element
            kept[:], is_whole[0] = found, True

        return Dataset(elements, self._size, self._is_batched)

    def prefetch(self, buffer_size: Any = AUTOTUNE, name: str | None = None) -> Dataset:
        """The same dataset: nothing runs ahead."""
        return self._again()

    def with_options(self, options: Any = None, name: str | None = None) -> Dataset:
        """The same dataset."""
        return self._again()

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """What a function makes of the dataset."""
        return transformation_func(self)

    def _again(self) -> Dataset:
        made = Dataset(self._source, self._size, self._is_batched)
        made._columns = self._columns
        return made

    # -- reading -------------------------------------------------------------------------------

    def reduce(self, initial_state: Any, reduce_func: Callable[[Any, Any], Any]) -> Any:
        """What a function makes of a state and each element in turn."""
        state = initial_state
        for element in self:
            state = reduce_func(state, element)
        return state

    def __iter__(self) -> Iterator[Any]:
        for element in self._source():
            yield map_structure(_tensor, element)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Elements with numpy arrays in place of tensors."""
        for element in self._source():
            yield map_structure(lambda leaf: leaf[()] if leaf.ndim == 0 else leaf, element)

    def get_single_element(self, name: str | None = None) -> Any:
        """The element of a dataset that has one."""
        found = [element for element, _ in zip(self, range(2))]
        if len(found) != 1:
            raise ValueError(f"the dataset has {'several elements' if found else 'no element'}")
        return found[0]

    def __len__(self) -> int:
        if self._size < 0:
            what = "infinite" if self._size == INFINITE else "unknown"
            raise TypeError(f"The dataset is of {what} length.")
        return self._size

    def __bool__(self) -> bool:
        return True

    def cardinality(self, name: str | None = None) -> Any:
        """How many elements: -1 without end, -2 not known."""
        return Tensor.from_array(np.asarray(self._size, np.int64))

    @property
    def element_spec(self) -> Any:
        """Shapes and types of the first element; the first axis of a batch is not fixed."""
        first = next(self._source(), None)
        if first is None:
            return None
        free = (None,) if self._is_batched else ()
        return map_structure(
            lambda leaf: TensorSpec((*free, *leaf.shape[len(free) :]), leaf.dtype), first
        )

    def __repr__(self) -> str:
        size = {INFINITE: "endless", UNKNOWN: "of unknown length"}.get(self._size, self._size)
        return f"<Dataset: {size} elements>" if isinstance(size, int) else f"<Dataset {size}>"


def _row(columns: Any, index: Any) -> Any:
    """One row of each array, or several."""
    return map_structure(lambda leaf: np.asarray(leaf[index], leaf.dtype), columns)


def _called(function: Callable[..., Any], element: Any) -> Any:
    given = map_structure(_tensor, element)
    return function(*given) if isinstance(given, tuple) else function(given)


def _typed(element: Any, kinds: Any) -> Any:
    """An element of a generator as arrays, of the types that were declared."""
    if isinstance(kinds, Mapping) and isinstance(element, Mapping):
        return {key: _typed(element[key], kinds[key]) for key in kinds}
    if isinstance(kinds, (tuple, list)) and isinstance(element, (tuple, list)):
        return tuple(_typed(item, kind) for item, kind in zip(element, kinds))
    if isinstance(element, tuple):
        return tuple(_typed(item, None) for item in element)
    array = _columns(element) if isinstance(element, list) else map_structure(_array, element)
    if kinds is None or not isinstance(array, np.ndarray) or as_dtype(kinds).number == 0:
        return array
    return array.astype(as_dtype(kinds).numpy)
