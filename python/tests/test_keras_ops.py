"""``ebb.keras.ops``: every case against Keras's numbers, at once and as a part of a model."""

from __future__ import annotations

import inspect
import json
import pathlib
import re
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras
from ebb.keras import ops
from ebb.keras.ops import _operation

GOLDENS = pathlib.Path(__file__).with_name("goldens")
sys.path.insert(0, str(GOLDENS))

import ops_cases  # noqa: E402

WANTED = np.load(GOLDENS / "ops.npz")
NAMES = {"o": ops, "np": np, "K": ops_cases.constant}
CASES = [(number, *case) for number, case in enumerate(ops_cases.cases())]
SYMBOLIC = [(number, text) for number, text, is_symbolic in CASES if is_symbolic]


def wanted(number: int) -> list[Any]:
    """What Keras computed for a case."""
    found: list[Any] = []
    while f"{number}/{len(found)}" in WANTED:
        found.append(WANTED[f"{number}/{len(found)}"])
    return found


def check(got: Any, want: Any, text: str) -> None:
    """Type, shape and numbers."""
    got = np.asarray(got)
    assert (got.dtype, got.shape) == (want.dtype, want.shape), text
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want, text)
        return
    finite = np.abs(want[np.isfinite(want)])
    size = max(1.0, float(finite.max()) if finite.size else 1.0)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 * size, err_msg=text)


@pytest.mark.parametrize(("number", "text", "is_symbolic"), CASES, ids=[c[1] for c in CASES])
def test_eager_equals_keras(number: int, text: str, is_symbolic: bool) -> None:
    """On tensors every operation gives Keras's numbers, in Keras's types and shapes."""
    values = {key: ops.convert_to_tensor(value) for key, value in ops_cases.inputs().items()}
    got = ops_cases.flatten(eval(text, {**NAMES, **values}))
    want = wanted(number)
    assert len(got) == len(want)
    for one, other in zip(got, want):
        check(one, other, text)


@pytest.mark.parametrize(("number", "text"), SYMBOLIC, ids=[text for _, text in SYMBOLIC])
def test_in_a_model_equals_keras(number: int, text: str) -> None:
    """As a part of a model they give the same, and shapes and types are known before."""
    data = ops_cases.inputs()
    plain = re.sub(r'"[^"]*"', '""', text)
    used = [key for key in data if re.search(rf'(?<![\w."]){key}(?![\w"(=.])', plain)]
    inputs = {
        key: keras.Input(shape=data[key].shape[1:], dtype=data[key].dtype.name, name=key)
        for key in used
    }
    outputs = ops_cases.flatten(eval(text, {**NAMES, **inputs}))
    model = keras.Model(list(inputs.values()), outputs)
    got = model.predict([data[key] for key in used], verbose=0)
    got = got if isinstance(got, list) else [got]
    want = wanted(number)
    assert [tensor.dtype for tensor in outputs] == [array.dtype.name for array in want]
    assert [tensor.shape[1:] for tensor in outputs] == [array.shape[1:] for array in want]
    for one, other in zip(got, want):
        check(one, other, text)
    reference = weakref.ref(model)
    del model
    assert reference() is None


def test_every_operation_has_a_case() -> None:
    """No public operation is without a case, but for those that the tests below call."""
    text = ops_cases.CASES
    # Functions of Python code, settings and things that no number can be compared with.
    elsewhere = {
        "array",
        "associative_scan",
        "cond",
        "convert_to_numpy",
        "convert_to_tensor",
        "custom_gradient",
        "dtype",
        "eig",
        "empty",
        "empty_like",
        "fori_loop",
        "is_tensor",
        "jvp",
        "map",
        "ndim",
        "scan",
        "shape",
        "size",
        "switch",
        "vectorize",
        "vectorized_map",
        "view",
        "view_as_complex",
        "while_loop",
        "argpartition",
    }
    missing = []
    for name in ops.__all__:
        found = getattr(ops, name)
        if callable(found) and not re.search(rf"\bo\.(linalg\.|image\.)?{name}\(", text):
            missing.append(name)
    assert sorted(missing) == sorted(elsewhere)


