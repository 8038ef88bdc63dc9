"""Operations at once and in graphs: the same numbers, those of numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ebb import tf

X = np.array([[0.5, -1.5, 2.0], [1.0, 3.0, -0.25]], np.float32)
Y = np.array([[2.0, 0.5, 1.0], [4.0, -1.0, 0.5]], np.float32)
P = np.abs(X) / 4
N = np.array([[3, 1, 2], [5, 9, 4]], np.int32)
IMAGE = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2) / 7
KERNEL = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2) / 11 - 1


def both(function: Callable[..., Any], *arrays: Any) -> list[Any]:
    """Values of a function of tensors: done at once, in a session, in a tf.function."""
    eager = function(*[tf.constant(a) for a in arrays])
    found = [tf.nest.map_structure(lambda t: t.numpy(), eager)]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        nodes = [tf.compat.v1.placeholder(a.dtype, a.shape) for a in arrays]
        found.append(session.run(function(*nodes), dict(zip(nodes, arrays))))
        del nodes, session
    traced = tf.function(function)(*arrays)
    found.append(tf.nest.map_structure(lambda t: t.numpy(), traced))
    return found


def agree(function: Callable[..., Any], expected: Any, *arrays: Any) -> None:
    """All three ways give what numpy gives."""
    for made in both(function, *arrays):
        assert np.allclose(made, expected, rtol=1e-5, atol=1e-6), (made, expected)
        assert np.shape(made) == np.shape(expected)


UNARY: list[tuple[Any, Any, Any]] = [
    (tf.abs, np.abs, X), (tf.negative, np.negative, X), (tf.sign, np.sign, X),
    (tf.square, np.square, X), (tf.sqrt, np.sqrt, P), (tf.math.rsqrt, lambda x: x**-0.5, P),
    (tf.math.reciprocal, lambda x: 1 / x, X), (tf.exp, np.exp, X), (tf.math.expm1, np.expm1, X),
    (tf.math.log, np.log, P), (tf.math.log1p, np.log1p, P), (tf.sin, np.sin, X),
    (tf.cos, np.cos, X), (tf.tan, np.tan, X), (tf.asin, np.arcsin, P), (tf.acos, np.arccos, P),
    (tf.atan, np.arctan, X), (tf.sinh, np.sinh, X), (tf.cosh, np.cosh, X), (tf.tanh, np.tanh, X),
    (tf.asinh, np.arcsinh, X), (tf.acosh, np.arccosh, 1 + P), (tf.atanh, np.arctanh, P),
    (tf.floor, np.floor, X), (tf.math.ceil, np.ceil, X), (tf.round, np.round, X),
    (tf.math.erf, np.vectorize(math.erf), X), (tf.sigmoid, lambda x: 1 / (1 + np.exp(-x)), X),
    (tf.nn.relu, lambda x: np.maximum(x, 0), X), (tf.nn.relu6, lambda x: np.clip(x, 0, 6), 9 * X),
    (tf.nn.leaky_relu, lambda x: np.where(x > 0, x, 0.2 * x), X),
    (tf.nn.elu, lambda x: np.where(x > 0, x, np.expm1(x)), X),
    (tf.nn.softplus, lambda x: np.logaddexp(x, 0), X),
    (tf.nn.silu, lambda x: x / (1 + np.exp(-x)), X),
    (tf.nn.softsign, lambda x: x / (1 + np.abs(x)), X),
    (tf.nn.gelu, lambda x: x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2, X),
    (tf.zeros_like, np.zeros_like, X), (tf.ones_like, np.ones_like, X),
    (tf.identity, lambda x: x, X), (tf.math.is_nan, np.isnan, X), (tf.transpose, np.transpose, X),
    (tf.logical_not, np.logical_not, X > 0), (tf.shape, np.shape, X), (tf.size, np.size, X),
    (tf.rank, np.ndim, X), (tf.linalg.diag, lambda x: x[..., None] * np.eye(3), X),
    (tf.linalg.trace, np.trace, X[:, :2]), (tf.nn.l2_loss, lambda x: (x**2).sum() / 2, X),
]  # fmt: skip


@pytest.mark.parametrize("case", UNARY, ids=lambda case: getattr(case[0], "__name__", "?"))
def test_functions_of_one_tensor(case: Any) -> None:
    function, expected, x = case
    agree(function, expected(x), x.astype(x.dtype))


BINARY: list[tuple[Any, Any]] = [
    (tf.add, np.add), (tf.subtract, np.subtract), (tf.multiply, np.multiply),
    (tf.divide, np.divide), (tf.maximum, np.maximum), (tf.minimum, np.minimum),
    (tf.math.floormod, np.mod), (tf.math.floordiv, np.floor_divide), (tf.math.atan2, np.arctan2),
    (tf.math.squared_difference, lambda x, y: (x - y) ** 2), (tf.less, np.less),
    (tf.greater_equal, np.greater_equal), (tf.equal, np.equal), (tf.not_equal, np.not_equal),
    (tf.math.divide_no_nan, np.divide),
]  # fmt: skip


@pytest.mark.parametrize("case", BINARY, ids=lambda case: case[0].__name__)
def test_functions_of_two_tensors(case: Any) -> None:
    function, expected = case
    agree(function, expected(X, Y), X, Y)
    agree(function, expected(X, Y[1]), X, Y[1])


REDUCTIONS = [
    (tf.reduce_sum, np.sum), (tf.reduce_mean, np.mean), (tf.reduce_max, np.max),
    (tf.reduce_min, np.min), (tf.reduce_prod, np.prod), (tf.math.reduce_std, np.std),
    (tf.math.reduce_variance, np.var),
    (tf.reduce_logsumexp, lambda x, **how: np.log(np.exp(x).sum(**how))),
]  # fmt: skip


@pytest.mark.parametrize("case", REDUCTIONS, ids=lambda case: case[0].__name__)
def test_reductions(case: Any) -> None:
    function, expected = case
    agree(function, expected(X), X)
    agree(lambda x: function(x, axis=1), expected(X, axis=1), X)
    agree(lambda x: function(x, axis=[0], keepdims=True), expected(X, axis=0, keepdims=True), X)


def test_reductions_of_bools_and_arguments() -> None:
    agree(tf.reduce_any, True, X > 2.5)
    agree(lambda x: tf.reduce_all(x, 0), [False, False, False], X > 1)
    agree(lambda x: tf.argmax(x, 1), X.argmax(1), X)
    agree(tf.argmin, X.argmin(0), X)
    assert tf.argmax(X).dtype == tf.int64 and tf.argmax(X, 1, tf.int32).dtype == tf.int32
    agree(lambda x: tf.cumsum(x, 1), X.cumsum(1), X)
    agree(lambda x: tf.cumsum(x, 0, reverse=True), X[::-1].cumsum(0)[::-1], X)
    agree(lambda x: tf.math.top_k(x, 2)[0], -np.sort(-X)[:, :2], X)
    agree(tf.math.count_nonzero, 6, X)
    assert tf.reduce_mean(tf.constant([1, 2])).numpy() == 1
    assert (
        np.isnan(tf.reduce_mean(tf.zeros([0])).numpy())
        and tf.reduce_sum(tf.zeros([0, 2])).numpy() == 0
    )


LAYOUT: list[tuple[Any, Any]] = [
    (lambda x: tf.reshape(x, [3, -1]), lambda x: x.reshape(3, 2)),
    (lambda x: tf.transpose(x, [1, 0]), lambda x: x.T),
    (lambda x: tf.expand_dims(x, 1), lambda x: x[:, None]),
    (lambda x: tf.squeeze(x[None]), lambda x: x),
    (lambda x: tf.concat([x, x], 0), lambda x: np.concatenate([x, x])),
    (lambda x: tf.concat([x, x * 2], -1), lambda x: np.concatenate([x, x * 2], 1)),
    (lambda x: tf.stack([x, x], 1), lambda x: np.stack([x, x], 1)),
    (lambda x: tf.unstack(x)[1], lambda x: x[1]),
    (lambda x: tf.split(x, 3, 1)[2], lambda x: x[:, 2:]),
    (lambda x: tf.split(x, [1, 2], 1)[1], lambda x: x[:, 1:]),
    (lambda x: tf.slice(x, [0, 1], [-1, 2]), lambda x: x[:, 1:]),
    (lambda x: x[:, ::-1], lambda x: x[:, ::-1]),
    (lambda x: x[1, 1:], lambda x: x[1, 1:]),
    (lambda x: x[..., tf.newaxis, 0], lambda x: x[..., None, 0]),
    (lambda x: tf.tile(x, [2, 1]), lambda x: np.tile(x, [2, 1])),
    (lambda x: tf.pad(x, [[1, 0], [0, 2]]), lambda x: np.pad(x, [[1, 0], [0, 2]])),
    (lambda x: tf.pad(x, [[0, 0], [1, 1]], "REFLECT"),
     lambda x: np.pad(x, [[0, 0], [1, 1]], "reflect")),
    (lambda x: tf.pad(x, [[0, 0], [1, 1]], constant_values=3.0),
     lambda x: np.pad(x, [[0, 0], [1, 1]], constant_values=3)),
    (lambda x: tf.reverse(x, [1]), lambda x: x[:, ::-1]),
    (lambda x: tf.roll(x, 1, 1), lambda x: np.roll(x, 1, 1)),
    (lambda x: tf.broadcast_to(x[0], [4, 3]), lambda x: np.broadcast_to(x[0], [4, 3])),
    (lambda x: tf.gather(x, [2, 0], axis=1), lambda x: x[:, [2, 0]]),
    (lambda x: tf.gather_nd(x, [[0, 1], [1, 2]]), lambda x: x[[0, 1], [1, 2]]),
    (lambda x: tf.where(x > 0, x, 0.0), lambda x: np.where(x > 0, x, 0)),
    (lambda x: tf.cast(x, tf.int32), lambda x: x.astype("int32")),
    (lambda x: tf.clip_by_value(x, -1, 1), lambda x: np.clip(x, -1, 1)),
    (lambda x: tf.linalg.band_part(x, 0, -1), np.triu),
    (lambda x: tf.repeat(x, 2, axis=0), lambda x: np.repeat(x, 2, 0)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LAYOUT)))
def test_moves(number: int) -> None:
    function, expected = LAYOUT[number]
    agree(function, expected(X), X)


def test_products_of_matrices() -> None:
    agree(tf.matmul, X @ Y.T, X, np.ascontiguousarray(Y.T))
    agree(lambda x, y: tf.matmul(x, y, transpose_b=True), X @ Y.T, X, Y)
    agree(lambda x, y: tf.matmul(x, y, transpose_a=True), X.T @ Y, X, Y)
    stack = np.stack([X, Y])
    agree(lambda x, y: x @ y, stack @ X.T, stack, np.ascontiguousarray(X.T))
    agree(lambda x, y: tf.einsum("ij,kj->ik", x, y), X @ Y.T, X, Y)
    agree(lambda x, y: tf.tensordot(x, y, [[1], [1]]), X @ Y.T, X, Y)
    agree(tf.linalg.matvec, X @ Y[0], X, Y[0])
    agree(tf.norm, np.linalg.norm(X), X)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.matmul(X, Y)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.matmul(X[0], Y)


def test_making() -> None:
    assert tf.zeros([2, 3]).numpy().tolist() == [[0.0] * 3] * 2
    assert tf.ones(3, tf.int32).numpy().tolist() == [1, 1, 1]
    assert tf.fill([2], 7).numpy().tolist() == [7, 7] and tf.fill([2], 7).dtype == tf.int32
    assert tf.range(5).numpy().tolist() == [0, 1, 2, 3, 4] and tf.range(5).dtype == tf.int32
    assert tf.range(1, 2, 0.5).numpy().tolist() == [1.0, 1.5]
    assert tf.linspace(0.0, 1.0, 3).numpy().tolist() == [0.0, 0.5, 1.0]
    assert tf.eye(2).numpy().tolist() == [[1, 0], [0, 1]]
    assert tf.one_hot([1, 0], 3).numpy().tolist() == [[0, 1, 0], [1, 0, 0]]
    assert tf.constant(2, shape=[2]).numpy().tolist() == [2, 2]
    assert tf.constant([1, 2, 3, 4], shape=[2, 2]).shape == (2, 2)
    grid = tf.meshgrid([1, 2, 3], [4, 5])
    assert np.array_equal(grid, np.meshgrid([1, 2, 3], [4, 5]))
    with pytest.raises(TypeError, match="elements"):
        tf.constant([1, 2, 3], shape=[2, 3])
    with pytest.raises(ValueError, match="rectangular"):
        tf.constant([[1, 2], [3]])


def test_choosing() -> None:
    assert tf.where([True, False, True]).numpy().tolist() == [[0], [2]]
    assert tf.boolean_mask([1, 2, 3], [True, False, True]).numpy().tolist() == [1, 3]
    values, index = tf.unique([4, 2, 4])
    assert values.numpy().tolist() == [4, 2] and index.numpy().tolist() == [0, 1, 0]
    assert tf.sort([3, 1, 2], direction="DESCENDING").numpy().tolist() == [3, 2, 1]
    assert tf.argsort([3, 1, 2]).numpy().tolist() == [1, 2, 0]
    assert tf.sequence_mask([1, 3], 3).numpy().tolist() == [[True, False, False], [True] * 3]
    assert tf.tensor_scatter_nd_update([1, 2, 3], [[1]], [9]).numpy().tolist() == [1, 9, 3]
    assert tf.searchsorted([1, 3, 5], [2, 5]).numpy().tolist() == [1, 2]
    assert tf.math.confusion_matrix([0, 1, 1], [0, 1, 0]).numpy().tolist() == [[1, 0], [1, 1]]
    for bad in (lambda: tf.gather([1, 2], [2]), lambda: tf.reshape(X, [4, -1]),
                lambda: tf.concat([X, Y[:, :2]], 0), lambda: tf.split(X, 2, 1)):  # fmt: skip
        with pytest.raises(tf.errors.InvalidArgumentError):
            bad()


def convolved(image: Any, kernel: Any, step: int) -> Any:
    """A convolution by hand, without padding."""
    rows = (image.shape[1] - 3) // step + 1
    made = np.zeros((1, rows, rows, kernel.shape[3]), np.float32)
    for i in range(rows):
        for j in range(rows):
            part = image[0, i * step : i * step + 3, j * step : j * step + 3]
            made[0, i, j] = np.tensordot(part, kernel, 3)
    return made


def test_convolutions_and_pools() -> None:
    agree(lambda x, k: tf.nn.conv2d(x, k, 1, "VALID"), convolved(IMAGE, KERNEL, 1), IMAGE, KERNEL)
    wide = np.pad(IMAGE, [[0, 0], [1, 1], [1, 1], [0, 0]])
    agree(
        lambda x, k: tf.nn.conv2d(x, k, [1, 1, 1, 1], "SAME"),
        convolved(wide, KERNEL, 1),
        IMAGE,
        KERNEL,
    )
    pooled = IMAGE.reshape(1, 2, 2, 2, 2, 2)
    agree(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), pooled.max((2, 4)), IMAGE)
    agree(lambda x: tf.nn.avg_pool(x, [1, 2, 2, 1], 2, "SAME"), pooled.mean((2, 4)), IMAGE)
    agree(tf.nn.bias_add, X + Y[0], X, Y[0])
    with pytest.raises(NotImplementedError, match="channels-last"):
        tf.nn.conv2d(IMAGE, KERNEL, 1, "SAME", "NCHW")


def softmax(x: Any) -> Any:
    """By hand."""
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def test_losses_and_normalization() -> None:
    agree(tf.nn.softmax, softmax(X), X)
    agree(lambda x: tf.nn.softmax(x, axis=0), softmax(X.T).T, X)
    agree(tf.nn.log_softmax, np.log(softmax(X)), X)
    hot = np.eye(3, dtype="float32")[[2, 0]]
    expected = -(hot * np.log(softmax(X))).sum(1)
    agree(tf.nn.softmax_cross_entropy_with_logits, expected, hot, X)
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits([2, 0], X)
    assert np.allclose(sparse, expected, rtol=1e-5)
    p = 1 / (1 + np.exp(-X))
    cross = -(P * np.log(p) + (1 - P) * np.log(1 - p))
    agree(tf.nn.sigmoid_cross_entropy_with_logits, cross, P, X)
    agree(lambda x: tf.nn.moments(x, [0])[1], X.var(0), X)
    agree(lambda x: tf.nn.l2_normalize(x, 1), X / np.linalg.norm(X, axis=1, keepdims=True), X)
    agree(lambda x: tf.nn.embedding_lookup(x, [1, 1]), X[[1, 1]], X)
    assert tf.nn.dropout(tf.ones([2]), 0).numpy().tolist() == [1, 1]


def test_random_numbers_begin_anew_with_the_seed() -> None:
    tf.random.set_seed(7)
    first = [tf.random.normal([3]).numpy(), tf.random.uniform([3], seed=1).numpy()]
    other = tf.random.normal([3]).numpy()
    tf.random.set_seed(7)
    assert np.array_equal(first[0], tf.random.normal([3]).numpy())
    assert np.array_equal(first[1], tf.random.uniform([3], seed=1).numpy())
    assert not np.array_equal(first[0], other)
    drawn = tf.random.truncated_normal([5000], stddev=2.0).numpy()
    assert np.abs(drawn).max() <= 4 and 1.6 < drawn.std() < 1.9
    whole = tf.random.uniform([1000], 2, 5, tf.int32).numpy()
    assert set(whole.tolist()) == {2, 3, 4}
    assert sorted(tf.random.shuffle(tf.range(9)).numpy().tolist()) == list(range(9))
    same = [tf.random.stateless_normal([2], [1, 2]).numpy().tolist() for _ in range(2)]
    assert same[0] == same[1]
    generator = tf.random.Generator.from_seed(1)
    assert generator.normal([2]).shape == (2,)
    traced = tf.function(lambda: tf.random.normal([4]))
    assert not np.array_equal(traced().numpy(), traced().numpy())


def test_linear_algebra_at_once() -> None:
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)
    assert np.allclose(tf.linalg.inv(matrix), np.linalg.inv(matrix))
    assert np.allclose(tf.linalg.det(matrix), 5.0)
    assert np.allclose(tf.linalg.solve(matrix, [[1.0], [2.0]]), np.linalg.solve(matrix, [[1], [2]]))
    s, u, v = tf.linalg.svd(matrix)
    assert np.allclose((u.numpy() * s.numpy()) @ v.numpy().T, matrix, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.linalg.inv(np.zeros((2, 2), np.float32))
    with tf.Graph().as_default():
        node = tf.constant(matrix)
        with pytest.raises(NotImplementedError, match="eager"):
            tf.linalg.inv(node)
        del node


def test_images() -> None:
    assert tf.image.resize(IMAGE, [2, 2]).shape == (1, 2, 2, 2)
    nearest = tf.image.resize(IMAGE[0], [8, 8], "nearest").numpy()
    assert np.array_equal(nearest, IMAGE[0].repeat(2, 0).repeat(2, 1))
    assert np.array_equal(tf.image.flip_left_right(IMAGE), IMAGE[:, :, ::-1])
    assert np.array_equal(tf.image.rot90(IMAGE[0]), np.rot90(IMAGE[0]))
    assert tf.image.central_crop(IMAGE[0], 0.5).shape == (2, 2, 2)
    scaled = tf.image.convert_image_dtype(np.array([[[0, 255]]], np.uint8), tf.float32)
    assert scaled.numpy().tolist() == [[[0.0, 1.0]]]
    standard = tf.image.per_image_standardization(IMAGE[0]).numpy()
    assert abs(standard.mean()) < 1e-5 and abs(standard.std() - 1) < 1e-4


def test_total_variation_of_images() -> None:
    two = np.stack([IMAGE[0], 3 * IMAGE[0]])
    expected = sum(np.abs(np.diff(IMAGE[0], axis=axis)).sum() for axis in (0, 1))
    assert np.allclose(tf.image.total_variation(two), [expected, 3 * expected], rtol=1e-5)
    image = tf.Variable(IMAGE[0])
    with tf.GradientTape() as tape:
        one = tf.image.total_variation(image)
    assert one.shape == () and tape.gradient(one, image).shape == image.shape
    with pytest.raises(ValueError, match="3 axes"):
        tf.image.total_variation(IMAGE[0, 0])


def test_flow() -> None:
    one = tf.constant(1.0)
    assert tf.cond(one > 0, lambda: "yes", lambda: "no") == "yes"
    assert tf.case([(one < 0, lambda: 1), (one > 0, lambda: 2)]) == 2
    assert tf.while_loop(lambda i: i < 5, lambda i: [i + 1], [tf.constant(0)])[0].numpy() == 5
    assert tf.map_fn(lambda x: x * 2, tf.constant([1.0, 2.0])).numpy().tolist() == [2.0, 4.0]
    agree(lambda x: tf.cond(x[0, 0] > 0, lambda: x, lambda: -x), X, X)
    tf.debugging.assert_equal([1, 2], [1, 2])
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.debugging.assert_equal([1, 2], [1, 3])
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN"):
        tf.debugging.check_numerics([np.nan], "x")


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="reduce_mean"):
        tf.reduce_meen
    with pytest.raises(AttributeError, match="no sparse tensors"):
        tf.sparse
    with pytest.raises(AttributeError, match=r"tf\.math"):
        tf.math.lgammma
    assert not hasattr(tf, "contrib") and hasattr(tf, "matmul") and "keras" in dir(tf)
    assert tf.math.argmax is tf.argmax and tf.__version__.split(".")[0] == "2"
