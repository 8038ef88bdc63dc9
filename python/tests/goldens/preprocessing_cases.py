"""Expressions over ``keras``: the same text is computed by Keras and by ebb."""

from __future__ import annotations

from typing import Any

import numpy as np

TEXTS = [
    "The quick brown fox.",
    "the lazy dog, the quick one!",
    "",
    "A fox? A dog! Über-fox & dog's end",
]


def names(keras: Any) -> dict[str, Any]:
    """What an expression may use."""
    random = np.random.default_rng(3)
    table = random.normal(size=(40, 3)).astype(np.float32) * 3 + 1
    return {
        "keras": keras,
        "u": keras.utils,
        "L": keras.layers,
        "A": keras.activations,
        "np": np,
        "texts": TEXTS,
        "table": table,
        "line": random.random(200).astype(np.float32),
        "x": np.linspace(-4, 4, 25).astype(np.float32).reshape(5, 5),
        "wide": random.normal(size=(3, 8)).astype(np.float32),
        "adapted": adapted,
        "batches": batches,
    }


def adapted(layer: Any, data: Any) -> Any:
    """The layer after ``adapt``."""
    layer.adapt(data)
    return layer


def batches(dataset: Any) -> list[Any]:
    """All elements of a dataset as arrays."""
    return [
        [np.asarray(part) for part in item] if isinstance(item, tuple) else np.asarray(item)
        for item in dataset
    ]


