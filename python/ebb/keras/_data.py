"""Where batches come from: arrays, iterables and generators in the forms that Keras takes.

``open_data`` tells what the caller gave. Arrays go to the library as they are, which cuts batches
out of them; everything else is asked batch by batch. A structure (list, tuple, dict) is brought
into the order of the model's inputs and outputs by ``Ports``.
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ebb._context import need_values
from ebb._texts import begins_with_text, is_texts

Structure = Any
_TRIPLE = 3
ENDED = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator "
    "can generate at least `steps_per_epoch * epochs` batches. You may need to use the "
    "`.repeat()` function when building your dataset."
)


# -- arrays -----------------------------------------------------------------------------------


def is_array(value: Any) -> bool:
    """Whether this is one array, of any library: not a list, tuple or dict of them."""
    if isinstance(value, np.ndarray):
        return True
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(_is_number(item) for item in value)
    return any(hasattr(value, name) for name in ("__array__", "__dlpack__", "toarray", "to_numpy"))


def _is_number(item: Any) -> bool:
    if isinstance(item, (list, tuple)):
        return len(item) > 0 and all(_is_number(one) for one in item)
    return isinstance(item, (int, float, bool, np.number, np.bool_, str, bytes))


def to_array(value: Any, name: str = "x") -> np.ndarray[Any, Any]:
    """A numpy array of numbers, row-major; without a copy where that is possible.

    Raises
    ------
    ValueError
        If it holds something else than numbers.
    """
    if type(value) is not np.ndarray:
        value = _of_library(value)
    kind = value.dtype.kind
    if kind == "f" and value.dtype.itemsize > 8:
        value = value.astype(np.float64)  # long double: more than any model computes with
    if kind not in "fiubV" or (kind == "V" and value.dtype.name != "bfloat16"):
        value = _numbers_of(value, name)
    if not value.flags.c_contiguous or not value.dtype.isnative:
        value = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
    return value  # type: ignore[no-any-return]


def to_data(value: Any, name: str = "x") -> np.ndarray[Any, Any]:
    """As ``to_array``; texts stay texts."""
    if type(value) is not np.ndarray:
        if isinstance(value, (list, tuple)) and begins_with_text(value):
            return np.asarray(value, object)
        value = _of_library(value)
    if value.dtype.kind in "USTO" and is_texts(value):
        texts: np.ndarray[Any, Any] = value.astype(object) if value.dtype.kind == "T" else value
        return texts
    return to_array(value, name)


def _of_library(value: Any) -> np.ndarray[Any, Any]:
    """The numpy face of a tensor, a data frame, a sparse matrix or a list."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
    if hasattr(value, "iloc") and hasattr(value, "to_numpy"):
        array = value.to_numpy()
        return np.asarray(array[:, None] if array.ndim == 1 else array)
    if hasattr(value, "toarray"):
        return np.asarray(value.toarray())
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.asarray(np.from_dlpack(value))
    need_values(value, "a loss, a metric or an optimizer")
    return np.asarray(value)


def _numbers_of(value: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Arrays of objects that are numbers after all, as data frames of mixed columns give."""
    if value.dtype.kind == "O":
        try:
            return value.astype(np.float32)
        except (TypeError, ValueError):
            pass
    raise ValueError(
        f"{name}: expected an array of numbers, got one of type {value.dtype}. Rows of different "
        "lengths need padding, texts need a vectorizer first."
    )


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """``x``, ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)`` as three; None for what is missing.

    Raises
    ------
    ValueError
        If a tuple or list has more than three parts.
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= _TRIPLE:
        raise ValueError(
            f"Data should be x, (x,), (x, y) or (x, y, sample_weight); found {len(data)} parts"
        )
    return (*data, *(None,) * (_TRIPLE - len(data)))


def flatten(structure: Structure) -> list[Any]:
    """Leaves of nested lists, tuples and dicts (those by sorted keys)."""
    if structure is None:
        return []
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)) and not is_array(structure):
        return [leaf for item in structure for leaf in flatten(item)]
    return [structure]


def map_leaves(structure: Structure, name: str) -> Structure:
    """The same structure with arrays for leaves."""
    if structure is None:
        return None
    if isinstance(structure, Mapping):
        return {key: map_leaves(item, f"{name}['{key}']") for key, item in structure.items()}
    if isinstance(structure, (list, tuple)) and not is_array(structure):
        return [map_leaves(item, f"{name}[{i}]") for i, item in enumerate(structure)]
    return to_data(structure, name)


# -- the model's inputs and outputs -----------------------------------------------------------


