"""Gradients where a derivative does not exist or is not finite, by TensorFlow: gradients.txt.

Run with TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow in an environment with tensorflow-cpu 2.21
and keras 3.15. One block per case; numbers are those of graph/op.h in the order of the struct:

    case OP KIND NUMBER...     KIND without its prefix, "-" where the op has none
    t RANK DIM... VALUE...     inputs, then the gradient of the output, then those of the inputs
    end
"""

import os

import keras
import numpy as np
import tensorflow as tf

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gradients")
rng = np.random.default_rng(3)
lines = []
A = keras.activations
INF = float("inf")
KINKS = np.array([-7, -6, -3, -2, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.5, 2, 3, 6, 7], "f")


def tensor(x):
    x = np.asarray(x)
    numbers = " ".join(repr(float(v)) for v in x.ravel())
    lines.append(" ".join(["t", str(x.ndim)] + [str(d) for d in x.shape] + [numbers]).strip())


def case(op, kind, numbers, f, *inputs):
    inputs = [tf.constant(x, tf.float32) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = f(*inputs)
    dy = rng.integers(1, 5, y.shape).astype("f") / 2
    gradients = tape.gradient(y, inputs, output_gradients=tf.constant(dy))
    lines.append(" ".join(["case", op, kind] + [repr(float(n)) for n in numbers]))
    for x in inputs + [dy] + gradients:
        tensor(tf.convert_to_tensor(x).numpy())
    lines.append("end")


def unary(kind, f, alpha=0.0, beta=0.0, gamma=0.0, x=KINKS):
    case("unary", kind, [alpha, beta, gamma], f, x)


unary("RELU", A.relu, gamma=INF)
unary("RELU", A.relu6, gamma=6)
unary("RELU", lambda x: A.relu(x, max_value=6), gamma=6)
unary("RELU", lambda x: A.relu(x, max_value=2), gamma=2)
unary("RELU", lambda x: A.leaky_relu(x, 0.25), alpha=0.25, gamma=INF)
unary("RELU", lambda x: A.relu(x, threshold=0.5), beta=0.5, gamma=INF)
unary("ABS", tf.abs)
unary("SIGN", tf.sign)
unary("SQRT", tf.sqrt)
unary("RSQRT", tf.math.rsqrt)
unary("RECIPROCAL", tf.math.reciprocal)
unary("LOG", tf.math.log)
unary("LOG1P", tf.math.log1p)
unary("ASIN", tf.asin)
unary("ACOS", tf.acos)
unary("ACOSH", tf.acosh, x=np.array([0, 0.5, 1, 1.5, 2, 7], "f"))
unary("ATANH", tf.atanh)
unary("TANH", A.tanh)
unary("SIGMOID", A.sigmoid)
unary("ELU", A.elu, alpha=1)
unary("ELU", lambda x: A.elu(x, 0.5), alpha=0.5)
unary("SELU", A.selu)
unary("CELU", A.celu, alpha=1)
unary("CELU", lambda x: A.celu(x, 2.0), alpha=2)
unary("GELU", lambda x: A.gelu(x, approximate=False))
unary("GELU_TANH", lambda x: A.gelu(x, approximate=True))
unary("SILU", A.silu)
unary("MISH", A.mish)
unary("LOG_SIGMOID", A.log_sigmoid)
unary("SOFTPLUS", A.softplus)
unary("SOFTSIGN", A.softsign)
unary("HARD_SIGMOID", A.hard_sigmoid, alpha=1 / 6, beta=0.5)
unary("HARD_SILU", A.hard_silu)
unary("HARD_TANH", A.hard_tanh)
unary("TANH_SHRINK", A.tanh_shrink)
unary("HARD_SHRINK", A.hard_shrink, alpha=0.5)
unary("SOFT_SHRINK", A.soft_shrink, alpha=0.5)
unary("SQUAREPLUS", A.squareplus, alpha=4)
unary("SPARSE_PLUS", A.sparse_plus)
unary("SPARSE_SIGMOID", A.sparse_sigmoid)
unary("THRESHOLD", lambda x: A.threshold(x, 0.5, 2.0), alpha=0.5, beta=2)
unary("CLIP", lambda x: keras.ops.clip(x, -1, 2), alpha=-1, beta=2)
unary("POWER", lambda x: x**3, alpha=3)
unary("POWER", lambda x: x**0.5, alpha=0.5)

a = np.array([[1, 2, 3], [-1, 0, 2]], "f")
b = np.array([[1, 3, 2], [-1, 0.0, 2]], "f")
case("binary", "MAX", [], tf.maximum, a, b)
case("binary", "MIN", [], tf.minimum, a, b)
case("binary", "MAX", [], tf.maximum, a, b[0])
case("binary", "DIV", [], tf.divide, a, np.where(b == 0, 4, b))
bases, exponents = np.array([[-2, -1, 0, 0, 0, 2], [2, 3, 2, 1, 3, 0]], "f")
case("binary", "POW", [], tf.pow, bases, exponents)
case("binary", "MOD", [], tf.math.floormod, np.array([5, -5, 5.5], "f"), np.array([3, 3, -2], "f"))
case("binary", "SQUARED_DIFFERENCE", [], tf.math.squared_difference, a, b)
case("binary", "ATAN2", [], tf.atan2, a, b + 0.5)

ties = np.array([[3, 1, 3, 2], [0, 0, 0, 0], [1, 5, 2, 5]], "f")
zeros = np.array([[3, 0, 2, 2], [0, 0, 5, 1], [1, 5, 2, 5]], "f")
case("reduce", "MAX", [2, 0], lambda x: tf.reduce_max(x, 1), ties)
case("reduce", "MIN", [1, 1], lambda x: tf.reduce_min(x, 0, keepdims=True), ties)
case("reduce", "MAX", [3, 0], tf.reduce_max, ties)
case("reduce", "PROD", [2, 0], lambda x: tf.reduce_prod(x, 1), zeros)
case("reduce", "PROD", [3, 0], tf.reduce_prod, zeros + 1)
case("reduce", "LOG_SUM_EXP", [2, 0], lambda x: tf.reduce_logsumexp(x, 1), ties)
case("reduce", "MEAN", [1, 0], lambda x: tf.reduce_mean(x, 0), ties)
for product in (0, 1):
    for reverse in (0, 1):
        for exclusive in (0, 1):
            f = tf.math.cumprod if product else tf.cumsum
            case(
                "cumulative", "-", [product, 1, reverse, exclusive],
                lambda x, f=f, r=reverse, e=exclusive: f(x, 1, exclusive=bool(e), reverse=bool(r)),
                zeros if product else ties,
            )

image = rng.integers(0, 3, (2, 4, 5, 2)).astype("f")
cube = rng.integers(0, 3, (1, 4, 4, 3, 2)).astype("f")
line = rng.integers(0, 3, (2, 6, 2)).astype("f")
for padding in ("VALID", "SAME"):
    same = float(padding == "SAME")
    case("pool", "MAX", [1, 2, 0, 0, 2, 0, 0, same],
         lambda x: tf.nn.max_pool1d(x, 2, 2, padding), line)
    case("pool", "MAX", [2, 2, 3, 0, 2, 1, 0, same],
         lambda x: tf.nn.max_pool2d(x, (2, 3), (2, 1), padding), image)
    case("pool", "AVERAGE", [2, 3, 3, 0, 2, 2, 0, same],
         lambda x: tf.nn.avg_pool2d(x, 3, 2, padding), image)
    case("pool", "MAX", [3, 2, 2, 2, 2, 2, 1, same],
         lambda x: tf.nn.max_pool3d(x, 2, (2, 2, 1), padding), cube)

for kind, method in (("NEAREST", "nearest"), ("BILINEAR", "bilinear"), ("BICUBIC", "bicubic"),
                     ("LANCZOS3", "lanczos3"), ("LANCZOS5", "lanczos5")):
    for antialias in (0, 1):
        for size in ((7, 9), (2, 3), (6, 2)):
            case("resize", kind, [antialias, *size],
                 lambda x: tf.image.resize(x, size, method, antialias=bool(antialias)), image)

os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "gradients.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
