"""Optimizers, losses, metrics, regularizers of the caller's own, run by Keras and by ebb.

As custom_steps.py: each function takes ``keras`` and ``tf`` and returns values that JSON has.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from custom_steps import fitted, net, rows
from training_cases import numbers, settle, two_heads

Logs = dict[str, Any]
OPTIMIZERS: list[tuple[str, Logs]] = [
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adadelta", {"learning_rate": 0.5}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.01}),
    ("Lion", {"learning_rate": 0.01}),
    ("Adafactor", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.1, "clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.2}),
    ("Adam", {"learning_rate": 0.1, "use_ema": True, "ema_overwrite_frequency": 3}),
    ("Adam", {"learning_rate": 0.1, "gradient_accumulation_steps": 2}),
    ("SGD", {"learning_rate": 0.1, "loss_scale_factor": 4.0}),
]


def steps_by_hand(keras: Any, tf: Any) -> Any:
    """Every optimizer on variables of Keras and of TensorFlow: values, state, names."""
    found = []
    for name, how in OPTIMIZERS:
        optimizer = getattr(keras.optimizers, name)(**how)
        a = keras.Variable(np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], "float32"), name="a")
        b = tf.Variable([0.5, -0.5, 2.0], name="b")
        for step in range(5):
            gradients = [np.sin(np.arange(6).reshape(2, 3) + step), np.cos(np.arange(3.0) * step)]
            gradients = [tf.constant(gradient.astype("float32")) for gradient in gradients]
            optimizer.apply_gradients(zip(gradients, [a, b]))
        state = [(one.name.replace(":", "_"), one.numpy()) for one in optimizer.variables]
        found.append([name, numbers([a.numpy(), b.numpy(), int(optimizer.iterations)])])
        found[-1].append([[told, numbers(value)] for told, value in state])
    return found


def missing_gradients(keras: Any, tf: Any) -> Any:
    """None leaves a variable alone; what is said of it."""
    a, b = keras.Variable([1.0, 2.0], name="a"), keras.Variable([3.0], name="b")
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([a, b])
    told = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            optimizer.apply([tf.constant([1.0, -1.0]), None], [a, b])
    told.append(len([one for one in caught if "Gradients do not exist" in str(one.message)]))
    for arguments in (([None, None], [a, b]), ([tf.constant([1.0])], [keras.Variable([1.0])])):
        try:
            optimizer.apply(*arguments)
        except ValueError as failure:
            told.append(str(failure)[:20])
    return [numbers([a.numpy(), b.numpy(), int(optimizer.iterations)]), told]


def own_optimizer(keras: Any, tf: Any) -> Any:
    """A class with ``update_step``: by hand's means all of clipping, decay, averages."""
    ops = keras.ops

    class Heavy(keras.optimizers.Optimizer):
        def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.9, **kw: Any) -> None:
            super().__init__(learning_rate=learning_rate, **kw)
            self.momentum = momentum

        def build(self, variables: Any) -> None:
            super().build(variables)
            self.speeds = self.add_optimizer_variables(variables, "speed")

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = ops.cast(learning_rate, variable.dtype)
            speed = self.speeds[self._get_variable_index(variable)]
            self.assign(speed, ops.subtract(speed * self.momentum, gradient * rate))
            self.assign_add(variable, speed)

    found = []
    x, y = rows()
    for how in (
        {},
        {"clipnorm": 0.1, "weight_decay": 0.05},
        {"global_clipnorm": 0.1, "use_ema": True, "ema_momentum": 0.5},
        {"gradient_accumulation_steps": 2},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)},
    ):
        model = net(keras)
        model.compile(Heavy(**how), "mse", metrics=["mae"])
        found.append(fitted(model, x, y, epochs=2, batch_size=16))
        found.append(int(model.optimizer.iterations))
    return found


def changed_gradients(keras: Any, tf: Any) -> Any:
    """An optimizer of Keras whose ``apply`` is overridden."""

    class Centred(keras.optimizers.Adam):
        def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
            centred = [g - keras.ops.mean(g, axis=0, keepdims=True) for g in grads]
            return super().apply(centred, trainable_variables)

    model = net(keras)
    model.compile(Centred(0.01), "mse")
    x, y = rows()
    return fitted(model, x, y, epochs=2)


def both_ways(keras: Any, tf: Any) -> Any:
    """One optimizer, by fit and by hand in turns: its state is one."""
    model = net(keras)
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "mse")
    x, y = rows()
    found = [fitted(model, x, y, epochs=1)]
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.ops.square(model(x) - y))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        found.append(numbers([int(optimizer.iterations), model.get_weights()]))
    found.append(fitted(model, x, y, epochs=1))
    found.append(numbers([one.numpy() for one in optimizer.variables]))
    return found


