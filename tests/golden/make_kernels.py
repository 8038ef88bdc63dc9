"""Golden values of the kernels, by TensorFlow and Keras: kernels/kernels.txt, .bin.

Run with TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow in an environment with tensorflow-cpu 2.21
and keras 3.15.

kernels.txt has one block per case; kernels.bin holds the tensors, little endian, equal ones once:

    case NAME OP [KIND]     KIND as in graph/op.h, without the prefix
    a KEY NUMBER...         an attribute
    t RELATIVE ABSOLUTE     tolerances (default 1e-5 1e-6)
    i DTYPE AT DIM...       an input, its data at byte AT of kernels.bin; "i none" is an absent one
    o DTYPE AT DIM...       an output
    end
"""

import os

import keras
import numpy as np
import tensorflow as tf

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernels")
rng = np.random.default_rng(7)
lines, data, places = [], bytearray(), {}
ops = keras.ops
F = np.float32
NAMES = {"float32": "f32", "int32": "i32", "bool": "bool", "uint8": "u8", "int64": "i64"}


def tensor(letter, x):
    if x is None:
        lines.append(f"{letter} none")
        return
    x = np.asarray(x)
    if x.dtype == np.float64:
        x = x.astype(F)
    x = x.copy(order="C")
    stored = x.tobytes()
    if stored not in places:
        places[stored] = len(data)
        data.extend(stored)
    lines.append(
        " ".join([letter, NAMES[x.dtype.name], str(places[stored])] + [str(d) for d in x.shape])
    )


def case(name, op, inputs, outputs, kind="", tolerance=None, **attributes):
    lines.append(f"case {name} {op} {kind}".rstrip())
    for key, value in attributes.items():
        numbers = " ".join(
            repr(float(v)) if isinstance(v, (float, np.floating)) else str(int(v))
            for v in np.ravel(np.array(value, dtype=object))
        )
        lines.append(f"a {key} {numbers}")
    if tolerance:
        lines.append(f"t {tolerance[0]} {tolerance[1]}")
    for x in inputs:
        tensor("i", x)
    for y in outputs:
        tensor("o", y)
    lines.append("end")


def normal(*shape):
    return rng.standard_normal(shape).astype(F)


# -- unary
edges = F(
    [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        1e-6,
        -1e-6,
        0.1,
        -0.1,
        0.25,
        -0.25,
        0.5,
        -0.5,
        0.75,
        -0.75,
        1,
        -1,
        1.5,
        -1.5,
        2,
        -2,
        2.5,
        -2.5,
        3,
        -3,
        3.5,
        -3.5,
        6,
        -6,
        7.25,
        -7.25,
        10,
        -10,
        20,
        -20,
        80,
        -80,
        1e4,
        -1e4,
    ]
)
big = F(np.concatenate([edges, [1e10, -1e10, 3e38, -3e38]]))
act = keras.activations
unary = {
    "NEG": ops.negative,
    "ABS": ops.abs,
    "SIGN": ops.sign,
    "SQUARE": ops.square,
    "SQRT": ops.sqrt,
    "RSQRT": ops.rsqrt,
    "RECIPROCAL": ops.reciprocal,
    "EXP": ops.exp,
    "EXPM1": ops.expm1,
    "LOG": ops.log,
    "LOG1P": ops.log1p,
    "SIN": ops.sin,
    "COS": ops.cos,
    "TAN": ops.tan,
    "ASIN": ops.arcsin,
    "ACOS": ops.arccos,
    "ATAN": ops.arctan,
    "SINH": ops.sinh,
    "COSH": ops.cosh,
    "TANH": ops.tanh,
    "ASINH": ops.arcsinh,
    "ACOSH": ops.arccosh,
    "ATANH": ops.arctanh,
    "ERF": ops.erf,
    "FLOOR": ops.floor,
    "CEIL": ops.ceil,
    "ROUND": ops.round,
    "TRUNC": ops.trunc,
    "SELU": act.selu,
    "GELU": lambda x: act.gelu(x, approximate=False),
    "GELU_TANH": lambda x: act.gelu(x, approximate=True),
    "SILU": act.silu,
    "SIGMOID": act.sigmoid,
    "LOG_SIGMOID": act.log_sigmoid,
    "SOFTPLUS": act.softplus,
    "SOFTSIGN": act.softsign,
    "HARD_SILU": act.hard_silu,
    "HARD_TANH": act.hard_tanh,
    "TANH_SHRINK": act.tanh_shrink,
    "MISH": act.mish,
    "SPARSE_PLUS": act.sparse_plus,
    "SPARSE_SIGMOID": act.sparse_sigmoid,
    "IDENTITY": act.linear,
}
no_big = {"SIN", "COS", "TAN", "GELU_TANH"}
for kind, function in unary.items():
    x = edges if kind in no_big else big
    case(f"unary_{kind}", "unary", [x], [function(x)], kind)