def test_refused_in_models_by_name() -> None:
    """What computes on arrays only says so with its name, when the call is made."""
    x = keras.Input((4,))
    eager = [
        name
        for name, entry in _operation.OPERATIONS.items()
        if entry.class_name is None and entry.convert and hasattr(ops, name)
    ]
    assert len(eager) > 60
    for name in eager:
        with pytest.raises(ebb.UnsupportedError, match=f"keras.ops.{name} computes on arrays"):
            getattr(ops, name)(x)


def test_nodes_are_keras_nodes() -> None:
    """A saved model names operations as Keras 3 does."""
    x = keras.Input((3, 4), name="x")
    y = ops.mean(ops.add(ops.multiply(x, 2.0), 1), axis=-1, keepdims=True)
    model = keras.Model(x, ops.reshape(y, (-1, 3)))
    layers = json.loads(model.to_json())["config"]["layers"][1:]
    told = [(entry["module"], entry["class_name"], entry["config"]) for entry in layers]
    assert [entry[:2] for entry in told] == [
        ("keras.src.ops.numpy", "Multiply"),
        ("keras.src.ops.numpy", "Add"),
        ("keras.src.ops.numpy", "Mean"),
        ("keras.src.ops.numpy", "Reshape"),
    ]
    assert {k: v for k, v in told[2][2].items() if k != "name"} == {"axis": -1, "keepdims": True}
    assert told[3][2]["newshape"] == [-1, 3]


def test_promotion() -> None:
    """Types meet by Keras's rules: Python numbers have none of their own."""
    half = np.ones(2, np.float16)
    assert ops.add(half, 2.5).dtype == "float16"
    assert ops.add(np.ones(2, np.int64), 2.5).dtype == "float32"
    assert ops.add(np.ones(2, np.int64), np.ones(2, np.float32)).dtype == "float32"
    assert ops.add(np.ones(2, np.int8), np.ones(2, np.uint8)).dtype == "int16"
    assert ops.add(np.ones(2, bool), 2).dtype == "int32"
    assert ops.add(2, 3).dtype == "int32"
    assert ops.divide(np.ones(2, np.int32), 2).dtype == "float32"
    assert ops.exp(np.ones(2, np.int32)).dtype == "float32"
    assert ops.mean(np.ones(2, np.float64)).dtype == "float64"
    assert ops.sum(np.ones(2, np.int8)).dtype == "int32"


def test_shapes_and_types() -> None:
    """What tells about tensors without computing."""
    x = keras.Input((3, 4))
    assert ops.shape(x) == (None, 3, 4)
    assert ops.ndim(x) == 3
    assert ops.size(x) is None
    assert ops.dtype(x) == "float32"
    assert ops.is_tensor(x)
    t = ops.array([[1, 2], [3, 4]])
    assert (ops.shape(t), ops.size(t), ops.dtype(t)) == ((2, 2), 4, "int32")
    assert not ops.is_tensor([1])
    assert ops.convert_to_numpy(t).tolist() == [[1, 2], [3, 4]]
    assert ops.empty((2,)).shape == (2,)
    assert ops.empty_like(t).dtype == "int32"
    assert ops.view(np.ones(2, np.float32), "int32").numpy().tolist() == [1065353216] * 2


def test_reshape_with_unknown_rows() -> None:
    """``(ops.shape(x)[0], -1)`` means what it says."""
    x = keras.Input((3, 4))
    assert ops.reshape(x, (ops.shape(x)[0], -1)).shape == (None, 12)
    assert ops.reshape(x, (ops.shape(x)[0], 2, 6)).shape == (None, 2, 6)


