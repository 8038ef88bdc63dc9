"""Layers that turn words and numbers into indices.

A vocabulary is a list of tokens; before it are the mask token and the places of tokens that are not
in it. Source: keras/src/layers/preprocessing/index_lookup.py of Keras 3.15.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb._texts import to_texts
from ebb.keras._host_layer import HostLayer, counted, encode, key_of, wrap
from ebb.keras._preprocessing import batches_of, is_one
from ebb.keras._variable import to_numpy

Array = npt.NDArray[Any]
MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_DROPPED, _UNKNOWN = -1, -2  # indices of the mask where it has no column, of unknown tokens
_VOCABULARY = "vocabulary.txt"


class IndexLookup(HostLayer):
    """What StringLookup and IntegerLookup have in common."""

    _word_type = ""  # of tokens

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        **kwargs: Any,
    ) -> None:
        size = kwargs.pop("vocabulary_size", None)
        is_given = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        self.oov_method, salt = kwargs.pop("oov_method", "floormod"), kwargs.pop("salt", None)
        self.salt = None if salt is None else key_of(salt)
        super().__init__(**kwargs)
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        self._check(max_tokens, num_oov_indices, invert, output_mode, sparse)
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError("If pad_to_max_tokens is True, must set `max_tokens`.")
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.output_mode, self.sparse = invert, output_mode, False
        self.pad_to_max_tokens = pad_to_max_tokens
        self._tokens: list[Any] = []
        self._index: dict[Any, int] = {}
        self._weights: Array | None = None
        self._is_known = False
        self._size: int | None = size  # of the vocabulary: files tell it before the vocabulary
        self._is_static = bool(is_given)
        is_path = isinstance(vocabulary, (str, os.PathLike))
        self._given_words = None if vocabulary is None or is_path else plain(vocabulary)
        self._given_weights = None if idf_weights is None else plain(idf_weights)
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    def _check(
        self, max_tokens: Any, num_oov_indices: int, invert: bool, output_mode: str, sparse: bool
    ) -> None:
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"`max_tokens` must be greater than 1. Received: {max_tokens}")
        if num_oov_indices < 0:
            raise ValueError(f"`num_oov_indices` must not be negative: {num_oov_indices}")
        if output_mode not in MODES:
            raise ValueError(f"`output_mode` must be one of {MODES}. Received: {output_mode}")
        if invert and output_mode != "int":
            raise ValueError('`output_mode` must be "int" when `invert` is true')
        if sparse:
            raise UnsupportedError("sparse tensors are not supported", self.name)

    # -- tokens, which the two classes see differently -----------------------------------------

    def _read(self, x: Any) -> Array:
        raise NotImplementedError

    def _oov_hash(self, tokens: list[Any], buckets: int) -> list[int]:
        """Which of the places for unknown tokens each one gets."""
        from ebb.keras._hashing import hash_of

        return [hash_of(token, self.salt) % buckets for token in tokens]

    def _kind(self) -> Any:
        return np.float32 if self.output_mode == "tf_idf" else np.int64

    # -- vocabulary ----------------------------------------------------------------------------

    @property
    def _specials(self) -> list[Any]:
        """What comes before the tokens."""
        has_mask = self.mask_token is not None and self.output_mode == "int"
        return [self.mask_token] * has_mask + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens, in the order of their indices.

        Parameters
        ----------
        include_special_tokens : bool
            Whether the mask and the places of unknown tokens are there too.

        Returns
        -------
        list
        """
        return (self._specials if include_special_tokens else []) + self._tokens

    def vocabulary_size(self) -> int:
        """How many indices there are.

        Returns
        -------
        int
        """
        return len(self._tokens) + len(self._specials)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Gives the tokens.

        Parameters
        ----------
        vocabulary : list, array, or path of a text file
            With or without the special tokens before it.
        idf_weights : list of float, optional
            One for each token, for the mode "tf_idf".

        Raises
        ------
        ValueError
            Tokens repeat, are too many, or weights are missing.
        """
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = self._words_of_file(vocabulary)
        tokens = self._read(vocabulary).reshape(-1).tolist()
        if not tokens:
            raise ValueError(f"Cannot set an empty vocabulary. Received: {vocabulary}")
        specials = self._specials
        weights = None if idf_weights is None else np.asarray(idf_weights, np.float32)
        front = None
        if weights is not None and len(weights) != len(tokens):
            raise ValueError(
                "`idf_weights` must be the same length as vocabulary. len(idf_weights) is "
                f"{len(weights)}; len(vocabulary) is {len(tokens)}"
            )
        if specials and tokens[: len(specials)] == specials:
            tokens = tokens[len(specials) :]
            if weights is not None:
                front, weights = weights[: len(specials)], weights[len(specials) :]
        self._set(tokens, weights, front)

    def _words_of_file(self, path: Any) -> list[Any]:
        """One token a line."""
        if not os.path.exists(path):
            raise ValueError(f"Vocabulary file {path} does not exist.")
        if self.output_mode == "tf_idf":
            raise ValueError(
                "output_mode `'tf_idf'` does not support loading a vocabulary from file."
            )
        with open(path, encoding="utf-8") as file:
            return [line for line in file.read().split("\n") if line != ""]

    def _set(self, tokens: list[Any], weights: Array | None, front: Array | None = None) -> None:
        """Tokens, their weights, and those of the places for unknown ones (None: the mean)."""
        self._check_words(tokens, weights)
        first = len(self._specials)
        size = first + len(tokens)
        is_fixed = self._inbound_nodes and not (self.output_mode == "int" or self.pad_to_max_tokens)
        if is_fixed and self._size is not None and size != self._size:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the "
                "vocabulary size cannot be changed after the layer is called. Old vocab size is "
                f"{self._size}, new vocab size is {size}"
            )
        self._tokens = list(tokens)
        index = {token: first + i for i, token in enumerate(tokens)}
        if self.mask_token is not None:
            index[self.mask_token] = 0 if self.output_mode == "int" else _DROPPED
        self._index = index
        if weights is not None:
            if front is None:
                front = np.full(self.num_oov_indices, weights.mean() if len(weights) else 0)
            self._weights = np.concatenate([front, weights]).astype(np.float32)
        self._is_known, self._size = True, size

    def _check_words(self, tokens: list[Any], weights: Array | None) -> None:
        """No token twice, none that is reserved, not too many; weights where they are needed."""
        if len(set(tokens)) != len(tokens):
            twice = sorted({str(t) for t in tokens if tokens.count(t) > 1})
            raise ValueError(f"The vocabulary has at least one repeated term: {twice[:5]}")
        reserved = [self.mask_token, self.oov_token if self.invert else None]
        for special in reserved:
            if special is not None and special in tokens:
                raise ValueError(f"Found reserved token {special!r} inside the vocabulary")
        size = len(tokens) + len(self._specials)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"a vocabulary of {size} tokens with the special ones is larger than "
                f"max_tokens={self.max_tokens}"
            )
        if (self.output_mode == "tf_idf") != (weights is not None):
            raise ValueError("`idf_weights` belong to the output mode 'tf_idf', and it needs them")

    # -- learning ------------------------------------------------------------------------------

    def reset_state(self) -> None:
        """Forgets what was counted."""
        self._counts: Counter[Any] = Counter()
        self._documents: Counter[Any] = Counter()
        self._document_count = 0

    def update_state(self, data: Any) -> None:
        """Counts tokens.

        Parameters
        ----------
        data : array_like
            Tokens; rows are documents.
        """
        if self._is_static:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via "
                "`vocabulary` argument or `set_vocabulary()` method."
            )
        tokens = self._read(data)
        tokens = tokens.reshape(1, -1) if tokens.ndim < 2 else tokens.reshape(len(tokens), -1)
        for row in tokens.tolist():
            self._count(row)

    def _count(self, row: list[Any]) -> None:
        self._counts.update(row)
        if self.output_mode == "tf_idf":
            self._documents.update(set(row))
            self._document_count += 1

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted: the most frequent tokens first."""
        if not self._counts:
            return
        for special in (self.mask_token, self.oov_token):
            self._counts.pop(special, None)
        ordered = sorted(self._counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        tokens = [token for token, _ in ordered]
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - len(self._specials)]
        weights = None
        if self.output_mode == "tf_idf":
            seen = np.asarray([self._documents[token] for token in tokens], np.float64)
            weights = np.log(1 + self._document_count / (1 + seen)).astype(np.float32)
        self._set(tokens, weights)
        self.reset_state()

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Makes the vocabulary of data: the most frequent tokens first.

        Parameters
        ----------
        data : list, array or dataset
            Tokens, or batches of tokens; not labels.
        steps : int, optional
            Batches of a dataset that are used.
        """
        self.reset_state()
        is_whole = is_one(data)  # each token of a flat one is a document
        for batch in batches_of(data, steps):
            tokens = self._read(batch)
            self.update_state(tokens.reshape(-1, 1) if is_whole and tokens.ndim == 1 else tokens)
        self.finalize_state()

    # -- use -----------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for a shape of input."""
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        depth = self.max_tokens if self.pad_to_max_tokens else self._size
        if self.output_mode == "one_hot" and not (len(shape) > 1 and shape[-1] == 1):
            return (*shape, depth)
        return (*shape[:-1], depth)

    def _result_dtype(self) -> str:
        return self._word_type if self.invert else super()._result_dtype()

    @property
    def compute_dtype(self) -> str:
        """Type of its tokens."""
        return self._word_type

    variable_dtype = compute_dtype

    def get_build_config(self) -> dict[str, Any]:
        """Nothing is built."""
        return {}

    def call(self, inputs: Any) -> Any:
        """Indices of tokens, or tokens of indices with ``invert``.

        Parameters
        ----------
        inputs : array_like
            Tokens, or indices.

        Returns
        -------
        Tensor, or ndarray of str
            int64 indices of the same shape; for the other output modes float32 rows, one column
            for each index.

        Raises
        ------
        ValueError
            There is no vocabulary, or an unknown token without a place for it.
        """
        return wrap(self._compute(inputs))

    def _compute(self, inputs: Any) -> Array:
        self._need_words()
        if self.invert:
            return self._inverted(to_numpy(inputs))
        return self._encoded(self._indices(self._read(inputs)))

    def _need_words(self) -> None:
        if not self._is_known:
            raise ValueError(
                f"{type(self).__name__} '{self.name}' has no vocabulary: give it one, or call "
                "adapt() before"
            )

    def _inverted(self, indices: Array) -> Array:
        words = self.get_vocabulary()
        found = [words[i] if 0 <= i < len(words) else self.oov_token for i in indices.reshape(-1)]
        kind: Any = object if isinstance(self.oov_token, str) else np.int64
        made = np.empty(len(found), kind)
        made[:] = found
        return made.reshape(indices.shape)

    def _indices(self, tokens: Array) -> Array:
        flat = tokens.reshape(-1).tolist()
        return self._places(flat).reshape(tokens.shape)

    def _places(self, flat: list[Any]) -> Array:
        """The index of each token."""
        found = map(self._index.get, flat, repeat(_UNKNOWN))
        made = np.fromiter(found, np.int64, len(flat))
        unknown = np.flatnonzero(made == _UNKNOWN)
        if not unknown.size:
            return made
        if self.num_oov_indices == 0:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{[flat[i] for i in unknown[:5]]}, consider setting `num_oov_indices=1`."
            )
        made[unknown] = int(self.mask_token is not None and self.output_mode == "int")
        if self.num_oov_indices > 1:
            made[unknown] += self._oov_hash([flat[i] for i in unknown], self.num_oov_indices)
        return made

    def _rows(self, rows: list[list[Any]], length: int | None) -> Array:
        """What becomes of rows of tokens that differ in length: padded, cut, or counted."""
        if self.output_mode == "int":
            longest = max(map(len, rows), default=0) if length is None else length
            made = np.zeros((len(rows), longest), np.int64)
            for line, row in zip(made, rows):
                cut = row[:longest]
                line[: len(cut)] = self._places(cut)
            return made
        numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        indices = self._places([token for row in rows for token in row])
        depth, weights = self._depth()
        kind = self._kind()
        return counted(numbers, indices, len(rows), depth, self.output_mode, kind, weights)

    def _depth(self) -> tuple[int, Array | None]:
        """Columns, and the weight of each."""
        size = self.vocabulary_size()
        depth = self.max_tokens if self.pad_to_max_tokens and self.max_tokens else size
        weights = self._weights
        if weights is not None and depth > len(weights):
            weights = np.pad(weights, (0, depth - len(weights)))
        return depth, weights

    def _encoded(self, indices: Array) -> Array:
        depth, weights = self._depth()
        return encode(indices, self.output_mode, depth, self._kind(), weights)

    # -- configuration and files ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one; what was learned is no part of it, as in Keras.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.entry(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": False,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "idf_weights": self._given_weights,
            "vocabulary": self._given_words,
            "vocabulary_size": self._size,
            "oov_method": self.oov_method,
            "salt": None if self.salt is None else list(self.salt),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer of what ``get_config()`` gave."""
        refuse_path(config)
        return cls(**config)

    @property
    def _is_lost_without_assets(self) -> bool:  # type: ignore[override]
        return self._is_known and self._given_words is None

    def _state(self) -> Any:
        return (list(self._tokens), self._weights) if self._is_known else None

    def _state_set(self, state: Any) -> None:
        tokens, weights = state
        count = self.num_oov_indices
        if weights is None:
            self._set(tokens, None)
        else:
            self._set(tokens, weights[count:][: len(tokens)], weights[:count])

    def save_own_variables(self, store: Any) -> None:
        """Writes what numbers it learned to a file."""
        if self._weights is not None:
            store["idf_weights"] = self._depth()[1]

    def load_own_variables(self, store: Any) -> None:
        """Reads them."""
        if self.output_mode == "tf_idf" and "idf_weights" in store:
            weights = np.asarray(store["idf_weights"], np.float32)
            self._weights = weights
            if self._is_known:
                self._state_set((self._tokens, weights))

    def save_assets(self, dir_path: Any) -> None:
        """Writes the vocabulary, if it is not in the configuration, to a folder.

        Parameters
        ----------
        dir_path : path
        """
        if self._given_words is not None:
            return
        words = [str(word) for word in self.get_vocabulary()]
        if any("\n" in word for word in words):
            raise UnsupportedError(
                "a token has a line break, which the file of one token a line cannot hold; take "
                "line breaks out of the texts before adapt()",
                self.name,
            )
        with open(os.path.join(dir_path, _VOCABULARY), "w", encoding="utf-8", newline="") as file:
            file.write("\n".join(words))

    def load_assets(self, dir_path: Any) -> None:
        """Reads it.

        Parameters
        ----------
        dir_path : path
        """
        if self._given_words is not None:
            return
        path = os.path.join(dir_path, _VOCABULARY)
        with open(path, encoding="utf-8", newline="") as file:
            lines = file.read().split("\n")
        while lines and lines[-1] == "":
            lines.pop()
        words = lines[len(self._specials) :]
        if words:
            self._state_set((self._read(words).tolist(), self._weights))


def plain(values: Any) -> list[Any]:
    """Tokens or weights as JSON has them."""
    is_list = isinstance(values, (list, tuple))
    flat = values if is_list else to_numpy(values).reshape(-1).tolist()
    flat = [item.decode() if isinstance(item, bytes) else item for item in flat]
    return [item.item() if isinstance(item, np.generic) else item for item in flat]


def refuse_path(config: dict[str, Any]) -> None:
    """A configuration may come from a file of anybody: it names no other file to read."""
    if isinstance(config.get("vocabulary"), (str, os.PathLike)):
        raise ValueError(
            "Requested the loading of a vocabulary file outside of the model archive: "
            f"'{config['vocabulary']}'. Give the layer its words with set_vocabulary() instead."
        )


class StringLookup(IndexLookup):
    """Words as indices of a vocabulary, on data or inside a model.

    Keras's ``keras.layers.StringLookup``.

    Parameters
    ----------
    max_tokens : int, optional
        Most indices there may be.
    num_oov_indices : int
        Places for words that are not in the vocabulary.
    mask_token : str, optional
        The word that becomes 0.
    oov_token : str
        What ``invert`` gives for unknown words.
    vocabulary : list of str or path, optional
        None: taken from data by ``adapt``.
    idf_weights : list of float, optional
        For the mode "tf_idf".
    invert : bool
        Whether indices become words.
    output_mode : {"int", "one_hot", "multi_hot", "count", "tf_idf"}
        Form of the result.
    pad_to_max_tokens : bool
        Whether there are ``max_tokens`` columns in any case.
    sparse : bool
        Sparse tensors are not supported: False.
    encoding : str
        Has no effect: texts are Python's.
    name : str, optional
        Name of the layer.
    **kwargs
        Whatever else every layer takes.
    """

    _word_type = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        kwargs.pop("vocabulary_dtype", None)
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, pad_to_max_tokens, sparse, name=name, **kwargs,
        )  # fmt: skip

    def _read(self, x: Any) -> Array:
        return to_texts(x)

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one, its vocabulary included.

        Returns
        -------
        dict
        """
        return {**super().get_config(), "encoding": self.encoding}


