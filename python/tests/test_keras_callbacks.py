"""Callbacks: order, logs, what the ones of Keras do, what is left of them."""

from __future__ import annotations

import inspect
import os
import pathlib
import weakref
from typing import Any

import numpy as np
import pytest
from training_golden import check_case, classifier, data, screen

import ebb
from ebb import keras
from ebb._generated import callbacks as generated


@pytest.mark.parametrize("case", ["callbacks_monitor", "callbacks_schedules", "callbacks_order"])
def test_callbacks_are_called_as_in_keras(case: str) -> None:
    check_case(case)


def compiled(optimizer: Any = "adam") -> Any:
    """A classifier that is ready to be trained."""
    model = classifier(keras)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    "name",
    [
        "CSVLogger",
        "EarlyStopping",
        "LearningRateScheduler",
        "ModelCheckpoint",
        "ReduceLROnPlateau",
        "TerminateOnNaN",
        "LambdaCallback",
        "History",
    ],
)
def test_signatures_are_those_of_the_tables(name: str) -> None:
    def of(kind: Any) -> list[Any]:
        parameters = inspect.signature(kind.__init__).parameters.values()
        return [(p.name, p.default) for p in parameters if p.kind is not p.VAR_KEYWORD]

    assert of(getattr(keras.callbacks, name)) == of(getattr(generated, name))


def test_a_callback_does_not_keep_the_model() -> None:
    x, y = data()

    class Own(keras.callbacks.Callback):
        def __init__(self) -> None:  # does not call that of the base
            self.seen = 0

        def set_model(self, model: Any) -> None:
            self.model = model

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert self.model is not None and self.params["epochs"] == 1
            self.seen += 1

    own, model = Own(), compiled()
    model.fit(x, y, verbose=0, callbacks=own)
    assert own.seen == 3 and own.model is model
    gone = weakref.ref(model)
    del model
    assert gone() is None and own.model is None


def test_older_names_and_functions_are_called() -> None:
    x, y = data()
    calls: list[Any] = []

    class Older(keras.callbacks.Callback):
        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            calls.append(("begin", batch))

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            calls.append(("end", batch))

    function = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: calls.append(("lambda", batch)),
        on_test_batch_end=lambda batch, logs: calls.append(("test", batch)),
        on_train_end=lambda logs: calls.append(("over", sorted(logs))),
    )
    compiled().fit(
        x,
        y,
        batch_size=40,
        verbose=0,
        callbacks=[Older(), function],
        validation_data=(x[:10], y[:10]),
    )
    assert calls == [
        ("begin", 0),
        ("end", 0),
        ("lambda", 0),
        ("begin", 1),
        ("end", 1),
        ("lambda", 1),
        ("test", 0),
        ("over", ["accuracy", "loss", "val_accuracy", "val_loss"]),
    ]


def test_what_a_callback_adds_to_the_logs_is_history() -> None:
    x, y = data()

    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["own"] = epoch * 2

    history = compiled().fit(x, y, epochs=3, verbose=0, callbacks=[Adds()])
    assert history.history["own"] == [0, 2, 4]


def test_a_history_of_the_callers_own() -> None:
    x, y = data()
    model, history = compiled(), keras.callbacks.History()
    assert model.fit(x, y, verbose=0, callbacks=[history]) is history
    model.fit(x, y, verbose=0, callbacks=[history])
    assert model.history is history and len(history.history["loss"]) == 2


def test_a_list_of_the_callers_own() -> None:
    x, y = data()
    model, calls = compiled(), []
    tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: calls.append(epoch))
    callbacks = keras.callbacks.CallbackList([tell], add_history=True, model=model, epochs=2)
    model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks)
    assert calls == [0, 1] and len(model.history.epoch) == 2
    callbacks.append(tell)
    assert len(list(callbacks)) == 3


def test_what_is_no_callback_is_refused() -> None:
    x, y = data()
    with pytest.raises(TypeError, match="Callback"):
        compiled().fit(x, y, verbose=0, callbacks=[print])
    with pytest.raises(NotImplementedError, match="network"):
        keras.callbacks.RemoteMonitor()
    with pytest.raises(ValueError, match="factor"):
        keras.callbacks.ReduceLROnPlateau(factor=1.5)
    with pytest.raises(ValueError, match="keras"):
        keras.callbacks.ModelCheckpoint("model.txt")
    with pytest.raises(ValueError, match=r"weights\.h5"):
        keras.callbacks.ModelCheckpoint("model.keras", save_weights_only=True)


def test_monitors_that_are_not_there() -> None:
    x, y = data()
    with pytest.warns(UserWarning, match=r"val_loss.*accuracy,loss"):
        compiled().fit(x, y, verbose=0, callbacks=[keras.callbacks.EarlyStopping()])
    with pytest.raises(ValueError, match="val_other"):
        compiled().fit(
            x, y, verbose=0, callbacks=[keras.callbacks.EarlyStopping(monitor="val_other")]
        )


