"""Estimators for scikit-learn around models: what ``ebb.keras.wrappers`` gives.

Each fit works on a model of its own, which goes with the estimator: cross validation and searches
give the memory of every fold and trial back. Source: keras/src/wrappers of Keras 3.15.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ebb._errors import EbbError

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
except ImportError:

    class BaseEstimator:  # type: ignore[no-redef]
        """The part of scikit-learn's class that estimators here need."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Arguments of the constructor, as they are now."""
            del deep
            names = list(inspect.signature(type(self).__init__).parameters)[1:]
            return {name: getattr(self, name) for name in names}

        def set_params(self, **params: Any) -> Any:
            """Set arguments of the constructor."""
            for name, value in params.items():
                setattr(self, name, value)
            return self

    class ClassifierMixin:  # type: ignore[no-redef]
        """Mean accuracy as the score."""

        def score(self, X: Any, y: Any) -> float:  # noqa: N803
            """Part of the rows that are told right."""
            return float(np.mean(self.predict(X) == np.asarray(y)))  # type: ignore[attr-defined]

    class RegressorMixin:  # type: ignore[no-redef]
        """R squared as the score."""

        def score(self, X: Any, y: Any) -> float:  # noqa: N803
            """1 - residual variance / variance."""
            y = np.asarray(y)
            told = np.asarray(self.predict(X)).reshape(y.shape)  # type: ignore[attr-defined]
            rest = float(np.sum((y - told) ** 2))
            return 1.0 - rest / float(np.sum((y - y.mean(axis=0)) ** 2))

    class TransformerMixin:  # type: ignore[no-redef]
        """Fit, then transform."""

        def fit_transform(self, X: Any, y: Any = None, **kwargs: Any) -> Any:  # noqa: N803
            """Both in one."""
            return self.fit(X, y, **kwargs).transform(X)  # type: ignore[attr-defined]


def _checked(estimator: Any, *arrays: Any, reset: bool = True) -> Any:
    """Arrays as scikit-learn wants them checked; as they are where it is not installed."""
    kwargs: dict[str, Any] = {"reset": reset, "allow_nd": True}
    if len(arrays) > 1:
        kwargs["multi_output"] = True
    try:
        from sklearn.utils.validation import validate_data
    except ImportError:
        validate = getattr(estimator, "_validate_data", None)
        if validate is not None:
            return validate(*arrays, **kwargs)
        made = [np.asarray(array) for array in arrays]
        if reset and made[0].ndim > 1:
            estimator.n_features_in_ = made[0].shape[1]
        return made[0] if len(made) == 1 else made
    return validate_data(estimator, *arrays, **kwargs)


def _check_compiled(model: Any) -> None:
    """A model that is to be trained needs a loss and an optimizer."""
    if not getattr(model, "compiled", False) or not model.loss or not model.optimizer:
        raise EbbError("the model must be compiled, with a loss and an optimizer", "fit")


