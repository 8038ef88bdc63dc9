"""Small programs of training, run by Keras for training.json and by ebb for the tests.

Each takes the module ``keras`` and returns values that JSON has. Weights and data are the same
everywhere, and nothing is shuffled, so that every number has to be.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any, Callable

import numpy as np

ROWS = 70


def data(classes: int = 3) -> tuple[Any, Any]:
    """Rows of four numbers, and their classes."""
    rng = np.random.RandomState(5)
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    return x, (np.abs(x).sum(1) * 2).astype("int64") % classes


def settle(model: Any) -> Any:
    """Gives a model weights that are the same everywhere."""
    weights = []
    for number, weight in enumerate(model.get_weights()):
        places = np.arange(weight.size, dtype="float64").reshape(weight.shape)
        weights.append((np.sin(places * 1.7 + number) * 0.5).astype(weight.dtype))
    model.set_weights(weights)
    return model


def classifier(keras: Any, classes: int = 3, last: str = "softmax") -> Any:
    """4 - 8 - classes."""
    layers = keras.layers
    return settle(
        keras.Sequential(
            [
                keras.Input((4,), name="rows"),
                layers.Dense(8, activation="relu", name="hidden"),
                layers.Dense(classes, activation=last, name="head"),
            ],
            name="net",
        )
    )


def two_heads(keras: Any) -> Any:
    """Two inputs, two outputs."""
    layers = keras.layers
    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b")
    x = layers.Dense(6, activation="tanh", name="body")(layers.Concatenate(name="join")([a, b]))
    kind = layers.Dense(3, activation="softmax", name="kind")(x)
    size = layers.Dense(1, name="size")(x)
    return settle(keras.Model([a, b], [kind, size], name="heads"))


def numbers(values: Any) -> Any:
    """Results as JSON values."""
    if isinstance(values, dict):
        return {name: numbers(value) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [numbers(value) for value in values]
    return np.asarray(values, "float64").tolist()


_TIME = re.compile(r"\d+(?:s|ms|us)/step|\d+s(?= |\x1b)|\d+:\d\d")


def screen(text: str) -> list[str]:
    """What stands on a screen, without the numbers of times; bars that were drawn over are gone."""
    shown = [line.rsplit("\r", 1)[-1].rstrip("\b") for line in text.split("\n")]
    return [_TIME.sub("TIME", line).rstrip() for line in shown]


@contextlib.contextmanager
def output() -> Iterator[io.StringIO]:
    """Collects what is printed."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield text


# -- fit, evaluate, batches ---------------------------------------------------------------------


def fit_arrays(keras: Any) -> Any:
    """Arrays with a split; evaluate in both forms; batches."""
    x, y = data()
    model = classifier(keras)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x, y, batch_size=16, epochs=3, validation_split=0.25, shuffle=False, verbose=0
    )
    found: dict[str, Any] = {
        "history": numbers(history.history),
        "names": list(history.history),
        "epoch": history.epoch,
        "params": {name: history.params[name] for name in sorted(history.params)},
        "evaluate": numbers(model.evaluate(x, y, verbose=0)),
        "dict": numbers(model.evaluate(x, y, verbose=0, return_dict=True)),
        "dict names": list(model.evaluate(x, y, verbose=0, return_dict=True)),
        "train batch": numbers(model.train_on_batch(x[:10], y[:10])),
        "test batch": numbers(model.test_on_batch(x[:10], y[:10], return_dict=True)),
        "predict": numbers(model.predict(x[:5], verbose=0)),
        "on batch": numbers(model.predict_on_batch(x[:2])),
    }
    again = model.fit(x, y, initial_epoch=3, epochs=5, shuffle=False, verbose=0)
    found["more"] = [again.epoch, numbers(again.history)]
    return found


def fit_weights(keras: Any) -> Any:
    """Class weights, sample weights, weighted metrics."""
    x, y = data()
    model = classifier(keras)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
        weighted_metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="ce")],
    )
    weights = np.linspace(0.2, 2, ROWS).astype("float32")
    one = model.fit(x, y, epochs=2, class_weight={0: 0.5, 2: 3.0}, shuffle=False, verbose=0)
    two = model.fit(
        x,
        y,
        epochs=2,
        sample_weight=weights,
        validation_data=(x, y, weights),
        shuffle=False,
        verbose=0,
        validation_batch_size=20,
    )
    return {
        "class": numbers(one.history),
        "sample": numbers(two.history),
        "evaluate": numbers(model.evaluate(x, y, sample_weight=weights, verbose=0)),
        "batch": numbers(model.train_on_batch(x[:8], y[:8], class_weight={1: 2.0})),
        "weighted": numbers(model.test_on_batch(x[:8], y[:8], sample_weight=weights[:8])),
    }


