"""Models with layers of texts and lookups, built alike with Keras and with ebb.keras."""

from __future__ import annotations

import json
import pathlib
import zipfile
from typing import Any, Callable

import numpy as np

TEXTS = [
    "A wonderful film, truly wonderful!",
    "Dull. Dull; dull...",
    "the actors were wonderful   and the plot was not",
    "I slept",
    "What a plot!  what a cast!",
    "not my kind of film: dull plot, dull cast",
    "wonderful wonderful wonderful",
    "i would not watch the film again",
    "the cast is great",
    "great film, great cast, great plot, great music",
]
LABELS = np.array([1, 0, 1, 0, 1, 0, 1, 0, 1, 1], np.float32)


def features() -> dict[str, Any]:
    """Columns of a table: numbers and words."""
    return {
        "age": np.array([23, 67, 45, 31, 59, 72, 38, 50, 29, 64], np.float32),
        "code": np.array([1, 2, 2, 9, 1, 3, 3, 2, 1, 7], np.int64),
        "colour": np.array(list("rgbrgybrgr"), object),
        "kind": np.array(["ab", "cd", "ab", "ef", "cd", "ab", "xy", "ef", "ab", "cd"], object),
    }


def fill(model: Any) -> None:
    """Weights that are the same everywhere."""
    for number, variable in enumerate(model.trainable_variables):
        numbers = np.random.RandomState(number).uniform(-0.4, 0.4, tuple(variable.shape))
        variable.assign(numbers.astype(np.float32))


def fixed_length(keras: Any) -> Any:
    """The usual classifier of texts: padded to one length, embedded, convolved."""
    vectorize = keras.layers.TextVectorization(max_tokens=24, output_sequence_length=9)
    vectorize.adapt(TEXTS)
    return keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorize,
            keras.layers.Embedding(24, 5),
            keras.layers.Conv1D(6, 3, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def any_length(keras: Any) -> Any:
    """Rows are as long as the longest text of their batch, and masked."""
    text = keras.Input((), dtype="string", name="text")
    vectorize = keras.layers.TextVectorization(split="character", standardize="lower")
    vectorize.adapt(TEXTS)
    x = vectorize(text)
    x = keras.layers.Embedding(vectorize.vocabulary_size(), 4, mask_zero=True)(x)
    x = keras.layers.GRU(3)(x)
    return keras.Model(text, keras.layers.Dense(1, activation="sigmoid")(x))


def padded_mean(keras: Any) -> Any:
    """The same without a mask: padding counts, so that batches have to be cut as Keras does."""
    vectorize = keras.layers.TextVectorization()
    vectorize.adapt(TEXTS)
    return keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorize,
            keras.layers.Embedding(40, 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ]
    )


def bags(mode: str) -> Callable[[Any], Any]:
    """Bags of words and pairs."""

    def build(keras: Any) -> Any:
        text = keras.Input((), dtype="string", name="text")
        vectorize = keras.layers.TextVectorization(
            max_tokens=30, ngrams=2, output_mode=mode, pad_to_max_tokens=mode == "count"
        )
        vectorize.adapt(TEXTS)
        x = keras.layers.Dense(4, activation="relu")(vectorize(text))
        return keras.Model(text, keras.layers.Dense(1)(x))

    return build


