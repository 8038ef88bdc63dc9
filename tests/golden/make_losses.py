"""Writes losses.json: what Keras 3 gets for every loss of the table, with gradients.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_losses.py > losses.json

Cases: class, config, y_true, y_pred, sample_weight, mask (the Keras mask of y_pred), activation
(y_pred goes through it first, so that the loss sees what made its predictions), value, and
gradient of the sum of value with respect to y_pred (null where float32 has lost it in Keras).
"""
import keras
import numpy as np
import tensorflow as tf
from drawn import Draw, listed, one_hot, print_cases, rounded

draw = Draw(7, reach=2.0, count=4)
numbers, classes, share = draw.numbers, draw.classes, draw.share


def case(name, y_true, y_pred, weight=None, mask=None, activation=None, exact=True, **config):
    loss = getattr(keras.losses, name)(**config)
    x = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(x)
        p = getattr(keras.activations, activation)(x) if activation else tf.identity(x)
        if mask is not None:
            keras.src.backend.set_keras_mask(p, tf.constant(mask))
        value = loss(y_true, p, sample_weight=weight)
        total = tf.reduce_sum(value)
    return rounded(
        {
            "class": name,
            "config": dict(loss.get_config(), **config),
            "y_true": listed(y_true),
            "y_pred": listed(y_pred),
            "sample_weight": listed(weight),
            "mask": listed(mask),
            "activation": activation,
            "value": listed(value.numpy()),
            "gradient": listed(tape.gradient(total, x).numpy()) if exact else None,
        }
    )


def main():
    t, p = numbers(3, 4), numbers(3, 4)
    positive = numbers(3, 4, low=0.1), numbers(3, 4, low=0.1)
    bits = one_hot(classes(3))
    w = np.array([0.5, 2.0, 1.0], "float32")
    mask = np.array([True, False, True])
    ids = classes(3)
    steps, steps_ids = share(2, 3, 4), classes(2, 3)
    steps_mask = np.array([[True, True, False], [True, False, False]])
    huge = np.array([[60.0, -60.0, 0.0, 1.0]], "float32")
    uneven = numbers(3, 4, low=0) * np.array([[1], [0], [1]], "float32")
    groups = np.array([0, 1, 0, 2], "int32")
    spoken = np.array([[1, 2, 2], [3, 1, 0]], "int32")
    too_long = np.array([[1, 2, 3, 1], [1, 0, 2, 0], [0, 0, 0, 0]], "int32")
    items = [
        case("MeanSquaredError", t, p, w),
        case("MeanSquaredError", t, p, w, mask, reduction="mean_with_sample_weight"),
        case("MeanSquaredError", t, p, None, mask),
        case("MeanSquaredError", t[:, :1], p[:, 0]),
        case("MeanAbsoluteError", t, p, w, mask, reduction="sum"),
        case("MeanAbsolutePercentageError", *positive),
        case("MeanSquaredLogarithmicError", *positive),
        case("CosineSimilarity", t, p, axis=0),
        case("Huber", t, p, w, delta=0.7),
        case("LogCosh", t, p, reduction="none"),
        case("Poisson", *positive),
        case("KLDivergence", share(3, 4), share(3, 4)),
        case("Hinge", bits, p),
        case("Hinge", t, p),
        case("SquaredHinge", bits, p, w),
        case("CategoricalHinge", bits, p),
        case("BinaryCrossentropy", bits, share(3, 4), w, label_smoothing=0.1),
        case("BinaryCrossentropy", bits, p, from_logits=True),
        case("BinaryCrossentropy", one_hot(np.array([1])), huge, activation="sigmoid"),
        case("BinaryFocalCrossentropy", bits, share(3, 4), apply_class_balancing=True, alpha=0.3),
        case("BinaryFocalCrossentropy", bits, p, from_logits=True, gamma=1.5),
        case("CategoricalCrossentropy", bits, share(3, 4), label_smoothing=0.2),
        case("CategoricalCrossentropy", one_hot(np.array([1])), huge, activation="softmax"),
        case("CategoricalCrossentropy", bits.T, share(4, 3), axis=0, reduction="none"),
        case("CategoricalCrossentropy", uneven, p, from_logits=True),
        case("CategoricalFocalCrossentropy", bits, p, from_logits=True),
        case("CategoricalGeneralizedCrossEntropy", ids, share(3, 4), q=0.7),
        case("SparseCategoricalCrossentropy", steps_ids, steps, None, steps_mask),
        case("SparseCategoricalCrossentropy", steps_ids[..., None], steps, ignore_class=1),
        case("SparseCategoricalCrossentropy", ids[:1], huge, activation="softmax"),
        case("Dice", bits, share(3, 4), axis=[1]),
        case("Tversky", bits, share(3, 4), alpha=0.3, beta=0.6),
        case("Circle", groups, numbers(4, 3, low=-0.6, high=0.6), gamma=3.0),
        case("CTC", spoken, numbers(2, 7, 4)),
        case("CTC", too_long, numbers(3, 3, 4), reduction="none", exact=False),
    ]
    print_cases(items)


main()
