"""Models with steps of training of their own, run by Keras for custom_training.json and by ebb.

Each function takes the modules ``keras`` and ``tf`` and returns values that JSON has. Weights and
data are the same everywhere and nothing is drawn, so that every number has to be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from training_cases import data, numbers, settle

Logs = dict[str, Any]


def rows() -> tuple[Any, Any]:
    """48 rows of 6 numbers and a number for each."""
    rng = np.random.RandomState(3)
    x = rng.normal(size=(48, 6)).astype("float32")
    return x, np.tanh(x.sum(1, keepdims=True)).astype("float32")


def net(keras: Any, kind: Any = None, units: int = 1, **how: Any) -> Any:
    """6 - 5 - units, of a class."""
    inputs = keras.Input((6,), name="row")
    x = keras.layers.Dense(5, activation="tanh", name="hidden")(inputs)
    outputs = keras.layers.Dense(units, name="head", **how)(x)
    return settle((kind or keras.Model)(inputs, outputs, name="net"))


def fitted(model: Any, *args: Any, **how: Any) -> Any:
    """History and weights after ``fit``."""
    history = model.fit(*args, verbose=0, shuffle=False, **how)
    return numbers([history.history, model.get_weights()])


# -- the guide's variants ---------------------------------------------------------------------


def own_step(keras: Any, tf: Any) -> Any:
    """Everything of a step by hand; loss and metrics are compile's."""

    class Net(keras.Model):
        def train_step(self, data: Any) -> Logs:
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    model = net(keras, Net)
    model.compile("adam", "mse", metrics=["mae"])
    x, y = rows()
    found = fitted(model, x, y, epochs=3, batch_size=20)
    return [found, numbers(model.evaluate(x, y, verbose=0))]


def own_everything(keras: Any, tf: Any) -> Any:
    """No loss in compile: the class has trackers and a property ``metrics``."""

    class Net(keras.Model):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.tracker = keras.metrics.Mean(name="loss")
            self.error = keras.metrics.MeanAbsoluteError(name="mae")
            self.measure = keras.losses.MeanSquaredError()

        def train_step(self, data: Any) -> Logs:
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.measure(y, y_pred)
            variables = self.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
            self.tracker.update_state(loss)
            self.error.update_state(y, y_pred)
            return {"loss": self.tracker.result(), "mae": self.error.result()}

        @property
        def metrics(self) -> list[Any]:
            return [self.tracker, self.error]

    model = net(keras, Net)
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    x, y = rows()
    return fitted(model, x, y, epochs=3, batch_size=16)


def weights_of_rows(keras: Any, tf: Any) -> Any:
    """Sample weights and class weights reach the step."""

    class Net(keras.Model):
        def train_step(self, data: Any) -> Logs:
            weight = None
            if len(data) == 3:
                x, y, weight = data
            else:
                x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight)
            variables = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred, sample_weight=weight)
            return {metric.name: metric.result() for metric in self.metrics}

    x, y = rows()
    found = []
    for how in ({"sample_weight": np.linspace(0, 2, 48)}, {"class_weight": {0: 0.5, 1: 3.0}}, {}):
        model = net(keras, Net, activation="sigmoid")
        model.compile("sgd", "binary_crossentropy", weighted_metrics=["mse"])
        found.append(fitted(model, x, (y > 0).astype("float32"), epochs=2, **how))
    return found


def own_evaluation(keras: Any, tf: Any) -> Any:
    """``test_step`` alone; validation uses it too."""

    class Net(keras.Model):
        def test_step(self, data: Any) -> Logs:
            x, y = data[:2]  # of test_on_batch come three
            y_pred = self(x, training=False)
            loss = self.compute_loss(y=y, y_pred=y_pred)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    model = net(keras, Net)
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = rows()
    found = fitted(model, x, y, epochs=2, validation_split=0.25)
    results = [
        model.evaluate(x, y, verbose=0),
        model.evaluate(x, y, verbose=0, return_dict=True),
        model.test_on_batch(x, y),
        model.test_on_batch(x, y, return_dict=True),
    ]
    return [found, numbers(results)]


def calls_super(keras: Any, tf: Any) -> Any:
    """``super().train_step()`` with results added; the learning rate among them."""

    class Net(keras.Model):
        def train_step(self, data: Any) -> Logs:
            logs = dict(super().train_step(data))
            logs["rate"] = self.optimizer.learning_rate
            return logs

    model = net(keras, Net)
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    model.compile(keras.optimizers.SGD(rate), "mae", metrics=["mse"])
    x, y = rows()
    return fitted(model, x, y, epochs=2, batch_size=16, validation_data=(x[:9], y[:9]))