def table(keras: Any) -> Any:
    """Structured data: each column in its own way."""
    layers, data = keras.layers, features()
    age = keras.Input((1,), name="age")
    code = keras.Input((1,), name="code", dtype="int64")
    colour = keras.Input((1,), name="colour", dtype="string")
    kind = keras.Input((1,), name="kind", dtype="string")
    normalize = layers.Normalization()
    normalize.adapt(data["age"].reshape(-1, 1))
    codes = layers.IntegerLookup(output_mode="multi_hot", max_tokens=5)
    codes.adapt(data["code"])
    colours = layers.StringLookup(output_mode="one_hot")
    colours.adapt(data["colour"])
    indices = layers.StringLookup(vocabulary=["ab", "cd"], num_oov_indices=2)
    ages = layers.Discretization(bin_boundaries=[30.0, 50.0])
    parts = [
        normalize(age),
        codes(code),
        colours(colour),
        layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(indices(kind)),
        layers.Hashing(6, output_mode="one_hot")(kind),
        layers.Hashing(5, output_mode="one_hot", salt=[3, 4])(code),
        layers.HashedCrossing(7, output_mode="one_hot")((ages(age), colour)),
        layers.Flatten()(layers.Embedding(5, 2)(indices(colour))),
    ]
    x = layers.Dense(6, activation="relu")(layers.Concatenate()(parts))
    inputs = {"age": age, "code": code, "colour": colour, "kind": kind}
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def whole(keras: Any) -> Any:
    """A model of indices behind a vectorizer: what is handed out in the end."""
    vectorize = keras.layers.TextVectorization(vocabulary=["the", "film", "dull", "great"])
    inner = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            keras.layers.Embedding(6, 3),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model = keras.Sequential([keras.Input((1,), dtype="string"), vectorize, inner])
    return model


def in_and_out(keras: Any) -> Any:
    """Words to indices, indices to words, and all modes of lookups as outputs."""
    layers = keras.layers
    word = keras.Input((1,), dtype="string", name="word")
    number = keras.Input((2,), dtype="int64", name="number")
    forth = layers.StringLookup(mask_token="", num_oov_indices=2)
    forth.adapt(["x", "y", "y", ""])
    back = layers.StringLookup(
        vocabulary=forth.get_vocabulary(), mask_token="", num_oov_indices=2, invert=True
    )
    weighted = layers.IntegerLookup(
        vocabulary=[3, 4], idf_weights=[0.5, 0.25], output_mode="tf_idf", name="weighted"
    )
    counted = layers.IntegerLookup(output_mode="count", num_oov_indices=2, name="counted")
    counted.adapt(np.array([3, 3, 5]))
    words = layers.TextVectorization(output_mode="tf_idf", name="words")
    words.adapt(TEXTS)
    found = forth(word)
    scores = layers.Dense(3, name="scores")(layers.Rescaling(0.5)(counted(number)))
    label = layers.StringLookup(vocabulary=["p", "q"], invert=True, name="label")
    outputs = [found, back(found), weighted(number), scores, words(word)]
    return keras.Model([word, number], [*outputs, label(keras.ops.argmax(scores, axis=-1))])


TRAINED: dict[str, Callable[[Any], Any]] = {
    "fixed length": fixed_length,
    "any length": any_length,
    "padded mean": padded_mean,
    "multi hot": bags("multi_hot"),
    "count": bags("count"),
    "tf idf": bags("tf_idf"),
    "table": table,
    "whole": whole,
}
ALL = {**TRAINED, "in and out": in_and_out}
WORDS, NUMBERS = ["x", "zzz", "", "y"], [[3, 4], [5, 9], [3, 3], [0, 4]]


def inputs_of(name: str, texts: Callable[[Any], Any]) -> Any:
    """What the model is given; ``texts`` makes what the library takes for texts."""
    if name == "in and out":
        return [texts([[word] for word in WORDS]), np.array(NUMBERS, np.int64)]
    if name != "table":
        return texts(TEXTS)
    return {key: texts(x) if x.dtype == object else x for key, x in features().items()}


def listed(outputs: Any) -> Any:
    """Arrays as JSON has them; texts as texts."""
    if isinstance(outputs, (list, tuple)):
        return [listed(output) for output in outputs]
    array = np.asarray(outputs)
    if array.dtype == object:
        return [x.decode() if isinstance(x, bytes) else x for x in array.reshape(-1).tolist()]
    return array.tolist()


def config(path: Any) -> Any:
    """config.json of a file, without what differs from run to run."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(x) for key, x in value.items() if key != "shared_object_id"}
        return [plain(x) for x in value] if isinstance(value, list) else value

    with zipfile.ZipFile(path) as archive:
        return plain(json.loads(archive.read("config.json")))


def assets(path: Any) -> dict[str, str]:
    """Name to text of the files beside the weights, in the order of the archive."""
    with zipfile.ZipFile(pathlib.Path(path)) as archive:
        names = [name for name in archive.namelist() if name.startswith("assets/")]
        return {name: archive.read(name).decode() for name in names}
