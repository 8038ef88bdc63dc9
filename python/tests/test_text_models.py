"""Layers of texts and lookups inside models: numbers, tables and files as Keras has them."""

from __future__ import annotations

import copy
import io
import json
import pathlib
import pickle
import sys
import weakref
import zipfile
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb._dataset import Dataset

FOLDER = pathlib.Path(__file__).resolve().parent / "goldens"
sys.path.insert(0, str(FOLDER))

import text_cases  # noqa: E402

GOLDENS = json.loads((FOLDER / "texts.json").read_text())
TEXTS, LABELS = text_cases.TEXTS, text_cases.LABELS


def same(ours: Any, wanted: Any) -> None:
    """Numbers within float32 sums in another order; words exactly."""
    if isinstance(wanted, list) and len(wanted) and not isinstance(wanted[0], (int, float)):
        if isinstance(wanted[0], str):
            assert ours == wanted
            return
        assert len(ours) == len(wanted)
        for one, other in zip(ours, wanted):
            same(one, other)
        return
    np.testing.assert_allclose(ours, wanted, rtol=2e-5, atol=2e-6)


def built(name: str) -> Any:
    """A case's model with its weights."""
    keras.backend.clear_session()
    model = text_cases.ALL[name](keras)
    text_cases.fill(model)
    return model


def column(values: Any) -> Any:
    """Texts as users have them: arrays of objects."""
    return np.asarray(values, object)


# -- as Keras -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(text_cases.ALL))
def test_predictions(name: str) -> None:
    """Batch by batch, one call, and a batch of its own."""
    model, golden = built(name), GOLDENS[name]
    x = text_cases.inputs_of(name, column)
    same(text_cases.listed(model.predict(x, batch_size=4, verbose=0)), golden["predicted"])
    whole = text_cases.listed(model.predict_on_batch(x))
    if name not in ("padded mean", "any length", "whole"):  # padded to the longest of all rows
        same(whole, golden["predicted"])
    same(text_cases.listed(model(x)), whole)


@pytest.mark.parametrize("name", list(text_cases.TRAINED))
def test_training(name: str) -> None:
    """fit and evaluate on a dataset, and what the model says then."""
    model, golden = built(name), GOLDENS[name]
    x = text_cases.inputs_of(name, column)
    data = Dataset.from_tensor_slices((x, LABELS)).batch(4)
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    history = model.fit(data, epochs=3, verbose=0).history
    for key, values in golden["history"].items():
        same(history[key], values)
    same(model.evaluate(data, verbose=0), golden["evaluated"])
    same(text_cases.listed(model.predict(data, verbose=0)), golden["afterwards"])


@pytest.mark.parametrize("name", [name for name in text_cases.ALL if name != "any length"])
def test_tables(name: str) -> None:
    """summary() names the layers and shapes that Keras names."""
    model = built(name)
    lines: list[str] = []
    model.summary(line_length=80, print_fn=lines.append)
    assert "\n".join(lines) == GOLDENS[name]["summary"]


@pytest.mark.parametrize("name", list(text_cases.ALL))
def test_files(name: str, tmp_path: pathlib.Path) -> None:
    """The configuration and the files beside the weights are Keras's; the model comes back."""
    model, golden = built(name), GOLDENS[name]
    path = tmp_path / "model.keras"
    model.save(path)
    wanted = golden["config"]
    if name == "any length":  # Keras writes its masks as operations of their own
        wanted = text_cases.config(path)
    if not wanted.get("compile_config"):
        wanted.pop("compile_config", None)
    assert text_cases.config(path) == wanted
    assert text_cases.assets(path) == golden["assets"]
    again = keras.models.load_model(path)
    x = text_cases.inputs_of(name, column)
    same(text_cases.listed(again.predict(x, batch_size=4, verbose=0)), golden["predicted"])
    assert sorted(tmp_path.iterdir()) == [path]