for name, kind, a, b, c, function in [
    ("relu", "RELU", 0, 0, np.inf, act.relu),
    ("relu6", "RELU", 0, 0, 6, act.relu6),
    ("leaky", "RELU", 0.2, 0, np.inf, lambda x: act.relu(x, negative_slope=0.2)),
    ("relu_threshold", "RELU", 0, 1, np.inf, lambda x: act.relu(x, threshold=1.0)),
    (
        "relu_all",
        "RELU",
        0.1,
        1,
        6,
        lambda x: act.relu(x, negative_slope=0.1, threshold=1.0, max_value=6.0),
    ),
    ("elu", "ELU", 1, 0, 0, act.elu),
    ("elu_half", "ELU", 0.5, 0, 0, lambda x: act.elu(x, alpha=0.5)),
    ("celu", "CELU", 1, 0, 0, act.celu),
    ("celu_half", "CELU", 0.5, 0, 0, lambda x: act.celu(x, alpha=0.5)),
    ("hard_sigmoid", "HARD_SIGMOID", 1 / 6, 0.5, 0, act.hard_sigmoid),
    ("hard_shrink", "HARD_SHRINK", 0.5, 0, 0, act.hard_shrink),
    ("soft_shrink", "SOFT_SHRINK", 0.5, 0, 0, act.soft_shrink),
    ("squareplus", "SQUAREPLUS", 4, 0, 0, act.squareplus),
    ("threshold", "THRESHOLD", 0.5, -7, 0, lambda x: act.threshold(x, 0.5, -7.0)),
    ("clip", "CLIP", -1.5, 2, 0, lambda x: ops.clip(x, -1.5, 2.0)),
    ("affine", "AFFINE", 2, -3, 0, lambda x: x * F(2) - F(3)),
    ("power", "POWER", 2.5, 0, 0, lambda x: ops.power(x, F(2.5))),
    ("power_int", "POWER", 3, 0, 0, lambda x: ops.power(x, F(3))),
]:
    x = edges if name in ("relu_all", "relu_threshold") else big
    if name in ("relu_all", "relu_threshold"):
        x = x[np.isfinite(x)]  # Keras multiplies inf by 0 here
    case(
        f"unary_{name}",
        "unary",
        [x],
        [function(x)],
        kind,
        alpha=float(a),
        beta=float(b),
        gamma=float(c),
    )
for kind, function in [("IS_NAN", ops.isnan), ("IS_FINITE", ops.isfinite), ("IS_INF", ops.isinf)]:
    case(f"unary_{kind}", "unary", [big], [function(big)], kind)
whole = np.int32([0, 1, -1, 5, -7, 2**31 - 1, -(2**31) + 1, 46340])
for kind, function in [
    ("NEG", np.negative),
    ("ABS", np.abs),
    ("SIGN", np.sign),
    ("SQUARE", np.square),
]:
    case(f"unary_i32_{kind}", "unary", [whole], [function(whole)], kind)
flags = rng.random((3, 5)) < 0.5
case("unary_not", "unary", [flags], [~flags], "LOGICAL_NOT")
for to in (np.int32, np.uint8, np.bool_, np.int64):
    x = F([0, 0.5, 1, 2.9, 100.2])
    case(f"cast_{to.__name__}", "cast", [x], [x.astype(to)], to=1)

