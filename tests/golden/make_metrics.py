"""Writes metrics.json: what Keras 3 gets for every metric of the table, over two batches.

    TF_ENABLE_ONEDNN_OPTS=0 KERAS_BACKEND=tensorflow python make_metrics.py > metrics.json

Cases: class, config, steps of y_true, y_pred (Mean and Sum: values), sample_weight, mask (the Keras
mask of y_pred) and the result after the step; then the variables.
"""
import keras
import numpy as np
import tensorflow as tf
from drawn import Draw, listed, one_hot, print_cases, rounded

draw = Draw(11, reach=2.0, count=4)
numbers, classes, share = draw.numbers, draw.classes, draw.share


def chance(*dims):
    return numbers(*dims, low=0, high=1)


def case(name, *steps, weights=None, masks=None, **config):
    metric = getattr(keras.metrics, name)(**config)
    done = []
    for i, step in enumerate(steps):
        weight = None if weights is None else weights[i]
        mask = None if masks is None else masks[i]
        arrays = [tf.identity(x) for x in step]
        if mask is not None:
            keras.src.backend.set_keras_mask(arrays[-1], tf.constant(mask))
        metric.update_state(*arrays, sample_weight=weight)
        keys = ["values"] if len(step) == 1 else ["y_true", "y_pred"]
        item = {key: listed(x) for key, x in zip(keys, step)}
        item.update(sample_weight=listed(weight), mask=listed(mask))
        item.update(result=listed(metric.result()))
        done.append(item)
    return rounded(
        {
            "class": name,
            "config": dict(metric.get_config(), **config),
            "steps": done,
            "variables": [
                {"path": v.path, "value": listed(v.numpy())} for v in metric.variables
            ],
        }
    )


def two(*makers):
    return [tuple(make() for make in makers) for _ in range(2)]