class _Estimator(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """What the three have in common."""

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_clone__(self) -> Any:
        """Not a copy of the model: each fit makes its own."""
        return type(self)(
            model=self.model,
            warm_start=self.warm_start,
            model_kwargs=self.model_kwargs,
            fit_kwargs=self.fit_kwargs,
        )

    def __sklearn_tags__(self) -> Any:
        """Training starts from random weights."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Has it been fitted?"""
        return hasattr(self, "model_")

    def _new_model(self, x: Any, y: Any) -> Any:
        """A compiled model for one fit."""
        from ebb.keras._cloning import clone_model
        from ebb.keras._model import Model

        if not isinstance(self.model, Model):
            return self.model(X=x, y=y, **(self.model_kwargs or {}))
        return self.model if self.warm_start else clone_model(self.model)

    def _fitted(self) -> Any:
        """The model of the last fit."""
        if not hasattr(self, "model_"):
            try:
                from sklearn.exceptions import NotFittedError
            except ImportError:
                raise ValueError(f"{type(self).__name__} is not fitted yet: call fit()") from None
            raise NotFittedError(f"{type(self).__name__} is not fitted yet: call fit()")
        return self.model_

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:  # noqa: N803
        """Train a new model.

        Parameters
        ----------
        X : array-like of shape (samples, features) or more axes
        y : array-like of shape (samples,) or (samples, outputs)
        **kwargs
            For ``model.fit``; they win over ``fit_kwargs``.

        Returns
        -------
        self

        Raises
        ------
        EbbError
            The model is not compiled.
        """
        X, y = _checked(self, X, y)  # noqa: N806
        target = self._encode(np.asarray(y))
        if self.warm_start and hasattr(self, "model_"):
            model = self.model_
        else:
            model = self._new_model(X, target)
        _check_compiled(model)
        self.history_: Any = model.fit(X, target, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_: Any = model
        return self

    @property
    def epoch_(self) -> int:
        """Epochs of the last fit; 0 before."""
        history = getattr(self, "history_", None)
        return len(getattr(history, "epoch", ())) if history is not None else 0

    def _encode(self, y: Any) -> Any:
        """Targets as the model is trained on them."""
        self._target_axes = y.ndim
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _raw(self, X: Any) -> Any:  # noqa: N803
        """What the model gives."""
        model = self._fitted()
        X = _checked(self, X, reset=False)  # noqa: N806
        kwargs = {"verbose": (self.fit_kwargs or {}).get("verbose", 0)}
        return model.predict(X, **kwargs)


class SKLearnClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier for scikit-learn around a model.

    Parameters
    ----------
    model : Model or callable
        A compiled model, which is cloned for each fit, or a function ``model(X, y, **kwargs)``
        that makes one. ``y`` comes one-hot, of shape (samples, classes).
    warm_start : bool
        Go on with the weights of the fit before.
    model_kwargs : dict, optional
        For the function.
    fit_kwargs : dict, optional
        For ``model.fit``.

    Attributes
    ----------
    model_ : Model
        The fitted model.
    history_ : History
        Of the last fit.
    classes_ : ndarray of shape (classes,)
        The labels.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> estimator = SKLearnClassifier(make_model, fit_kwargs={"epochs": 10, "verbose": 0})
    >>> cross_val_score(estimator, X, y, cv=5)
    """

    def _encode(self, y: Any) -> Any:
        """One-hot, of shape (samples, classes)."""
        y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim != 1 or (y.dtype.kind == "f" and np.any(y != np.floor(y))):
            raise ValueError(
                "Only binary and multiclass targets are supported: expected one label a row, got "
                f"an array of shape {y.shape} and type {y.dtype}"
            )
        self._target_axes = 1
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_), dtype="float32")[numbers]

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        """Give what the model gives.

        Parameters
        ----------
        X : array-like of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, classes)
        """
        return self._raw(X)

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        """Give what the model gives: probabilities, if it ends with a softmax.

        Parameters
        ----------
        X : array-like of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, classes)
        """
        return self._raw(X)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Give the label of the largest output of each row.

        Parameters
        ----------
        X : array-like of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples,)
        """
        told = self._raw(X)
        return self.classes_[np.argmax(told, axis=-1)]


class SKLearnRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regressor for scikit-learn around a model.

    Parameters
    ----------
    model : Model or callable
        A compiled model, which is cloned for each fit, or a function ``model(X, y, **kwargs)``
        that makes one. ``y`` has two axes.
    warm_start : bool
        Go on with the weights of the fit before.
    model_kwargs : dict, optional
        For the function.
    fit_kwargs : dict, optional
        For ``model.fit``.

    Attributes
    ----------
    model_ : Model
        The fitted model.
    history_ : History
        Of the last fit.
    """

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Give what the model gives, in the shape of the targets.

        Parameters
        ----------
        X : array-like of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples,) or (samples, outputs)
        """
        told = self._raw(X)
        is_column = self._target_axes == 1 and told.ndim > 1 and told.shape[-1] == 1
        return np.squeeze(told, axis=-1) if is_column else told


class SKLearnTransformer(TransformerMixin, _Estimator):  # type: ignore[misc]
    """A transformer for scikit-learn around a model: its outputs are features for what follows.

    Parameters
    ----------
    model : Model or callable
        A compiled model, which is cloned for each fit, or a function ``model(X, y, **kwargs)``
        that makes one.
    warm_start : bool
        Go on with the weights of the fit before.
    model_kwargs : dict, optional
        For the function.
    fit_kwargs : dict, optional
        For ``model.fit``.

    Attributes
    ----------
    model_ : Model
        The fitted model.
    history_ : History
        Of the last fit.
    """

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Give what the model gives.

        Parameters
        ----------
        X : array-like of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, outputs)
        """
        return self._raw(X)
