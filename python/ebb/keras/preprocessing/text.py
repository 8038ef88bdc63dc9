"""Words as numbers: the tokenizer of older scripts."""

from __future__ import annotations

import collections
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

Array = npt.NDArray[Any]
_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    input_text: str, filters: str = _FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """Cuts a text into words.

    Parameters
    ----------
    input_text : str
        The text.
    filters : str
        Characters that are taken for the separator.
    lower : bool
        Whether letters become small ones.
    split : str
        Separator.

    Returns
    -------
    list of str
    """
    text = input_text.lower() if lower else input_text
    table: dict[str, int | str | None] = dict.fromkeys(filters, split)
    text = text.translate(str.maketrans(table))
    return [word for word in text.split(split) if word]


def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list[str]] | None = None,
) -> list[int]:
    """Words as numbers from 1 to ``n - 1`` by a hash; different words may share one.

    Parameters
    ----------
    text : str
        The text.
    n : int
        Size of the space of numbers.
    hash_function : callable or "md5", optional
        Python's ``hash`` by default, which differs from run to run.
    filters, lower, split
        See ``text_to_word_sequence``.
    analyzer : callable, optional
        Cuts the text in place of it.

    Returns
    -------
    list of int
    """
    if hash_function == "md5":
        hash_function = lambda word: int(hashlib.md5(word.encode()).hexdigest(), 16)  # noqa: E731
    function = hash_function or hash
    words = analyzer(text) if analyzer else text_to_word_sequence(text, filters, lower, split)
    return [function(word) % (n - 1) + 1 for word in words]


def one_hot(
    input_text: str,
    n: int,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list[str]] | None = None,
) -> list[int]:
    """``hashing_trick`` with Python's hash.

    Parameters
    ----------
    input_text : str
        The text.
    n : int
        Size of the space of numbers.
    filters, lower, split, analyzer
        See ``hashing_trick``.

    Returns
    -------
    list of int
    """
    return hashing_trick(input_text, n, None, filters, lower, split, analyzer)


class Tokenizer:
    """Numbers words by how often they are met: 1 is the most frequent.

    Parameters
    ----------
    num_words : int, optional
        Words with larger numbers are left out of results.
    filters, lower, split
        See ``text_to_word_sequence``.
    char_level : bool
        Whether every character is a word.
    oov_token : str, optional
        Stands for words that are not known; it is number 1.
    analyzer : callable, optional
        Cuts texts.

    Attributes
    ----------
    word_index, index_word : dict
    word_counts : dict
        In the order of their first appearance.
    document_count : int
    word_docs, index_docs : dict
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], list[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.document_count = int(kwargs.pop("document_count", 0))
        if kwargs:
            raise TypeError(f"Tokenizer: unknown arguments {sorted(kwargs)}")
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.word_counts: dict[str, int] = collections.OrderedDict()
        self.word_docs: dict[str, int] = collections.defaultdict(int)
        self.index_docs: dict[int, int] = collections.defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> list[str]:
        if self.char_level or isinstance(text, list):
            lowered: Any = text
            if self.lower:
                lowered = (
                    [item.lower() for item in text] if isinstance(text, list) else text.lower()
                )
            return list(lowered)
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts the words of texts, and numbers them anew.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
            The texts.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        ordered = sorted(self.word_counts.items(), key=lambda item: item[1], reverse=True)
        first = [] if self.oov_token is None else [self.oov_token]
        names = first + [word for word, _ in ordered]
        self.word_index = {word: number for number, word in enumerate(names, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Counts documents of numbers, for ``sequences_to_matrix`` with "tfidf".

        Parameters
        ----------
        sequences : iterable of lists of int
            The documents.
        """
        for sequence in sequences:
            self.document_count += 1
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Texts as lists of numbers; unknown words are left out, or the ``oov_token``'s.

        Parameters
        ----------
        texts : iterable of str
            The texts.

        Returns
        -------
        list of list of int
        """
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """The same, one at a time.

        Parameters
        ----------
        texts : iterable of str
            The texts.

        Yields
        ------
        list of int
        """
        other = None if self.oov_token is None else self.word_index.get(self.oov_token)
        for text in texts:
            numbers = []
            for word in self._words(text):
                number = self.word_index.get(word)
                if number is None or (self.num_words and number >= self.num_words):
                    number = other
                if number is not None:
                    numbers.append(number)
            yield numbers

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Numbers as texts, words with blanks between them.

        Parameters
        ----------
        sequences : iterable of lists of int
            The numbers.

        Returns
        -------
        list of str
        """
        made = []
        for sequence in sequences:
            words = []
            for number in sequence:
                word = self.index_word.get(number)
                if word is None or (self.num_words and number >= self.num_words):
                    word = self.oov_token
                if word is not None:
                    words.append(word)
            made.append(" ".join(words))
        return made

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> Array:
        """Texts as rows of numbers, one column for each word.

        Parameters
        ----------
        texts : iterable of str
            The texts.
        mode : {"binary", "count", "tfidf", "freq"}
            What is in the columns.

        Returns
        -------
        ndarray of float64, ``(texts, words)``
        """
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Iterable[Any], mode: str = "binary") -> Array:
        """Lists of numbers as rows, one column for each word.

        Parameters
        ----------
        sequences : list of lists of int
            The numbers.
        mode : {"binary", "count", "tfidf", "freq"}
            What is in the columns.

        Returns
        -------
        ndarray of float64, ``(sequences, words)``

        Raises
        ------
        ValueError
            Nothing was fitted, or the mode is unknown.
        """
        if mode not in ("binary", "count", "tfidf", "freq"):
            raise ValueError(f"mode: expected binary, count, tfidf or freq, found {mode!r}")
        if not self.num_words and not self.word_index:
            raise ValueError("set num_words, or fit the tokenizer on texts before")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("fit the tokenizer on texts before the mode tfidf")
        rows = list(sequences)
        width = self.num_words or len(self.word_index) + 1
        made = np.zeros((len(rows), width))
        for row, sequence in zip(made, rows):
            counts = collections.Counter(number for number in sequence if number < width)
            for number, count in counts.items():
                if mode == "binary":
                    row[number] = 1
                elif mode == "count":
                    row[number] = count
                elif mode == "freq":
                    row[number] = count / len(sequence)
                else:
                    seen = self.index_docs.get(number, 0)
                    row[number] = (1 + np.log(count)) * np.log(1 + self.document_count / (1 + seen))
        return made

    def get_config(self) -> dict[str, Any]:
        """What makes a tokenizer like this one; dictionaries as JSON texts.

        Returns
        -------
        dict
        """
        held = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in held},
        }

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as a JSON text.

        Parameters
        ----------
        **kwargs
            For ``json.dumps``.

        Returns
        -------
        str
        """
        return json.dumps({"class_name": "Tokenizer", "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """A tokenizer of what ``to_json`` gave.

    Parameters
    ----------
    json_string : str
        The text.

    Returns
    -------
    Tokenizer
    """
    config = json.loads(json_string)["config"]
    held = {
        name: json.loads(config.pop(name))
        for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
    }
    made = Tokenizer(**config)
    made.word_counts = collections.OrderedDict(held["word_counts"])
    made.word_docs.update(held["word_docs"])
    made.index_docs.update({int(key): value for key, value in held["index_docs"].items()})
    made.word_index = held["word_index"]
    made.index_word = {int(key): value for key, value in held["index_word"].items()}
    return made