def test_file_of_keras() -> None:
    """A file that Keras wrote, with vocabularies beside the weights and in the configuration."""
    model = keras.models.load_model(FOLDER / "texts.keras")
    x = text_cases.inputs_of("in and out", column)
    golden = GOLDENS["in and out"]["predicted"]
    same(text_cases.listed(model.predict(x, batch_size=4, verbose=0)), golden)
    words = model.get_layer("words").get_vocabulary()
    wanted = GOLDENS["in and out"]["assets"]["assets/layers/text_vectorization/vocabulary.txt"]
    assert words == wanted.split("\n")


# -- forms of data --------------------------------------------------------------------------------


def test_forms_of_texts() -> None:
    """Arrays of str, bytes and objects, lists, columns, datasets, generators: the same numbers."""
    model = built("fixed length")
    wanted = model.predict(column(TEXTS), verbose=0)
    for x in (
        TEXTS,
        [[text] for text in TEXTS],
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS)[:, None],
        np.array([text.encode() for text in TEXTS]),
        Dataset.from_tensor_slices(TEXTS).batch(3),
    ):
        np.testing.assert_array_equal(model.predict(x, verbose=0), wanted)
        if not isinstance(x, Dataset):
            np.testing.assert_array_equal(model(x).numpy(), wanted)
    model.compile("sgd", "mse")
    value = model.evaluate(TEXTS, LABELS, verbose=0)

    def batches() -> Any:
        for start in range(0, len(TEXTS), 4):
            yield np.array(TEXTS[start : start + 4]), LABELS[start : start + 4]

    assert model.evaluate(batches(), verbose=0) == pytest.approx(value)
    assert model.test_on_batch(TEXTS, LABELS) == pytest.approx(value)
    for wrong, message in (([1, 2], "expected texts"), (np.ones((2, 1)), "expected texts")):
        with pytest.raises(ValueError, match=message):
            model.predict(wrong, verbose=0)
    numbers = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for x in (np.array([["a", "b"]]), [["a", "b"]]):
        with pytest.raises(ValueError, match="expected"):
            numbers.predict(x, verbose=0)


def test_fit_on_arrays() -> None:
    """Arrays are cut by Python: split, order, weights, steps, callbacks."""
    model = built("padded mean")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    golden = model.fit(
        TEXTS, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0,
        validation_data=(TEXTS, LABELS),
    ).history  # fmt: skip
    same(golden["loss"], GOLDENS["padded mean"]["history"]["loss"][:2])
    split = model.fit(TEXTS, LABELS, epochs=1, validation_split=0.3, verbose=0).history
    assert split["val_loss"][0] == pytest.approx(model.evaluate(TEXTS[7:], LABELS[7:], verbose=0))
    seen: list[int] = []
    counter = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: seen.append(step)
    )
    weights = np.linspace(0, 1, len(TEXTS))
    model.fit(TEXTS, LABELS, sample_weight=weights, batch_size=3, verbose=0, callbacks=[counter])
    model.fit(TEXTS, LABELS, class_weight={0: 1.0, 1: 0.5}, verbose=0)
    model.fit(TEXTS, LABELS, batch_size=2, steps_per_epoch=2, epochs=2, verbose=0)
    assert seen == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="validation_split"):
        model.fit(TEXTS, LABELS, validation_split=0.99, verbose=0)
    with pytest.raises(ValueError, match="cardinality"):
        model.fit(TEXTS, LABELS[:3], verbose=0)
    assert isinstance(model.train_on_batch(TEXTS, LABELS), float)


def test_weights_of_rows() -> None:
    """Sample weights and class weights reach the loss of rows that Python cut."""
    ours = built("fixed length")
    vectorize, *rest = ours.layers
    plain = keras.Sequential([keras.Input((9,), dtype="int64"), *rest])
    x = vectorize(TEXTS)
    weights = np.linspace(0.1, 2, len(TEXTS)).astype(np.float32)
    before = plain.get_weights()
    results = []
    for model, data in ((plain, x), (ours, TEXTS)):
        plain.set_weights(before)
        model.compile(keras.optimizers.SGD(0.3), "mse")
        how: dict[str, Any] = {"epochs": 2, "batch_size": 4, "shuffle": False, "verbose": 0}
        first = model.fit(data, LABELS, sample_weight=weights, **how).history["loss"]
        second = model.fit(data, LABELS, class_weight={1: 3.0}, **how).history["loss"]
        results.append([*first, *second])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


