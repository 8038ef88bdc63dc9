"""Texts as rows of indices: TextVectorization. It works on the data, before a model."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb.keras._lookup import MODES, HostLayer, StringLookup, to_texts, wrap
from ebb.keras._preprocessing import batches_of

Array = npt.NDArray[Any]

_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
# TensorFlow's functions see bytes: only ASCII letters are made small, and only ASCII blanks split.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")


class TextVectorization(HostLayer):
    """Texts as rows of indices of words. Call it on data: it cannot be a part of a model.

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
        kwargs.pop("vocabulary_size", None)  # in files: what the vocabulary says itself
        super().__init__(name=name, **kwargs)
        if sparse or ragged:
            raise UnsupportedError("sparse and ragged tensors are not supported", self.name)
        if isinstance(standardize, str) and standardize not in _STANDARDS:
            raise ValueError(f"`standardize` must be one of {_STANDARDS}. Received: {standardize}")
        if isinstance(split, str) and split not in ("whitespace", "character"):
            raise ValueError(f'`split` must be "whitespace" or "character". Received: {split}')
        if output_mode not in MODES or output_mode == "one_hot":
            raise ValueError(f"`output_mode`: no such one as {output_mode!r}")
        if output_sequence_length is not None and output_mode != "int":
            raise ValueError("`output_sequence_length` belongs to the output mode 'int'")
        self.max_tokens, self.standardize, self.split = max_tokens, standardize, split
        self.ngrams = _widths(ngrams)
        self._ngrams_given = ngrams
        self.output_mode, self.output_sequence_length = output_mode, output_sequence_length
        self.pad_to_max_tokens, self.encoding = pad_to_max_tokens, encoding
        self._lookup = StringLookup(
            max_tokens=max_tokens, vocabulary=vocabulary, idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens, mask_token="", output_mode=output_mode,
            name=f"{self.name}_lookup",
        )  # fmt: skip

    # -- texts to words ------------------------------------------------------------------------

    def _standardized(self, texts: Array) -> Array:
        if callable(self.standardize):
            return to_texts(self.standardize(texts))
        if self.standardize is None:
            return texts
        made = np.empty(texts.shape, object)
        for at, text in np.ndenumerate(texts):
            lowered = text.translate(_LOWER) if "lower" in self.standardize else text
            made[at] = _PUNCTUATION.sub("", lowered) if "strip" in self.standardize else lowered
        return made

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
            rows = [_WORD.findall(text) for text in texts.reshape(-1)]
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
        self._lookup.reset_state()
        for batch in batches_of(data, steps):
            for row in self._words(np.atleast_1d(self._texts(batch))):
                self._lookup._count(row)
        self._lookup.finalize_state()

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
        return self._lookup.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """How many indices there are.

        Returns
        -------
        int
        """
        return self._lookup.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Gives the words.

        Parameters
        ----------
        vocabulary : list of str or path
            With or without the special ones before it.
        idf_weights : list of float, optional
            For the mode "tf_idf".
        """
        self._lookup.set_vocabulary(vocabulary, idf_weights)

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
        if not self._lookup._is_known:
            raise ValueError("TextVectorization has no vocabulary: call adapt() before")
        texts = self._texts(inputs)
        if self.split is None and self.ngrams is None and self.output_sequence_length is None:
            return wrap(self._lookup._encoded(self._lookup._indices(self._standardized(texts))))
        rows = self._words(np.atleast_1d(texts))
        length = max((len(row) for row in rows), default=0)
        if self.output_mode == "int" and self.output_sequence_length is not None:
            length = self.output_sequence_length
        padded = np.full((len(rows), length), "", object)
        for line, row in zip(padded, rows):
            line[: len(row)] = row[:length]
        made = self._lookup._encoded(self._lookup._indices(padded))
        return wrap(made[0] if texts.ndim == 0 else made)

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one, its vocabulary included.

        Returns
        -------
        dict
        """
        held = self._lookup.get_config()
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
        }


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
