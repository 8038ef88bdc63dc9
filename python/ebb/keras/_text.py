"""Texts as rows of indices: TextVectorization."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb._texts import to_texts
from ebb.keras._host_layer import HostLayer, wrap
from ebb.keras._lookup import MODES, StringLookup, refuse_path
from ebb.keras._object import nested
from ebb.keras._preprocessing import batches_of

Array = npt.NDArray[Any]

_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
# TensorFlow's functions see bytes: only ASCII letters are made small, and only ASCII blanks split.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_INNER = ("vocabulary_size", "has_input_vocabulary")  # of the layer that has the vocabulary
_STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")


class TextVectorization(HostLayer):
    """Texts as rows of indices of words, on data or inside a model.

    Keras's ``keras.layers.TextVectorization``.

    Parameters
    ----------
    max_tokens : int, optional
        Most words of the vocabulary, with the places for padding and unknown words.
    standardize : str, callable or None
        "lower_and_strip_punctuation", "lower", "strip_punctuation", or a function of an array of
        texts.
    split : str, callable or None
        "whitespace", "character", or a function of an array of texts that gives lists of words.
    ngrams : int or tuple of int, optional
        Up to how many, or how many, words make one token.
    output_mode : {"int", "multi_hot", "count", "tf_idf"}
        Form of the result.
    output_sequence_length : int, optional
        Length of every row in the mode "int"; by default that of the longest text.
    pad_to_max_tokens : bool
        Whether there are ``max_tokens`` columns in any case.
    vocabulary : list of str or path, optional
        None: taken from data by ``adapt``.
    idf_weights : list of float, optional
        For the mode "tf_idf".
    sparse, ragged : bool
        Not supported: False.
    encoding : str
        Has no effect: texts are Python's.
    name : str, optional
        Name of the layer.
    **kwargs
        Whatever else every layer takes.

    Examples
    --------
    >>> layer = ebb.keras.layers.TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["the cat sat", "the dog"])
    >>> layer(["the dog sat down"]).numpy().tolist()
    [[2, 4, 3, 1]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        more = {name: kwargs.pop(name) for name in _INNER if name in kwargs}
        super().__init__(name=name, **kwargs)
        if sparse or ragged:
            raise UnsupportedError("sparse and ragged tensors are not supported", self.name)
        if isinstance(standardize, str) and standardize not in _STANDARDS:
            raise ValueError(f"`standardize` must be one of {_STANDARDS}. Received: {standardize}")
        if isinstance(split, str) and split not in ("whitespace", "character"):
            raise ValueError(f'`split` must be "whitespace" or "character". Received: {split}')
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        if output_mode not in MODES or output_mode == "one_hot":
            raise ValueError(f"`output_mode`: no such one as {output_mode!r}")
        if output_sequence_length is not None and output_mode != "int":
            raise ValueError("`output_sequence_length` belongs to the output mode 'int'")
        self.max_tokens, self.standardize, self.split = max_tokens, standardize, split
        self.ngrams = _widths(ngrams)
        self._ngrams_given = ngrams
        self.output_mode, self.output_sequence_length = output_mode, output_sequence_length
        self.pad_to_max_tokens, self.encoding = pad_to_max_tokens, encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens, vocabulary=vocabulary, idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens, mask_token="", output_mode=output_mode,
            encoding=encoding, **more,
        )  # fmt: skip

    # -- texts to words ------------------------------------------------------------------------

    def _standardized(self, texts: Array) -> Array:
        if callable(self.standardize):
            return to_texts(self.standardize(texts))
        if self.standardize is None:
            return texts
        flat = texts.reshape(-1).tolist()
        if "lower" in self.standardize:
            flat = [text.lower() if text.isascii() else text.translate(_LOWER) for text in flat]
        if "strip" in self.standardize:
            strip = _PUNCTUATION.sub
            flat = [strip("", text) for text in flat]
        made = np.empty(len(flat), object)
        made[:] = flat
        return made.reshape(texts.shape)

    def _words(self, texts: Array) -> list[list[str]]:
        """The tokens of each text."""
        texts = self._standardized(texts)
        if self.split is None:
            rows = [[text] for text in texts.reshape(-1)] if texts.ndim < 2 else texts.tolist()
        elif callable(self.split):
            rows = [[str(word) for word in _plain(row)] for row in _plain(self.split(texts))]
        elif self.split == "character":
            rows = [list(text) for text in texts.reshape(-1)]
        else:
            rows = [_split(text) for text in texts.reshape(-1).tolist()]
        return rows if self.ngrams is None else [_grams(row, self.ngrams) for row in rows]

    def _texts(self, x: Any) -> Array:
        texts = to_texts(x)
        if texts.ndim > 1 and self.split is not None:
            if texts.ndim > 2 or texts.shape[-1] != 1:
                raise ValueError(
                    "When using `TextVectorization` to tokenize strings, the input rank must be 1 "
                    f"or the last shape dimension must be 1. Received: {texts.shape}"
                )
            texts = texts[:, 0]
        return texts

    # -- vocabulary ----------------------------------------------------------------------------

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes the vocabulary of texts: the most frequent words first.

        Parameters
        ----------
        data : list of str, array or dataset
            Texts, or batches of texts; not labels.
        batch_size : int, optional
            Has no effect.
        steps : int, optional
            Batches of a dataset that are used.
        """
        self.reset_state()
        for batch in batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts words.

        Parameters
        ----------
        data : list of str, or array
            Texts.
        """
        rows = self._words(np.atleast_1d(self._texts(data)))
        for row in rows:
            self._lookup_layer.update_state(row)

    def reset_state(self) -> None:
        """Forgets what was counted."""
        self._lookup_layer.reset_state()

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words, in the order of their indices.

        Parameters
        ----------
        include_special_tokens : bool
            Whether padding ("") and unknown words ("[UNK]") are there too.

        Returns
        -------
        list of str
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """How many indices there are.

        Returns
        -------
        int
        """
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Gives the words.

        Parameters
        ----------
        vocabulary : list of str or path
            With or without the special ones before it.
        idf_weights : list of float, optional
            For the mode "tf_idf".
        """
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    # -- use -----------------------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        """Rows of indices.

        Parameters
        ----------
        inputs : str, list of str or array
            ``(n,)`` or ``(n, 1)`` texts, or a single one.

        Returns
        -------
        Tensor
            int64 ``(n, length)``, or float32 ``(n, words)`` for the other output modes; without
            the first axis for a single text.

        Raises
        ------
        ValueError
            There is no vocabulary.
        """
        return wrap(self._compute(inputs))

    def _compute(self, inputs: Any) -> Array:
        held = self._lookup_layer
        if not held._is_known:
            raise ValueError(
                f"TextVectorization '{self.name}' has no vocabulary: call adapt() before"
            )
        texts = self._texts(inputs)
        if self.split is None and self.ngrams is None and self.output_sequence_length is None:
            return held._encoded(held._indices(self._standardized(texts)))
        rows = self._words(np.atleast_1d(texts))
        made = held._rows(rows, self.output_sequence_length)
        single: Array = made[0] if texts.ndim == 0 else made
        return single

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for a shape of input, as Keras says it."""
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return (shape[0], self.output_sequence_length)
        if self.split is not None:
            shape = (*shape, None)
        elif len(shape) <= 1:
            shape = (*shape, 1)
        return self._lookup_layer.compute_output_shape(shape)

    def _true_shape(self, shape: Any) -> Any:
        shape = tuple(shape)
        is_plain = self.split is None and self.ngrams is None
        if self.output_mode == "int":
            is_same = is_plain and self.output_sequence_length is None
            return shape if is_same else (shape[0], self.output_sequence_length)
        return (shape[0], self._lookup_layer.compute_output_shape((None, None))[-1])

    @property
    def compute_dtype(self) -> str:
        """Texts."""
        return "string"

    variable_dtype = compute_dtype

    # -- configuration and files ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one; what was learned is no part of it, as in Keras.

        Returns
        -------
        dict
        """
        held = self._lookup_layer.get_config()
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.entry(),
            "max_tokens": self.max_tokens,
            "standardize": self.standardize,
            "split": self.split,
            "ngrams": self._ngrams_given,
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": held["vocabulary"],
            "idf_weights": held["idf_weights"],
            "encoding": self.encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer of what ``get_config()`` gave."""
        refuse_path(config)
        for key in ("standardize", "split"):
            config[key] = nested(config.get(key))
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)

    @property
    def _is_lost_without_assets(self) -> bool:  # type: ignore[override]
        return self._lookup_layer._is_lost_without_assets

    def _state(self) -> Any:
        return self._lookup_layer._state()

    def _state_set(self, state: Any) -> None:
        self._lookup_layer._state_set(state)

    def save_own_variables(self, store: Any) -> None:
        """Writes what numbers it learned to a file."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Reads them."""
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: Any) -> None:
        """Writes the vocabulary, if it is not in the configuration, to a folder.

        Parameters
        ----------
        dir_path : path
        """
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: Any) -> None:
        """Reads it.

        Parameters
        ----------
        dir_path : path
        """
        self._lookup_layer.load_assets(dir_path)


def _split(text: str) -> list[str]:
    """Its words. ``str.split`` knows more blanks, but none of them is printable."""
    return text.split() if text.isascii() and text.isprintable() else _WORD.findall(text)


def _widths(ngrams: Any) -> tuple[int, ...] | None:
    if ngrams is None:
        return None
    if isinstance(ngrams, int) and ngrams > 0:
        return tuple(range(1, ngrams + 1))
    if isinstance(ngrams, (tuple, list)) and all(isinstance(n, int) and n > 0 for n in ngrams):
        return tuple(ngrams)
    raise ValueError(f"`ngrams` must be None, a positive integer or a tuple: {ngrams}")


def _grams(words: list[str], widths: tuple[int, ...]) -> list[str]:
    return [
        " ".join(words[at : at + width]) for width in widths for at in range(len(words) - width + 1)
    ]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return value.to_list() if hasattr(value, "to_list") else value
