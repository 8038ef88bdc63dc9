"""Writes optimizers.json, schedules.json, regularizers.json, constraints.json, initializers.json:
what Keras 3 gets for every entry of those tables.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_optimizers.py

Each file holds {"cases": [...]}, each case its class and config. Optimizers: names, init, grads
and after by step and variable, learning_rate after each step, variables (path and value) after the
last.
Random initializers have mean and deviation of many numbers, the deviation of the mean, and limits.
"""
import json
import math
import os

import keras
import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))
random = np.random.RandomState(11)
O = keras.optimizers
STEPS = 4
NAMES = {"dense/kernel": (2, 3), "dense/bias": (3,), "embedding/table": (3, 2), "cube": (2, 2, 2)}


def rounded(x):
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [rounded(v) for v in x]
    if isinstance(x, (float, np.floating)):
        return str(x) if not math.isfinite(x) else float("%.9g" % x)
    if isinstance(x, np.ndarray) or isinstance(x, np.integer):
        return rounded(x.tolist())
    return x


def numbers(*dims, scale=1.0):
    return np.round(random.uniform(-scale, scale, dims), 3).astype("float32")


def write(name, cases):
    with open(os.path.join(FOLDER, name + ".json"), "w", encoding="utf-8") as f:
        f.write('{"cases": [\n' + ",\n".join(json.dumps(rounded(c)) for c in cases) + "\n]}\n")


# -- optimizers -----------------------------------------------------------------------------------


def variable(path, start):
    v = keras.Variable(start, name=path.split("/")[-1])
    v._path = path
    return v


def optimizer(make, spoil=None):
    keras.backend.clear_session()
    made = make()
    start = [numbers(*dims) for dims in NAMES.values()]
    grads = [[numbers(*dims, scale=2.0) for dims in NAMES.values()] for _ in range(STEPS)]
    if spoil is not None:
        grads[spoil][1][0] = np.inf
    variables = [variable(p, s) for p, s in zip(NAMES, start)]
    made.build(variables)
    after, rates = [], []
    for step in grads:
        made.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
        after.append([v.numpy() for v in variables])
        one_rate = not isinstance(made, O.MultiOptimizer)
        rates.append(float(made.learning_rate) if one_rate else None)
    return {
        "class": type(made).__name__,
        "config": made.get_config(),
        "names": list(NAMES),
        "init": start,
        "grads": grads,
        "after": after,
        "learning_rate": rates,
        "variables": [{"path": v.path, "value": v.numpy()} for v in made.variables],
    }


def optimizers():
    decay = O.schedules.ExponentialDecay(0.1, 2, 0.5)
    yield optimizer(lambda: O.SGD(0.1))
    yield optimizer(lambda: O.SGD(0.1, momentum=0.9, weight_decay=0.01))
    yield optimizer(lambda: O.SGD(decay, momentum=0.9, nesterov=True, clipnorm=0.5))
    yield optimizer(lambda: O.SGD(0.1, gradient_accumulation_steps=2, global_clipnorm=0.7))
    yield optimizer(lambda: O.RMSprop(0.01))
    yield optimizer(lambda: O.RMSprop(0.01, momentum=0.5, centered=True, clipvalue=0.3))
    yield optimizer(lambda: O.Adam(0.01, loss_scale_factor=8.0))
    yield optimizer(lambda: O.Adam(decay, amsgrad=True, use_ema=True, ema_momentum=0.9))
    yield optimizer(
        lambda: O.Adam(
            0.01,
            gradient_accumulation_steps=2,
            use_ema=True,
            ema_momentum=0.8,
            ema_overwrite_frequency=2,
        )
    )
    yield optimizer(lambda: O.AdamW(0.01))
    yield optimizer(lambda: O.Adadelta(0.5))
    yield optimizer(lambda: O.Adagrad(0.1, initial_accumulator_value=0.2))
    yield optimizer(lambda: O.Adamax(0.01))
    yield optimizer(lambda: O.Adafactor(0.1))
    yield optimizer(lambda: O.Adafactor(0.1, relative_step=False, gradient_accumulation_steps=2))
    yield optimizer(lambda: O.Nadam(0.01))
    yield optimizer(lambda: O.Nadam(0.01, gradient_accumulation_steps=2))
    yield optimizer(
        lambda: O.Ftrl(
            0.1,
            l1_regularization_strength=0.01,
            l2_regularization_strength=0.02,
            l2_shrinkage_regularization_strength=0.03,
            beta=0.1,
        )
    )
    yield optimizer(lambda: O.Lion(0.01))
    yield optimizer(lambda: O.Lamb(0.01, weight_decay=0.01))
    yield optimizer(lambda: O.Muon(0.01))
    yield optimizer(
        lambda: O.Muon(
            0.01, weight_decay=None, rms_rate=None, nesterov=False, exclude_layers=["^dense"]
        )
    )
    yield optimizer(lambda: O.ScheduleFreeAdamW(0.01))
    yield optimizer(lambda: O.ScheduleFreeAdamW(0.01, warmup_steps=3, use_ema=True))
    for spoil in (None, 2):
        yield optimizer(
            lambda: O.LossScaleOptimizer(
                O.Adam(0.01, gradient_accumulation_steps=2),
                initial_scale=8.0,
                dynamic_growth_steps=2,
            ),
            spoil,
        )
    yield optimizer(
        lambda: O.MultiOptimizer(
            O.OptimizerMap(
                O.SGD(0.1), {"dense/.*": O.Adam(0.01), "x": O.Nadam(0.1), "cube": O.Lion()}
            ),
            loss_scale_factor=2.0,
        )
    )