class Ports:
    """Inputs and outputs of a model: names and shapes (None = any length), in its order.

    ``input_keys`` and ``output_keys`` are the names that a dict has, where they are not those of
    the layers.
    """

    is_plain = False  # one input and one output, in no list or dict
    is_cut = False  # a part of the model runs in Python: so arrays are cut into batches there
    taught: list[int] | None = None  # the outputs that have a loss, where some have none

    def __init__(
        self,
        model: str,
        inputs: list[tuple[str, tuple[int | None, ...]]],
        outputs: list[tuple[str, tuple[int | None, ...]]],
        input_keys: list[str] | None = None,
        output_keys: list[str] | None = None,
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.outputs = outputs
        self.input_keys = input_keys or [name for name, _ in inputs]
        self.output_keys = output_keys or [name for name, _ in outputs]

    def x(self, structure: Structure) -> list[np.ndarray[Any, Any]]:
        """Arrays for the inputs.

        Raises
        ------
        ValueError
            If inputs are missing, there are too many, or their shapes are not the model's.
        """
        leaves = self._leaves(structure)
        return [self._input(i, to_array(leaf, "x")) for i, leaf in enumerate(leaves)]

    def _leaves(self, structure: Structure) -> list[Any]:
        """What is given for each input."""
        leaves = self._by_name(structure, self.inputs, self.input_keys, "x")
        if len(leaves) != len(self.inputs):
            raise ValueError(
                f"Model '{self.model}' expects {len(self.inputs)} input(s), but it received "
                f"{len(leaves)} array(s)."
            )
        return leaves

    def finish(self, x: list[Any], outputs: list[Any]) -> list[Any]:
        """What the model gives, of what its core made of ``x``."""
        del x
        return outputs

    def y(self, structure: Structure) -> list[np.ndarray[Any, Any]]:
        """Arrays for the outputs."""
        if structure is None:
            raise ValueError(f"Model '{self.model}' needs targets: `y` is None.")
        leaves = self._by_name(structure, self.outputs, self.output_keys, "y")
        if self.taught is not None and len(leaves) == len(self.taught) < len(self.outputs):
            given = dict(zip(self.taught, leaves))  # targets of those that have a loss
            leaves = [given.get(number) for number in range(len(self.outputs))]
        if len(leaves) != len(self.outputs):
            raise ValueError(
                f"Model '{self.model}' expects {len(self.outputs)} target(s), but `y` has "
                f"{len(leaves)}."
            )
        arrays = [None if leaf is None else to_array(leaf, "y") for leaf in leaves]
        rows = next((len(array) for array in arrays if array is not None and array.ndim), 1)
        # An output without a loss needs no target; something has to stand for it.
        return [np.zeros((rows, 1), np.float32) if a is None else _columns(a) for a in arrays]

    def targets(self, structure: Structure) -> list[tuple[tuple[Any, ...], str]] | None:
        """Shape (rows None) and type of each output's targets; None without any."""
        if structure is None:
            return None
        kinds = {"i": "int32", "u": "int32", "b": "bool"}
        return [
            ((None, *array.shape[1:]), kinds.get(array.dtype.kind, "float32"))
            for array in self.y(structure)
        ]

    def weights(self, structure: Structure) -> list[np.ndarray[Any, Any] | None]:
        """Sample weights: none, one for all outputs, or one per output (None = 1)."""
        if structure is None:
            return []
        if is_array(structure):
            return [to_array(structure, "sample_weight")]
        leaves = self._by_name(structure, self.outputs, self.output_keys, "sample_weight", False)
        if len(leaves) not in (1, len(self.outputs)):
            raise ValueError(
                f"`sample_weight` has {len(leaves)} parts for {len(self.outputs)} outputs: give "
                "one array, or one per output."
            )
        return [None if leaf is None else to_array(leaf, "sample_weight") for leaf in leaves]

    def _by_name(
        self, structure: Structure, ports: list[Any], keys: list[str], what: str,
        needs_all: bool = True,
    ) -> list[Any]:  # fmt: skip
        """Leaves in the order of the ports."""
        if not isinstance(structure, Mapping):
            if isinstance(structure, (list, tuple)) and not is_array(structure):
                flat = [None if item is None else flatten(item) for item in structure]
                return [leaf for item in flat for leaf in ([None] if item is None else item)]
            return [structure]
        found = []
        for (name, _), key in zip(ports, keys):
            if key in structure or name in structure:
                found.append(structure[key if key in structure else name])
            elif needs_all and what == "x":
                raise ValueError(
                    f'Missing data for input "{key}". You passed a data dictionary with keys '
                    f"{list(structure)}. Expected the following keys: {keys}"
                )
            else:
                found.append(None)
        unknown = [key for key in structure if key not in keys and key not in dict(ports)]
        if what != "x" and unknown:
            raise ValueError(
                f"`{what}` has a key {unknown[0]!r}, but the model's outputs are {keys}."
            )
        return found

    def _input(self, index: int, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Fits the rank, checks the shape."""
        name, shape = self.inputs[index]
        if array.ndim == len(shape) - 1 and (shape[-1] == 1 or array.ndim == 0):
            array = array[..., None]
        elif array.ndim == len(shape) + 1 and array.shape[-1] == 1:
            array = array[..., 0]
        if array.ndim == len(shape) and all(
            want is None or want == got for want, got in zip(shape[1:], array.shape[1:])
        ):
            return array
        raise ValueError(
            f"Invalid input shape for input '{name}' of model '{self.model}'. Expected shape "
            f"{shape}, but input has incompatible shape {array.shape}"
        )


def _columns(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array[None] if array.ndim == 0 else array


# -- kinds of data ----------------------------------------------------------------------------


class ArrayData:
    """Whole arrays. After ``bind``: x, y and weights in the order of the model."""

    is_whole = True

    def __init__(
        self, x: Structure, y: Structure, sample_weight: Structure, is_one_batch: bool = False
    ) -> None:
        self.example = (map_leaves(x, "x"), map_leaves(y, "y"))
        self.given_weights = map_leaves(sample_weight, "sample_weight")
        # One batch is not cut into others: its arrays may have what rows the model takes.
        groups = (*self.example, self.given_weights)
        self.rows = 0 if is_one_batch else _check_rows(groups)
        self.x: list[np.ndarray[Any, Any]] = []
        self.y: list[np.ndarray[Any, Any]] = []
        self.weights: list[np.ndarray[Any, Any] | None] = []

    def bind(self, ports: Ports, needs_y: bool = True) -> None:
        """Brings the arrays into the model's order."""
        self.x = ports.x(self.example[0])
        if needs_y:
            self.y = ports.y(self.example[1])
        self.weights = ports.weights(self.given_weights)

    def steps(self, batch_size: int | None, steps: int | None) -> int:
        """Batches of an epoch."""
        if steps:
            return steps
        size = batch_size or 32
        return (self.rows + size - 1) // size


def _check_rows(groups: tuple[Structure, ...]) -> int:
    """The number of rows, the same everywhere."""
    sizes = []
    for name, group in zip(("x", "y", "sample_weight"), groups):
        shapes = [leaf.shape for leaf in flatten(group)]
        if shapes:
            sizes.append((name, [shape[0] if shape else 1 for shape in shapes]))
    rows = {count for _, counts in sizes for count in counts}
    if len(rows) > 1:
        told = ", ".join(f"'{name}' sizes: {', '.join(map(str, c))}" for name, c in sizes)
        raise ValueError(
            "Data cardinality is ambiguous. Make sure all arrays contain the same number of "
            f"samples: {told}"
        )
    if not rows:
        raise ValueError("There are no data: `x` is None.")
    count = int(rows.pop())
    if count == 0:
        raise ValueError("There are no data: the arrays have no rows.")
    return count


class BatchData:
    """Batches that an iterable gives one by one.

    ``size`` is the number of batches of a pass, None when it is not known. An iterator (a
    generator, say) can be gone through once; another pass over it begins with its first two
    batches, which are kept, and goes on where the one before ended, as in Keras. Other iterables
    begin anew. ``resets``: whether the source hears of the end of an epoch before the first pass
    ("once": fit), or before each ("always": evaluate).
    """

    is_whole = False

    def __init__(self, source: Any, shuffle: bool) -> None:
        self._source = source
        self._is_once = isinstance(source, Iterator)
        self._shuffles = shuffle and hasattr(source, "on_epoch_end")
        self._iterator: Iterator[Any] | None = None
        self._first: list[Any] | None = None  # looked at already
        self._peeked: list[Any] = []  # of an iterator
        self._example: Any = None
        self._has_begun = False
        self.resets = "never"
        self._ports: Ports | None = None
        self._needs_y = True
        self._given = 0
        self.size = _length_of(source)
        self.limit: int | None = None  # steps of an epoch that were asked for

    @property
    def example(self) -> tuple[Structure, Structure]:
        """X and y of the first batch."""
        if hasattr(self._source, "on_epoch_end") and hasattr(self._source, "__getitem__"):
            if self._example is None:  # looked at before any epoch begins
                self._example = unpack(self._source[0])
            return map_leaves(self._example[0], "x"), map_leaves(self._example[1], "y")
        if self._first is None:
            self._begin()
            assert self._iterator is not None
            try:
                self._first = [next(self._iterator)]
            except StopIteration:
                raise ValueError("There are no data: the iterable gave no batch.") from None
        x, y, _ = unpack(self._first[0])
        return map_leaves(x, "x"), map_leaves(y, "y")

    def bind(self, ports: Ports, needs_y: bool = True) -> None:
        """Tells how batches are brought into the model's order."""
        self._ports = ports
        self._needs_y = needs_y

    def steps(self, batch_size: int | None, steps: int | None) -> int | None:
        """Batches of an epoch; None when not known."""
        del batch_size
        return steps or self.size

    def take(self, restart: bool) -> Any:
        """The next batch as the source gives it; None at the end of a pass."""
        if self._first is None and (restart or self._is_over()):
            self._begin()
        elif self._given and self._is_at_limit():
            self._tell("on_epoch_begin")
        if self._first is not None:
            item, self._first = self._first[0], None
        else:
            try:
                item = next(self._iterator)  # type: ignore[arg-type]
            except StopIteration:
                self._end()
                return None
        self._given += 1
        if self._is_once and len(self._peeked) < min(self._given, 2):
            self._peeked.append(item)
        if self._is_at_limit():
            self._tell("on_epoch_end")
        return item

    def _is_at_limit(self) -> bool:
        """Has the last epoch been given all of its steps?"""
        return self.limit is not None and self._given % self.limit == 0

    def _is_over(self) -> bool:
        """Did a pass over what can be gone through again end together with an epoch?"""
        is_all = not self._is_once and self.size is not None and self._given >= self.size
        return is_all and self._is_at_limit()

    def _tell(self, what: str) -> None:
        """Lets the source know, if it wants to."""
        heard = None if self._is_once else getattr(self._source, what, None)
        if heard is not None:
            heard()

    def next(self, restart: bool) -> tuple[list[Any], list[Any], list[Any]] | None:
        """The next batch in the model's order; None at the end of a pass."""
        item = self.take(restart)
        if item is None:
            return None
        assert self._ports is not None
        x, y, weight = unpack(item)
        rows = self._ports.x(x)
        if not self._needs_y:
            return rows, [], []
        return rows, self._ports.y(y), self._ports.weights(weight)

    def _begin(self) -> None:
        """A new pass."""
        self._given = 0
        if self._is_once:
            self._iterator = itertools.chain(list(self._peeked), self._source)
            return
        if self.resets == "always" or (self.resets == "once" and not self._has_begun):
            self._tell("on_epoch_end")
        self._has_begun = True
        self._tell("on_epoch_begin")
        if self._shuffles and self.size:
            order = list(range(self.size))
            random.shuffle(order)
            self._iterator = (self._source[i] for i in order)
        else:
            self._iterator = iter(self._source)

    def _end(self) -> None:
        if self._is_once or self._given == 0 or (self.limit and self._given % self.limit):
            warnings.warn(ENDED, stacklevel=2)
        if self._given == 0 or not self._is_at_limit():
            self._tell("on_epoch_end")

    def close(self) -> None:
        """Lets go of the iterator; one that can be gone through again will be."""
        self._iterator = self._example = None
        self._first = None
        self._peeked = []


def _length_of(source: Any) -> int | None:
    """How many batches; None when it is not known or has no end."""
    if hasattr(source, "num_batches"):
        return source.num_batches  # type: ignore[no-any-return]
    if not hasattr(source, "__len__"):
        return None
    try:
        return len(source)
    except TypeError:
        return None


def open_data(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    shuffle: bool = False,
    what: str = "x",
    is_one_batch: bool = False,
    resets: str = "never",
) -> Any:
    """What the caller gave, as ArrayData or BatchData.

    Raises
    ------
    ValueError
        If it is nothing that data can come from, arrays have different numbers of rows or none,
        or ``y`` is given beside an iterable that yields it.
    """
    if x is None:
        raise ValueError(f"There are no data: `{what}` is None.")
    is_arrays = isinstance(x, Mapping) or is_array(x)
    if isinstance(x, (list, tuple)) and len(x) > 0 and not is_arrays:
        is_arrays = all(isinstance(item, Mapping) or is_array(item) for item in flatten(x))
    if is_arrays:
        return ArrayData(x, y, sample_weight, is_one_batch)
    if not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise ValueError(f"Unrecognized data type: {what} is of type {type(x)}")
    kind = type(x).__name__
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            raise ValueError(
                f"When `{what}` is a {kind}, `{name}` should not be passed: it is part of what "
                "the iterable gives."
            )
    made = BatchData(x, shuffle)
    made.resets = resets
    return made
