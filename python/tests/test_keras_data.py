"""Where data come from: arrays of every kind, dicts, generators; and data that do not fit."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from training_golden import check_case, classifier, data, two_heads

import ebb
from ebb import keras


@pytest.fixture
def model() -> Iterator[Any]:
    """A classifier that is ready to be trained; its numbers are the same in every test."""
    with classifier(keras) as made:
        made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        yield made


@pytest.fixture
def wanted() -> list[float]:
    """Losses of two epochs over the arrays."""
    x, y = data()
    made = classifier(keras)
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return list(made.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"])


def test_generators_are_read_as_keras_does() -> None:
    check_case("fit_generators")


class OfTorch:
    """What a tensor of torch has."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def detach(self) -> OfTorch:
        """Itself."""
        return self

    def cpu(self) -> OfTorch:
        """Itself."""
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


class OfDlpack:
    """Nothing but DLPack."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = array.shape

    def __dlpack__(self, **how: Any) -> Any:
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class OfPandas:
    """What a data frame has."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.iloc = None

    def to_numpy(self) -> Any:
        """Its values."""
        return self.array


class Sparse:
    """What a sparse matrix has."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def toarray(self) -> Any:
        """Its values."""
        return self.array


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a.astype(np.float64),
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: a.tolist(),
        lambda a: [a],
        lambda a: {"rows" if a.ndim == 2 else "head": a},
        OfTorch,
        OfDlpack,
        lambda a: OfPandas(a.astype(object)) if a.ndim == 2 else OfPandas(a),
        lambda a: Sparse(a) if a.ndim == 2 else a,
        lambda a: memoryview(a) if a.ndim == 1 else a,
    ],
    ids=[
        "float64",
        "fortran",
        "strided",
        "swapped",
        "list",
        "single",
        "dict",
        "torch",
        "dlpack",
        "pandas",
        "sparse",
        "buffer",
    ],
)
def test_arrays_of_every_kind(form: Any, model: Any, wanted: list[float]) -> None:
    x, y = data()
    history = model.fit(form(x), form(y), epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx(wanted, rel=1e-6)


def test_a_read_only_array_is_read(model: Any, wanted: list[float]) -> None:
    x, y = data()
    x.flags.writeable = y.flags.writeable = False
    history = model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"] == wanted


def test_labels_in_a_column_are_labels(model: Any, wanted: list[float]) -> None:
    x, y = data()
    history = model.fit(x, y[:, None], epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"] == wanted


def test_one_number_a_row() -> None:
    x = np.arange(40, dtype=np.float32)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x / 40, x / 20, epochs=1, verbose=0)
    assert model.predict(x, verbose=0).shape == (40, 1)
    assert model.predict(x, verbose=2).shape == (40, 1)


def test_any_iterable_of_batches(model: Any, wanted: list[float]) -> None:
    x, y = data()

    class Iterable:
        def __iter__(self) -> Iterator[Any]:
            for at in range(0, 70, 32):
                yield x[at : at + 32], y[at : at + 32]

    seen: list[Any] = []
    tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    history = model.fit(
        Iterable(), epochs=2, verbose=0, callbacks=[tell], validation_data=Iterable()
    )
    assert history.history["loss"] == wanted and seen == [0, 1]
    assert history.history["val_loss"][1] == model.evaluate(Iterable(), verbose=0)[0]
    assert model.predict(Iterable(), verbose=0).shape == (70, 3)


def test_a_list_of_batches(model: Any, wanted: list[float]) -> None:
    x, y = data()

    class Loader:
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Iterator[Any]:
            return iter([[x[:32], y[:32]], [x[32:64], y[32:64]], [x[64:], y[64:]]])

    history = model.fit(Loader(), epochs=2, verbose=0)
    assert history.history["loss"] == wanted
    assert history.params["steps"] == 3


def test_sequences_are_shuffled_and_told_of_epochs(model: Any) -> None:
    x, y = data()
    order: list[int] = []
    told: list[str] = []

    class Batches(keras.utils.Sequence):
        def __len__(self) -> int:
            return 7

        def __getitem__(self, index: int) -> Any:
            order.append(index)
            return x[index * 10 : index * 10 + 10], y[index * 10 : index * 10 + 10]

        def on_epoch_begin(self) -> None:
            told.append("begin")

        def on_epoch_end(self) -> None:
            told.append("end")

    keras.utils.set_random_seed(3)
    model.fit(Batches(), epochs=2, verbose=0)
    assert sorted(order[:7]) == list(range(7)) == sorted(order[7:])
    assert order[:7] != list(range(7))
    assert told == ["end"] + ["begin", "end"] * 2


def test_dicts_in_generators() -> None:
    x, y = data()
    model = two_heads(keras)
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])

    def batches() -> Iterator[Any]:
        for at in range(0, 70, 35):
            part = slice(at, at + 35)
            yield (
                {"a": x[part, :3], "b": x[part, 3]},
                {"kind": y[part], "size": x[part, :1]},
                {"kind": np.ones(35), "size": np.zeros(35)},
            )

    history = model.fit(batches(), verbose=0)
    assert set(history.history) == {"loss", "kind_loss", "size_loss"}


def test_an_iterator_that_ends_says_so_and_begins_with_its_first_two_batches(model: Any) -> None:
    x, y = data()
    batches = ((x[i : i + 7], y[i : i + 7]) for i in range(0, 70, 7))
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(batches, epochs=3, verbose=0)
    assert len(history.history["loss"]) == 3
    short = ((x[i : i + 7], y[i : i + 7]) for i in range(0, 21, 7))
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(short, steps_per_epoch=5, verbose=0)


def test_endless_data_need_steps(model: Any) -> None:
    x, y = data()
    endless = itertools.cycle([(x[:10], y[:10]), (x[10:20], y[10:20])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(endless, steps_per_epoch=3, epochs=2, verbose=0)
        assert len(history.history["loss"]) == 2
        assert len(model.predict(endless, steps=3, verbose=0)) == 30


def test_what_a_generator_raises_comes_out(model: Any) -> None:
    x, y = data()

    def broken() -> Iterator[Any]:
        yield x[:10], y[:10]
        raise OSError("the disk is gone")

    before = ebb.memory().live
    for call in (model.fit, model.evaluate, model.predict):
        with pytest.raises(OSError, match="the disk is gone"):
            call(broken(), verbose=0)
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(x, y, verbose=0, validation_data=broken())
    after = ebb.memory().live
    assert model.fit(x, y, verbose=0).epoch == [0]
    del model
    assert after >= before


# -- data that do not fit -------------------------------------------------------------------------


def test_shapes_that_do_not_fit(model: Any) -> None:
    x, y = data()
    begun: list[int] = []
    tell = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: begun.append(1))
    with pytest.raises(ValueError, match=r"'rows'.*\(None, 4\).*\(70, 3\)"):
        model.fit(x[:, :3], y, verbose=0, callbacks=[tell])
    with pytest.raises(ValueError, match=r"'rows'.*\(None, 4\).*\(70, 2, 2\)"):
        model.predict(x.reshape(70, 2, 2))
    with pytest.raises(ValueError, match=r"'x' sizes: 70.*'y' sizes: 69"):
        model.fit(x, y[1:], verbose=0, callbacks=[tell])
    with pytest.raises(ValueError, match="sample_weight' sizes: 3"):
        model.fit(x, y, sample_weight=np.ones(3), verbose=0, callbacks=[tell])
    with pytest.raises(ValueError, match="no rows"):
        model.fit(x[:0], y[:0], verbose=0, callbacks=[tell])
    with pytest.raises(ValueError, match=r"1 input\(s\).*2 array"):
        model.fit([x, x], y, verbose=0, callbacks=[tell])
    with pytest.raises(ValueError, match="`y` is None"):
        model.fit(x, verbose=0, callbacks=[tell])
    with pytest.raises(ValueError, match=r"x.* is None"):
        model.fit(verbose=0, callbacks=[tell])
    assert begun == []


def test_a_target_of_another_shape(model: Any) -> None:
    x, _ = data()
    with pytest.raises(ValueError, match="shape"):
        model.fit(x, np.zeros((70, 2, 5)), verbose=0)
    with pytest.raises(ValueError, match="class 7"):
        model.fit(x, np.full(70, 7), verbose=0)


def test_arrays_of_something_else(model: Any) -> None:
    x, y = data()
    with pytest.raises(ValueError, match="array of numbers"):
        model.fit(np.array([["a"] * 4] * 70), y, verbose=0)
    with pytest.raises(ValueError, match="array of numbers"):
        model.fit(x, np.array([[1], [2, 3]] * 35, dtype=object), verbose=0)
    with pytest.raises(ValueError, match="array of numbers"):
        model.fit(x.astype(np.complex64), y, verbose=0)
    with pytest.raises(ValueError, match="Unrecognized data type"):
        model.fit(object(), y, verbose=0)
    with pytest.raises(ValueError, match="`y` should not be passed"):
        model.fit(iter([(x, y)]), y, verbose=0)
    with pytest.raises(ValueError, match="arrays only"):
        model.fit(iter([(x, y)]), validation_split=0.1, verbose=0)


def test_dicts_with_other_names() -> None:
    x, y = data()
    model = two_heads(keras)
    model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "size": "mse"})
    good = {"a": x[:, :3], "b": x[:, 3]}
    with pytest.raises(ValueError, match='Missing data for input "b"'):
        model.fit({"a": x[:, :3]}, [y, y], verbose=0)
    with pytest.raises(ValueError, match="'sizes'"):
        model.fit(good, {"kind": y, "sizes": y}, verbose=0)
    with pytest.raises(ValueError, match=r"2 target\(s\)"):
        model.fit(good, [y], verbose=0)
    with pytest.raises(ValueError, match="sizes"):
        model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "sizes": "mse"})
        model.fit(good, [y, y], verbose=0)


def test_not_a_number_goes_through(model: Any) -> None:
    x, y = data()
    x[3] = np.nan
    history = model.fit(x, y, verbose=0, shuffle=False)
    assert np.isnan(history.history["loss"][0])


def test_batches_that_do_not_fit(model: Any) -> None:
    x, y = data()
    for batch in ((x[:5, :2], y[:5]), (x[:5], y[:4]), (x[:0], y[:0]), (x[:5],), (x,) * 4):
        with pytest.raises(ValueError):
            model.fit(iter([batch]), verbose=0)
    with pytest.raises(ValueError, match="no batch"):
        model.evaluate(iter([]), verbose=0)
    with pytest.raises(ValueError, match="no batch"):
        model.predict(iter([]), verbose=0)