# -- typical scripts ------------------------------------------------------------------------------


def test_classifier_of_texts(tmp_path: pathlib.Path) -> None:
    """Texts of folders, vectorized in the pipeline, handed out with the vectorizer in front."""
    for label, words in (("neg", "bad dull boring"), ("pos", "good great fine")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            text = " ".join(words.split()[: number % 3 + 1]) + f" film <br /> {number}!"
            (tmp_path / "data" / label / f"{number}.txt").write_text(text)
    data = keras.utils.text_dataset_from_directory(
        tmp_path / "data", batch_size=6, seed=1, verbose=False
    )

    def clean(texts: Any) -> Any:
        return [text.lower().replace("<br />", " ").replace("!", "") for text in texts.ravel()]

    vectorize = keras.layers.TextVectorization(
        standardize=clean, max_tokens=100, output_sequence_length=8
    )
    vectorize.adapt(data.map(lambda x, y: x))
    ready = data.map(lambda x, y: (vectorize(x), y)).cache().prefetch(2)
    keras.utils.set_random_seed(3)
    inputs = keras.Input((None,), dtype="int64")
    x = keras.layers.Embedding(100, 8)(inputs)
    x = keras.layers.Dropout(0.2)(x)
    x = keras.layers.Conv1D(8, 3, padding="same", activation="relu")(x)
    x = keras.layers.GlobalMaxPooling1D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    model.fit(ready, epochs=8, verbose=0)
    text = keras.Input((1,), dtype="string")
    whole = keras.Model(text, model(vectorize(text)))
    whole.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    assert whole.evaluate(data, verbose=0)[1] == 1.0
    scores = whole.predict(np.array([["a good film"], ["dull, boring"]]), verbose=0)
    assert scores[0, 0] > 0.5 > scores[1, 0]
    same(scores, model.predict(vectorize(["a good film", "dull, boring"]), verbose=0))


def test_classifier_of_a_table(tmp_path: pathlib.Path) -> None:
    """A table as a dict of columns, each feature encoded inside the model."""
    rng = np.random.default_rng(5)
    count = 60
    columns = {
        "age": rng.integers(20, 80, count),
        "sex": rng.integers(0, 2, count),
        "thal": np.array(["fixed", "normal", "reversible"])[rng.integers(0, 3, count)],
    }
    target = (columns["thal"] == "fixed").astype(np.int64)
    data = Dataset.from_tensor_slices((columns, target)).shuffle(count, seed=1).batch(16)
    inputs, encoded = {}, []
    for name, dtype in (("age", "float32"), ("sex", "int64"), ("thal", "string")):
        inputs[name] = keras.Input((1,), name=name, dtype=dtype)
        feature = data.map(lambda x, y, name=name: x[name]).map(lambda x: x.reshape(-1, 1)
            if isinstance(x, np.ndarray) else ebb.tf.expand_dims(x, -1))  # fmt: skip
        if dtype == "float32":
            layer = keras.layers.Normalization()
        else:
            kind = keras.layers.StringLookup if dtype == "string" else keras.layers.IntegerLookup
            layer = kind(output_mode="multi_hot")
        layer.adapt(feature)
        encoded.append(layer(inputs[name]))
    keras.utils.set_random_seed(1)
    x = keras.layers.Dense(16, activation="relu")(keras.layers.concatenate(encoded))
    output = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dropout(0.1)(x))
    model = keras.Model(list(inputs.values()), output)
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    named = data.map(lambda x, y: (tuple(x[name] for name in inputs), y))
    model.fit(named, epochs=20, verbose=0)
    assert model.evaluate(named, verbose=0)[1] > 0.95
    sample = {"age": 60, "sex": 1, "thal": "fixed"}
    one = {name: np.array([value]) for name, value in sample.items()}
    score = model.predict(one, verbose=0)
    assert score[0, 0] > 0.5
    model.save(tmp_path / "table.keras")
    again = keras.models.load_model(tmp_path / "table.keras")
    np.testing.assert_array_equal(again.predict(one, verbose=0), score)
    assert again.optimizer.iterations.numpy() == model.optimizer.iterations.numpy()
    again.fit(named, epochs=1, verbose=0)


