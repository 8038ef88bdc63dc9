#!/usr/bin/env python3
"""Writes golden/layers/: at least one small model for every layer class, with what Keras answers.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python3 tests/golden/make_layers.py

<Class>.<n>.keras holds a functional model; <Class>.<n>.npz its arrays in/0, in/1 ... and out/0 ...
Weights are drawn at random (none stays zero or one, so that ignoring one shows).
"""
import os
import sys
import zipfile

import keras
import numpy as np
from keras import layers as L
from keras.src.legacy.layers import ThresholdedReLU

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers")
CASES = []


def case(*shapes, name=None, dtype="float32", data=None):
    """Registers a function from inputs (shapes without the batch axis) to outputs."""

    def register(build):
        CASES.append((name, shapes, dtype, data, build))
        return build

    return register


def layer(make, *shapes, **options):
    """One layer over one input, or over the list of its inputs."""
    case(*shapes, **options)(lambda x, *more: make()([x, *more] if more else x))


SEQUENCE, IMAGE, VOLUME = (7, 4), (8, 6, 3), (4, 5, 4, 2)
FIRST_SEQUENCE, FIRST_IMAGE, FIRST_VOLUME = (4, 7), (3, 8, 6), (2, 4, 5, 4)


def core():
    layer(lambda: L.Dense(5, activation="gelu"), (4,))
    layer(lambda: L.Dense(3, use_bias=False), (2, 3, 4))
    layer(lambda: L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), (5, 4))
    layer(lambda: L.Embedding(9, 4), (6,), dtype="int32")
    layer(lambda: L.ReversibleEmbedding(9, 4), (6,), dtype="int32")
    layer(lambda: L.Identity(), (4,))
    layer(lambda: L.ActivityRegularization(l1=0.1), (4,))

    @case((6, 3), name="Masking", data="padded")
    def _(x):
        return L.GlobalAveragePooling1D()(L.Masking(0.0)(x))

    @case((6,), name="Embedding", dtype="int32")
    def _(x):
        return L.GlobalAveragePooling1D()(L.Embedding(9, 4, mask_zero=True)(x))


def activation():
    for text in ("relu relu6 elu selu celu leaky_relu gelu silu mish softplus softsign tanh "
                 "sigmoid hard_sigmoid hard_silu hard_tanh exponential linear softmax log_softmax "
                 "log_sigmoid glu squareplus sparse_plus sparse_sigmoid sparsemax hard_shrink "
                 "soft_shrink tanh_shrink").split():
        layer(lambda text=text: L.Activation(text), (3, 6))
    layer(lambda: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2), (4, 3))
    layer(lambda: L.LeakyReLU(0.2), (4, 3))
    layer(lambda: L.ELU(0.7), (4, 3))
    layer(lambda: ThresholdedReLU(0.3), (4, 3))
    layer(lambda: L.PReLU(shared_axes=[1]), (4, 3))
    layer(lambda: L.Softmax(axis=1), (4, 3))


def convolution():
    layer(lambda: L.Conv1D(5, 3, strides=2, padding="causal", activation="relu"), SEQUENCE)
    layer(lambda: L.Conv1D(4, 3, groups=2, dilation_rate=2, padding="same"), SEQUENCE)
    layer(lambda: L.Conv2D(4, 3, strides=2, padding="same", activation="swish"), IMAGE)
    layer(lambda: L.Conv2D(6, (3, 2), groups=3, use_bias=False), IMAGE)
    layer(lambda: L.Conv2D(4, 3, dilation_rate=2, padding="same"), IMAGE)
    layer(lambda: L.Conv3D(3, 2, strides=(1, 2, 1)), VOLUME)
    layer(lambda: L.Conv1DTranspose(3, 3, strides=2, padding="same"), SEQUENCE)
    layer(lambda: L.Conv2DTranspose(3, 3, strides=2, output_padding=1), IMAGE)
    layer(lambda: L.Conv3DTranspose(2, 2, strides=2), VOLUME)
    layer(lambda: L.DepthwiseConv1D(3, depth_multiplier=2), SEQUENCE)
    layer(lambda: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2), IMAGE)
    layer(lambda: L.SeparableConv1D(5, 3, padding="same"), SEQUENCE)
    layer(lambda: L.SeparableConv2D(5, 3, strides=2), IMAGE)
    layer(lambda: L.Conv2D(4, 3, padding="same", data_format="channels_first"), FIRST_IMAGE)
    layer(lambda: L.DepthwiseConv2D(3, data_format="channels_first"), FIRST_IMAGE)
    layer(lambda: L.Conv2DTranspose(3, 2, strides=2, data_format="channels_first"), FIRST_IMAGE)