def fit_outputs(keras: Any) -> Any:
    """Two inputs, two outputs: lists, dicts, loss weights, order of results."""
    x, y = data()
    found = {}
    a, b = x[:, :3], x[:, 3:]
    size = (x[:, :1] * 2).astype("float32")
    for form in ("list", "dict"):
        model = two_heads(keras)
        if form == "list":
            model.compile(
                "rmsprop",
                ["sparse_categorical_crossentropy", "mse"],
                loss_weights=[1.0, 0.3],
                metrics=[["accuracy"], ["mae", "mse"]],
            )
            given: Any = ([a, b], [y, size])
        else:
            model.compile(
                "rmsprop",
                {"kind": "sparse_categorical_crossentropy", "size": "mse"},
                metrics={"size": ["mae"], "kind": "accuracy"},
            )
            given = ({"b": b, "a": a}, {"size": size, "kind": y})
        history = model.fit(*given, epochs=2, shuffle=False, verbose=0, validation_data=given)
        found[form] = {
            "history": numbers(history.history),
            "names": list(history.history),
            "evaluate": numbers(model.evaluate(*given, verbose=0)),
            "dict": numbers(model.evaluate(*given, verbose=0, return_dict=True)),
            "predict": numbers(model.predict(given[0], verbose=0)),
            "batch": numbers(model.train_on_batch(*given)),
        }
    return found


def fit_generators(keras: Any) -> Any:
    """Generators, sequences, steps."""
    x, y = data()

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.ends = 0

        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            return x[index * 14 : index * 14 + 14], y[index * 14 : index * 14 + 14]

    def endless() -> Any:
        step = 0
        while True:
            yield x[step % 7 * 10 : step % 7 * 10 + 10], y[step % 7 * 10 : step % 7 * 10 + 10]
            step += 1

    def once() -> Any:
        for step in range(7):
            yield x[step * 10 : step * 10 + 10], y[step * 10 : step * 10 + 10], np.ones(10)

    found: dict[str, Any] = {}
    model = classifier(keras)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = model.fit(
            Batches(), epochs=2, shuffle=False, verbose=0, validation_data=Batches()
        )
        found["sequence"] = numbers(history.history)
        history = model.fit(endless(), steps_per_epoch=4, epochs=3, verbose=0)
        found["endless"] = numbers(history.history)
        history = model.fit(once(), verbose=0, validation_data=once())
        found["once"] = numbers(history.history)
        found["evaluate"] = numbers(model.evaluate(once(), verbose=0))
        found["steps"] = numbers(model.evaluate(x, y, batch_size=8, steps=3, verbose=0))
        found["endless evaluate"] = numbers(model.evaluate(endless(), steps=2, verbose=0))
        found["predict"] = numbers(model.predict(((r[0],) for r in once()), verbose=0))
        history = model.fit(
            x, y, batch_size=8, steps_per_epoch=3, epochs=3, shuffle=False, verbose=0
        )
        found["array steps"] = numbers(history.history)
    return found


# -- callbacks ------------------------------------------------------------------------------------


