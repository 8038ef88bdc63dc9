"""Texts: vocabularies, forms of input, a classifier from texts to labels."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from ebb import keras
from ebb._dataset import Dataset
from ebb.keras.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)

TEXTS = ["good film", "bad film", "very good", "very bad indeed"]


def test_vectorization_on_datasets() -> None:
    """adapt() on a dataset of texts, then map, then fit: the usual script."""
    labels = np.array([1.0, 0, 1, 0], np.float32)
    data = Dataset.from_tensor_slices((TEXTS * 8, np.tile(labels, 8))).batch(8)
    layer = keras.layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    layer.adapt(data.map(lambda text, label: text))
    assert layer.get_vocabulary()[:2] == ["", "[UNK]"]
    assert layer.vocabulary_size() == 7
    ready = data.map(lambda text, label: (layer(text), label))
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int64"),
            keras.layers.Embedding(20, 8),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(ready, epochs=15, verbose=0)
    assert history.history["accuracy"][-1] == 1.0


def test_forms_of_texts() -> None:
    """A text, lists, arrays of str, bytes and objects, columns."""
    layer = keras.layers.TextVectorization(vocabulary=["a", "b"])
    assert layer("b a").numpy().tolist() == [3, 2]
    for texts in (
        ["b a", "a"],
        np.array(["b a", "a"]),
        np.array([b"b a", b"a"]),
        np.array(["b a", "a"], object),
        np.array([["b a"], ["a"]]),
    ):
        assert layer(texts).numpy().tolist() == [[3, 2], [2, 0]]
    with pytest.raises(TypeError, match="texts"):
        layer([1, 2])
    with pytest.raises(ValueError, match="input rank"):
        layer(np.array([["a", "b"]]))
    with pytest.raises(ValueError, match="adapt"):
        keras.layers.TextVectorization()(["a"])


def test_functions_of_the_user() -> None:
    """Callables in place of the standard ones are given arrays of texts."""
    layer = keras.layers.TextVectorization(
        standardize=lambda texts: [text.replace("-", " ") for text in texts],
        split=lambda texts: [text.split() for text in texts],
    )
    layer.adapt(["x-y", "x"])
    assert layer.get_vocabulary() == ["", "[UNK]", "x", "y"]
    assert layer(["y-x"]).numpy().tolist() == [[3, 2]]


def test_vocabulary_errors() -> None:
    """Repeated, reserved, too many, none."""
    with pytest.raises(ValueError, match="repeated"):
        keras.layers.StringLookup(vocabulary=["a", "a"])
    with pytest.raises(ValueError, match="reserved"):
        keras.layers.StringLookup(vocabulary=["a", "[UNK]"], invert=True)
    with pytest.raises(ValueError, match="reserved"):
        keras.layers.StringLookup(vocabulary=["a", ""], mask_token="")
    with pytest.raises(ValueError, match="does not exist"):
        keras.layers.StringLookup(vocabulary="no/such/file")
    with pytest.raises(ValueError, match="max_tokens"):
        keras.layers.StringLookup(vocabulary=["a", "b"], max_tokens=2)
    with pytest.raises(ValueError, match="empty"):
        keras.layers.StringLookup(vocabulary=[])
    with pytest.raises(ValueError, match="idf_weights"):
        keras.layers.StringLookup(vocabulary=["a"], output_mode="tf_idf")
    with pytest.raises(ValueError, match="num_oov_indices"):
        keras.layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["z"])
    with pytest.raises(ValueError, match="output_mode"):
        keras.layers.StringLookup(output_mode="other")


def test_vocabulary_of_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """One token in each line."""
    path = tmp_path / "words.txt"
    path.write_text("red\ngreen\n")
    layer = keras.layers.StringLookup(vocabulary=str(path))
    assert layer(["green", "blue"]).numpy().tolist() == [2, 0]


def test_configurations() -> None:
    """A copy gives the same; a configuration has only what the constructor was given."""
    first = keras.layers.TextVectorization(ngrams=2, output_mode="count")
    first.adapt(TEXTS)
    again = copy.deepcopy(first)
    assert again.get_vocabulary() == first.get_vocabulary()
    assert np.array_equal(again(TEXTS), first(TEXTS))
    learned = keras.layers.TextVectorization.from_config(first.get_config())
    with pytest.raises(ValueError, match="no vocabulary"):
        learned(TEXTS)
    lookup = keras.layers.StringLookup(output_mode="tf_idf")
    lookup.adapt(np.array([["a", "b"], ["b", "c"]]))
    again = copy.deepcopy(lookup)
    assert np.array_equal(again([["a", "q"]]), lookup([["a", "q"]]))
    given = keras.layers.StringLookup(
        vocabulary=["[UNK]", "a"], idf_weights=[0.9, 0.5], output_mode="tf_idf"
    )
    again = keras.layers.StringLookup.from_config(given.get_config())
    assert again([["a", "q"]]).numpy().tolist() == given([["a", "q"]]).numpy().tolist()
    np.testing.assert_allclose(given([["a", "q"]]), [[0.9, 0.5]])
    backwards = keras.layers.StringLookup(vocabulary=["a", "b"], invert=True)
    assert backwards([0, 1, 2]).tolist() == ["[UNK]", "a", "b"]


def test_tokenizer() -> None:
    """The tokenizer of older scripts."""
    tokenizer = Tokenizer(num_words=10, oov_token="<unk>")
    tokenizer.fit_on_texts(["The cat sat.", "The dog sat, the dog ran!"])
    assert tokenizer.word_index == {"<unk>": 1, "the": 2, "sat": 3, "dog": 4, "cat": 5, "ran": 6}
    assert tokenizer.texts_to_sequences(["the bird sat"]) == [[2, 1, 3]]
    assert tokenizer.sequences_to_texts([[2, 4, 99]]) == ["the dog <unk>"]
    counts = tokenizer.texts_to_matrix(["the the dog"], "count")
    assert (counts.shape, counts[0, 2], counts[0, 4]) == ((1, 10), 2, 1)
    assert tokenizer.texts_to_matrix(["the dog"], "freq")[0, 2] == 0.5
    assert tokenizer.texts_to_matrix(["the dog"], "tfidf")[0, 4] == pytest.approx(np.log(2))
    again = tokenizer_from_json(tokenizer.to_json())
    assert again.texts_to_sequences(["the dog"]) == tokenizer.texts_to_sequences(["the dog"])
    letters = Tokenizer(char_level=True)
    letters.fit_on_texts(["aab"])
    assert letters.texts_to_sequences(["ba"]) == [[2, 1]]
    with pytest.raises(ValueError, match="mode"):
        tokenizer.texts_to_matrix(["a"], "other")


def test_words_and_hashes() -> None:
    """Cutting and hashing."""
    assert text_to_word_sequence("Hello, World! x") == ["hello", "world", "x"]
    assert hashing_trick("a b a", 10, "md5")[0] == hashing_trick("a", 10, "md5")[0]
    assert all(1 <= number < 10 for number in one_hot("some words here", 10))