def test_unbuilt_and_subclassed() -> None:
    """Without an Input, and with a call() of one's own."""
    layers = keras.layers
    lazy = keras.Sequential(
        [layers.TextVectorization(vocabulary=["a", "b"]), layers.Embedding(5, 2), layers.LSTM(2)]
    )
    assert lazy.predict(["a b", "b c a"], verbose=0).shape == (2, 2)
    assert lazy.input_shape == (None,)

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.words = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
            self.embedding = layers.Embedding(5, 2)
            self.out = layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.out(keras.ops.mean(self.embedding(self.words(x)), axis=1))

    model = Net()
    first = model(np.array([["a b"], ["c"]])).numpy()
    np.testing.assert_array_equal(model.predict(["a b", "c"], verbose=0), first)
    model.compile("adam", "mse")
    losses = model.fit(["a b", "c"], np.ones(2), epochs=3, verbose=0).history["loss"]
    assert losses[0] > losses[-1]
    with ebb.tf.GradientTape() as tape:
        loss = ebb.tf.reduce_mean(model(np.array(["a b", "c"]), training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert [tuple(g.shape) for g in gradients] == [(5, 2), (2, 1), (1,)]


def test_models_before_models() -> None:
    """One model makes numbers of a table, another one computes with them; both in a third."""
    layers = keras.layers
    word = keras.Input((), dtype="string", name="w")
    number = keras.Input((1,), dtype="int64", name="n")
    before = keras.Model(
        {"w": word, "n": number},
        {
            "bag": layers.TextVectorization(vocabulary=["a", "b"], output_mode="multi_hot")(word),
            "id": layers.IntegerLookup(vocabulary=[2**40, 7])(number),
        },
    )
    x = {"w": np.array(["a c", "b"]), "n": np.array([[2**40], [7]])}
    made = before(x)
    assert made["bag"].numpy().tolist() == [[1, 1, 0], [0, 0, 1]]
    assert made["id"].numpy().tolist() == [[1], [2]]  # more than 32 bits
    bag, place = keras.Input((3,), name="bag"), keras.Input((1,), name="id", dtype="int64")
    joined = layers.Concatenate()([bag, layers.Flatten()(layers.Embedding(4, 2)(place))])
    after = keras.Model({"bag": bag, "id": place}, layers.Dense(1)(joined))
    inputs = {"w": word, "n": number}
    both = keras.Model(inputs, after(before(inputs)))
    both.compile("adam", "mse")
    both.fit(x, np.ones((2, 1)), epochs=2, verbose=0)
    np.testing.assert_allclose(
        both.predict(x, verbose=0), after.predict(before.predict(x, verbose=0), verbose=0)
    )


# -- life -----------------------------------------------------------------------------------------


def test_copies(tmp_path: pathlib.Path) -> None:
    """Copies, pickles, clones and weights alone know the words; .h5 warns that it does not."""
    model = built("table")
    x = text_cases.inputs_of("table", column)
    wanted = model.predict(x, verbose=0)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(x, verbose=0), wanted)
    clone = keras.models.clone_model(model)
    model.save_weights(tmp_path / "table.weights.h5")
    clone.load_weights(tmp_path / "table.weights.h5")
    np.testing.assert_array_equal(clone.predict(x, verbose=0), wanted)
    layer = keras.layers.StringLookup()
    layer.adapt(["b", "a", "a"])
    assert copy.deepcopy(layer).get_vocabulary() == ["[UNK]", "a", "b"]
    assert pickle.loads(pickle.dumps(layer)).get_vocabulary() == ["[UNK]", "a", "b"]
    assert layer.get_config()["vocabulary"] is None
    with pytest.warns(UserWarning, match="no place for the vocabulary"):
        model.save(tmp_path / "table.h5")
    forgot = keras.models.load_model(tmp_path / "table.h5")
    with pytest.raises(ValueError, match="has no vocabulary"):
        forgot.predict(x, verbose=0)
    keras.utils.plot_model(model, tmp_path / "table.svg", show_shapes=True, show_dtype=True)
    assert "StringLookup" in (tmp_path / "table.svg").read_text()


def test_models_go_at_once(ledger: Any) -> None:
    """Nothing but names keeps a model, its texts or its core."""
    for name in ("any length", "table", "in and out"):
        before = ledger().live
        model = built(name)
        x = text_cases.inputs_of(name, column)
        model(x)
        model.predict(x, verbose=0)
        if name != "in and out":
            model.compile("adam", "mse")
            model.fit(x, LABELS, verbose=0)
        reference = weakref.ref(model)
        del model
        assert reference() is None
        assert ledger().live == before, name


def test_failures_leave_nothing(ledger: Any) -> None:
    """What a layer raises within fit() reaches the caller; the model is as usable as before."""

    def strict(texts: Any) -> Any:
        if any("stop" in text for text in texts.ravel()):
            raise KeyboardInterrupt
        return texts

    before = ledger().live
    vectorize = keras.layers.TextVectorization(standardize=strict, vocabulary=["a"])
    model = keras.Sequential(
        [keras.Input((1,), dtype="string"), vectorize, keras.layers.Embedding(3, 2),
         keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(1)]
    )  # fmt: skip
    model.compile("sgd", "mse")
    texts = ["a"] * 6 + ["stop"]
    with pytest.raises(KeyboardInterrupt):
        model.fit(texts, np.ones(7), batch_size=2, shuffle=False, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        model.predict(texts, verbose=0)
    assert model.predict(["a"], verbose=0).shape == (1, 1)
    model.fit(texts[:6], np.ones(6), verbose=0)
    del model
    assert ledger().live == before


def test_what_is_refused(tmp_path: pathlib.Path) -> None:
    """By name, and with what to do instead."""
    layers = keras.layers
    with pytest.raises(ebb.UnsupportedError, match="cannot work on texts"):
        layers.Dense(2)(keras.Input((1,), dtype="string"))
    model = built("in and out")
    model.compile("sgd", "mse")
    x = text_cases.inputs_of("in and out", column)
    with pytest.raises(ebb.UnsupportedError, match="has no loss"):
        model.fit(x, [np.ones((4, 1))] * 6, verbose=0)
    with pytest.raises(ebb.UnsupportedError, match="SavedModel"):
        model.export(tmp_path / "export")
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(ebb.UnsupportedError, match="counted: the layer class IntegerLookup"):
        ebb.load(path)
    inputs = keras.Input((3,))
    with pytest.raises(ebb.UnsupportedError, match="nothing is trained"):
        keras.Model(inputs, layers.Embedding(9, 2)(layers.Hashing(9)(layers.Dense(2)(inputs))))
    vectorize = layers.TextVectorization(split="character", standardize=None)
    vectorize.adapt(["a\nb"])
    text = keras.Input((1,), dtype="string")
    with pytest.raises(ebb.UnsupportedError, match="line break"):
        keras.Model(text, vectorize(text)).save(path)
    with pytest.raises(ValueError, match="outside of the model archive"):
        layers.StringLookup.from_config({"vocabulary": "/etc/hostname"})
    grown = layers.StringLookup(output_mode="multi_hot")
    grown.adapt(["a"])
    kept = grown(text)
    with pytest.raises(RuntimeError, match="vocabulary size cannot be changed"):
        grown.adapt(["a", "b"])
    assert kept.shape == (None, 2)
    with pytest.raises(ValueError, match="static vocabulary"):
        layers.StringLookup(vocabulary=["a"]).adapt(["b"])


def test_damaged_files(tmp_path: pathlib.Path) -> None:
    """A vocabulary that is missing, and one that would lie outside of the archive."""
    path = tmp_path / "model.keras"
    built("fixed length").save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for kept, message in (({}, "no vocabulary.txt"), ({"assets/../../x": b""}, "leaves")):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, data in {**parts, **kept}.items():
                if not name.startswith("assets/layers"):
                    archive.writestr(name, data)
        path.write_bytes(made.getvalue())
        with pytest.raises(ebb.FormatError, match=message):
            keras.models.load_model(path)


def packed(path: pathlib.Path, change: Any) -> bytes:
    """A copy of an archive, with its vocabularies changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name.startswith("assets") else data)
    return made.getvalue()


def test_vocabularies_that_are_damaged(tmp_path: pathlib.Path) -> None:
    """Another encoding, data that do not unpack, a file where a folder should be: one error."""
    path, broken = tmp_path / "model.keras", tmp_path / "broken.keras"
    built("in and out").save(path)
    texts = ("\n[UNK]\n\u00e9".encode("latin-1"), "\na".encode("utf-16"))
    variants = [(packed(path, lambda _, text=text: text), "no text in UTF-8") for text in texts]
    whole = packed(path, lambda data: data * 50)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        member = next(m for m in archive.infolist() if m.filename.startswith("assets"))
    begin = member.header_offset + 30 + len(member.filename)
    end = begin + member.compress_size
    flipped = bytes(byte ^ 0x5A for byte in whole[begin:end])
    variants.append((whole[:begin] + flipped + whole[end:], "damaged archive"))
    clash = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(clash, "a") as archive:
        archive.writestr("assets/layers", b"")
    variants.append((clash.getvalue(), "damaged archive"))
    for data, message in variants:
        broken.write_bytes(data)
        with pytest.raises(ebb.FormatError, match=message):
            keras.models.load_model(broken)


def test_assets_of_own_layers(tmp_path: pathlib.Path) -> None:
    """save_assets and load_assets of the user's layers."""

    @keras.saving.register_keras_serializable("tests")
    class Noted(keras.layers.Layer):
        note = ""

        def call(self, x: Any) -> Any:
            return x * 2

        def save_assets(self, folder: str) -> None:
            pathlib.Path(folder, "note.txt").write_text(self.note)

        def load_assets(self, folder: str) -> None:
            self.note = pathlib.Path(folder, "note.txt").read_text()

    layer = Noted()
    layer.note = "kept"
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    assert text_cases.assets(tmp_path / "model.keras") == {"assets/layers/noted/note.txt": "kept"}
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].note == "kept"


def test_folders(tmp_path: pathlib.Path) -> None:
    """An unpacked archive."""
    model = built("fixed length")
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "folder")
    again = keras.models.load_model(tmp_path / "folder")
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0))