def pooling():
    for kind in ("Max", "Average"):
        for rank, shape, first in ((1, SEQUENCE, FIRST_SEQUENCE), (2, IMAGE, FIRST_IMAGE),
                                   (3, VOLUME, FIRST_VOLUME)):
            make = getattr(L, f"{kind}Pooling{rank}D")
            layer(lambda make=make: make(2), shape)
            layer(lambda make=make: make(3, strides=2, padding="same"), shape)
            make = getattr(L, f"Global{kind}Pooling{rank}D")
            layer(lambda make=make: make(), shape)
            layer(lambda make=make: make(data_format="channels_first", keepdims=True), first)
            make = getattr(L, f"Adaptive{kind}Pooling{rank}D")
            layer(lambda make=make: make(3), shape)


def normalization():
    layer(lambda: L.BatchNormalization(), IMAGE)
    layer(lambda: L.BatchNormalization(axis=1, scale=False, epsilon=0.1), FIRST_IMAGE)
    layer(lambda: L.LayerNormalization(), (5, 4))
    layer(lambda: L.LayerNormalization(axis=[1, 2], center=False), (5, 4))
    layer(lambda: L.RMSNormalization(), (5, 4))
    layer(lambda: L.GroupNormalization(groups=2), (5, 4))
    layer(lambda: L.UnitNormalization(axis=1), (5, 4))
    layer(lambda: L.SpectralNormalization(L.Dense(3)), (4,))

    @case(IMAGE, name="BatchNormalization")
    def _(x):
        return L.ReLU()(L.BatchNormalization()(L.Conv2D(5, 3, use_bias=False)(x)))


def regularization():
    layer(lambda: L.Dropout(0.5), (4,))
    layer(lambda: L.SpatialDropout1D(0.5), SEQUENCE)
    layer(lambda: L.SpatialDropout2D(0.5), IMAGE)
    layer(lambda: L.SpatialDropout3D(0.5), VOLUME)
    layer(lambda: L.GaussianDropout(0.5), (4,))
    layer(lambda: L.AlphaDropout(0.5), (4,))
    layer(lambda: L.GaussianNoise(0.5), (4,))


def reshaping():
    layer(lambda: L.Flatten(), IMAGE)
    layer(lambda: L.Flatten(data_format="channels_first"), FIRST_IMAGE)
    layer(lambda: L.Reshape((-1, 4)), IMAGE)
    layer(lambda: L.Permute((3, 1, 2)), IMAGE)
    layer(lambda: L.RepeatVector(3), (4,))
    layer(lambda: L.Cropping1D((1, 2)), SEQUENCE)
    layer(lambda: L.Cropping2D(((1, 2), (0, 1))), IMAGE)
    layer(lambda: L.Cropping3D(1), VOLUME)
    layer(lambda: L.ZeroPadding1D((1, 2)), SEQUENCE)
    layer(lambda: L.ZeroPadding2D(((1, 2), (0, 1))), IMAGE)
    layer(lambda: L.ZeroPadding3D(1), VOLUME)
    layer(lambda: L.UpSampling1D(2), SEQUENCE)
    layer(lambda: L.UpSampling2D((2, 3), interpolation="bilinear"), IMAGE)
    layer(lambda: L.UpSampling2D(2, interpolation="nearest"), IMAGE)
    layer(lambda: L.UpSampling3D(2), VOLUME)


def merging():
    for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
        layer(lambda name=name: getattr(L, name)(), (4, 3), (4, 3))
    layer(lambda: L.Add(), (4, 3), (1, 3), (4, 3))
    layer(lambda: L.Concatenate(axis=1), (4, 3), (2, 3))
    layer(lambda: L.Dot(axes=2, normalize=True), (4, 3), (2, 3))


