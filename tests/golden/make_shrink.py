"""Writes shrink.json: what Keras 3 makes of weights that it quantizes to int8, per layer.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_shrink.py > shrink.json

Cases: class, config, input (the shape of one), shape and kernel (of the weight that is quantized),
numbers and scale (as Layer.quantize("int8") leaves them; a value is number / scale). Among the
weights are ties (x * scale exactly between two whole numbers) and rows and columns of zeros.
"""
import json

import keras
import numpy as np

CASES = [
    ("Dense", {"units": 25, "name": "dense"}, (None, 28), "float32"),
    ("Dense", {"units": 70, "name": "wide"}, (None, 12), "float32"),
    ("Embedding", {"input_dim": 50, "output_dim": 16, "name": "table"}, (None, 2), "int32"),
    (
        "EinsumDense",
        {
            "equation": "abc,cde->abde",
            "output_shape": [2, 6, 5],
            "bias_axes": "de",
            "name": "heads",
        },
        (None, 2, 24),
        "float32",
    ),
    (
        "EinsumDense",
        {"equation": "abcd,cde->abe", "output_shape": [2, 16], "bias_axes": "e", "name": "joined"},
        (None, 2, 6, 8),
        "float32",
    ),
]


def kernel_of(rng, shape):
    x = np.round(rng.normal(size=shape), 3).astype("float32")
    flat = x.reshape(-1)
    flat[:: 5] = 0
    flat[3] = -flat.max() * 2
    return x


def main():
    rng = np.random.default_rng(5)
    cases = []
    for name, config, shape, dtype in CASES:
        layer = getattr(keras.layers, name)(**config)
        layer.build(shape)
        is_table = name == "Embedding"
        variable = layer.embeddings if is_table else layer.kernel
        kernel = kernel_of(rng, variable.shape)
        if name == "Dense" and config["units"] == 25:
            kernel[:, 1] = 0
            kernel[:, 2] = [127, 0.5, 1.5, 2.5, -0.5, -1.5, 63.5] * 4
        variable.assign(kernel)
        layer.quantize("int8")
        numbers = layer._embeddings if is_table else layer._kernel
        scale = layer.embeddings_scale if is_table else layer.kernel_scale
        cases.append(
            {
                "class": name,
                "config": config,
                "input": [2 if d is None else d for d in shape[1:]],
                "dtype": dtype,
                "shape": list(kernel.shape),
                "kernel": [round(float(v), 3) for v in kernel.reshape(-1)],
                "numbers": [int(v) for v in np.asarray(numbers).reshape(-1)],
                "scale": [float(v) for v in np.asarray(scale).reshape(-1)],
            }
        )
    print('{"keras": "%s", "cases": [' % keras.__version__)
    print(",\n".join(json.dumps(c) for c in cases))
    print("]}")


main()