CASES = """
u.to_categorical([0, 2, 1])
u.to_categorical([[0], [3]], num_classes=5)
u.to_categorical([[0, 1], [1, 2]])
u.normalize(table)
u.normalize(table, order=1)
u.pad_sequences([[1, 2, 3], [4], []])
u.pad_sequences([[1, 2, 3], [4], []], maxlen=2)
u.pad_sequences([[1, 2, 3], [4, 5]], padding="post", truncating="post", maxlen=2, value=-1)
u.pad_sequences([[[1.5, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], dtype="float32", padding="post")
batches(u.timeseries_dataset_from_array(np.arange(20), np.arange(20) * 2, 4, batch_size=3))
batches(u.timeseries_dataset_from_array(np.arange(20), None, 3, sequence_stride=2, \
sampling_rate=2, batch_size=4, start_index=1, end_index=15))
adapted(L.TextVectorization(), texts).get_vocabulary()
adapted(L.TextVectorization(), texts)(texts)
adapted(L.TextVectorization(max_tokens=6, output_sequence_length=5), texts)(texts)
adapted(L.TextVectorization(output_mode="multi_hot"), texts)(texts)
adapted(L.TextVectorization(output_mode="count", max_tokens=8), texts)(texts)
adapted(L.TextVectorization(output_mode="tf_idf"), texts)(texts)
adapted(L.TextVectorization(output_mode="tf_idf", max_tokens=20, pad_to_max_tokens=True), \
texts)(texts)
adapted(L.TextVectorization(ngrams=2), texts)(texts)
adapted(L.TextVectorization(ngrams=(2, 3)), texts).get_vocabulary()
adapted(L.TextVectorization(split="character"), texts)(texts[:2])
adapted(L.TextVectorization(standardize="lower"), texts)(texts)
adapted(L.TextVectorization(standardize="strip_punctuation"), texts)(texts)
adapted(L.TextVectorization(standardize=None, split=None), texts)(texts)
L.TextVectorization(vocabulary=["quick", "dog"])("a quick dog")
L.TextVectorization(vocabulary=["quick", "dog"], output_mode="tf_idf", idf_weights=[0.5, \
0.7])(["quick dog dog x"])
L.StringLookup(vocabulary=["a", "b", "c"])(["c", "a", "z"])
L.StringLookup(vocabulary=["a", "b"], num_oov_indices=3)(["c", "a", "z", "yy"])
L.StringLookup(vocabulary=["a", "b"], mask_token="")([["a", ""], ["z", "b"]])
L.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(["a", "z"])
L.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")([["a", "z"], ["b", "b"]])
L.StringLookup(vocabulary=["a", "b"], output_mode="count", mask_token="m")([["a", "m"], ["b", "b"]])
adapted(L.StringLookup(), np.array([["a", "b"], ["b", "c"]])).get_vocabulary()
adapted(L.StringLookup(output_mode="tf_idf"), np.array([["a", "b"], ["b", "c"]]))([["a", "b"], \
["b", "q"]])
adapted(L.StringLookup(max_tokens=3), np.array(["a", "b", "b", "c", "c", "c"])).get_vocabulary()
L.IntegerLookup(vocabulary=[10, 20, 30])([[10, 30], [5, 20]])
L.IntegerLookup(vocabulary=[10, 20], num_oov_indices=2)([10, 3, 4])
L.IntegerLookup(vocabulary=[10, 20], mask_token=0)([10, 0, 4])
L.IntegerLookup(vocabulary=[10, 20], invert=True)([0, 1, 2])
L.IntegerLookup(vocabulary=[10, 20], output_mode="multi_hot")([[10, 20], [7, 7]])
np.asarray(adapted(L.IntegerLookup(), np.array([3, 1, 3, 2, 2, 2])).get_vocabulary())
L.Hashing(num_bins=7)(["a", "bb", "a longer text", "and one of more than thirty-two letters"])
L.Hashing(num_bins=7, mask_value="")(["a", "", "bb"])
L.Hashing(num_bins=101, salt=[133, 137])(["a", "bb", "ccc"])
L.Hashing(num_bins=11)([[1, 2], [300, -4]])
L.Hashing(num_bins=3, output_mode="multi_hot")([["a", "b"], ["c", "c"]])
adapted(L.Normalization(), table)(table)
adapted(L.Normalization(), table).mean
adapted(L.Normalization(), table).variance
adapted(L.Normalization(axis=None), line)(line[:5])
adapted(L.Normalization(invert=True), table)(table[:5])
L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 9.0])(table[:4])
np.asarray(adapted(L.Discretization(num_bins=4), line).bin_boundaries, "float32")
np.asarray(adapted(L.Discretization(num_bins=7, epsilon=0.05), table).bin_boundaries, "float32")
adapted(L.Discretization(num_bins=5), line)(line[:10][:, None])
A.relu(x)
A.relu(x, negative_slope=0.1, max_value=2.0)
A.relu(x, threshold=1.0)
A.relu(x, negative_slope=0.3, threshold=0.5, max_value=3.0)
A.leaky_relu(x)
A.relu6(x * 2)
A.elu(x)
A.elu(x, alpha=0.4)
A.selu(x)
A.celu(x)
A.gelu(x)
A.gelu(x, approximate=True)
A.glu(wide)
A.sigmoid(x)
A.hard_sigmoid(x)
A.log_sigmoid(x)
A.sparse_sigmoid(x)
A.silu(x)
A.swish(x)
A.hard_silu(x)
A.hard_swish(x)
A.tanh(x)
A.hard_tanh(x)
A.tanh_shrink(x)
A.hard_shrink(x)
A.soft_shrink(x)
A.softplus(x)
A.sparse_plus(x)
A.squareplus(x)
A.softsign(x)
A.mish(x)
A.softmax(x)
A.softmax(x, axis=0)
A.log_softmax(x)
A.sparsemax(x)
A.exponential(x)
A.threshold(x, 0.5, -1.0)
A.linear(x)
"""


def cases() -> list[str]:
    """Every expression."""
    return CASES.strip().splitlines()


def plain(value: Any) -> Any:
    """Numbers and texts as JSON has them: dtype, shape, values."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (str, int, float)) or value is None:
        return value
    array = np.asarray(value)
    kind = array.dtype.name if array.dtype.kind in "fiub" else "text"
    flat = [float(f"{v:.9g}") if array.dtype.kind == "f" else v for v in array.reshape(-1).tolist()]
    return {"dtype": kind, "shape": list(array.shape), "values": flat}
