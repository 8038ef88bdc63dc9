"""fit, evaluate, predict and single batches: Keras's numbers, memory, refusals."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from training_golden import check_case, classifier, data, two_heads

import ebb
from ebb import keras


@pytest.mark.parametrize("case", ["fit_arrays", "fit_weights", "fit_outputs"])
def test_results_are_those_of_keras(case: str) -> None:
    check_case(case)


def compiled(metrics: Any = ("accuracy",), **how: Any) -> Any:
    """A classifier that is ready to be trained."""
    model = classifier(keras)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=list(metrics), **how)
    return model


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_targets_for_the_outputs_with_a_loss_alone(run_eagerly: bool) -> None:
    before = ebb.memory().live
    x, y = data()
    alone = classifier(keras)
    alone.compile("sgd", "sparse_categorical_crossentropy")
    inner, outer = alone.layers[-2].output, alone.layers[-1].output
    model = keras.Model(alone.inputs, [inner, outer])
    losses = [None, keras.losses.SparseCategoricalCrossentropy()]
    model.compile("sgd", losses, run_eagerly=run_eagerly)
    expected = alone.evaluate(x, y, verbose=0)
    assert abs(model.evaluate(x, y, verbose=0) - expected) < 1e-5
    start = model.get_weights()
    history = model.fit(x, y, epochs=1, shuffle=False, verbose=0).history["loss"]
    model.set_weights(start)
    assert np.allclose(history, alone.fit(x, y, shuffle=False, verbose=0).history["loss"])
    model.compile("sgd", ["mse", losses[1]], run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match=r"2 target|structure"):
        model.fit(x, y, verbose=0)
    del model, alone, inner, outer, losses
    assert ebb.memory().live == before


# -- memory ---------------------------------------------------------------------------------------


def test_a_trained_model_gives_everything_back_at_del() -> None:
    before = ebb.memory().live
    x, y = data()
    model = compiled()
    stop = keras.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True)
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[stop], validation_split=0.2)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    gone, core = weakref.ref(model), weakref.ref(model._core)
    assert history.model is model
    assert stop.best_weights is not None
    optimizer = model.optimizer
    del model
    assert gone() is None and core() is None
    assert ebb.memory().live == before
    assert history.model is None and stop.best_weights is None
    assert len(history.history["loss"]) == 2
    assert float(optimizer.learning_rate) == pytest.approx(0.001)


def test_rounds_of_training_leave_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 10)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.float32)
    kept: list[Any] = []
    sizes = []
    for _ in range(4):
        model = keras.Sequential(
            [
                keras.Input((10,)),
                keras.layers.Dense(512, activation="relu"),
                keras.layers.Dense(512, activation="relu"),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy")
        kept.append(model.fit(x, y, verbose=0))
        del model
        sizes.append(ebb.memory().live)
    assert len(set(sizes)) == 1
    assert not gc.isenabled()


def test_a_failed_fit_leaves_nothing_and_the_model_usable() -> None:
    x, y = data()
    model = compiled()
    model.fit(x, y, verbose=0)
    before = ebb.memory().live

    def broken(epoch: int, logs: Any) -> None:
        raise KeyError("mine")

    gone = []
    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            model.fit(
                x,
                y,
                verbose=0,
                epochs=5,
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=broken)],
            )
        gone.append(ebb.memory().live)
    assert gone == [before] * 3
    assert model.fit(x, y, verbose=0).epoch == [0]


def test_the_callbacks_of_a_failed_fit_go() -> None:
    x, y = data()
    model = compiled()

    class Broken(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise ValueError("mine")

    callback = Broken()
    gone = weakref.ref(callback)
    with pytest.raises(ValueError, match="mine"):
        model.fit(x, y, verbose=0, callbacks=[callback])
    del callback
    assert gone() is None


# -- what is asked for ----------------------------------------------------------------------------


def test_validation_frequency_as_a_list() -> None:
    x, y = data()
    model = compiled()
    seen: list[int] = []

    class Seen(keras.callbacks.Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            seen.append(1)

    history = model.fit(
        x,
        y,
        epochs=5,
        verbose=0,
        validation_data=(x, y),
        validation_freq=[1, 4],
        callbacks=[Seen()],
    )
    assert len(history.history["val_loss"]) == 2 and len(seen) == 2
    history = model.fit(x, y, epochs=5, verbose=0, validation_data=(x, y), validation_freq=2)
    assert len(history.history["val_loss"]) == 2


def test_no_epochs_train_nothing() -> None:
    x, y = data()
    model = compiled()
    weights = model.get_weights()
    history = model.fit(x, y, epochs=0, verbose=0)
    assert history.history == {} and history.epoch == []
    assert model.fit(x, y, epochs=2, initial_epoch=2, verbose=0).epoch == []
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights()))


def test_shuffling_follows_the_seed() -> None:
    x, y = data()
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        model = compiled()
        found.append(model.fit(x, y, epochs=3, batch_size=8, verbose=0).history["loss"])
    assert found[0] == found[1]
    plain = compiled().fit(x, y, epochs=3, batch_size=8, verbose=0, shuffle=False)
    assert plain.history["loss"] != found[0]


def test_stop_training_ends_after_the_batch() -> None:
    x, y = data()
    model = compiled()
    steps: list[int] = []

    def stop(batch: int, logs: Any) -> None:
        steps.append(batch)
        if batch == 1:
            model.stop_training = True

    history = model.fit(
        x,
        y,
        batch_size=10,
        epochs=5,
        verbose=0,
        validation_data=(x, y),
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)],
    )
    assert steps == [0, 1] and history.epoch == [0] and "val_loss" in history.history


def test_evaluation_inside_of_a_callback() -> None:
    x, y = data()
    model = compiled()
    inner: list[Any] = []

    class Inner(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                inner.append(self.model.test_on_batch(x[:5], y[:5]))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            inner.append(self.model.evaluate(x, y, verbose=0, return_dict=True))
            inner.append(self.model.predict(x[:2], verbose=0))

    given: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, callbacks=[Inner()], validation_data=(x, y), **given)
    plain = compiled().fit(x, y, validation_data=(x, y), **given)
    assert history.history == plain.history
    assert inner[1]["loss"] == pytest.approx(history.history["val_loss"][0])
    assert len(inner) == 6


def test_compiling_again() -> None:
    x, y = data()
    model = compiled()
    model.fit(x, y, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy", "acc"])
    assert model.metrics_names == ["loss", "accuracy", "acc"]
    assert int(model.optimizer.iterations) == 0
    assert len(model.evaluate(x, y, verbose=0)) == 3


def test_the_same_optimizer_goes_on() -> None:
    x, y = data()
    model = compiled()
    optimizer = model.optimizer
    model.fit(x, y, verbose=0)
    state = [np.array(one) for one in optimizer.variables]
    model.compile(optimizer, "sparse_categorical_crossentropy")
    assert model.metrics_names == ["loss"]
    assert int(optimizer.iterations) == 3
    for before, after in zip(state, optimizer.variables):
        assert np.array_equal(before, np.asarray(after))


def test_frozen_layers_stay() -> None:
    x, y = data()
    model = classifier(keras)
    model.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[2], after[2])


def test_a_model_without_input_shape_is_built_by_data() -> None:
    x, y = data()
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    assert model.count_params() == 15
    other = keras.Sequential([keras.layers.Dense(3)])
    assert other.predict(x, verbose=0).shape == (70, 3)


def test_outputs_by_name_and_in_order() -> None:
    x, _ = data()
    model = two_heads(keras)
    kind, size = model.predict([x[:, :3], x[:, 3:]], verbose=0)
    again = model.predict({"b": x[:, 3:], "a": x[:, :3]}, verbose=1)
    assert np.array_equal(kind, again[0]) and np.array_equal(size, again[1])


# -- refusals -------------------------------------------------------------------------------------


def test_what_cannot_be_trained_is_said() -> None:
    x, y = data()
    model = classifier(keras)
    with pytest.raises(RuntimeError, match=r"compile\(\)"):
        model.fit(x, y)
    with pytest.raises(RuntimeError, match=r"compile\(\)"):
        model.evaluate(x, y)
    with pytest.raises(ValueError, match="adaam"):
        model.compile("adaam", "mse")
    with pytest.raises(ValueError, match=r"'msee'.*mse"):
        model.compile("adam", "msee")
    with pytest.raises(ValueError, match="acurracy"):
        model.compile("adam", "mse", metrics=["acurracy"])
    with pytest.raises(ValueError, match="verbose"):
        compiled().fit(x, y, verbose=7)


def test_a_model_without_a_loss_says_so() -> None:
    x, y = data()
    model = classifier(keras)
    model.compile("adam")
    with pytest.raises(RuntimeError, match="loss"):
        model.fit(x, y, verbose=0)


def test_python_inside_of_a_step_runs() -> None:
    x, y = data()

    class Mine(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

        def train_step(self, data: Any) -> Any:
            return {"rows": float(len(data[0]))}

    model = Mine()
    model.compile("adam", "mse")
    assert model.fit(x, y, verbose=0, batch_size=35).history == {"rows": [35.0]}


def test_numbers_that_make_no_sense() -> None:
    x, y = data()
    model = compiled()
    for name, value in (
        ("batch_size", 0),
        ("batch_size", -3),
        ("epochs", -1),
        ("steps_per_epoch", 1.5),
        ("validation_split", 1.5),
        ("validation_freq", 0),
        ("initial_epoch", -1),
    ):
        with pytest.raises(ValueError):
            model.fit(x, y, verbose=0, **{"validation_data": None, name: value})
    with pytest.raises(ValueError, match="class_weight"):
        model.fit(x, y, verbose=0, class_weight={0: 1.0}, sample_weight=np.ones(70))
    with pytest.raises(ValueError, match="class_weight"):
        model.fit(x, y, verbose=0, class_weight=[1, 2])


def test_two_threads_cannot_train_one_model() -> None:
    x, y = data()
    model = compiled()
    failures: list[BaseException] = []

    def other() -> None:
        try:
            model.fit(x, y, verbose=0)
        except RuntimeError as failure:
            failures.append(failure)

    def begin(epoch: int, logs: Any) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    model.fit(x, y, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin)])
    assert len(failures) == 1 and isinstance(failures[0], ebb.BusyError)
    failures.clear()