def recurrent():
    for make in (L.SimpleRNN, L.GRU, L.LSTM):
        layer(lambda make=make: make(3), SEQUENCE)
        layer(lambda make=make: make(3, return_sequences=True, go_backwards=True), SEQUENCE)

        @case((7, 4), name=make.__name__, data="padded")
        def _(x, make=make):
            return make(3, return_sequences=True, return_state=True)(L.Masking()(x))

    layer(lambda: L.GRU(3, reset_after=False), SEQUENCE)
    for make in (L.SimpleRNNCell, L.GRUCell, L.LSTMCell):
        layer(lambda make=make: L.RNN(make(3), return_sequences=True), SEQUENCE, name=make.__name__)
    layer(lambda: L.RNN(L.GRUCell(3)), SEQUENCE)
    layer(lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)])), SEQUENCE,
          name="StackedRNNCells")
    for mode in ("concat", "sum", "ave", "mul"):
        layer(lambda mode=mode: L.Bidirectional(L.LSTM(3, return_sequences=True),
                                                merge_mode=mode), SEQUENCE)
    layer(lambda: L.Bidirectional(L.GRU(3), merge_mode=None), SEQUENCE)
    layer(lambda: L.TimeDistributed(L.Dense(3)), SEQUENCE)
    layer(lambda: L.TimeDistributed(L.Conv2D(2, 3)), (3, 6, 5, 2))
    layer(lambda: L.ConvLSTM1D(3, 2, return_sequences=True), (3, 6, 2))
    layer(lambda: L.ConvLSTM2D(3, 2, padding="same"), (3, 5, 4, 2))
    layer(lambda: L.ConvLSTM3D(2, 2), (2, 4, 3, 4, 2))


def attention():
    layer(lambda: L.Attention(use_scale=True), (5, 4), (6, 4), (6, 4))
    layer(lambda: L.Attention(score_mode="concat", use_scale=True), (5, 4), (6, 4))
    layer(lambda: L.AdditiveAttention(), (5, 4), (6, 4))

    @case((5, 8), name="MultiHeadAttention")
    def _(x):
        return L.MultiHeadAttention(2, 3, value_dim=5)(x, x, use_causal_mask=True)

    @case((5, 8), (6, 8), name="MultiHeadAttention")
    def _(x, y):
        return L.MultiHeadAttention(2, 4, output_shape=7)(x, y, return_attention_scores=True)

    @case((5, 8), (6, 8), name="GroupQueryAttention")
    def _(x, y):
        return L.GroupQueryAttention(3, 4, 2)(x, y)