# -- binary, compare, select
left, right = [
    v.ravel()
    for v in np.meshgrid(
        F([np.nan, np.inf, -np.inf, 0, -0.0, 1, -1, 2.5, -2.5, 7, -7, 0.3]),
        F([np.nan, np.inf, -np.inf, 0, 1, -1, 3, -3, 0.5, -0.1]),
    )
]
binary = {
    "ADD": ops.add,
    "SUB": ops.subtract,
    "MUL": ops.multiply,
    "DIV": ops.divide,
    "FLOOR_DIV": ops.floor_divide,
    "MOD": ops.mod,
    "MAX": ops.maximum,
    "MIN": ops.minimum,
    "POW": ops.power,
    "ATAN2": ops.arctan2,
    "SQUARED_DIFFERENCE": tf.math.squared_difference,
}
for kind, function in binary.items():
    case(f"binary_{kind}", "binary", [left, right], [function(left, right)], kind)
a, b = np.int32([5, -5, 5, -5, 7, 0, -9, 100, 2**31 - 1]), np.int32([3, 3, -3, -3, 7, 4, 2, -7, 2])
for kind in ["ADD", "SUB", "MUL", "FLOOR_DIV", "MOD", "MAX", "MIN", "SQUARED_DIFFERENCE"]:
    case(f"binary_i32_{kind}", "binary", [a, b], [binary[kind](a, b)], kind)
case("binary_i32_POW", "binary", [a, np.abs(b)], [tf.pow(a, np.abs(b))], "POW")
for kind, function in [("AND", np.logical_and), ("OR", np.logical_or), ("XOR", np.logical_xor)]:
    case(f"binary_{kind}", "binary", [flags, flags[:1]], [function(flags, flags[:1])], kind)
for name, p, q in [
    ("trailing", (4, 5, 3), (3,)),
    ("leading", (4, 1, 3), (1, 5, 1)),
    ("scalar", (2, 3), ()),
    ("left", (3,), (2, 4, 3)),
    ("column", (4, 3), (4, 1)),
    ("middle", (2, 3, 4, 5), (2, 1, 4, 1)),
]:
    x, y = normal(*p), normal(*q)
    case(f"binary_broadcast_{name}", "binary", [x, y], [x - y], "SUB")
x, y = normal(5, 7), normal(7)
case("binary_activation", "binary", [x, y], [tf.nn.relu6(x * y)], "MUL", activation=1, gamma=6.0)
for kind, function in [
    ("EQUAL", np.equal),
    ("NOT_EQUAL", np.not_equal),
    ("LESS", np.less),
    ("LESS_EQUAL", np.less_equal),
    ("GREATER", np.greater),
    ("GREATER_EQUAL", np.greater_equal),
]:
    case(f"compare_{kind}", "compare", [left, right], [function(left, right)], kind)
    case(
        f"compare_i32_{kind}", "compare", [a.reshape(9, 1), b], [function(a.reshape(9, 1), b)], kind
    )
condition = rng.random((4, 1, 5)) < 0.5
x, y = normal(4, 3, 5), normal(3, 1)
case("select", "select", [condition, x, y], [np.where(condition, x, y)])
x, y = np.arange(5, dtype=np.int32), np.arange(5, dtype=np.int32) * 10
case("select_i32", "select", [condition, x, y], [np.where(condition, x, y)])

# -- contractions
for name, p, q, ta, tb in [
    ("plain", (5, 7), (7, 9), 0, 0),
    ("ta", (7, 5), (7, 9), 1, 0),
    ("tb", (5, 7), (9, 7), 0, 1),
    ("tab", (7, 5), (9, 7), 1, 1),
    ("batch", (3, 5, 7), (3, 7, 4), 0, 0),
    ("shared", (2, 3, 5, 7), (7, 4), 0, 0),
    ("both", (2, 1, 5, 7), (3, 7, 4), 0, 0),
    ("scores", (2, 3, 4, 8), (2, 3, 6, 8), 0, 1),
    ("vector", (1, 300), (300, 41), 0, 0),
]:
    x, y = normal(*p), normal(*q)
    case(
        f"matmul_{name}",
        "matmul",
        [x, y],
        [
            np.matmul(
                *(
                    np.swapaxes(v, -1, -2) if t else v
                    for v, t in ((x.astype(float), ta), (y.astype(float), tb))
                )
            )
        ],
        transpose=(ta, tb),
        tolerance=(1e-5, 1e-5),
    )