def main():
    w = [np.array([0.5, 2.0, 1.0], "float32"), np.array([1.0, 0.0, 3.0], "float32")]
    w2 = [numbers(3, 2, low=0), numbers(3, 2, low=0)]
    whole = [np.array([1, 2, 1], "int32"), np.array([1, 0, 3], "int32")]
    masks = [np.array([True, False, True]), np.array([True, True, False])]
    any2 = lambda: numbers(3, 4)
    bits = lambda: one_hot(classes(3))
    ids = lambda: classes(3)
    soft = lambda: share(3, 4)
    p = lambda: chance(3, 4)
    many = lambda: (chance(3, 4) > 0.6).astype("float32")
    column = lambda: (chance(3, 1) > 0.5).astype("float32")
    one = lambda: chance(3, 1)
    above = lambda: numbers(3, 4, low=0.1)
    sequence, labels = lambda: share(3, 2, 4), lambda: classes(3, 2)
    items = [
        case("Mean", *two(any2), weights=w),
        case(
            "Mean", (np.float32(2.5),), (np.float32(4.0),),
            weights=[np.float32(3), np.float32(1)],
        ),
        case("Sum", *two(any2), weights=w),
        case("Accuracy", *two(labels, labels), weights=w),
        case("BinaryAccuracy", *two(column, one), weights=w, threshold=0.4),
        case("BinaryAccuracy", *two(many, p), weights=w, masks=masks),
        case("CategoricalAccuracy", *two(bits, soft), weights=w),
        case("SparseCategoricalAccuracy", *two(labels, sequence), weights=w),
        case("SparseCategoricalAccuracy", *two(lambda: classes(3, 1), soft), masks=masks),
        case("SparseCategoricalAccuracy", *two(labels, sequence), weights=w2),
        case("TopKCategoricalAccuracy", *two(bits, soft), k=2),
        case("SparseTopKCategoricalAccuracy", *two(ids, soft), weights=w, k=2),
        case(
            "SparseTopKCategoricalAccuracy",
            *two(ids, lambda: classes(3, 4).astype("float32")), k=2, from_sorted_ids=True,
        ),
        case("BinaryCrossentropy", *two(many, p), label_smoothing=0.1),
        case("CategoricalCrossentropy", *two(bits, any2), from_logits=True, weights=w),
        case("SparseCategoricalCrossentropy", *two(ids, soft), weights=w, ignore_class=1),
        case("KLDivergence", *two(soft, soft)),
        case("Poisson", *two(above, above), masks=masks),
        case("MeanSquaredError", *two(any2, any2), weights=w),
        case("RootMeanSquaredError", *two(any2, any2), weights=w),
        case("MeanAbsoluteError", *two(any2, any2)),
        case("MeanAbsolutePercentageError", *two(above, above)),
        case("MeanSquaredLogarithmicError", *two(above, above)),
        case("CosineSimilarity", *two(any2, any2), axis=1),
        case("LogCoshError", *two(any2, any2)),
        case("R2Score", *two(any2, any2), weights=w, class_aggregation=None),
        case(
            "R2Score", *two(any2, any2), class_aggregation="variance_weighted_average",
            num_regressors=2,
        ),
        case("R2Score", *two(any2, any2), num_regressors=9),
        case("Hinge", *two(bits, any2)),
        case("SquaredHinge", *two(bits, any2), weights=w),
        case("CategoricalHinge", *two(bits, any2)),
        case("PearsonCorrelation", *two(any2, any2), axis=-1),
        case("ConcordanceCorrelation", *two(any2, any2), axis=1, weights=w),
        case("TruePositives", *two(many, p), weights=w),
        case("TrueNegatives", *two(many, p), weights=w, thresholds=[0.2, 0.5]),
        case("FalsePositives", *two(column, one), weights=w, thresholds=0.3),
        case("FalseNegatives", *two(many, p), thresholds=[0.0, 0.25, 0.5, 0.75, 1.0]),
        case("Precision", *two(many, p), weights=w, top_k=2),
        case("Precision", *two(lambda: column()[:, 0], one)),
        case("Recall", *two(many, p), class_id=2, thresholds=[0.3, 0.6]),
        case("SensitivityAtSpecificity", *two(many, p), specificity=0.4, num_thresholds=7),
        case("SpecificityAtSensitivity", *two(many, p), sensitivity=0.3, num_thresholds=1),
        case("PrecisionAtRecall", *two(many, p), recall=0.5, class_id=1, num_thresholds=9),
        case("RecallAtPrecision", *two(many, p), precision=0.5, num_thresholds=20, weights=w),
        case("AUC", *two(column, one), num_thresholds=11, weights=w),
        case("AUC", *two(column, lambda: np.round(one())), num_thresholds=5),
        case(
            "AUC", *two(many, p), num_thresholds=9, curve="PR", multi_label=True,
            label_weights=[1.0, 0.5, 2.0, 1.0],
        ),
        case(
            "AUC", *two(many, p), thresholds=[0.2, 0.9, 0.55], curve="PR",
            summation_method="minoring",
        ),
        case(
            "AUC", *two(many, p), thresholds=[0.2, 0.6], multi_label=True,
            summation_method="majoring",
        ),
        case(
            "AUC", *two(many, p), num_thresholds=6, curve="PRGAIN",
            label_weights=[1.0, 0.5, 2.0, 1.0],
        ),
        case("AUC", *two(many, any2), num_thresholds=7, from_logits=True, weights=w),
        case("FBetaScore", *two(many, p), beta=2.0, threshold=0.4, average="weighted", weights=w),
        case("FBetaScore", *two(bits, soft), beta=0.5, average="micro"),
        case("F1Score", *two(bits, soft), weights=w),
        case("IoU", *two(labels, labels), num_classes=4, target_class_ids=[0, 3], ignore_class=1),
        case("IoU", *two(ids, ids), num_classes=3, target_class_ids=[2], weights=whole),
        case("BinaryIoU", *two(column, one), weights=[np.full(3, 1.7, "float32")] * 2),
        case("BinaryIoU", *two(column, one), threshold=0.4),
        case("MeanIoU", *two(ids, ids), num_classes=4, weights=w, dtype="float32"),
        case("OneHotIoU", *two(bits, soft), num_classes=4, target_class_ids=[0, 2]),
        case("OneHotMeanIoU", *two(bits, ids), num_classes=4, sparse_y_pred=True),
    ]
    print_cases(items)


main()