def callbacks_monitor(keras: Any) -> Any:
    """EarlyStopping, ReduceLROnPlateau, LearningRateScheduler, CSVLogger and what they print."""
    x, y = data()
    model = classifier(keras)
    model.compile(
        keras.optimizers.Adam(0.3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True, verbose=1)
    plateau = keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.5, verbose=1, min_lr=0.05)
    seen = []

    class Seen(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append([epoch, list(logs)])

    with tempfile.TemporaryDirectory() as folder, output() as text:
        history = model.fit(
            x,
            y,
            epochs=20,
            batch_size=10,
            validation_split=0.3,
            shuffle=False,
            verbose=0,
            callbacks=[stop, plateau, Seen(), keras.callbacks.CSVLogger(f"{folder}/log.csv")],
        )
        with open(f"{folder}/log.csv", encoding="utf-8") as file:
            table = [row.rstrip("\n").split(",") for row in file]
    return {
        "history": numbers(history.history),
        "stopped": [stop.stopped_epoch, stop.best_epoch, stop.wait, float(stop.best)],
        "plateau": [plateau.wait, plateau.cooldown_counter, float(plateau.best)],
        "printed": screen(text.getvalue()),
        "seen": seen,
        "table head": table[0],
        "table": [[float(cell) for cell in row] for row in table[1:]],
        "predict": numbers(model.predict(x[:4], verbose=0)),
        "rate": float(np.asarray(model.optimizer.learning_rate)),
    }


def callbacks_schedules(keras: Any) -> Any:
    """Rates by epoch and by step, and TerminateOnNaN."""
    x, y = data()
    found: dict[str, Any] = {}
    model = classifier(keras)
    model.compile("sgd", "sparse_categorical_crossentropy")
    with output() as text:
        history = model.fit(
            x,
            y,
            epochs=4,
            shuffle=False,
            verbose=0,
            callbacks=[
                keras.callbacks.LearningRateScheduler(
                    lambda epoch, rate: rate if epoch < 2 else rate * 0.5, verbose=1
                )
            ],
        )
    found["scheduler"] = numbers(history.history)
    found["scheduler printed"] = screen(text.getvalue())
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5, staircase=True)
    model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy")
    history = model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    found["decay"] = numbers(history.history)
    found["rate now"] = float(np.asarray(model.optimizer.learning_rate))
    broken = x.copy()
    broken[40] = np.nan
    with output() as text:
        history = model.fit(
            broken,
            y,
            epochs=3,
            batch_size=10,
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.TerminateOnNaN()],
        )
    found["nan printed"] = screen(text.getvalue())
    found["nan epochs"] = history.epoch
    return found