x, y, bias, residual, scale = normal(5, 7), normal(7, 9), normal(9), normal(5, 9), normal(9)
case(
    "matmul_epilogue",
    "matmul",
    [x, y, bias, residual, scale],
    [tf.nn.relu((x @ y) * scale + bias + residual)],
    activation=1,
    gamma=np.inf,
)


def conv(name, shape, kernel, strides, dilations, padding, groups=1, depth=False):
    n = len(kernel) - 2
    x, w = normal(*shape), normal(*kernel)
    if depth:
        y = ops.depthwise_conv(x, w, strides=strides, padding=padding, dilation_rate=dilations)
        groups, stored = shape[-1], w.reshape(kernel[:n] + (1, -1))
    else:
        pieces = zip(np.split(x, groups, -1), np.split(w, groups, -1))
        y = np.concatenate(
            [
                tf.nn.convolution(p, q, strides, padding.upper(), dilations=dilations)
                for p, q in pieces
            ],
            -1,
        )
        stored = w
    case(
        name,
        "conv",
        [x, stored],
        [y],
        spatial=n,
        strides=strides,
        dilations=dilations,
        same=padding == "same",
        groups=groups,
        tolerance=(1e-5, 1e-5),
    )


conv("conv1_same", (2, 9, 3), (3, 3, 5), (1,), (1,), "same")
conv("conv1_valid_stride", (2, 11, 4), (4, 4, 6), (3,), (1,), "valid")
conv("conv1_dilated", (1, 12, 2), (3, 2, 4), (1,), (2,), "same")
conv("conv2_same", (2, 6, 7, 3), (3, 3, 3, 10), (1, 1), (1, 1), "same")
conv("conv2_same_stride", (1, 7, 6, 3), (3, 3, 3, 9), (2, 2), (1, 1), "same")
conv("conv2_valid", (1, 6, 8, 4), (3, 2, 4, 8), (2, 2), (1, 1), "valid")
conv("conv2_dilated", (1, 9, 9, 2), (3, 3, 2, 5), (1, 1), (2, 3), "same")
conv("conv2_groups", (1, 5, 6, 6), (3, 3, 2, 9), (1, 1), (1, 1), "same", 3)
conv("conv2_point", (2, 3, 5, 9), (1, 1, 9, 13), (1, 1), (1, 1), "valid")
conv("conv2_point_stride", (1, 5, 6, 4), (1, 1, 4, 3), (2, 2), (1, 1), "same")
conv("conv2_wide_kernel", (1, 3, 2, 2), (5, 7, 2, 4), (1, 1), (1, 1), "same")
conv("conv3_same", (1, 4, 5, 3, 2), (3, 2, 3, 2, 5), (1, 1, 1), (1, 1, 1), "same")
conv("conv3_valid_stride", (2, 5, 4, 5, 2), (2, 2, 2, 2, 3), (2, 1, 2), (1, 1, 1), "valid")
conv("depthwise_same", (1, 5, 6, 19), (3, 3, 19, 1), (1, 1), (1, 1), "same", depth=True)
conv("depthwise_stride", (2, 7, 7, 17), (3, 3, 17, 1), (2, 2), (1, 1), "same", depth=True)
conv("depthwise_multiplier", (1, 6, 5, 3), (3, 3, 3, 4), (1, 1), (1, 1), "valid", depth=True)
conv("depthwise_dilated", (1, 8, 8, 16), (3, 3, 16, 1), (1, 1), (2, 2), "same", depth=True)
conv("depthwise1", (2, 9, 5), (3, 5, 2), (2,), (1,), "same", depth=True)


