"""scikit-learn's grid search over a Keras model: every candidate goes when it has been scored."""

import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ebb import keras
from ebb.keras import layers
from ebb.keras.wrappers import SKLearnClassifier, SKLearnRegressor

rng = np.random.default_rng(8)
x = rng.normal(size=(240, 6)).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype(int)


def dynamic_model(X, y, loss, hidden=(8,), rate=0.01):
    """A classifier whose layers are parameters of the search."""
    inputs = keras.Input(shape=X.shape[1:])
    h = inputs
    for units in hidden:
        h = layers.Dense(units, activation="relu")(h)
    classes = y.shape[1] if len(y.shape) > 1 else 1
    model = keras.Model(inputs, layers.Dense(classes, activation="softmax")(h))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
    return model


estimator = SKLearnClassifier(
    model=dynamic_model,
    model_kwargs={"loss": "categorical_crossentropy", "hidden": (8,)},
    fit_kwargs={"epochs": 8, "verbose": 0},
)
search = GridSearchCV(
    estimator,
    {
        "model_kwargs": [
            {"loss": "categorical_crossentropy", "hidden": (16,), "rate": 0.05},
            {"loss": "categorical_crossentropy", "hidden": (), "rate": 1e-6},
        ]
    },
    cv=3,
)
search.fit(x, y)
assert search.best_params_["model_kwargs"]["hidden"] == (16,) and search.best_score_ > 0.85
print("best:", search.best_params_["model_kwargs"]["hidden"], search.predict(x[:3]).shape)


def regression(X, y):
    """A small regression."""
    model = keras.Sequential(
        [keras.Input(X.shape[1:]), layers.Dense(16, activation="relu"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


pipeline = make_pipeline(
    StandardScaler(), SKLearnRegressor(regression, fit_kwargs={"epochs": 60, "verbose": 0})
)
scores = cross_val_score(pipeline, x, x[:, 0] - 2 * x[:, 1], cv=3)
assert scores.mean() > 0.7, scores
print("a pipeline with", len(scores), "scores")
