"""Layers that turn words and numbers into indices. They work on the data, before a model.

A vocabulary is a list of tokens; before it are the mask token and the places of tokens that are not
in it. Source: keras/src/layers/preprocessing/index_lookup.py of Keras 3.15.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb._tensor import Tensor
from ebb.keras._layer import Layer
from ebb.keras._preprocessing import batches_of
from ebb.keras._symbolic import any_symbolic

Array = npt.NDArray[Any]
MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


class HostLayer(Layer):
    """A layer of texts or of any integers: Python computes it, on the data."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it makes of data."""
        if any_symbolic(args, kwargs):
            raise UnsupportedError(
                f"{type(self).__name__} cannot be a part of a model: call it on the data, and give "
                "the model what it returns (dataset.map(lambda x, y: (layer(x), y)))",
                self.name,
            )
        return self.call(*args, **kwargs)


def to_texts(x: Any) -> Array:
    """Texts, bytes, lists of them or arrays as an array of str."""
    if isinstance(x, (str, bytes)):
        x = [x]
        single: Array = to_texts(x).reshape(())
        return single
    array = x if isinstance(x, np.ndarray) else np.asarray(x, object)
    if hasattr(x, "numpy"):
        array = np.asarray(x.numpy())
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind not in "OS":
        raise TypeError(f"expected texts, found an array of {array.dtype}")
    made = np.empty(array.shape, object)
    for at, item in np.ndenumerate(array):
        if not isinstance(item, (str, bytes)):
            raise TypeError(f"expected texts, found {type(item).__name__}")
        made[at] = item.decode() if isinstance(item, bytes) else item
    return made


def key_of(salt: Any) -> tuple[int, int]:
    """The key of a hash: two integers, or one for both."""
    words = tuple(salt) if isinstance(salt, (tuple, list)) else (salt, salt)
    if len(words) != 2:
        raise ValueError(f"`salt` must be an integer or two. Received: {salt}")
    return int(words[0]), int(words[1])


def wrap(array: Array) -> Any:
    """Numbers as a tensor; texts stay an array."""
    return array if array.dtype.kind in "OUS" else Tensor.from_array(array)


def encode(indices: Array, mode: str, depth: int, kind: Any, weights: Array | None) -> Array:
    """Rows of indices as what an output mode says; negative ones count for nothing."""
    if mode == "int":
        return indices
    if indices.ndim == 0:
        indices = indices.reshape(1)
    if mode == "one_hot":
        if indices.shape[-1] == 1 and indices.ndim > 1:
            indices = indices[..., 0]
        hot: Array = (indices[..., None] == np.arange(depth)).astype(kind)
        return hot
    rows = indices.reshape(-1, indices.shape[-1])
    made = np.zeros((len(rows), depth), np.float64)
    for row, own in zip(made, rows):
        np.add.at(row, own[(own >= 0) & (own < depth)], 1)
    if mode == "multi_hot":
        made = (made > 0).astype(np.float64)
    if mode == "tf_idf" and weights is not None:
        made = made * weights
    return made.reshape((*indices.shape[:-1], depth)).astype(kind)