def own_metric(keras: Any, tf: Any) -> Any:
    """A Metric of variables, in compile and by hand; with weights, with several results."""
    ops = keras.ops

    class Hits(keras.metrics.Metric):
        def __init__(self, limit: float = 0.5, name: str = "hits", **kwargs: Any) -> None:
            super().__init__(name=name, **kwargs)
            self.limit = limit
            self.hits = self.add_weight(name="hits", initializer="zeros")
            self.rows = self.add_variable(shape=(), initializer="zeros", name="rows")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            hit = ops.cast(ops.abs(y_true - y_pred) < self.limit, "float32")
            if sample_weight is not None:
                hit = hit * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
            self.hits.assign(self.hits + ops.sum(hit))
            self.rows.assign_add(ops.cast(ops.shape(y_true)[0], "float32"))

        def result(self) -> Any:
            return self.hits / self.rows

    class Pair(Hits):
        def result(self) -> Any:
            return {"hits_of_pair": self.hits / self.rows, "rows_of_pair": self.rows + 0.0}

    class Halved(keras.metrics.MeanAbsoluteError):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return super().update_state(y_true * 0.5, y_pred * 0.5, sample_weight)

    x, y = rows()
    model = net(keras)
    metrics = [Hits(), "mae", Halved(name="halved")]
    model.compile("sgd", "mse", metrics=metrics, weighted_metrics=[Pair(name="pair")])
    weights = np.linspace(0, 1, 48).astype("float32")
    found = [fitted(model, x, y, sample_weight=weights, epochs=2, validation_data=(x[:8], y[:8]))]
    found.append(numbers(model.evaluate(x, y, verbose=0, return_dict=True)))
    metric = Hits(0.25)
    results = []
    for part in range(3):
        metric.update_state(y[part * 16 : part * 16 + 16], np.zeros((16, 1), "float32"))
        results.append(metric.result())
    results += [one.numpy() for one in metric.variables]
    metric.reset_state()
    results += [one.numpy() for one in metric.variables]
    results.append(metric(y, y))
    return [*found, numbers(results)]


def own_losses(keras: Any, tf: Any) -> Any:
    """Loss classes and functions, traced or not; several outputs."""
    ops = keras.ops

    class Bent(keras.losses.Loss):
        def __init__(self, bend: float = 2.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.bend = bend

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.mean(ops.abs(y_true - y_pred) ** self.bend, axis=-1)

    class Counted(Bent):
        times = 0

        def call(self, y_true: Any, y_pred: Any) -> Any:
            type(self).times += 1
            scale = float(np.asarray(ops.convert_to_numpy(y_true)).max())
            return super().call(y_true, y_pred) * scale

    x, y = rows()
    found = []
    for loss in (Bent(3.0), Bent(reduction="sum"), Counted()):
        model = net(keras)
        model.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=isinstance(loss, Counted))
        found.append(fitted(model, x, y, epochs=2, sample_weight=np.linspace(0, 1, 48)))
    model = two_heads(keras)

    def shifted(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_true - y_pred - 0.5), axis=-1)

    model.compile(
        keras.optimizers.SGD(0.05),
        {"kind": "sparse_categorical_crossentropy", "size": shifted},
        loss_weights={"kind": 0.5, "size": 2.0},
        metrics={"kind": ["accuracy"], "size": ["mae", shifted]},
        run_eagerly=True,
    )
    given = [x[:, :3], x[:, 3:4]]
    targets = {"kind": np.arange(48) % 3, "size": y}
    found.append(fitted(model, given, targets, epochs=2, batch_size=16))
    told = model.evaluate(given, targets, verbose=0)
    return [*found, numbers(told), [metric.name for metric in model.metrics]]


