"""Gradients of eager keras.ops against differences."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest

import ebb
from ebb import keras, tf

ops = keras.ops
RANDOM = np.random.default_rng(0)
A = (RANDOM.random((3, 4)) * 0.8 + 0.1).astype(np.float32)
B = (RANDOM.random((4, 3)) * 0.8 + 0.1).astype(np.float32)
IMAGE = RANDOM.random((1, 6, 6, 2)).astype(np.float32)
KERNEL = RANDOM.random((3, 3, 2, 3)).astype(np.float32)
UNIT = 3 * np.eye(3, dtype=np.float32)

SIMPLE = [
    "absolute", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "arcsin", "arctan", "sinh",
    "tanh", "arctanh", "sqrt", "rsqrt", "square", "reciprocal", "negative", "sigmoid", "relu",
    "relu6", "softplus", "softsign", "silu", "gelu", "elu", "selu", "leaky_relu", "log_sigmoid",
    "erf", "sum", "mean", "max", "min", "prod", "std", "var", "logsumexp", "softmax",
    "log_softmax", "cumsum", "transpose", "flip", "ravel", "normalize", "tril", "triu", "sort",
    "diagonal", "trace", "glu", "layer_normalization", "rms_normalization",
]  # fmt: skip

CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    **{name: (getattr(ops, name), [A]) for name in SIMPLE},
    "matmul": (ops.matmul, [A, B]),
    "broadcast": (ops.divide, [A, A[:1]]),
    "power": (ops.power, [A, A]),
    "maximum": (lambda a: ops.maximum(a, a[::-1] * 0.77), [A]),
    "einsum": (lambda a, b: ops.einsum("ij,jk->ik", a, b), [A, B]),
    "conv": (lambda x, k: ops.conv(x, k, padding="same"), [IMAGE, KERNEL]),
    "depthwise": (ops.depthwise_conv, [IMAGE, KERNEL]),
    "max_pool": (lambda x: ops.max_pool(x, 2), [IMAGE]),
    "average_pool": (lambda x: ops.average_pool(x, 2), [IMAGE]),
    "take": (lambda a: ops.take(a, np.array([0, 2, 2]), axis=0), [A]),
    "concatenate": (lambda a, b: ops.concatenate([a, ops.transpose(b)], axis=0), [A, B]),
    "stack": (lambda a: ops.stack([a, a * 2]), [A]),
    "split": (lambda a: ops.split(a, 2, axis=1)[1], [A]),
    "where": (lambda a: ops.where(a > 0.5, a, a * 3.0), [A]),
    "pad": (lambda a: ops.pad(a, ((1, 1), (0, 2))), [A]),
    "index": (lambda a: a[:, ops.argmax(a[0])], [A]),
    "one_hot": (lambda a: ops.matmul(ops.one_hot(np.array([1, 0]), 3), a), [A]),
    "sparse": (
        lambda a: ops.sparse_categorical_crossentropy(np.arange(3), a, from_logits=True),
        [A],
    ),
    "attention": (lambda a: ops.dot_product_attention(*[a[None, :, None]] * 3), [A]),
    "vectorized_map": (lambda a: ops.vectorized_map(lambda r: ops.sum(r * r), a), [A]),
    "scan": (lambda a: ops.scan(lambda c, r: (c + r * c, c), ops.ones((4,)), a)[0], [A]),
    "cond": (lambda a: ops.cond(ops.sum(a) > 0, lambda: a * 2, lambda: a), [A]),
    "top_k": (lambda a: ops.top_k(a, 2)[0], [A]),
    "inv": (lambda a: ops.linalg.inv(ops.add(a[:, :3], UNIT)), [A]),
    "det": (lambda a: ops.det(ops.add(a[:, :3], UNIT)), [A]),
    "solve": (lambda a, b: ops.solve(ops.add(a[:, :3], UNIT), b[0]), [A, B]),
    "cholesky": (lambda a: ops.cholesky(ops.matmul(a, ops.transpose(a)) + UNIT), [A]),
    "upper": (lambda a: ops.cholesky(ops.matmul(a, ops.transpose(a)) + UNIT, True), [A]),
    "segment_sum": (lambda a: ops.segment_sum(a, np.array([0, 0, 1]), 2), [A]),
    "convert": (lambda a: ops.convert_to_tensor(a) * 2.0, [A]),
    "resize": (lambda x: ops.image.resize(x, (4, 4)), [IMAGE]),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_against_differences(name: str) -> None:
    function, arrays = CASES[name]
    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
        weights = np.random.default_rng(1).random(tuple(y.shape)).astype(np.float32)
        loss = ops.sum(y * weights)
    found = tape.gradient(loss, tensors)

    def total(values: list[Any]) -> float:
        y = np.asarray(function(*[tf.constant(value) for value in values]), np.float64)
        return float((y * weights).sum())

    for place, array in enumerate(arrays):
        for index in list(np.ndindex(array.shape))[:: max(1, array.size // 8)]:
            sides = []
            for step in (1e-2, -1e-2):
                moved = [value.copy() for value in arrays]
                moved[place][index] += step
                sides.append(total(moved))
            slope = float(found[place].numpy()[index])
            assert abs((sides[0] - sides[1]) / 2e-2 - slope) < 3e-2 * max(1.0, abs(slope))


def test_what_has_no_gradient_says_so() -> None:
    x = tf.constant(A)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(ops.median(x, axis=1))
    with pytest.raises(ebb.UnsupportedError, match=r"keras\.ops\.median"):
        tape.gradient(y, x)
    # Not in the way of what does not lead through it.
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(x * x)
        ops.median(x, axis=1)
    assert np.allclose(tape.gradient(y, x).numpy(), 2 * A)


def test_names_and_bytes() -> None:
    keras.backend.clear_session()
    x = tf.constant(A)
    held = ebb.memory().live
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(ops.square(x) + ops.exp(x))
    tape.gradient(y, x)
    # What a tape puts together does not count for automatic names.
    assert keras.layers.Add().name == "add" and keras.Input((2,)).name == "keras_tensor"
    del tape, y, x
    assert ebb.memory().live < held
