#!/usr/bin/env python3
"""Writes golden/corners/: models whose shapes, masks or weights are out of the ordinary, with what
Keras answers.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python3 tests/golden/make_corners.py

<name>.keras or <name>.h5 holds a model; <name>.npz its arrays in/0, in/1 ... and out/0 ... The
answers are those of the model as Keras loads it back from the file.
"""
import os

import keras
import numpy as np
from keras import layers as L

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corners")
RANDOM = np.random.default_rng(3)
IDS = np.array([[1, 2, 3, 0, 0], [0, 0, 0, 0, 0], [4, 0, 1, 2, 0]], dtype="float32")


def numbers(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def write(name, model, *inputs):
    for weight in model.weights:
        weight.assign(numbers(*weight.shape))
    path = os.path.join(FOLDER, name)
    model.save(path)
    outputs = keras.models.load_model(path)(list(inputs) if len(inputs) > 1 else inputs[0])
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    arrays = {f"in/{i}": x for i, x in enumerate(inputs)}
    arrays |= {f"out/{i}": np.array(y) for i, y in enumerate(outputs)}
    np.savez(os.path.splitext(path)[0] + ".npz", **arrays)


def shapes():
    x = keras.Input(batch_shape=(2, 4))
    write("rows_fixed.keras", keras.Model(x, L.Dense(3)(x)), numbers(2, 4))

    x, y = keras.Input(batch_shape=(2, 3)), keras.Input((3,))
    model = keras.Model([x, y], L.Dense(2)(x + y))
    write("rows_fixed_in_one_input.keras", model, numbers(2, 3), numbers(2, 3))

    x = keras.Input((11, 3))
    write("one_image.keras", keras.Model(x, L.CenterCrop(5, 7)(x)), numbers(9, 11, 3))


def masks():
    mask, x = keras.Input((5,), dtype="bool"), keras.Input((5, 6))
    model = keras.Model([mask, x], L.MultiHeadAttention(2, 3)(x, x, attention_mask=mask))
    write("mask_without_rows.keras", model, np.tri(5, dtype=bool), numbers(2, 5, 6))

    x = keras.Input((None,))
    q = L.Embedding(5, 4, mask_zero=True)(x)
    y, scores = L.MultiHeadAttention(2, 3, dropout=0.1)(q, q, return_attention_scores=True)
    model = keras.Model(x, [L.GlobalAveragePooling1D()(y), scores])
    write("mask_of_heads.keras", model, IDS)

    x = keras.Input((None,))
    q = L.Embedding(5, 4, mask_zero=True)(x)
    model = keras.Model(x, L.GlobalAveragePooling1D()(L.Attention()([q, q])))
    write("mask_of_attention.keras", model, IDS)

    # The first block takes the mask off its input, so that the second one finds none.
    x = keras.Input((None,))
    y = L.Embedding(5, 4, mask_zero=True)(x)
    for _ in range(2):
        y = L.Add()([y, L.MultiHeadAttention(2, 3)(y, y)])
        y = L.LayerNormalization()(y)
    write("mask_of_blocks.keras", keras.Model(x, L.GlobalAveragePooling1D()(y)), IDS)


def adapted():
    for name, layer, shape in (
        ("lora_dense", L.Dense(3), (4,)),
        ("lora_einsum_dense", L.EinsumDense("abc,cd->abd", output_shape=(None, 3)), (4, 5)),
        ("lora_conv1d", L.Conv1D(4, 2, groups=2), (5, 4)),
    ):
        x = keras.Input(shape)
        model = keras.Model(x, layer(x))
        layer.enable_lora(2, lora_alpha=5.0)
        write(name + ".h5", model, numbers(3, *shape))


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    shapes()
    masks()
    adapted()
