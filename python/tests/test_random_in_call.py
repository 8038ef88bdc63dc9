"""keras.random in the call of layers and models: drawn when the model runs, in predict, too."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb.keras import layers as L  # noqa: N812
from ebb.keras import ops, random

X = np.random.RandomState(0).rand(256, 6).astype(np.float32)
ROWS = np.zeros((6000, 3), np.float32)


class Sampling(L.Layer):
    """Draws z from its mean and the logarithm of its variance."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = random.SeedGenerator(1337)

    def call(self, inputs: Any) -> Any:
        z_mean, z_log_var = inputs
        batch, dim = ops.shape(z_mean)[0], ops.shape(z_mean)[1]
        epsilon = random.normal(shape=(batch, dim), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


class DropPath(L.Layer):
    """Drops whole rows in training."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = random.SeedGenerator(3)

    def call(self, x: Any, training: Any = None) -> Any:
        if training:
            keep = 1 - self.rate
            shape = (ops.shape(x)[0],) + (1,) * (len(ops.shape(x)) - 1)
            kept = keep + random.uniform(shape, 0, 1, seed=self.seed_generator)
            return (x / keep) * ops.floor(kept)
        return x


class Draws(L.Layer):
    """Any function of a tensor."""

    def __init__(self, function: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


def model_of(function: Any, width: int = 3) -> Any:
    x = keras.Input((width,))
    return keras.Model(x, Draws(function)(x))


def encoder_and_decoder() -> tuple[Any, Any]:
    x = keras.Input((6,))
    h = L.Dense(8, activation="tanh")(x)
    z_mean, z_log_var = L.Dense(2, name="z_mean")(h), L.Dense(2, name="z_log_var")(h)
    z = Sampling(name="z")([z_mean, z_log_var])
    code = keras.Input((2,))
    y = L.Dense(6, activation="sigmoid")(L.Dense(8, activation="tanh")(code))
    return keras.Model(x, [z_mean, z_log_var, z], name="encoder"), keras.Model(code, y)


def test_a_vae_is_random_in_predict_and_learns() -> None:
    keras.utils.set_random_seed(1)
    encoder, decoder = encoder_and_decoder()
    x = keras.Input((6,))
    vae = keras.Model(x, decoder(encoder(x)[2]))
    mean, log_var, z = encoder.predict(X, verbose=0)
    again = encoder.predict(X, verbose=0)[2]
    noise = (z - mean) / np.exp(0.5 * log_var)
    assert abs(noise.mean()) < 0.15 and abs(noise.std() - 1) < 0.1
    assert not np.isclose(z, again).any()
    vae.compile(keras.optimizers.Adam(0.01), "mse")
    losses = vae.fit(X, X, epochs=12, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    values = [vae.evaluate(X, X, verbose=0) for _ in range(3)]
    assert len(set(values)) == 3  # evaluation draws, too
    assert decoder.predict(z, verbose=0).shape == (256, 6)
    references = [weakref.ref(model) for model in (encoder, decoder, vae)]
    del encoder, decoder, vae, x
    assert [reference() for reference in references] == [None] * 3


DRAWN = {
    "normal": (lambda x: random.normal(ops.shape(x), 1.0, 2.0), 1.0, 2.0),
    "normal of tensors": (lambda x: random.normal(ops.shape(x), x + 1.0, x + 2.0), 1.0, 2.0),
    "truncated_normal": (lambda x: random.truncated_normal(ops.shape(x)), 0.0, 0.8796),
    "uniform": (lambda x: random.uniform(ops.shape(x), -1.0, 3.0), 1.0, 4 / 12**0.5),
    "randint": (lambda x: random.randint(ops.shape(x), -2, 8), 2.5, 2.8723),
    "gamma": (lambda x: random.gamma(ops.shape(x), 2.0), 2.0, 2**0.5),
    "gamma below 1": (lambda x: random.gamma(ops.shape(x), x + 0.4, seed=5), 0.4, 0.4**0.5),
    "beta": (lambda x: random.beta(ops.shape(x), 2.0, 3.0), 0.4, 0.2),
    "binomial": (lambda x: random.binomial(ops.shape(x), 10, 0.3), 3.0, 2.1**0.5),
    "dropout": (lambda x: random.dropout(x + 1.0, 0.25), 1.0, (1 / 3) ** 0.5),
    "categorical": (lambda x: random.categorical(x, 4), 1.0, (2 / 3) ** 0.5),
}


@pytest.mark.parametrize("name", DRAWN)
def test_distributions(name: str) -> None:
    keras.utils.set_random_seed(7)
    function, mean, deviation = DRAWN[name]
    model = model_of(function)
    made, again = (model.predict(ROWS, verbose=0) for _ in range(2))
    numbers = np.asarray(made, np.float64)
    assert numbers.mean() == pytest.approx(mean, abs=5 * deviation / numbers.size**0.5)
    assert numbers.std() == pytest.approx(deviation, rel=0.05)
    if "seed=5" not in name and name != "gamma below 1":
        assert not np.array_equal(made, again)
    kind = {"randint": "int32", "categorical": "int32"}.get(name, "float32")
    assert made.dtype == kind and model.output.dtype == kind


def test_shuffle_and_types() -> None:
    model = model_of(random.shuffle)
    x = np.arange(96, dtype=np.float32).reshape(32, 3)
    made = model.predict(x, verbose=0)
    assert sorted(made[:, 0].tolist()) == x[:, 0].tolist() != made[:, 0].tolist()
    assert np.array_equal(made[:, 1], made[:, 0] + 1)
    model = model_of(lambda x: random.uniform((ops.shape(x)[0], 5), dtype="float16"))
    assert model.predict(ROWS[:4], verbose=0).dtype == np.float16 and model.output.shape == (
        None,
        5,
    )


def test_a_number_as_seed_gives_the_same_each_time() -> None:
    known = model_of(lambda x: x + random.normal((3,), seed=4))
    assert np.array_equal(
        known.predict(ROWS[:2], verbose=0)[0], np.asarray(random.normal((3,), seed=4))
    )
    rows = model_of(lambda x: random.normal(ops.shape(x), seed=4))
    made = rows.predict(ROWS[:8], verbose=0)
    assert np.array_equal(made, rows.predict(ROWS[:8], verbose=0))
    assert len(np.unique(made)) == made.size


def test_equal_programs_give_equal_numbers() -> None:
    def program(seed: int) -> list[Any]:
        keras.utils.set_random_seed(seed)
        encoder, _ = encoder_and_decoder()
        plain = model_of(lambda x: random.normal(ops.shape(x)))
        encoder.compile("sgd", [None, None, "mse"])
        done = [encoder.predict(X, verbose=0)[2], plain.predict(ROWS[:4], verbose=0)]
        encoder.fit(X, [X[:, :2]] * 3, verbose=0, epochs=2)
        return [*done, encoder.predict(X, verbose=0)[2], *encoder.get_weights()]

    first, second, other = program(5), program(5), program(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert not np.array_equal(first[1], other[1])


def test_two_draws_of_one_generator_differ() -> None:
    class Twice(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seeds = [random.SeedGenerator(1)]

        def call(self, x: Any) -> Any:
            a = random.normal(ops.shape(x), seed=self.seeds[0])
            return ops.concatenate([a, random.normal(ops.shape(x), seed=self.seeds[0])], axis=-1)

    x = keras.Input((3,))
    layer = Twice()
    made = keras.Model(x, layer(x)).predict(ROWS[:50], verbose=0)
    assert not np.isclose(made[:, :3], made[:, 3:]).any()
    assert [one.path for one in layer.variables] == [f"{layer.seeds[0].name}/seed_generator_state"]


def test_drop_path_and_own_dropout() -> None:
    class OwnDropout(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seed_generator = random.SeedGenerator(1)

        def call(self, x: Any, training: Any = False) -> Any:
            if training:
                return random.dropout(x, 0.25, seed=self.seed_generator)
            return x

    ones = np.ones((4000, 3), np.float32)
    for layer, share in ((DropPath(0.4), 0.4 / 0.6), (OwnDropout(), 0.25 / 0.75)):
        x = keras.Input((3,))
        model = keras.Model(x, layer(x))
        assert np.array_equal(model.predict(ones, verbose=0), ones)
        model.compile(keras.optimizers.SGD(0.0), "mse")
        losses = model.fit(ones, ones, verbose=0, epochs=3, batch_size=4000).history["loss"]
        assert len(set(losses)) == 3  # the variance of what is kept
        assert np.mean(losses) == pytest.approx(share, rel=0.08)
        assert model.evaluate(ones, ones, verbose=0) == 0


def test_in_a_model_of_ones_own_and_in_loops() -> None:
    class Noisy(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.seeds = L.Dense(3, use_bias=False), random.SeedGenerator(2)

        def call(self, x: Any) -> Any:
            return self.dense(x) + random.normal(ops.shape(x), seed=self.seeds)

    model = Noisy()
    made = [np.asarray(model(ROWS[:10])) for _ in range(2)]
    assert not np.isclose(made[0], made[1]).any()
    model.compile("sgd", "mse")
    model.fit(ROWS, ROWS, verbose=0)
    assert abs(model.predict(ROWS, verbose=0).std() - 1) < 0.05
    assert len(model.weights) == 1 and len(model.variables) == 2
    assert len(model.non_trainable_variables) == 1 and not model.non_trainable_weights
    assert model.count_params() == 9


def test_files_and_copies(tmp_path: Any) -> None:
    encoder, _ = encoder_and_decoder()
    encoder.save(tmp_path / "encoder.keras")
    again = keras.models.load_model(
        tmp_path / "encoder.keras", custom_objects={"Sampling": Sampling}
    )
    copy = keras.models.clone_model(encoder)
    copy.set_weights(encoder.get_weights())
    means = encoder.predict(X, verbose=0)
    for model in (again, copy):
        mean, log_var, z = model.predict(X, verbose=0)
        np.testing.assert_array_equal(mean, means[0])
        noise = (z - mean) / np.exp(0.5 * log_var)
        assert abs(noise.std() - 1) < 0.1
    assert len(again.variables) == len(encoder.variables) == 7
    assert len(again.get_weights()) == 6


def test_export_and_back(tmp_path: Any) -> None:
    encoder, _ = encoder_and_decoder()
    encoder.export(tmp_path / "encoder")
    with ebb.load(tmp_path / "encoder") as model:
        first, second = model.predict(X), model.predict(X)
        assert np.array_equal(first[0], second[0]) and not np.isclose(first[2], second[2]).any()
        noise = (first[2] - first[0]) / np.exp(0.5 * first[1])
        assert abs(noise.std() - 1) < 0.1


def test_layers_have_generators_as_in_keras() -> None:
    for layer, count in (
        (L.Dropout(0.5, seed=5), 1), (L.Dropout(0.0), 0), (L.SpatialDropout1D(0.2), 1),
        (L.GaussianNoise(0.1), 1), (L.GaussianDropout(0.0), 0), (L.LSTM(units=3), 1),
        (L.Bidirectional(L.LSTM(units=3)), 2), (L.TimeDistributed(L.Dropout(0.1)), 1),
        (L.Attention(), 0), (L.Dense(3), 0),
    ):  # fmt: skip
        x = keras.Input((4, 6))
        layer([x, x] if isinstance(layer, L.Attention) else x)
        states = [one for one in layer.variables if one.name == "seed_generator_state"]
        assert len(states) == count, layer
        assert len(layer.variables) == len(layer.weights) + count
        assert all(not one.trainable and one.dtype == "int64" for one in states)
    model = keras.Sequential([keras.Input((4,)), L.Dense(2), L.Dropout(0.5, seed=3), L.Dense(1)])
    assert [one.name for one in model.variables] == [
        "kernel", "bias", "seed_generator_state", "kernel", "bias"
    ]  # fmt: skip
    assert model.layers[1].variables[0].numpy().tolist() == [3, 0]
    assert len(model.get_weights()) == 4 and model.count_params() == 13


def test_dropout_with_a_seed_repeats() -> None:
    def run(seed: Any) -> list[float]:
        model = keras.Sequential([keras.Input((6,)), L.Dropout(0.25, seed=seed)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
        return model.fit(X, X, verbose=0, epochs=3, shuffle=False).history["loss"]

    assert run(3) == run(3) and len(set(run(3))) == 3
    assert run(3) != run(4)


def test_lengths() -> None:
    """What ops.shape gives in a call is a number there."""

    def scaled(x: Any) -> Any:
        rows, width = ops.shape(x)
        assert width == 3
        zeros = ops.zeros((rows, 2)) + ops.ones((rows, 1))
        tiled = ops.tile(ops.ones((1, 2)), [rows, 1])
        wide = ops.broadcast_to(ops.ones((1, 2)), (rows, 2)) + ops.reshape(x, (rows, -1))[:, :2]
        return zeros + tiled + wide + ops.cast(rows, "float32")

    model = model_of(scaled)
    np.testing.assert_array_equal(model.predict(ROWS[:8], verbose=0), np.full((8, 2), 11.0))
    # 40 rows are a batch of 32 and one of 8.
    assert set(np.unique(model.predict(ROWS[:40], verbose=0))) == {35.0, 11.0}


def test_refusals_name_what_to_write() -> None:
    with pytest.raises(ebb.UnsupportedError, match=r"ops.shape\(x\)\[0\]"):
        model_of(lambda x: random.normal((ops.shape(x)[0] * 2, 3)))
    with pytest.raises(ebb.UnsupportedError, match="counts are numbers up to"):
        model_of(lambda x: random.binomial(ops.shape(x), x, 0.5))
    with pytest.raises(ebb.UnsupportedError, match="at most 16777216"):
        model_of(lambda x: random.randint(ops.shape(x), 0, 2**30)).predict(ROWS[:2], verbose=0)


def test_numbers_in_build_are_numbers() -> None:
    class Fixed(L.Layer):
        def build(self, shape: Any) -> None:
            self.noise = np.asarray(random.normal((3,)))

        def call(self, x: Any) -> Any:
            return x + self.noise

    x = keras.Input((3,))
    layer = Fixed()
    made = keras.Model(x, layer(x)).predict(ROWS[:2], verbose=0)
    np.testing.assert_allclose(made[1], layer.noise)


def test_tf_in_a_call() -> None:
    """Layers written in terms of tf: Keras runs them on TensorFlow's tensors."""
    tf = ebb.tf

    class Noise(L.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(3, 2), initializer="ones", name="scale")

        def call(self, x: Any, training: Any = None) -> Any:
            y = tf.matmul(x, self.scale) + tf.reduce_mean(x, axis=-1, keepdims=True)
            y = tf.reshape(tf.concat([y, tf.square(x)], axis=-1), (tf.shape(y)[0], -1))
            y = tf.where(y > 1.0, tf.exp(y), tf.maximum(y, 0.5)) * tf.constant(2.0)
            if training:
                y += tf.random.normal(tf.shape(y), stddev=0.1)
            return tf.cast(y, tf.float32)

    x = keras.Input((3,))
    model = keras.Model(x, Noise()(x))
    assert [one.name for one in model.trainable_weights] == ["scale"]
    data = X[:, :3]
    y = np.concatenate([data.sum(1, keepdims=True).repeat(2, 1), data**2], 1)
    y[:, :2] += data.mean(1, keepdims=True)
    expected = np.where(y > 1, np.exp(y), np.maximum(y, 0.5)) * 2
    made = model.predict(data, verbose=0)
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    assert model.fit(data, made, verbose=0).history["loss"][0] == pytest.approx(0.01, rel=0.2)

    class Both(L.Layer):
        def call(self, x: Any) -> Any:
            kinds = (tf.random.normal, tf.random.uniform, tf.random.truncated_normal)
            drawn = [kind((tf.shape(x)[0], 1), seed=seed) for kind in kinds for seed in (1, None)]
            return tf.concat(
                [
                    *drawn,
                    tf.cast(tf.random.uniform((tf.shape(x)[0], 1), 0, 5, tf.int32), tf.float32),
                ],
                -1,
            )

    def drawn() -> Any:
        keras.utils.set_random_seed(2)
        tf.random.set_seed(2)
        model = keras.Sequential([keras.Input((3,)), Both()])
        return model.predict(ROWS, verbose=0)

    first = drawn()
    assert np.array_equal(first, drawn())
    np.testing.assert_allclose(first.mean(0), [0, 0, 0.5, 0.5, 0, 0, 2], atol=0.08)
    assert np.abs(np.corrcoef(first.T) - np.eye(7)).max() < 0.06


def test_one_name_ends_like_a_layer_of_keras() -> None:
    class MyDropout(L.Layer):
        def call(self, x: Any, training: Any = None) -> Any:
            return x * 0 if training else x

    x = keras.Input((3,))
    model = keras.Model(x, MyDropout()(x))
    model.compile("sgd", "mse")
    ones = np.ones((4, 3), np.float32)
    assert model.fit(ones, ones, verbose=0).history["loss"] == [1.0]