class IndexLookup(HostLayer):
    """What StringLookup and IntegerLookup have in common."""

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
        kwargs.pop("vocabulary_size", None)  # in files: what the vocabulary says itself
        self.oov_method, salt = kwargs.pop("oov_method", "floormod"), kwargs.pop("salt", None)
        self.salt = None if salt is None else key_of(salt)
        super().__init__(**kwargs)
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        self._check(max_tokens, num_oov_indices, invert, output_mode, sparse)
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.output_mode, self.sparse = invert, output_mode, False
        self.pad_to_max_tokens = pad_to_max_tokens
        self._tokens: list[Any] = []
        self._index: dict[Any, int] = {}
        self._weights: Array | None = None
        self._is_known = False
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
            with open(vocabulary, encoding="utf-8") as file:
                vocabulary = self._read(file.read().split("\n")).tolist()
            vocabulary = [token for token in vocabulary if token != ""]
        tokens = self._read(vocabulary).reshape(-1).tolist()
        if not tokens:
            raise ValueError(f"Cannot set an empty vocabulary. Received: {vocabulary}")
        specials = self._specials
        has_specials = bool(specials) and tokens[: len(specials)] == specials
        weights = None if idf_weights is None else np.asarray(idf_weights, np.float32)
        if has_specials:
            tokens = tokens[len(specials) :]
            weights = None if weights is None else weights[len(specials) :]
        self._set(tokens, weights)

    def _set(self, tokens: list[Any], weights: Array | None) -> None:
        if len(set(tokens)) != len(tokens):
            twice = sorted({str(t) for t in tokens if tokens.count(t) > 1})
            raise ValueError(f"The vocabulary has at least one repeated term: {twice[:5]}")
        for special in (self.mask_token, self.oov_token):
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
        if weights is not None and len(weights) != len(tokens):
            raise ValueError(f"{len(weights)} weights for {len(tokens)} tokens")
        first = len(self._specials)
        self._tokens = list(tokens)
        self._index = {token: first + i for i, token in enumerate(tokens)}
        if weights is not None:
            unknown = np.full(self.num_oov_indices, weights.mean() if len(weights) else 0)
            self._weights = np.concatenate([unknown, weights]).astype(np.float32)
        self._is_known = True

    # -- learning ------------------------------------------------------------------------------

    def reset_state(self) -> None:
        """Forgets what was counted."""
        self._counts: dict[Any, int] = {}
        self._documents: dict[Any, int] = {}
        self._document_count = 0

    def update_state(self, data: Any) -> None:
        """Counts tokens.

        Parameters
        ----------
        data : array_like
            Tokens; rows are documents.
        """
        tokens = self._read(data)
        tokens = tokens.reshape(-1, 1) if tokens.ndim < 2 else tokens.reshape(len(tokens), -1)
        for row in tokens.tolist():
            self._count(row)

    def _count(self, row: list[Any]) -> None:
        for token in row:
            self._counts[token] = self._counts.get(token, 0) + 1
        for token in set(row):
            self._documents[token] = self._documents.get(token, 0) + 1
        self._document_count += 1

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted: the most frequent tokens first."""
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
        for batch in batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    # -- use -----------------------------------------------------------------------------------

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
        if not self._is_known:
            raise ValueError(
                f"{type(self).__name__} has no vocabulary: give it one, or call adapt() before"
            )
        if self.invert:
            return wrap(self._inverted(np.asarray(inputs)))
        return wrap(self._encoded(self._indices(self._read(inputs))))

    def _inverted(self, indices: Array) -> Array:
        words = self.get_vocabulary()
        found = [words[i] if 0 <= i < len(words) else self.oov_token for i in indices.reshape(-1)]
        kind: Any = object if isinstance(self.oov_token, str) else np.int64
        made = np.empty(len(found), kind)
        made[:] = found
        return made.reshape(indices.shape)

    def _indices(self, tokens: Array) -> Array:
        has_mask = self.mask_token is not None and self.output_mode == "int"
        flat = tokens.reshape(-1).tolist()
        made = np.empty(len(flat), np.int64)
        unknown = []
        for i, token in enumerate(flat):
            at = self._index.get(token)
            if self.mask_token is not None and token == self.mask_token:
                # Outside the mode "int" the mask has no column of its own.
                at = 0 if has_mask else -1
            if at is None:
                unknown.append(i)
                at = int(has_mask)
            made[i] = at
        if unknown and self.num_oov_indices == 0:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{[flat[i] for i in unknown[:5]]}, consider setting `num_oov_indices=1`."
            )
        if unknown and self.num_oov_indices > 1:
            made[unknown] += self._oov_hash([flat[i] for i in unknown], self.num_oov_indices)
        return made.reshape(tokens.shape)

    def _encoded(self, indices: Array) -> Array:
        size = self.vocabulary_size()
        depth = self.max_tokens if self.pad_to_max_tokens and self.max_tokens else size
        weights = self._weights
        if weights is not None and depth > len(weights):
            weights = np.pad(weights, (0, depth - len(weights)))
        return encode(indices, self.output_mode, depth, self._kind(), weights)

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one, its vocabulary included.

        Returns
        -------
        dict
        """
        weights = None if self._weights is None else self._weights[self.num_oov_indices :].tolist()
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
            "idf_weights": weights,
            "vocabulary": list(self._tokens) if self._is_known else None,
        }


class StringLookup(IndexLookup):
    """Words as indices of a vocabulary. Call it on data: it cannot be a part of a model.

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
    """Integers as indices of a vocabulary. Call it on data: it cannot be a part of a model.

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
        array = np.asarray(x)
        if array.dtype.kind in "UO":
            array = np.asarray([int(item) for item in array.reshape(-1) if item != ""])
        return array.astype(np.int64)

    def _oov_hash(self, tokens: list[Any], buckets: int) -> list[int]:
        if self.oov_method == "floormod" and self.salt is None:
            return [token % buckets for token in tokens]
        return super()._oov_hash(tokens, buckets)

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one, its vocabulary included.

        Returns
        -------
        dict
        """
        return {**super().get_config(), "vocabulary_dtype": self.vocabulary_dtype}