def callbacks_order(keras: Any) -> Any:
    """Every method of every callback, in order, with the names in its logs."""
    x, y = data()
    model = classifier(keras)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    calls: list[Any] = []

    class Teller(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.told = name

    def teller(method: str) -> Callable[..., None]:
        def tell(self: Any, *args: Any, logs: Any = None) -> None:
            if args and not isinstance(args[-1], int):
                *args, logs = args  # type: ignore[assignment]
            names = [] if logs is None else sorted(logs)
            calls.append([self.told, method, list(args), names])

        return tell

    for method in dir(keras.callbacks.Callback):
        if method.startswith("on_") and method not in ("on_batch_begin", "on_batch_end"):
            setattr(Teller, method, teller(method))
    model.fit(
        x,
        y,
        batch_size=35,
        epochs=2,
        validation_data=(x, y),
        shuffle=False,
        verbose=0,
        callbacks=[Teller("a"), [Teller("b")]],
    )
    model.evaluate(x, y, batch_size=35, verbose=0, callbacks=[Teller("c")])
    model.predict(x, batch_size=35, verbose=0, callbacks=[Teller("d")])
    return calls


# -- what is shown ------------------------------------------------------------------------------


def progress(keras: Any) -> Any:
    """The text of fit, evaluate and predict."""
    x, y = data()
    model = classifier(keras)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    found = {}
    for verbose in (1, 2, "auto"):
        with output() as text:
            model.fit(x, y, epochs=2, shuffle=False, verbose=verbose, validation_split=0.2)
            model.fit(x, y, shuffle=False, verbose=verbose, batch_size=5)
            model.evaluate(x, y, verbose=verbose)
            model.predict(x, verbose=verbose)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(((x[i : i + 7], y[i : i + 7]) for i in range(0, 70, 7)), verbose=verbose)
        found[str(verbose)] = screen(text.getvalue())
    return found


# -- losses, metrics, schedules by themselves ---------------------------------------------------


def _pairs() -> dict[str, tuple[Any, Any]]:
    rng = np.random.RandomState(2)
    p = rng.uniform(0.05, 0.95, size=(6, 4)).astype("float32")
    return {
        "numbers": (rng.normal(size=(6, 4)).astype("float32"), p),
        "shares": (np.eye(4, dtype="float32")[[0, 1, 3, 2, 1, 1]], p / p.sum(1, keepdims=True)),
        "labels": (np.array([0, 1, 3, 2, 1, 1]), p / p.sum(1, keepdims=True)),
        "bits": ((rng.uniform(size=(6, 4)) > 0.5).astype("float32"), p),
    }


LOSSES = {
    "numbers": "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError "
    "MeanSquaredLogarithmicError CosineSimilarity Huber LogCosh Poisson Hinge SquaredHinge",
    "shares": "CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge "
    "KLDivergence Dice Tversky",
    "labels": "SparseCategoricalCrossentropy Circle CategoricalGeneralizedCrossEntropy",
    "bits": "BinaryCrossentropy BinaryFocalCrossentropy",
}
METRICS = {
    "numbers": "MeanSquaredError RootMeanSquaredError MeanAbsoluteError CosineSimilarity "
    "LogCoshError R2Score Hinge Poisson MeanAbsolutePercentageError "
    "MeanSquaredLogarithmicError PearsonCorrelation ConcordanceCorrelation SquaredHinge",
    "shares": "CategoricalAccuracy CategoricalCrossentropy F1Score KLDivergence CategoricalHinge",
    "labels": "SparseCategoricalAccuracy SparseCategoricalCrossentropy",
    "bits": "BinaryAccuracy BinaryCrossentropy AUC Precision Recall TruePositives TrueNegatives "
    "FalsePositives FalseNegatives",
}


def losses(keras: Any) -> Any:
    """Every loss: reduced, weighted, by sample, as a function."""
    found: dict[str, Any] = {}
    weights = np.array([1, 2, 0, 0.5, 1, 3], "float32")
    for kind, names in LOSSES.items():
        y, p = _pairs()[kind]
        for name in names.split():
            loss = getattr(keras.losses, name)()
            plain = getattr(keras.losses, name)(reduction="none")
            found[name] = [numbers(loss(y, p)), numbers(plain(y, p)), numbers(plain.call(y, p))]
            if name not in ("Dice", "Tversky"):
                total = getattr(keras.losses, name)(reduction="sum")
                share = getattr(keras.losses, name)(reduction="mean_with_sample_weight")
                found[name] += [numbers(one(y, p, weights)) for one in (loss, total, share)]
    y, p = _pairs()["bits"]
    functions = keras.losses
    found["functions"] = [
        numbers(functions.mean_squared_error(y, p)),
        numbers(functions.binary_crossentropy(y, p, label_smoothing=0.1)),
        numbers(functions.huber(y, p, delta=0.3)),
        numbers(functions.categorical_crossentropy(*_pairs()["shares"], from_logits=True)),
        numbers(functions.sparse_categorical_crossentropy(*_pairs()["labels"])),
    ]
    return found


def metrics(keras: Any) -> Any:
    """Every metric over two batches, with weights, and after a reset."""
    found: dict[str, Any] = {}
    weights = np.array([1, 2, 0, 0.5, 1, 3], "float32")
    for kind, names in METRICS.items():
        y, p = _pairs()[kind]
        for name in names.split():
            metric = getattr(keras.metrics, name)()
            metric.update_state(y[:3], p[:3])
            one = numbers(metric.result())
            metric.update_state(y[3:], p[3:])
            two = numbers(metric.result())
            metric.reset_state()
            if name not in ("PearsonCorrelation", "ConcordanceCorrelation"):
                metric.update_state(y, p, sample_weight=weights)
            found[name] = [one, two, numbers(metric.result()), metric.name]
    mean, total = keras.metrics.Mean(), keras.metrics.Sum()
    for metric in (mean, total):
        metric.update_state([1.0, 2.0, 6.0])
        metric.update_state([[3.0, 4.0]], sample_weight=[[0.0, 2.0]])
    found["Mean"], found["Sum"] = numbers(mean.result()), numbers(total.result())
    y, p = _pairs()["shares"]
    found["functions"] = [
        numbers(keras.metrics.categorical_accuracy(y, p)),
        numbers(keras.metrics.sparse_categorical_accuracy(y.argmax(1), p)),
        numbers(keras.metrics.binary_accuracy(*_pairs()["bits"])),
        numbers(keras.metrics.top_k_categorical_accuracy(y, p, k=2)),
        numbers(keras.metrics.sparse_top_k_categorical_accuracy(y.argmax(1), p, k=3)),
    ]
    wrapper = keras.metrics.MeanMetricWrapper(keras.metrics.categorical_accuracy, name="own")
    wrapper.update_state(y, p)
    found["wrapper"] = [numbers(wrapper.result()), wrapper.name]
    confusion = keras.metrics.MeanIoU(num_classes=4)
    confusion.update_state([0, 1, 3, 2], [0, 1, 2, 2])
    found["MeanIoU"] = numbers(confusion.result())
    return found


def schedules(keras: Any) -> Any:
    """Every schedule at some steps."""
    of = keras.optimizers.schedules
    made = {
        "exponential": of.ExponentialDecay(0.1, 10, 0.5),
        "staircase": of.ExponentialDecay(0.1, 10, 0.5, staircase=True),
        "inverse": of.InverseTimeDecay(0.1, 10, 0.5),
        "piecewise": of.PiecewiseConstantDecay([5, 20], [0.1, 0.05, 0.01]),
        "polynomial": of.PolynomialDecay(0.1, 30, 0.01, power=2.0),
        "cycle": of.PolynomialDecay(0.1, 10, 0.01, cycle=True),
        "cosine": of.CosineDecay(0.1, 30, alpha=0.1, warmup_target=0.2, warmup_steps=5),
        "restarts": of.CosineDecayRestarts(0.1, 10, t_mul=1.5, m_mul=0.9),
    }
    steps = (0, 1, 5, 6, 10, 11, 20, 29, 30, 100)
    return {name: [float(one(step)) for step in steps] for name, one in made.items()}


def optimizers(keras: Any) -> Any:
    """Every optimizer: three steps, its variables, its configuration, a rate that is set."""
    x, y = data()
    found: dict[str, Any] = {}
    for name in (
        "SGD",
        "RMSprop",
        "Adam",
        "AdamW",
        "Adadelta",
        "Adagrad",
        "Adamax",
        "Nadam",
        "Ftrl",
        "Lion",
        "Adafactor",
        "Lamb",
    ):
        model = classifier(keras)
        optimizer = getattr(keras.optimizers, name)(learning_rate=0.02, name=name.lower())
        model.compile(optimizer, "sparse_categorical_crossentropy")
        values = [float(model.train_on_batch(x, y)) for _ in range(2)]
        optimizer.learning_rate = 0.01
        values.append(float(model.train_on_batch(x, y)))
        values.append(float(model.test_on_batch(x, y)))
        found[name] = {
            "losses": values,
            "rate": float(np.asarray(optimizer.learning_rate)),
            "iterations": int(np.asarray(optimizer.iterations)),
            "variables": [list(np.shape(np.asarray(v))) for v in optimizer.variables],
            "sums": [float(np.abs(np.asarray(v)).sum()) for v in optimizer.variables],
            "names": [v.path.replace("net_", "") for v in optimizer.variables],
            "config": optimizer.get_config(),
        }
    return found


def own_functions(keras: Any) -> Any:
    """Losses and metrics that are functions and classes of the caller's."""
    ops = keras.ops
    x, y = data()
    one_hot = np.eye(3, dtype="float32")[y]
    weights = np.linspace(0.5, 1.5, ROWS).astype("float32")

    def focal(y_true: Any, y_pred: Any) -> Any:
        p = ops.sum(y_true * y_pred, axis=-1)
        return -ops.square(1.0 - p) * ops.log(p + 1e-7)

    def sparse(y_true: Any, y_pred: Any) -> Any:
        wanted = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), 3)
        return -ops.sum(wanted * ops.log(y_pred + 1e-7), axis=-1)

    def together(y_true: Any, y_pred: Any) -> Any:
        first = keras.losses.mean_squared_error(y_true, y_pred)
        second = keras.losses.MeanAbsoluteError(reduction=None)(y_true, y_pred)
        return first + 0.5 * second + ops.mean(ops.abs(y_pred))

    class Power(keras.losses.Loss):  # type: ignore[misc]
        def __init__(self, power: float = 3.0) -> None:
            super().__init__(name="power")
            self.power = power

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def right(y_true: Any, y_pred: Any) -> Any:
        same = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
        return ops.cast(same, "float32")

    found: dict[str, Any] = {}
    for loss in (focal, together, Power(2.5)):
        model = classifier(keras)
        model.compile("adam", loss, metrics=["accuracy", right], weighted_metrics=[focal])
        history = model.fit(
            x,
            one_hot,
            epochs=2,
            shuffle=False,
            verbose=0,
            validation_data=(x, one_hot),
            sample_weight=weights,
        )
        name = getattr(loss, "__name__", "power")
        found[name] = [
            numbers(history.history),
            numbers(model.evaluate(x, one_hot, verbose=0)),
            numbers(model.train_on_batch(x[:9], one_hot[:9])),
        ]
    model = classifier(keras)
    model.compile("adam", sparse)
    found["sparse"] = numbers(model.fit(x, y[:, None], shuffle=False, verbose=0).history)
    model = two_heads(keras)
    model.compile("sgd", {"kind": sparse, "size": lambda a, b: ops.square(a - b)})
    given = ([x[:, :3], x[:, 3:]], {"kind": y[:, None], "size": x[:, :1]})
    found["outputs"] = numbers(model.fit(*given, shuffle=False, verbose=0).history)
    return found


CASES: dict[str, Callable[[Any], Any]] = {
    case.__name__: case
    for case in (
        fit_arrays,
        fit_weights,
        fit_outputs,
        fit_generators,
        callbacks_monitor,
        callbacks_schedules,
        callbacks_order,
        progress,
        losses,
        metrics,
        schedules,
        optimizers,
        own_functions,
    )
}