def test_early_stopping_restores_the_best_epoch() -> None:
    x, y = data()
    model = compiled(keras.optimizers.SGD(0.5))
    kept: list[Any] = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            kept.append((logs["loss"], self.model.get_weights()))

    stop = keras.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    model.fit(x, y, epochs=30, verbose=0, shuffle=False, callbacks=[Keep(), stop])
    best = min(range(len(kept)), key=lambda i: kept[i][0])
    assert stop.best_epoch == best and stop.best == kept[best][0]
    for ours, wanted in zip(model.get_weights(), kept[best][1]):
        assert np.array_equal(ours, wanted)


def test_accuracy_should_rise() -> None:
    stop = keras.callbacks.EarlyStopping("val_accuracy")
    plateau = keras.callbacks.ReduceLROnPlateau("accuracy")
    x, y = data()
    compiled().fit(x, y, verbose=0, validation_data=(x, y), callbacks=[stop, plateau])
    assert stop.monitor_op is np.greater and plateau.monitor_op is np.greater
    loss = keras.callbacks.EarlyStopping("loss")
    compiled().fit(x, y, verbose=0, callbacks=[loss])
    assert loss.monitor_op is np.less


def test_checkpoints(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = data()
    model = compiled()
    model.fit(
        x,
        y,
        epochs=2,
        verbose=0,
        validation_data=(x, y),
        shuffle=False,
        callbacks=[
            keras.callbacks.ModelCheckpoint(tmp_path / "in" / "{epoch:02d}-{loss:.2f}.keras"),
            keras.callbacks.ModelCheckpoint(
                str(tmp_path / "best.weights.h5"),
                save_weights_only=True,
                save_best_only=True,
                verbose=1,
            ),
            keras.callbacks.ModelCheckpoint(str(tmp_path / "b{batch}.keras"), save_freq=2),
        ],
    )
    loss = model.history.history["loss"]
    assert sorted(os.listdir(tmp_path / "in")) == [
        f"01-{loss[0]:.2f}.keras",
        f"02-{loss[1]:.2f}.keras",
    ]
    assert {"b1.keras", "b2.keras", "b3.keras", "best.weights.h5"} >= {
        name for name in os.listdir(tmp_path) if name.startswith("b")
    }
    printed = screen(capsys.readouterr().out)
    assert printed[1].startswith("Epoch 1: val_loss improved from None to ")
    loaded = keras.models.load_model(tmp_path / "in" / f"02-{loss[1]:.2f}.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(KeyError, match="other"):
        model.fit(
            x,
            y,
            verbose=0,
            callbacks=[keras.callbacks.ModelCheckpoint(str(tmp_path / "{other}.keras"))],
        )


def test_tensor_board_writes_events(tmp_path: pathlib.Path) -> None:
    x, y = data()
    told: list[str] = []
    before = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: told.append("before"))
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: told.append("after"))
    compiled().fit(
        x,
        y,
        epochs=2,
        verbose=0,
        validation_data=(x, y),
        callbacks=[before, keras.callbacks.TensorBoard(tmp_path / "logs"), after],
    )
    assert told == ["before", "after"] * 2
    files = [path for path in (tmp_path / "logs").rglob("*") if "tfevents" in path.name]
    assert files and all(path.stat().st_size > 0 for path in files)


def test_backup_goes_on_where_training_was(tmp_path: pathlib.Path) -> None:
    x, y = data()
    folder = str(tmp_path / "backup")
    whole = compiled().fit(x, y, epochs=4, verbose=0, shuffle=False)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise RuntimeError("the light goes out")

    with pytest.raises(RuntimeError, match="light"):
        compiled().fit(
            x,
            y,
            epochs=4,
            verbose=0,
            shuffle=False,
            callbacks=[keras.callbacks.BackupAndRestore(folder), Stop()],
        )
    assert os.path.isdir(folder)
    rest = compiled().fit(
        x,
        y,
        epochs=4,
        verbose=0,
        shuffle=False,
        callbacks=[keras.callbacks.BackupAndRestore(folder)],
    )
    assert rest.epoch == [2, 3]
    assert rest.history["loss"] == pytest.approx(whole.history["loss"][2:], rel=1e-5)


def test_moving_averages_are_swapped_in() -> None:
    x, y = data()
    model = compiled(keras.optimizers.SGD(0.1, use_ema=True))
    model.fit(
        x,
        y,
        epochs=2,
        verbose=0,
        validation_data=(x, y),
        callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    )
    plain = compiled(keras.optimizers.SGD(0.1))
    with pytest.raises(RuntimeError, match="use_ema"):
        plain.fit(x, y, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True)])


def test_csv_files_are_gone_on_with(tmp_path: pathlib.Path) -> None:
    x, y = data()
    path = tmp_path / "log.csv"
    model = compiled()
    for _ in range(2):
        model.fit(
            x,
            y,
            epochs=2,
            verbose=0,
            callbacks=[keras.callbacks.CSVLogger(path, separator=";", append=True)],
        )
    lines = path.read_text().splitlines()
    assert len(lines) == 5 and lines[0].startswith("epoch;accuracy;loss")


def test_a_refused_close_leaves_the_model_as_it_was() -> None:
    class Close(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            with pytest.raises(ebb.StateError):
                self.model.close()
            assert self.model.predict(np.zeros((2, 3), np.float32), verbose=0).shape == (2, 1)

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((4, 3), np.float32)
    model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[Close()])
    model.close()
    with pytest.raises(ebb.StaleHandleError):
        model.predict(x, verbose=0)
