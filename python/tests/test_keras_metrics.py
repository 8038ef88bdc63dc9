"""Metrics by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from training_golden import check_case, classifier, data

import ebb
from ebb import keras
from ebb._generated import metrics as generated


def test_numbers_are_those_of_keras() -> None:
    check_case("metrics")


def test_states_of_two_metrics_together() -> None:
    one, two, both = keras.metrics.AUC(), keras.metrics.AUC(), keras.metrics.AUC()
    one.update_state([0, 1, 1], [0.2, 0.7, 0.1])
    two.update_state([0, 0, 1], [0.6, 0.1, 0.9])
    both.update_state([0, 1, 1, 0, 0, 1], [0.2, 0.7, 0.1, 0.6, 0.1, 0.9])
    one.merge_state([two, keras.metrics.AUC()])
    assert float(one.result()) == float(both.result())
    assert float(keras.metrics.AUC().stateless_result(both.variables)) == float(both.result())


def test_before_anything_and_after_a_reset() -> None:
    metric = keras.metrics.Precision()
    assert float(metric.result()) == 0.0
    assert float(metric([0, 1, 1], [1, 1, 0])) == 0.5
    metric.reset_states()
    assert float(metric.result()) == 0.0 and metric.variables == []


def test_a_batch_that_does_not_fit_changes_nothing() -> None:
    metric = keras.metrics.MeanSquaredError()
    metric.update_state([1.0, 2.0], [1.0, 4.0])
    with pytest.raises(ebb.ShapeError):
        metric.update_state(np.zeros((2, 3)), np.zeros((3, 3)))
    assert float(metric.result()) == 2.0
    scores = keras.metrics.F1Score()
    scores.update_state([[0, 1]], [[0.1, 0.9]])
    with pytest.raises(ValueError, match="reset_state"):
        scores.update_state([[0, 1, 0]], [[0.1, 0.9, 0.0]])


@pytest.mark.parametrize("name", sorted(generated.__all__))
def test_configurations_make_the_same(name: str) -> None:
    choices: dict[str, Any] = {
        "IoU": {"num_classes": 3, "target_class_ids": [0, 1]},
        "OneHotIoU": {"num_classes": 3, "target_class_ids": [0]},
        "MeanIoU": {"num_classes": 3},
        "OneHotMeanIoU": {"num_classes": 3},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
    }
    given = choices.get(name, {})
    made = getattr(keras.metrics, name)(name="own", **given)
    again = keras.metrics.deserialize(keras.metrics.serialize(made))
    assert type(again) is type(made) and again.get_config() == made.get_config()
    assert again.name == "own"


def test_names() -> None:
    assert type(keras.metrics.get("auc")) is keras.metrics.AUC
    assert type(keras.metrics.get("mse")) is keras.metrics.MeanSquaredError
    assert keras.metrics.get("acc").name == "accuracy"
    with pytest.raises(ValueError, match="did you mean"):
        keras.metrics.get("precission")


def test_every_form_in_compile() -> None:
    x, y = data()
    model = classifier(keras)
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        metrics=[
            "accuracy",
            keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top"),
            keras.metrics.sparse_categorical_accuracy,
            keras.metrics.SparseCategoricalCrossentropy,
            {"class_name": "SparseCategoricalAccuracy", "config": {"name": "config"}},
        ],
    )
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert set(found) == {
        "loss",
        "accuracy",
        "top",
        "sparse_categorical_accuracy",
        "config",
        "sparse_categorical_crossentropy",
    }
    assert found["accuracy"] == found["config"] == found["sparse_categorical_accuracy"]
    assert found["loss"] == pytest.approx(found["sparse_categorical_crossentropy"])
    assert model.metrics[0].name == "loss" and len(model.metrics) == 6


def test_a_metric_of_the_callers_own() -> None:
    class Rows(keras.metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="rows")
            self.count = self.add_weight(name="count", initializer="zeros")

        def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
            self.count.assign(self.count + len(y_true))

        def result(self) -> Any:
            return self.count

    metric = Rows()
    metric.update_state([1, 2], [1, 2])
    metric.update_state([1], [1])
    assert float(metric.result()) == 3.0
    metric.reset_state()
    assert float(metric.result()) == 0.0
    x, y = data()
    model = classifier(keras)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[metric])
    assert model.fit(x, y, verbose=0).history["rows"] == [len(x)]