# -- schedules, regularizers, constraints ---------------------------------------------------------


def schedules():
    S = O.schedules
    for made in (
        S.ExponentialDecay(0.1, 4, 0.5),
        S.ExponentialDecay(0.1, 4, 0.5, staircase=True),
        S.InverseTimeDecay(0.1, 4, 0.5),
        S.InverseTimeDecay(0.1, 4, 0.5, staircase=True),
        S.PiecewiseConstantDecay([2, 5.9], [1.0, 0.5, 0.1]),
        S.PolynomialDecay(0.1, 5, 0.01, power=0.5),
        S.PolynomialDecay(0.1, 5, 0.01, cycle=True),
        S.CosineDecay(0.1, 6, alpha=0.1),
        S.CosineDecay(0.01, 6, warmup_target=0.1, warmup_steps=3),
        S.CosineDecayRestarts(0.1, 3, m_mul=0.5, alpha=0.1),
        S.CosineDecayRestarts(0.1, 3, t_mul=1.0),
    ):
        rates = [np.float32(made(keras.ops.convert_to_tensor(i, "int64"))) for i in range(12)]
        yield {"class": type(made).__name__, "config": made.get_config(), "lr": rates}


def regularizers():
    R = keras.regularizers
    for made in (
        R.L1(0.02),
        R.L2(0.03),
        R.L1L2(0.02, 0.03),
        R.L1L2(),
        R.OrthogonalRegularizer(0.1),
        R.OrthogonalRegularizer(0.1, mode="columns"),
    ):
        x = numbers(3, 4)
        y = float(made(keras.ops.convert_to_tensor(x)))
        yield {"class": type(made).__name__, "config": made.get_config(), "x": x, "y": y}


def constraints():
    C = keras.constraints
    for made in (
        C.MaxNorm(0.5),
        C.MaxNorm(0.5, axis=[0, 1]),
        C.MaxNorm(0.5, axis=None),
        C.MinMaxNorm(0.5, 0.8, 0.7, axis=-1),
        C.NonNeg(),
        C.UnitNorm(axis=1),
    ):
        x = numbers(3, 4)
        y = made(keras.ops.convert_to_tensor(x)).numpy()
        yield {"class": type(made).__name__, "config": made.get_config(), "x": x, "y": y}


# -- initializers ---------------------------------------------------------------------------------


def exact(made, *shape, **more):
    """more: what Keras leaves out of the configuration."""
    config = dict(made.get_config(), **more)
    y = made(shape).numpy()
    return {"class": type(made).__name__, "config": config, "shape": shape, "value": y}


def drawn(make, *shape):
    made = make(1)
    y = np.concatenate([make(i)(shape).numpy().ravel() for i in range(8)])
    config = dict(made.get_config(), seed=None)
    of_mean = float(y.std()) / math.sqrt(np.prod(shape))
    return {
        "class": type(made).__name__,
        "config": config,
        "shape": shape,
        "mean": float(y.mean()),
        "std": float(y.std()),
        "mean_tolerance": 5 * of_mean,
        "std_tolerance": 4 * of_mean,
        "min": float(y.min()),
        "max": float(y.max()),
    }


def initializers():
    I = keras.initializers
    yield exact(I.Zeros(), 2, 3)
    yield exact(I.Ones(), 2, 3)
    yield exact(I.Constant(0.7), 3)
    yield exact(I.Constant([[1.0], [2.0]]), 2, 2, 3)
    yield exact(I.Identity(2.0), 3, 2, gain=2.0)
    for window in ("hann", "hamming", "boxcar", "blackman", "nuttall", "blackmanharris", "flattop",
                   "triang", "bartlett", "cosine", "barthann", "bohman", "parzen", "lanczos"):
        yield exact(I.STFT("real", window, "density"), 6, 1, 5)
    yield exact(I.STFT("imag", "hann", "spectrum", periodic=True), 5, 1, 4)
    yield exact(I.STFT("imag", "triang", None, periodic=True), 5, 1, 4)
    yield exact(I.STFT("real", None, "density"), 5, 1, 4)
    yield drawn(lambda s: I.RandomNormal(0.5, 0.2, seed=s), 40, 50)
    yield drawn(lambda s: I.RandomUniform(-0.3, 0.7, seed=s), 40, 50)
    yield drawn(lambda s: I.TruncatedNormal(0.1, 0.5, seed=s), 40, 50)
    yield drawn(lambda s: I.VarianceScaling(2.0, "fan_out", "uniform", seed=s), 3, 20, 30)
    yield drawn(lambda s: I.VarianceScaling(0.5, "fan_avg", "untruncated_normal", seed=s), 700)
    yield drawn(
        lambda s: I.VarianceScaling(1.0, input_axes=[0], output_axes=[1, 2], seed=s), 20, 3, 30
    )
    yield drawn(lambda s: I.GlorotUniform(seed=s), 40, 50)
    yield drawn(lambda s: I.GlorotNormal(seed=s), 3, 3, 10, 20)
    yield drawn(lambda s: I.HeUniform(seed=s), 40, 50)
    yield drawn(lambda s: I.HeNormal(seed=s), 3, 20, 30)
    yield drawn(lambda s: I.LecunUniform(seed=s), 700)
    yield drawn(lambda s: I.LecunNormal(seed=s), 40, 50)
    yield drawn(lambda s: I.Orthogonal(1.5, seed=s), 5, 8, 12)
    yield drawn(lambda s: I.Orthogonal(seed=s), 20, 60)


if __name__ == "__main__":
    write("optimizers", optimizers())
    write("schedules", schedules())
    write("regularizers", regularizers())
    write("constraints", constraints())
    write("initializers", initializers())