def conv_transpose(name, shape, kernel, strides, padding):
    n = len(kernel) - 2
    x, w = normal(*shape), normal(*kernel)
    y = ops.conv_transpose(x, w, strides=strides, padding=padding)
    before, after, more = [], [], []
    for i in range(n):
        full = (shape[1 + i] - 1) * strides[i] + kernel[i]
        missing = max(full - y.shape[1 + i], 0) if padding == "same" else 0
        before.append(missing // 2)
        after.append(missing - missing // 2)
        more.append(y.shape[1 + i] - full + missing)
    case(
        name,
        "conv_transpose",
        [x, w],
        [y],
        spatial=n,
        strides=strides,
        dilations=(1,) * n,
        before=before,
        after=after,
        output_padding=more,
        tolerance=(1e-5, 1e-5),
    )


conv_transpose("transpose1_same", (2, 5, 3), (4, 6, 3), (2,), "same")
conv_transpose("transpose1_valid", (2, 5, 3), (3, 2, 3), (3,), "valid")
conv_transpose("transpose2_same", (1, 4, 5, 3), (3, 3, 7, 3), (2, 2), "same")
conv_transpose("transpose2_valid", (1, 4, 3, 4), (3, 4, 9, 4), (1, 2), "valid")
conv_transpose("transpose2_small_kernel", (1, 3, 3, 2), (2, 2, 4, 2), (3, 3), "same")
conv_transpose("transpose3_same", (1, 3, 3, 2, 2), (3, 2, 3, 3, 2), (2, 2, 2), "same")

# -- reductions
for name, shape, window, strides, padding in [
    ("1", (2, 9, 5), (3,), (2,), "SAME"),
    ("1_valid", (2, 9, 5), (2,), (2,), "VALID"),
    ("2", (1, 7, 6, 9), (3, 3), (2, 2), "SAME"),
    ("2_valid", (2, 6, 6, 4), (2, 3), (2, 1), "VALID"),
    ("2_dense", (1, 4, 5, 3), (3, 3), (1, 1), "SAME"),
    ("3", (1, 4, 5, 3, 4), (2, 3, 2), (2, 2, 1), "SAME"),
]:
    x = normal(*shape)
    for kind, word in (("MAX", "MAX"), ("AVERAGE", "AVG")):
        case(
            f"pool{name}_{kind}",
            "pool",
            [x],
            [tf.nn.pool(x, window, word, strides, padding)],
            kind,
            spatial=len(window),
            window=window,
            strides=strides,
            same=padding == "SAME",
        )
reductions = {
    "SUM": ops.sum,
    "MEAN": ops.mean,
    "MAX": ops.max,
    "MIN": ops.min,
    "PROD": ops.prod,
    "LOG_SUM_EXP": ops.logsumexp,
}
x = normal(3, 4, 5, 6)
for kind, function in reductions.items():
    for axes in [(3,), (0,), (1, 2), (0, 3), (0, 2), (0, 1, 2, 3), (2, 3)]:
        keep = axes[0] == 1
        case(
            f"reduce_{kind}_{''.join(map(str, axes))}",
            "reduce",
            [x],
            [function(x, axis=axes, keepdims=keep)],
            kind,
            axes=sum(1 << i for i in axes),
            keep=keep,
            tolerance=(1e-5, 1e-5),
        )
bad = F([[1, np.nan, 2], [np.inf, 1, np.inf], [-np.inf, -np.inf, -np.inf], [np.inf, -np.inf, 0]])
for kind, function in reductions.items():
    for axis in (0, 1):
        case(
            f"reduce_bad_{kind}_{axis}",
            "reduce",
            [bad],
            [function(bad, axis=axis)],
            kind,
            axes=1 << axis,
        )
whole = rng.integers(-9, 9, (4, 5, 3)).astype(np.int32)
for kind in ("SUM", "MAX", "MIN", "PROD"):
    for axis in (1, 2):
        case(
            f"reduce_i32_{kind}_{axis}",
            "reduce",
            [whole],
            [reductions[kind](whole, axis=axis)],
            kind,
            axes=1 << axis,
        )
flags = rng.random((4, 6, 3)) < 0.7
for kind, function in (("ANY", np.any), ("ALL", np.all)):
    for axis in (1, 2):
        case(
            f"reduce_{kind}_{axis}",
            "reduce",
            [flags],
            [function(flags, axis=axis)],
            kind,
            axes=1 << axis,
        )
x = np.round(normal(3, 5, 7) * 2)
for axis in range(3):
    for largest, function in ((1, ops.argmax), (0, ops.argmin)):
        case(
            f"arg_{largest}_{axis}",
            "arg_reduce",
            [x],
            [function(x, axis=axis)],
            largest=largest,
            axis=axis,
        )
        case(
            f"arg_i32_{largest}_{axis}",
            "arg_reduce",
            [x.astype(np.int32)],
            [function(x.astype(np.int32), axis=axis)],
            largest=largest,
            axis=axis,
        )
case("arg_bad", "arg_reduce", [bad], [ops.argmax(bad, axis=1)], largest=1, axis=1)
x = normal(3, 4, 5) * 5
x[0, 0] = [1000, -1000, 0, 999, 1000]
for axes in [(2,), (1,), (0,), (1, 2), (0, 2)]:
    y = x - np.asarray(ops.logsumexp(x, axis=axes, keepdims=True))
    mask = sum(1 << i for i in axes)
    case(
        f"softmax_{mask}",
        "softmax",
        [x],
        [np.exp(y.astype(float))],
        axes=mask,
        log=0,
        tolerance=(2e-5, 1e-6),
    )
    case(f"log_softmax_{mask}", "softmax", [x], [y], axes=mask, log=1, tolerance=(1e-5, 1e-5))
case("softmax_keras", "softmax", [x], [act.softmax(x)], axes=4, log=0)
x, gamma, beta = normal(3, 4, 20) * 3 + 10, normal(4, 20), normal(4, 20)
for count, axis in ((1, -1), (2, [-2, -1])):
    layer = keras.layers.LayerNormalization(axis=axis, epsilon=1e-3)
    layer.build(x.shape)
    g, b = gamma[0] if count == 1 else gamma, beta[0] if count == 1 else beta
    layer.set_weights([g, b])
    case(
        f"layer_norm_{count}",
        "normalize",
        [x, g, b],
        [layer(x)],
        count=count,
        epsilon=1e-3,
        rms=0,
        tolerance=(1e-5, 1e-5),
    )
    case(
        f"layer_norm_plain_{count}",
        "normalize",
        [x, None, None],
        [keras.layers.LayerNormalization(axis=axis, epsilon=1e-3, center=False, scale=False)(x)],
        count=count,
        epsilon=1e-3,
        rms=0,
        tolerance=(1e-5, 1e-5),
    )
layer = keras.layers.RMSNormalization(epsilon=1e-6)
layer.build(x.shape)
layer.set_weights([gamma[0]])
case("rms_norm", "normalize", [x, gamma[0], None], [layer(x)], count=1, epsilon=1e-6, rms=1)

# -- shape
x = np.arange(60, dtype=F).reshape(3, 4, 5)
case("reshape", "reshape", [x], [x.reshape(5, 12)], to=(5, 12))
for order in [(2, 1, 0), (0, 2, 1), (1, 0, 2)]:
    case(
        f"transpose_{''.join(map(str, order))}", "transpose", [x], [x.transpose(order)], order=order
    )
wide = np.arange(37 * 21 * 2, dtype=np.int32).reshape(2, 37, 21) % 251
case(
    "transpose_u8",
    "transpose",
    [wide.astype(np.uint8)],
    [wide.astype(np.uint8).transpose(0, 2, 1)],
    order=(0, 2, 1),
)
wide = np.arange(120, dtype=np.int64).reshape(2, 3, 4, 5)
case("transpose_i64", "transpose", [wide], [wide.transpose(0, 3, 1, 2)], order=(0, 3, 1, 2))
case(
    "broadcast", "broadcast", [x[:, :1]], [np.broadcast_to(x[:, :1], (2, 3, 4, 5))], to=(2, 3, 4, 5)
)
for axis in range(3):
    pieces = [x, x.take([1], axis), x.take([0, 2], axis)]
    case(f"concat_{axis}", "concat", pieces, [np.concatenate(pieces, axis)], axis=axis)
case("slice", "slice", [x], [x[1:3, ::2, 1:4]], start=(1, 0, 1), length=(2, 2, 3), step=(1, 2, 1))
case(
    "slice_negative",
    "slice",
    [x],
    [x[::-1, :, ::-2]],
    start=(2, 0, 4),
    length=(3, 4, 3),
    step=(-1, 1, -2),
)
case(
    "slice_bool",
    "slice",
    [flags],
    [flags[:, ::-1]],
    start=(0, 5, 0),
    length=(4, 6, 3),
    step=(1, -1, 1),
)
for kind, mode in (("CONSTANT", "constant"), ("REFLECT", "reflect"), ("SYMMETRIC", "symmetric")):
    widths = ((1, 2), (0, 0), (3, 1))
    more = {"constant_values": 2.5} if mode == "constant" else {}
    case(
        f"pad_{kind}",
        "pad",
        [x],
        [np.pad(x, widths, mode, **more)],
        kind,
        before=(1, 0, 3),
        after=(2, 0, 1),
        number=2.5,
    )
case(
    "pad_i32",
    "pad",
    [whole],
    [np.pad(whole, ((0, 0), (1, 1), (0, 2)))],
    "CONSTANT",
    before=(0, 1, 0),
    after=(0, 1, 2),
    number=0.0,
)
indices = np.int32([[3, 0, 1], [2, 2, -1]])
for axis in range(3):
    case(
        f"gather_{axis}",
        "gather",
        [x, indices % x.shape[axis]],
        [np.take(x, indices % x.shape[axis], axis)],
        axis=axis,
        batch=0,
        wrap=0,
    )
case("gather_wrap", "gather", [x, indices], [np.take(x, indices, 1)], axis=1, batch=0, wrap=1)
case("gather_clamp", "gather", [x, np.int32([9, -4])], [x[:, [3, 0]]], axis=1, batch=0, wrap=0)
along = rng.integers(0, 5, (3, 4, 2)).astype(np.int32)
case(
    "gather_along", "gather", [x, along], [np.take_along_axis(x, along, 2)], axis=2, batch=2, wrap=0
)
rows = rng.integers(0, 4, (3, 2)).astype(np.int32)
case(
    "gather_batch",
    "gather",
    [x, rows],
    [tf.gather(x, rows, axis=1, batch_dims=1)],
    axis=1,
    batch=1,
    wrap=0,
)
case(
    "one_hot",
    "one_hot",
    [np.int32([[0, 3], [4, -1], [2, 7]])],
    [ops.one_hot([[0, 3], [4, -1], [2, 7]], 5)],
    depth=5,
)
x = normal(3, 6, 4)
for axis in range(3):
    for reverse in (0, 1):
        for exclusive in (0, 1):
            case(
                f"cumsum_{axis}{reverse}{exclusive}",
                "cumulative",
                [x],
                [tf.cumsum(x, axis, exclusive=bool(exclusive), reverse=bool(reverse))],
                product=0,
                axis=axis,
                reverse=reverse,
                exclusive=exclusive,
            )
case(
    "cumprod", "cumulative", [x], [tf.math.cumprod(x, 1)], product=1, axis=1, reverse=0, exclusive=0
)
case(
    "cumsum_i32",
    "cumulative",
    [whole],
    [np.cumsum(whole, 1, dtype=np.int32)],
    product=0,
    axis=1,
    reverse=0,
    exclusive=0,
)
case("iota", "iota", [], [np.arange(7, dtype=np.int32)], length=7)
image = normal(1, 7, 6, 2)
for kind, method in (
    ("NEAREST", "nearest"),
    ("BILINEAR", "bilinear"),
    ("BICUBIC", "bicubic"),
    ("LANCZOS3", "lanczos3"),
    ("LANCZOS5", "lanczos5"),
):
    for antialias in (0, 1):
        for size in ((14, 12), (3, 2), (5, 13), (9, 4), (1, 1)):
            y = tf.image.resize(image, size, method, antialias=bool(antialias))
            case(
                f"resize_{kind}_{antialias}_{size[0]}x{size[1]}",
                "resize",
                [image],
                [y],
                kind,
                antialias=antialias,
                size=size,
                tolerance=(1e-5, 2e-6),
            )

# -- recurrent
ACTIVATIONS = {
    "tanh": "TANH",
    "sigmoid": "SIGMOID",
    "relu": "RELU",
    "linear": "IDENTITY",
    "hard_sigmoid": "HARD_SIGMOID",
}


def rnn(name, kind, layer, steps=5, items=3, depth=4, mask=None, state=False, **attributes):
    x = normal(items, steps, depth)
    layer.build(x.shape)
    weights = [normal(*w.shape) * 0.5 for w in layer.get_weights()]
    layer.set_weights(weights)
    units = layer.units
    h = normal(items, units) if state else None
    c = normal(items, units) if state and kind == "LSTM" else None
    first = [v for v in (h, c) if v is not None] or None
    out = layer(x, mask=mask, initial_state=first)
    bias = weights[2] if len(weights) > 2 else None
    cell = out[2] if kind == "LSTM" else out[1]
    config = layer.get_config()
    recurrent = config.get("recurrent_activation", "sigmoid")
    lines_before = len(lines)
    case(
        name,
        "rnn",
        [x, weights[0], weights[1], bias, mask, h, c],
        [out[0], out[1], cell],
        kind,
        units=units,
        reset_after=config.get("reset_after", False),
        backwards=layer.go_backwards,
        sequences=layer.return_sequences,
        zero=layer.zero_output_for_mask,
        tolerance=(2e-5, 2e-6),
    )
    lines.insert(
        lines_before + 1, f"f {ACTIVATIONS[config['activation']]} {ACTIVATIONS[recurrent]}"
    )


mask = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 1], [1, 1, 0, 0, 0]], bool)
L = keras.layers
for kind, make in (("SIMPLE", L.SimpleRNN), ("LSTM", L.LSTM), ("GRU", L.GRU)):
    base = dict(return_state=True)
    rnn(f"rnn_{kind}", kind, make(6, **base))
    rnn(f"rnn_{kind}_sequences", kind, make(6, return_sequences=True, **base), state=True)
    rnn(f"rnn_{kind}_mask", kind, make(6, return_sequences=True, **base), mask=mask, state=True)
    rnn(f"rnn_{kind}_mask_last", kind, make(5, **base), mask=mask)
    rnn(
        f"rnn_{kind}_mask_zero",
        kind,
        make(5, return_sequences=True, zero_output_for_mask=True, **base),
        mask=mask,
    )
    rnn(
        f"rnn_{kind}_backwards",
        kind,
        make(5, return_sequences=True, go_backwards=True, **base),
        mask=mask,
    )
    rnn(f"rnn_{kind}_backwards_last", kind, make(5, go_backwards=True, use_bias=False, **base))
    rnn(f"rnn_{kind}_relu", kind, make(4, activation="relu", **base), items=1)
rnn(
    "rnn_GRU_before",
    "GRU",
    L.GRU(6, reset_after=False, return_sequences=True, return_state=True),
    state=True,
)
rnn(
    "rnn_GRU_before_mask",
    "GRU",
    L.GRU(5, reset_after=False, return_state=True, return_sequences=True),
    mask=mask,
)
rnn("rnn_LSTM_hard", "LSTM", L.LSTM(4, recurrent_activation="hard_sigmoid", return_state=True))
rnn(
    "rnn_GRU_hard",
    "GRU",
    L.GRU(4, recurrent_activation="hard_sigmoid", reset_after=False, return_state=True),
)

os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "kernels.txt"), "w") as file:
    file.write("\n".join(lines) + "\n")
with open(os.path.join(folder, "kernels.bin"), "wb") as file:
    file.write(bytes(data))
print(sum(line.startswith("case") for line in lines), "cases,", len(data), "bytes")