def preprocessing():
    layer(lambda: L.Rescaling(1 / 127.5, offset=-1), IMAGE, data="pixels")
    layer(lambda: L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0]), IMAGE)
    layer(lambda: L.CategoryEncoding(9, output_mode="multi_hot"), (4,), dtype="int32")
    layer(lambda: L.CategoryEncoding(9, output_mode="one_hot"), (1,), dtype="int32")
    layer(lambda: L.Discretization(bin_boundaries=[-0.5, 0.0, 0.7]), (4,))
    for interpolation in ("bilinear", "nearest", "bicubic", "lanczos3"):
        layer(lambda i=interpolation: L.Resizing(5, 9, interpolation=i), IMAGE)
    layer(lambda: L.Resizing(5, 5, crop_to_aspect_ratio=True), IMAGE)
    layer(lambda: L.CenterCrop(4, 5), IMAGE)
    layer(lambda: L.AutoContrast(), IMAGE, data="pixels")
    layer(lambda: L.Pipeline([L.Rescaling(1.0), L.Equalization()]), IMAGE, data="pixels",
          name="Equalization")  # Keras cannot make a functional model of it alone
    layer(lambda: L.Solarization(), IMAGE, data="pixels")
    layer(lambda: L.Pipeline([L.Rescaling(0.5), L.RandomFlip()]), IMAGE)
    for name, options in (
            ("AugMix", {}), ("CutMix", {}), ("MaxNumBoundingBoxes", {"max_number": 4}),
            ("MixUp", {}), ("RandAugment", {}), ("RandomBrightness", {"factor": 0.2}),
            ("RandomColorDegeneration", {"factor": 0.2}), ("RandomColorJitter", {}),
            ("RandomContrast", {"factor": 0.2}), ("RandomCrop", {"height": 4, "width": 5}),
            ("RandomElasticTransform", {}), ("RandomErasing", {}), ("RandomFlip", {}),
            ("RandomGaussianBlur", {}), ("RandomGrayscale", {}), ("RandomHue", {"factor": 0.2}),
            ("RandomInvert", {}), ("RandomPerspective", {}), ("RandomPosterization", {"factor": 3}),
            ("RandomRotation", {"factor": 0.2}), ("RandomSaturation", {"factor": 0.2}),
            ("RandomSharpness", {"factor": 0.2}), ("RandomShear", {}),
            ("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.2}),
            ("RandomZoom", {"height_factor": 0.2})):
        if hasattr(L, name):
            layer(lambda name=name, options=options: getattr(L, name)(**options), IMAGE,
                  data="pixels")


def fill(shape, dtype, data, random):
    shape = (3, *shape)
    if dtype == "int32":
        return random.integers(0, 9, shape).astype(dtype)
    if data == "pixels":
        return random.integers(0, 256, shape).astype(dtype)
    x = random.standard_normal(shape).astype(dtype)
    if data == "padded":
        x[0, 4:] = 0
        x[1, 2] = 0
    return x


def draw_weights(model, random):
    for variable in model.variables:
        if "float" not in str(variable.dtype) or "seed" in variable.name:
            continue
        noise = random.standard_normal(variable.shape).astype("float32") * 0.3
        variable.assign(np.abs(noise) + 0.5 if "variance" in variable.name else noise)


def deflate(path):
    """The members again, compressed: Keras stores them as they are."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content,
                             zipfile.ZIP_DEFLATED)


def answer(model, x):
    """TensorFlow's plain kernels on the CPU know no channels_first convolution; XLA's do."""
    import tensorflow as tf

    try:
        return model(x, training=False)
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
        return tf.function(lambda v: model(v, training=False), jit_compile=True)(x)


def write(name, number, shapes, dtype, data, build):
    random = np.random.default_rng(len(name) * 100 + number)
    keras.utils.clear_session()
    inputs = [keras.Input(shape, dtype=dtype, name=f"in{i}") for i, shape in enumerate(shapes)]
    outputs = build(*inputs)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    model = keras.Model(inputs, outputs, name="golden")
    draw_weights(model, random)
    x = [fill(shape, dtype, data, random) for shape in shapes]
    path = os.path.join(FOLDER, f"{name}.{number}.keras")
    model.save(path)
    y = answer(keras.models.load_model(path), x if len(x) > 1 else x[0])
    y = list(y) if isinstance(y, (list, tuple)) else [y]
    arrays = {f"in/{i}": a for i, a in enumerate(x)}
    arrays.update({f"out/{i}": keras.ops.convert_to_numpy(a) for i, a in enumerate(y)})
    np.savez_compressed(path[:-len(".keras")] + ".npz", **arrays)
    deflate(path)
    deflate(path[:-len(".keras")] + ".npz")


def class_of(build, shapes, dtype):
    """The class of the last layer: what a case without a name is about."""
    inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
    outputs = build(*inputs)
    first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
    return type(first._keras_history.operation).__name__


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for old in os.listdir(FOLDER):
        os.remove(os.path.join(FOLDER, old))
    for family in (core, activation, convolution, pooling, normalization, regularization, reshaping,
                   merging, recurrent, attention, preprocessing):
        family()
    numbers = {}
    for name, shapes, dtype, data, build in CASES:
        name = name or class_of(build, shapes, dtype)
        numbers[name] = numbers.get(name, -1) + 1
        try:
            write(name, numbers[name], shapes, dtype, data, build)
        except Exception as error:
            sys.exit(f"{name}.{numbers[name]}: {type(error).__name__}: {error}")
    print(f"{sum(numbers.values()) + len(numbers)} cases of {len(numbers)} classes")


if __name__ == "__main__":
    main()