def own_loss(keras: Any, tf: Any) -> Any:
    """``compute_loss`` alone, with and without ``training``."""

    class Plain(keras.Model):
        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
        ) -> Any:
            return keras.ops.mean(keras.ops.square(y_pred - y)) + 0.1 * keras.ops.sum(
                keras.ops.abs(y_pred - keras.ops.mean(x, axis=1, keepdims=True))
            )

    class Knowing(keras.Model):
        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Any = None,
            training: bool = True,
        ) -> Any:
            loss = super().compute_loss(x, y, y_pred, sample_weight)
            return loss * 2.0 if training else loss

    x, y = rows()
    found = []
    for kind in (Plain, Knowing):
        model = net(keras, kind)
        model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
        found.append(fitted(model, x, y, epochs=2, batch_size=24))
        found.append(numbers(model.evaluate(x, y, verbose=0, return_dict=True)))
    return found


def own_metrics(keras: Any, tf: Any) -> Any:
    """``compute_metrics`` with a metric that is an attribute."""

    class Net(keras.Model):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.largest = keras.metrics.Mean(name="largest")

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
            results = dict(super().compute_metrics(x, y, y_pred, sample_weight))
            self.largest.update_state(keras.ops.max(keras.ops.abs(y_pred - y)))
            results["largest"] = self.largest.result()
            return results

    model = net(keras, Net)
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = rows()
    return fitted(model, x, y, epochs=2, batch_size=16, validation_split=0.2)


