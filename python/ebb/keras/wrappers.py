"""Models as estimators of scikit-learn, under the names of Keras 3.

scikit-learn is imported when a class of here is first asked for, and not needed by ``ebb.keras``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ebb.keras._estimator import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


def __getattr__(name: str) -> Any:
    """The classes, made over scikit-learn's bases where it is installed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ebb.keras import _estimator

    return getattr(_estimator, name)


def __dir__() -> list[str]:
    """For completion."""
    return [*globals(), *__all__]