class IntegerLookup(IndexLookup):
    """Integers as indices of a vocabulary, on data or inside a model.

    Keras's ``keras.layers.IntegerLookup``.

    Parameters
    ----------
    max_tokens : int, optional
        Most indices there may be.
    num_oov_indices : int
        Places for integers that are not in the vocabulary.
    mask_token : int, optional
        The integer that becomes 0.
    oov_token : int
        What ``invert`` gives for unknown ones.
    vocabulary : list of int or path, optional
        None: taken from data by ``adapt``.
    vocabulary_dtype : str
        Has no effect.
    idf_weights : list of float, optional
        For the mode "tf_idf".
    invert : bool
        Whether indices become integers.
    output_mode : {"int", "one_hot", "multi_hot", "count", "tf_idf"}
        Form of the result.
    sparse : bool
        Sparse tensors are not supported: False.
    pad_to_max_tokens : bool
        Whether there are ``max_tokens`` columns in any case.
    name : str, optional
        Name of the layer.
    **kwargs
        Whatever else every layer takes.
    """

    _word_type = "int64"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.vocabulary_dtype = vocabulary_dtype
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, pad_to_max_tokens, sparse, name=name, **kwargs,
        )  # fmt: skip

    def _read(self, x: Any) -> Array:
        array = to_numpy(x)
        if array.dtype.kind in "UO":
            array = np.asarray([int(item) for item in array.reshape(-1).tolist()])
        return array.astype(np.int64)

    def _oov_hash(self, tokens: list[Any], buckets: int) -> list[int]:
        if self.oov_method == "floormod":
            return [token % buckets for token in tokens]
        return super()._oov_hash(tokens, buckets)

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one, its vocabulary included.

        Returns
        -------
        dict
        """
        made = super().get_config()
        first = {key: made.pop(key) for key in list(made)[: list(made).index("idf_weights")]}
        return {**first, "vocabulary_dtype": self.vocabulary_dtype, **made}