def only_an_attribute(keras: Any, tf: Any) -> Any:
    """A metric that a layer keeps and updates in ``call``."""

    class Watch(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.seen = keras.metrics.Mean(name="seen")

        def call(self, x: Any) -> Any:
            self.seen.update_state(x)
            return x

    inputs = keras.Input((6,), name="row")
    outputs = keras.layers.Dense(1, name="head")(Watch(name="watch")(inputs))
    model = settle(keras.Model(inputs, outputs, name="net"))
    model.compile("sgd", "mse")
    x, y = rows()
    return fitted(model, x, y, epochs=2)


# -- models of several models -----------------------------------------------------------------


def adversaries(keras: Any, tf: Any) -> Any:
    """Two models that learn from each other: no ``call``, a ``compile`` of its own."""
    layers = keras.layers

    class Pair(keras.Model):
        def __init__(self, judge: Any, maker: Any) -> None:
            super().__init__()
            self.judge = judge
            self.maker = maker
            self.judge_loss = keras.metrics.Mean(name="judge_loss")
            self.maker_loss = keras.metrics.Mean(name="maker_loss")

        def compile(self, judge_optimizer: Any, maker_optimizer: Any, loss_fn: Any) -> None:
            super().compile()
            self.judge_optimizer = judge_optimizer
            self.maker_optimizer = maker_optimizer
            self.loss_fn = loss_fn

        @property
        def metrics(self) -> list[Any]:
            return [self.judge_loss, self.maker_loss]

        def train_step(self, data: Any) -> Logs:
            noise, real = data
            count = tf.shape(real)[0]
            made = self.maker(noise)
            both = tf.concat([made, real], axis=0)
            labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)
            with tf.GradientTape() as tape:
                loss = self.loss_fn(labels, self.judge(both))
            weights = self.judge.trainable_weights
            self.judge_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
            with tf.GradientTape() as tape:
                wrong = self.loss_fn(tf.zeros((count, 1)), self.judge(self.maker(noise)))
            weights = self.maker.trainable_weights
            self.maker_optimizer.apply_gradients(zip(tape.gradient(wrong, weights), weights))
            self.judge_loss.update_state(loss)
            self.maker_loss.update_state(wrong)
            return {
                "judge_loss": self.judge_loss.result(),
                "maker_loss": self.maker_loss.result(),
            }

    judge = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8), layers.LeakyReLU(0.2), layers.Dense(1)], name="judge"
    )
    maker = keras.Sequential(
        [keras.Input((3,)), layers.Dense(6, activation="relu"), layers.Dense(4)], name="maker"
    )
    pair = Pair(settle(judge), settle(maker))
    pair.compile(
        judge_optimizer=keras.optimizers.Adam(0.01),
        maker_optimizer=keras.optimizers.Adam(0.02),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    rng = np.random.RandomState(8)
    noise = rng.normal(size=(40, 3)).astype("float32")
    real = rng.normal(2, size=(40, 4)).astype("float32")
    history = pair.fit(noise, real, epochs=3, batch_size=16, verbose=0, shuffle=False)
    return numbers([history.history, judge.get_weights(), maker.get_weights()])


def variational(keras: Any, tf: Any) -> Any:
    """A variational autoencoder: ``fit(x)`` without targets, three trackers."""
    layers, ops = keras.layers, keras.ops

    class Sampling(layers.Layer):
        def call(self, inputs: Any) -> Any:
            mean, log_variance, noise = inputs
            return mean + ops.exp(0.5 * log_variance) * noise

    class Coder(keras.Model):
        def __init__(self, encoder: Any, decoder: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.encoder = encoder
            self.decoder = decoder
            self.total = keras.metrics.Mean(name="total_loss")
            self.rebuilt = keras.metrics.Mean(name="reconstruction_loss")
            self.divergence = keras.metrics.Mean(name="kl_loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.total, self.rebuilt, self.divergence]

        def train_step(self, data: Any) -> Logs:
            with tf.GradientTape() as tape:
                mean, log_variance, z = self.encoder(data)
                made = self.decoder(z)
                rebuilt = ops.mean(
                    ops.sum(keras.losses.binary_crossentropy(data["x"], made), axis=1)
                )
                divergence = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
                divergence = ops.mean(ops.sum(divergence, axis=1))
                total = rebuilt + divergence
            weights = self.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(total, weights), weights))
            self.total.update_state(total)
            self.rebuilt.update_state(rebuilt)
            self.divergence.update_state(divergence)
            return {
                "loss": self.total.result(),
                "reconstruction_loss": self.rebuilt.result(),
                "kl_loss": self.divergence.result(),
            }

    x, noise = keras.Input((5, 4), name="x"), keras.Input((2,), name="noise")
    body = layers.Dense(7, activation="relu", name="body")(layers.Flatten(name="flat")(x))
    mean, variance = layers.Dense(2, name="mean")(body), layers.Dense(2, name="variance")(body)
    z = Sampling(name="sampling")([mean, variance, noise])
    encoder = settle(keras.Model({"x": x, "noise": noise}, [mean, variance, z], name="encoder"))
    code = keras.Input((2,), name="code")
    made = layers.Dense(20, activation="sigmoid", name="made")(code)
    decoder = settle(keras.Model(code, layers.Reshape((5, 4), name="shape")(made), name="decoder"))
    coder = Coder(encoder, decoder)
    coder.compile(optimizer=keras.optimizers.Adam(0.01))
    rng = np.random.RandomState(4)
    given = {
        "x": (rng.uniform(size=(30, 5, 4)) > 0.5).astype("float32"),
        "noise": rng.normal(size=(30, 2)).astype("float32"),
    }
    history = coder.fit(given, epochs=3, batch_size=12, verbose=0, shuffle=False)
    return numbers([history.history, encoder.get_weights(), decoder.get_weights()])


def triplets(keras: Any, tf: Any) -> Any:
    """A network that is called three times in a step, its ``call`` giving distances."""
    layers = keras.layers

    class Distances(keras.Model):
        def __init__(self, network: Any, margin: float = 0.5) -> None:
            super().__init__()
            self.network = network
            self.margin = margin
            self.tracker = keras.metrics.Mean(name="loss")

        def call(self, inputs: Any) -> Any:
            anchor, near, far = (self.network(one) for one in inputs)
            ops = keras.ops
            return (
                ops.sum(ops.square(anchor - near), axis=-1),
                ops.sum(ops.square(anchor - far), axis=-1),
            )

        def _loss(self, data: Any) -> Any:
            near, far = self(data)
            return tf.reduce_mean(tf.maximum(near - far + self.margin, 0.0))

        def train_step(self, data: Any) -> Logs:
            with tf.GradientTape() as tape:
                loss = self._loss(data[0])
            weights = self.network.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
            self.tracker.update_state(loss)
            return {"loss": self.tracker.result()}

        def test_step(self, data: Any) -> Logs:
            self.tracker.update_state(self._loss(data[0]))
            return {"loss": self.tracker.result()}

        @property
        def metrics(self) -> list[Any]:
            return [self.tracker]

    network = settle(
        keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(6, activation="relu"),
                layers.Dense(3, use_bias=False),
            ],
            name="net",
        )
    )
    model = Distances(network)
    model.compile(keras.optimizers.Adam(0.01))
    x, _ = data()
    given = [x[:30], x[20:50], x[40:70]]
    history = model.fit(given, epochs=3, batch_size=16, verbose=0, shuffle=False)
    told = model.evaluate(given, verbose=0)
    return numbers([history.history, told, network.get_weights()])