def eagerly(keras: Any, tf: Any) -> Any:
    """``run_eagerly=True`` gives what fit gives: validation, callbacks, generators, results."""
    moments: list[str] = []

    def tell(what: str) -> Any:
        return lambda number, logs: moments.append(f"{what} {number} {sorted(logs or {})}")

    def tell_all(what: str) -> Any:
        return lambda logs: moments.append(f"{what} {sorted(logs or {})}")

    numbered = ["epoch_begin", "epoch_end", "train_batch_begin", "train_batch_end"]
    numbered += ["test_batch_begin", "test_batch_end"]
    told = {f"on_{name}": tell(name) for name in numbered}
    told.update({f"on_{name}": tell_all(name) for name in ("train_begin", "train_end", "test_end")})
    listener = keras.callbacks.LambdaCallback(**told)
    x, y = rows()
    model = net(keras)
    model.compile("rmsprop", "mse", metrics=["mae"], run_eagerly=True)
    found = [fitted(model, x, y, epochs=2, validation_split=0.25, callbacks=[listener])]

    def batches() -> Any:
        for step in range(100):
            yield x[step % 3 * 16 :][:16], y[step % 3 * 16 :][:16]

    history = model.fit(
        batches(), steps_per_epoch=4, epochs=3, initial_epoch=1, verbose=0,
        validation_data=(x[:20], y[:20]), validation_steps=1, validation_freq=[3],
    )  # fmt: skip
    found.append(numbers([history.history, history.epoch]))
    model.fit(x, y, epochs=2, steps_per_epoch=2, shuffle=False, verbose=0, batch_size=16)
    found.append(numbers(model.get_weights()))
    results = [
        model.train_on_batch(x, y),
        model.train_on_batch(x, y, return_dict=True),
        model.evaluate(x, y, verbose=0, batch_size=7),
        model.predict(x[:4], verbose=0),
    ]
    return [*found, numbers(results), moments]


def penalties(keras: Any, tf: Any) -> Any:
    """Regularizers, activity regularizers and ``add_loss``, by fit and in ``losses``."""
    layers, ops = keras.layers, keras.ops

    class Pulled(layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(0.1 * ops.mean(ops.square(x)) - 0.02)
            return x

    class Far(keras.regularizers.Regularizer):
        def __call__(self, x: Any) -> Any:
            return 0.01 * ops.sum(ops.square(x - 1.0))

    class Small(keras.constraints.Constraint):
        def __call__(self, w: Any) -> Any:
            return ops.clip(w, -0.3, 0.3)

    class Mean(keras.regularizers.Regularizer):
        def __call__(self, x: Any) -> Any:
            return 0.5 * ops.sum(ops.square(x - 0.5))

    class Twice(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2.0

    def model_of(kernel: Any, constraint: Any, middle: Any, kind: Any = None) -> Any:
        inputs = keras.Input((6,), name="row")
        x = layers.Dense(
            5, activation="tanh", name="hidden", kernel_regularizer=kernel,
            bias_regularizer="l1", activity_regularizer=keras.regularizers.L2(0.01),
        )(inputs)  # fmt: skip
        x = middle(x) if middle is not None else x
        outputs = layers.Dense(1, name="head", kernel_constraint=constraint)(x)
        return settle((kind or keras.Model)(inputs, outputs, name="net"))

    class Net(keras.Model):
        def train_step(self, data: Any) -> Logs:
            return super().train_step(data)

    x, y = rows()
    found = []
    for kernel, constraint, middle, kind in (
        ("l2", "max_norm", None, None),
        ("l2", "max_norm", None, Net),
        ("l1", "unit_norm", Pulled(name="pulled"), None),
        (Far(), Small(), None, None),
        ("l2", None, layers.Dense(4, name="more", activity_regularizer=Mean()), None),
        ("l2", None, Twice(name="more", activity_regularizer="l1"), None),
        ("l2", None, Twice(name="more", activity_regularizer=Mean()), Net),
        (Far(), "non_neg", Pulled(name="pulled"), Net),
    ):
        model = model_of(kernel, constraint, middle, kind)
        model.compile(keras.optimizers.SGD(0.05), "mse")
        found.append(fitted(model, x, y, epochs=2, batch_size=16))
        model(x[:8])
        found.append(numbers([float(one) for one in model.losses]))
        found.append(numbers(model.evaluate(x, y, verbose=0)))
    return found


def own_loop(keras: Any, tf: Any) -> Any:
    """A loop without fit: tape, optimizer, metrics, a layer frozen half way."""
    model = net(keras, units=3)
    optimizer = keras.optimizers.RMSprop(0.01)
    measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    x, _ = rows()
    y = np.arange(48) % 3
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    told = []
    for epoch in range(3):
        for part, labels in dataset:
            with tf.GradientTape() as tape:
                logits = model(part, training=True)
                loss = measure(labels, logits)
            gradients = tape.gradient(loss, model.trainable_weights)
            optimizer.apply_gradients(zip(gradients, model.trainable_weights))
            accuracy.update_state(labels, logits)
            told.append(float(loss))
        told.append(float(accuracy.result()))
        accuracy.reset_state()
        if epoch == 0:
            optimizer.learning_rate = 0.005
    return numbers([told, model.get_weights(), int(optimizer.iterations)])


CASES = {
    case.__name__: case
    for case in (
        steps_by_hand, missing_gradients, own_optimizer, changed_gradients, both_ways, own_metric,
        own_losses, eagerly, penalties, own_loop,
    )
}  # fmt: skip
