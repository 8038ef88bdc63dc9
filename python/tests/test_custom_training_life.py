"""Steps of the caller's own: which engine runs, what stays behind, files, refusals, interrupts."""

from __future__ import annotations

import gc
import pathlib
import sys
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras, tf
from ebb.keras import ops

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "goldens"))

from custom_steps import net, rows


class Net(keras.Model):
    """A step of its own."""

    steps = 0

    def train_step(self, data: Any) -> Any:
        type(self).steps += 1
        return super().train_step(data)


class Far(keras.metrics.Metric):
    """A metric in Python."""

    def __init__(self, name: str = "far", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.most = self.add_weight(name="most")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.most.assign(ops.maximum(self.most, ops.max(ops.abs(y_true - y_pred))))

    def result(self) -> Any:
        return self.most


def scaled(y_true: Any, y_pred: Any) -> Any:
    """A loss that cannot be traced."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1) * float(np.max(np.asarray(y_true)))


def compiled(kind: Any = None, optimizer: Any = "adam", loss: Any = "mse", **how: Any) -> Any:
    model = net(keras, kind)
    model.compile(optimizer, loss, **how)
    return model


# -- which engine -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({}, None),
        ({"metrics": ["mae", keras.metrics.RootMeanSquaredError()]}, None),
        ({"metrics": [Far()]}, "metric Far"),
        ({"loss": scaled}, "scaled"),
        ({"run_eagerly": True}, "run_eagerly"),
        ({"kind": Net}, "train_step"),
    ],
)
def test_python_runs_only_where_it_must(how: Any, why: str | None) -> None:
    x, y = rows()
    model = compiled(**how)
    history = model.fit(x, y, verbose=0, validation_split=0.25)
    told = model._why_eager()
    assert (told is None) if why is None else (why in told)
    assert list(history.history)[-1].startswith("val_")
    assert model._core.handle is not None and len(model.predict(x, verbose=0)) == 48


def test_functions_to_be_made_are_refused() -> None:
    class Makes(keras.Model):
        def make_train_function(self, force: bool = False) -> Any:
            return None

    x, y = rows()
    with pytest.raises(ebb.UnsupportedError, match="make_train_function"):
        compiled(Makes).fit(x, y, verbose=0)
    gc.collect()


def test_callbacks_of_the_library_are_refused(tmp_path: pathlib.Path) -> None:
    x, y = rows()
    with pytest.raises(ebb.UnsupportedError, match="TensorBoard"):
        compiled(Net).fit(x, y, verbose=0, callbacks=[keras.callbacks.TensorBoard(tmp_path)])


def test_callbacks_that_watch_and_stop() -> None:
    x, y = rows()
    model = compiled(Net, keras.optimizers.SGD(0.5), metrics=["mae"])
    stop = keras.callbacks.EarlyStopping(
        monitor="val_mae", patience=1, min_delta=1e9, restore_best_weights=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=1e9)
    history = model.fit(x, y, epochs=9, verbose=0, validation_split=0.25, callbacks=[stop, plateau])
    assert history.epoch == [0, 1]
    assert history.history["learning_rate"][0] == pytest.approx(0.5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


# -- what stays behind ------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"kind": Net}, {"metrics": [Far()], "loss": scaled}])
def test_everything_comes_back(how: Any) -> None:
    x, y = rows()
    before = ebb.memory().live
    model = compiled(**how)
    model.fit(x, y, epochs=2, verbose=0, validation_split=0.25)
    model.evaluate(x, y, verbose=0)
    model.train_on_batch(x, y)
    optimizer = model.optimizer
    gone, core = weakref.ref(model), weakref.ref(model._core)
    del model
    assert gone() is None and core() is None
    assert float(optimizer.learning_rate) == pytest.approx(0.001)
    del optimizer, how
    gc.collect()  # metrics of the parametrization stay
    assert ebb.memory().live == before


def test_rounds_take_no_more_and_more() -> None:
    x, y = rows()
    model = compiled(Net, metrics=["mae"])
    sizes = []
    for _ in range(4):
        model.fit(x, y, epochs=2, verbose=0)
        sizes.append(ebb.memory().live)
    assert len(set(sizes[1:])) == 1


def test_training_in_the_library_ends_when_python_takes_over() -> None:
    x, y = rows()
    model = compiled(optimizer=keras.optimizers.Adam(0.01))
    model.fit(x, y, verbose=0, shuffle=False)
    optimizer = model.optimizer
    state = [np.array(one.numpy()) for one in optimizer.variables]
    model.compile(optimizer, "mse", run_eagerly=True)
    model.fit(x, y, verbose=0, shuffle=False)
    assert model.memory().optimizer == 0 if hasattr(model.memory(), "optimizer") else True
    assert int(optimizer.iterations) == 2 * int(state[0])
    model.compile(optimizer, "mse")
    model.fit(x, y, verbose=0, shuffle=False)
    assert int(optimizer.iterations) == 3 * int(state[0])


def test_an_optimizer_of_its_own_keeps_no_model() -> None:
    before = ebb.memory().live
    model = net(keras)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
    optimizer.apply([np.ones(one.shape, "float32") for one in model.weights], model.weights)
    gone = weakref.ref(model)
    del model
    assert gone() is None and len(optimizer.variables) == 6
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([np.ones(2, "float32")], [keras.Variable([1.0, 2.0])])
    del optimizer
    assert ebb.memory().live == before


# -- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [KeyError("mine"), KeyboardInterrupt()])
def test_a_step_that_fails_leaves_the_weights_as_they_are(failure: BaseException) -> None:
    class Fails(keras.Model):
        count = 0

        def train_step(self, data: Any) -> Any:
            type(self).count += 1
            if type(self).count == 3:
                raise failure
            return super().train_step(data)

    x, y = rows()
    model = compiled(Fails, keras.optimizers.SGD(0.1))
    model.train_on_batch(x[:8], y[:8])
    held = ebb.memory().live
    for _ in range(2):
        Fails.count = 0
        with pytest.raises(type(failure)):
            model.fit(x, y, batch_size=8, verbose=0)
        failure.__traceback__ = None  # it holds the frames
    assert ebb.memory().live == held
    assert int(model.optimizer.iterations) == 5
    Fails.count = 10
    assert model.fit(x, y, verbose=0).epoch == [0]
    gone = weakref.ref(model)
    del model, Fails
    gc.collect()
    assert gone() is None


def test_what_steps_must_give() -> None:
    class Nothing(keras.Model):
        def train_step(self, data: Any) -> Any:
            return None

    x, y = rows()
    with pytest.raises(ValueError, match="return a dict"):
        compiled(Nothing).fit(x, y, verbose=0)
    model = net(keras)
    model.compile("sgd")
    with pytest.raises(ValueError, match="No loss to compute"):
        model.compute_loss(y=y, y_pred=y)
    with pytest.raises(ebb.StateError, match="compile"):
        net(keras, Net).fit(x, y)
    gc.collect()


def test_a_loop_by_hand_with_what_compile_was_given() -> None:
    x, y = rows()
    model = compiled(metrics=["mae"])
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = model.compute_loss(y=tf.constant(y), y_pred=y_pred)
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    logs = model.compute_metrics(x, tf.constant(y), y_pred)
    assert sorted(logs) == ["loss", "mae"] and float(logs["mae"]) > 0
    assert [one.name for one in model.metrics] == ["loss", "compile_metrics"]
    model.reset_metrics()
    assert float(model.get_metrics_result()["mae"]) == 0
    model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == 3


# -- files ------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("custom_training")
class Saved(keras.Model):
    """A class with a step, in files."""

    def __init__(self, units: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.head = keras.layers.Dense(units, name="head")
        self.tracker = keras.metrics.Mean(name="tracked")

    def call(self, x: Any) -> Any:
        return self.head(x)

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        self.tracker.update_state(loss)
        return {"tracked": self.tracker.result()}

    def get_config(self) -> Any:
        return {**super().get_config(), "units": self.units}


def test_files_hold_the_state_of_the_optimizer(tmp_path: pathlib.Path) -> None:
    x, y = rows()
    model = Saved()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 2
    for one, other in zip(model.optimizer.variables, again.optimizer.variables):
        assert one.shape == other.shape and np.array_equal(one.numpy(), other.numpy())
    for trained in (model, again):
        trained.fit(x, y, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), again.get_weights()):
        assert np.allclose(one, other, atol=1e-7)


def test_plain_models_trained_by_hand_go_to_files_with_their_state(
    tmp_path: pathlib.Path,
) -> None:
    x, y = rows()
    model = compiled(optimizer=keras.optimizers.Adam(0.01), run_eagerly=True)
    model.fit(x, y, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    assert int(model.optimizer.iterations) == 2
    again = keras.models.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 2
    assert np.array_equal(
        model.optimizer.variables[2].numpy(), again.optimizer.variables[2].numpy()
    )


def test_a_metric_of_its_own_goes_to_files(tmp_path: pathlib.Path) -> None:
    x, y = rows()
    model = compiled(metrics=[Far()])
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Far": Far})
    assert again.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))
    assert int(again.optimizer.iterations) == 2


def test_a_compile_of_its_own_is_not_called_from_files(tmp_path: pathlib.Path) -> None:
    @keras.saving.register_keras_serializable("custom_training")
    class Compiles(Saved):
        def compile(self, rate: float) -> None:
            super().compile(keras.optimizers.SGD(rate), "mse")

    x, y = rows()
    model = Compiles()
    model.compile(0.1)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="custom"):
        again = keras.models.load_model(tmp_path / "model.keras")
    assert not again.compiled
    assert np.array_equal(again.get_weights()[0], model.get_weights()[0])
    keras.saving.get_custom_objects().pop("custom_training>Compiles", None)
    del model, again, Compiles
    gc.collect()


# -- small things -----------------------------------------------------------------------------


def test_optimizers_before_and_after_they_are_built() -> None:
    optimizer = keras.optimizers.Adam(0.5)
    optimizer.iterations.assign(7)
    assert not optimizer.built and int(optimizer.iterations) == 7
    variable = keras.Variable([1.0, 2.0], name="v")
    optimizer.build([variable])
    assert optimizer.built and int(optimizer.iterations) == 7 and len(optimizer.variables) == 4
    optimizer.learning_rate = 0.25
    optimizer.apply([tf.constant([1.0, 0.0])])
    assert int(optimizer.iterations) == 8 and float(optimizer.variables[1]) == 0.25
    store: dict[str, Any] = {}
    optimizer.save_own_variables(store)
    other = keras.optimizers.Adam(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.load_own_variables(store)
    other.build([variable])
    other.load_own_variables(store)
    other.set_weights(other.get_weights())
    assert np.array_equal(other.variables[2].numpy(), optimizer.variables[2].numpy())
    assert not keras.optimizers.Adam().apply([])


def test_a_variable_that_is_given_twice_is_refused() -> None:
    variable = keras.Variable([1.0, 2.0], name="v")
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build([variable])
    with pytest.raises(ebb.UnsupportedError, match="there twice"):
        optimizer.apply([tf.ones(2), tf.ones(2)], [variable, variable])
    assert int(optimizer.iterations) == 0 and np.array_equal(variable.numpy(), [1.0, 2.0])
    with pytest.warns(UserWarning, match="do not exist"):
        optimizer.apply([None, tf.ones(2)], [variable, variable])
    assert np.array_equal(variable.numpy(), [0.5, 1.5])


def test_minimize_and_weight_decay_of_some() -> None:
    a, b = keras.Variable([1.0, 2.0], name="kernel"), keras.Variable([3.0, 4.0], name="bias")
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([tf.zeros(2), tf.zeros(2)], [a, b])
    assert np.allclose(a.numpy(), [0.95, 1.9]) and np.array_equal(b.numpy(), [3.0, 4.0])
    sgd = keras.optimizers.SGD(0.1)
    sgd.minimize(lambda: ops.sum(a * a), [a])
    assert np.allclose(a.numpy(), [0.76, 1.52])


def test_the_python_of_call_runs_eagerly(capsys: pytest.CaptureFixture[str]) -> None:
    class Tells(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            print("rows", x.shape[0])
            return self.head(x)

    x, y = rows()
    model = Tells()
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(x, y, batch_size=24, verbose=0)
    assert capsys.readouterr().out == "rows 24\nrows 24\n"
    gc.collect()


def test_losses_that_a_call_adds_are_trained_by_the_library() -> None:
    class Pulled(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(ops.mean(ops.square(x)) - 500.0)
            return x

    x, y = rows()
    before = ebb.memory().live
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(1)(Pulled()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    history = model.fit(x, y, verbose=0)
    assert model._why_eager() is None and history.history["loss"][0] < 0
    model(x)
    assert [float(one) for one in model.losses] == pytest.approx([np.square(x).mean() - 500.0])
    gone = weakref.ref(model)
    del model, inputs, outputs, history
    assert gone() is None and ebb.memory().live == before
    gc.collect()