def test_functions_of_texts() -> None:
    """tf.strings and texts as constants, as scripts clean texts with them."""
    tf = ebb.tf

    def clean(texts: Any) -> Any:
        small = tf.strings.lower(texts)
        plain = tf.strings.regex_replace(small, "<br />", " ")
        return tf.strings.regex_replace(plain, "[!,]", "")

    assert clean(tf.constant(["A <br /> B!", "Ä, c"])).tolist() == ["a   b", "Ä c"]
    layer = keras.layers.TextVectorization(standardize=clean, output_sequence_length=3)
    layer.adapt(["good film", "bad film"])
    column_of_one = tf.expand_dims(tf.constant("Good<br />FILM!"), -1)
    assert layer(column_of_one).numpy().tolist() == [[3, 2, 0]]
    assert tf.strings.upper("ab", encoding="utf-8").tolist() == "AB"
    assert tf.strings.length(["äb", ""]).numpy().tolist() == [3, 0]
    assert tf.strings.length(["äb"], unit="UTF8_CHAR").numpy().tolist() == [2]
    assert tf.strings.join([["a", "b"], ["c", "d"]], "-").tolist() == ["a-c", "b-d"]
    assert tf.strings.split([" a  b ", "c"]) == [["a", "b"], ["c"]]
    assert tf.strings.split("a,b", ",") == ["a", "b"]
    assert tf.strings.strip([" a\n"]).tolist() == ["a"]
    assert tf.strings.regex_full_match(["ab", "b"], "a.*").numpy().tolist() == [True, False]
    model = built("fixed length")
    wanted = model.predict(TEXTS, verbose=0)
    np.testing.assert_array_equal(model.predict(tf.constant(TEXTS), verbose=0), wanted)
    tensor = tf.convert_to_tensor([[text] for text in TEXTS])
    np.testing.assert_array_equal(model(tensor).numpy(), wanted)