def contrast(keras: Any, tf: Any) -> Any:
    """Two views of each row; both sides of a loss are trained."""

    class Views(keras.Model):
        def __init__(self, encoder: Any) -> None:
            super().__init__()
            self.encoder = encoder
            self.distance = keras.losses.CosineSimilarity()

        def train_step(self, data: Any) -> Logs:
            first, second = data
            with tf.GradientTape() as tape:
                a, b = self.encoder(first), self.encoder(second)
                similar = keras.ops.matmul(a, keras.ops.transpose(b)) / 0.5
                labels = keras.ops.arange(a.shape[0])
                loss = keras.losses.sparse_categorical_crossentropy(
                    labels, similar, from_logits=True
                )
                loss = keras.ops.mean(loss) + self.distance(a, b)
            weights = self.encoder.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
            return {"loss": loss}

    encoder = net(keras, units=3)
    model = Views(encoder)
    model.compile(keras.optimizers.SGD(0.1))
    x, _ = rows()
    history = model.fit(x, x[::-1] * 0.5, epochs=3, batch_size=16, verbose=0, shuffle=False)
    return numbers([history.history, encoder.get_weights()])


def distillation(keras: Any, tf: Any) -> Any:
    """A small model learns from a large one, by ``compute_loss`` and ``call``."""

    class Student(keras.Model):
        def __init__(self, student: Any, teacher: Any) -> None:
            super().__init__()
            self.student = student
            self.teacher = teacher

        def compile(self, measure: Any, alpha: float, **kwargs: Any) -> None:
            super().compile(**kwargs)
            self.measure = measure
            self.alpha = alpha

        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Any = None,
            allow_empty: bool = False,
        ) -> Any:
            soft = self.teacher(x, training=False)
            own = super().compute_loss(x, y, y_pred, sample_weight)
            softmax = keras.ops.softmax
            other = self.measure(softmax(soft / 3.0, axis=1), softmax(y_pred / 3.0, axis=1))
            return self.alpha * own + (1 - self.alpha) * other * 9.0

        def call(self, x: Any) -> Any:
            return self.student(x)

    teacher, student = net(keras, units=3), net(keras, units=3)
    teacher.set_weights([2.0 * weight for weight in teacher.get_weights()])
    teacher.trainable = False
    model = Student(student, teacher)
    model.compile(
        optimizer=keras.optimizers.Adam(0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        measure=keras.losses.KLDivergence(),
        alpha=0.25,
    )
    x, _ = rows()
    y = np.arange(48) % 3
    history = model.fit(x, y, epochs=3, batch_size=16, verbose=0, shuffle=False)
    told = model.evaluate(x, y, verbose=0, return_dict=True)
    return numbers([history.history, told, student.get_weights()])


def own_prediction(keras: Any, tf: Any) -> Any:
    """``predict_step``, batch by batch."""

    class Net(keras.Model):
        def predict_step(self, data: Any) -> Any:
            x = data[0] if isinstance(data, (tuple, list)) else data
            return {"plain": self(x, training=False), "mean": keras.ops.mean(x, axis=1)}

    model = net(keras, Net)
    x, _ = rows()
    found = model.predict(x, verbose=0, batch_size=20)
    return numbers([found, model.predict_on_batch(x[:5])])


def keeps_statistics(keras: Any, tf: Any) -> Any:
    """Batch normalization in a step of its own: statistics of the batch, moving ones after it."""

    class Net(keras.Model):
        def train_step(self, data: Any) -> Logs:
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            weights = self.trainable_weights
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    inputs = keras.Input((6,), name="row")
    x = keras.layers.Dense(5, name="hidden")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    outputs = keras.layers.Dense(1, name="head")(keras.layers.ReLU(name="relu")(x))
    model = settle(Net(inputs, outputs, name="net"))
    model.layers[2].moving_variance.assign(np.ones(5, "float32"))
    model.compile("sgd", "mse")
    x, y = rows()
    found = fitted(model, x, y, epochs=2, batch_size=16)
    return [found, numbers(model.predict(x[:4], verbose=0))]


CASES = {
    case.__name__: case
    for case in (
        own_step, own_everything, weights_of_rows, own_evaluation, calls_super, own_loss,
        own_metrics, only_an_attribute, adversaries, variational, triplets, contrast,
        distillation, own_prediction, keeps_statistics,
    )
}  # fmt: skip
