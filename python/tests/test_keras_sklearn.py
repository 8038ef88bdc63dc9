"""Models as estimators of scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import ebb
from ebb import keras

RNG = np.random.default_rng(5)
X = RNG.random((60, 4), dtype=np.float32)
LABELS = np.where(X[:, 0] > 0.5, "high", "low")


def classifier(X: Any, y: Any, units: int = 8) -> Any:  # noqa: N803
    """A compiled model for the data."""
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(y.shape[1], activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "categorical_crossentropy")
    return model


def regressor(X: Any, y: Any) -> Any:  # noqa: N803
    """A compiled model for the data."""
    model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1])])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


FIT = {"epochs": 30, "verbose": 0}


@pytest.fixture
def sklearn() -> Any:
    """The package, or a skip."""
    return pytest.importorskip("sklearn")


def test_a_classifier(sklearn: Any) -> None:
    keras.utils.set_random_seed(1)
    estimator = keras.wrappers.SKLearnClassifier(classifier, fit_kwargs=FIT)
    before = ebb.memory().live
    assert estimator.fit(X, LABELS) is estimator
    assert list(estimator.classes_) == ["high", "low"]
    assert estimator.score(X, LABELS) > 0.9
    assert estimator.predict(X[:3]).tolist() == LABELS[:3].tolist()
    assert estimator.predict_proba(X).shape == (60, 2)
    assert np.array_equal(estimator.decision_function(X), estimator.predict_proba(X))
    assert estimator.n_features_in_ == 4 and estimator.epoch_ == 30
    del estimator
    assert ebb.memory().live == before


def test_cross_validation_and_search(sklearn: Any) -> None:
    from sklearn.model_selection import GridSearchCV, cross_val_score

    keras.utils.set_random_seed(1)
    before = ebb.memory().live
    estimator = keras.wrappers.SKLearnClassifier(classifier, fit_kwargs=FIT)
    scores = cross_val_score(estimator, X, LABELS, cv=3)
    assert scores.shape == (3,) and scores.mean() > 0.7
    assert ebb.memory().live == before
    grid = {"model_kwargs": [{"units": 2}, {"units": 16}]}
    search = GridSearchCV(estimator, grid, cv=2)
    search.fit(X, LABELS)
    assert search.best_params_["model_kwargs"] in grid["model_kwargs"]
    assert search.best_estimator_.fit_kwargs == FIT
    assert search.predict(X).shape == (60,)
    assert ebb.memory().models == 1
    del search
    assert ebb.memory().live == before


def test_a_regressor(sklearn: Any) -> None:
    keras.utils.set_random_seed(1)
    y = X @ np.array([1.0, 2.0, -1.0, 0.5], np.float32) + 1
    estimator = keras.wrappers.SKLearnRegressor(regressor, fit_kwargs={"epochs": 80, "verbose": 0})
    estimator.fit(X, y)
    assert estimator.predict(X).shape == (60,)
    assert estimator.score(X, y) > 0.9
    estimator.fit(X, np.stack([y, y], axis=1))
    assert estimator.predict(X).shape == (60, 2)


def test_a_transformer_in_a_pipeline(sklearn: Any) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    step = keras.wrappers.SKLearnTransformer(model, fit_kwargs={"verbose": 0})
    pipeline = make_pipeline(step, LogisticRegression())
    pipeline.fit(X, (X[:, 0] > 0.5).astype(int))
    assert pipeline.predict(X).shape == (60,)
    assert step.transform(X).shape == (60, 1)


def test_a_model_is_cloned_for_each_fit(sklearn: Any) -> None:
    from sklearn.base import clone

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    own = model.get_weights()[0]
    estimator = keras.wrappers.SKLearnRegressor(model)
    estimator.fit(X, X[:, 0], epochs=2, verbose=0)
    assert estimator.model_ is not model
    assert np.array_equal(model.get_weights()[0], own)
    other = clone(estimator)
    assert other.model is model and not hasattr(other, "model_")
    warm = keras.wrappers.SKLearnRegressor(model, warm_start=True)
    warm.fit(X, X[:, 0], verbose=0)
    first = warm.model_
    warm.fit(X, X[:, 0], verbose=0)
    assert warm.model_ is first is model


def test_what_is_refused(sklearn: Any) -> None:
    from sklearn.exceptions import NotFittedError

    estimator = keras.wrappers.SKLearnClassifier(classifier)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    with pytest.raises(ValueError, match="one class"):
        estimator.fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="binary and multiclass"):
        estimator.fit(X, X[:, 0])
    bare = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(RuntimeError, match="compiled"):
        keras.wrappers.SKLearnRegressor(bare).fit(X, X[:, 0])
    with pytest.raises(AttributeError):
        keras.wrappers.SKLearnClusterer


def test_importing_does_not_need_scikit_learn() -> None:
    code = (
        "import sys, ebb.keras as keras, numpy as np\n"
        "assert 'sklearn' not in sys.modules\n"
        "sys.modules['sklearn'] = None\n"
        "def make(X, y):\n"
        "    m = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])\n"
        "    m.compile('sgd', 'mse')\n"
        "    return m\n"
        "e = keras.wrappers.SKLearnClassifier(make, fit_kwargs={'verbose': 0})\n"
        "x = np.random.rand(8, 2); y = np.arange(8) % 2\n"
        "assert 0 <= e.fit(x, y).score(x, y) <= 1\n"
        "assert e.get_params()['warm_start'] is False\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