def test_loops() -> None:
    """Loops and choices in Python."""
    assert int(ops.while_loop(lambda i: i < 5, lambda i: i + 1, ops.array(0))) == 5
    assert int(ops.fori_loop(0, 4, lambda i, s: s + i, ops.array(0))) == 6
    assert int(ops.cond(ops.array(True), lambda: ops.array(1), lambda: ops.array(2))) == 1
    assert int(ops.switch(2, [lambda: 1, lambda: 2])) == 2
    doubled = ops.map(lambda row: row * 2, ops.array([1.0, 2.0]))
    assert doubled.numpy().tolist() == [2.0, 4.0]
    assert ops.vectorized_map(lambda r: r + 1, ops.array([1.0])).numpy().tolist() == [2.0]
    carry, rows = ops.scan(lambda c, x: (c + x, c), ops.array(0), ops.array([1, 2, 3]))
    assert (int(carry), rows.numpy().tolist()) == (6, [0, 1, 3])
    sums = ops.associative_scan(ops.add, ops.array([1, 2, 3]))
    assert sums.numpy().tolist() == [1, 3, 6]
    x = keras.Input((2,))
    with pytest.raises(ebb.UnsupportedError, match=r"keras\.ops\.cond"):
        ops.cond(x, lambda: x, lambda: x)
    model = keras.Model(x, ops.fori_loop(0, 3, lambda i, s: s * 2, x))
    assert model.predict(np.ones((1, 2), np.float32), verbose=0).tolist() == [[8.0, 8.0]]


def test_refused_functions() -> None:
    """What the library cannot do at all."""
    for call in (lambda: ops.linalg.jvp(abs, (1,), (1,)),):
        with pytest.raises(ebb.UnsupportedError):
            call()
    assert int(ops.vectorize(lambda a: a + 1)(np.array([1]))[0]) == 2
    assert ops.view_as_complex(np.array([[1.0, 2.0]], np.float32)).tolist() == [1 + 2j]
    assert ops.argpartition(np.array([3.0, 1.0, 2.0]), 0).numpy()[0] == 1
    values, _ = ops.linalg.eig(np.diag([2.0, 3.0]))
    assert sorted(values.real.tolist()) == [2.0, 3.0]


def test_in_a_layer_of_ones_own() -> None:
    """A layer written with keras.ops is traced; its weights take part."""

    class Scale(keras.layers.Layer):
        """Rows times weights, normalized."""

        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

        def call(self, x: Any) -> Any:
            return ops.softmax(ops.square(self.factor) * x + ops.sum(self.factor), axis=-1)

    model = keras.Sequential([keras.Input((3,)), Scale(), keras.layers.Dense(1)])
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    got = keras.Model(model.inputs, model.layers[0].output).predict(x, verbose=0)
    np.testing.assert_allclose(got, np.exp(x) / np.exp(x).sum(), rtol=1e-5)
    model.compile("sgd", "mse")
    model.fit(x, np.ones((1, 1)), verbose=0)


def test_errors() -> None:
    """Wrong arguments raise where they are made."""
    with pytest.raises(ValueError, match="mode"):
        ops.pad(np.ones(2), 1, mode="wrap")
    with pytest.raises(ValueError, match="constant_values"):
        ops.pad(np.ones(2), 1, mode="reflect", constant_values=1)
    with pytest.raises(ValueError, match="sparse"):
        ops.one_hot([1], 2, sparse=True)
    with pytest.raises(TypeError, match="bitwise_and"):
        ops.bitwise_and(np.ones(2), 1)
    with pytest.raises(ValueError, match="square"):
        ops.linalg.inv(np.ones((2, 3)))
    with pytest.raises(ValueError, match="pattern"):
        ops.rearrange(np.ones((2, 3)), "a b c -> a")
    with pytest.raises(TypeError):
        ops.add(np.ones(2))


def test_signatures_are_those_of_keras() -> None:
    """Parameters, their order and their defaults."""
    told = json.loads((GOLDENS / "ops_signatures.json").read_text())
    assert len(told) > 300
    for name, signature in told.items():
        own = inspect.signature(getattr(ops, name))
        plain = [p.replace(annotation=p.empty) for p in own.parameters.values()]
        assert str(own.replace(parameters=plain, return_annotation=own.empty)) == signature, name


def test_documents() -> None:
    """Every operation says what it does, its parameters and what it returns."""
    for name in ops.__all__:
        found = getattr(ops, name)
        if callable(found):
            assert "Returns" in (found.__doc__ or ""), name
            assert len(found.__doc__.splitlines()[0]) > 3, name
