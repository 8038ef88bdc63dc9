"""Which of two engines trains a model: the library's own loop, or steps in Python.

The library runs whatever can be told to it, which is most. Steps run in Python (_eager_loop.py)
where something of the caller's own has to run in every one of them. It is decided once for each
``compile``.
"""

from __future__ import annotations

from typing import Any

from ebb._errors import UnsupportedError
from ebb.keras._arguments import is_ours
from ebb.keras._metric import own_metrics
from ebb.keras._steps import holders

_STEPS = (
    "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics",
    "get_metrics_result", "reset_metrics", "metrics",
)  # fmt: skip
_MAKERS = ("make_train_function", "make_test_function", "make_predict_function")


def is_own(kind: type, name: str) -> bool:
    """Did the caller write a method or property of a class?"""
    found = getattr(kind, name, None)
    if isinstance(found, property):
        found = found.fget
    return not str(getattr(found, "__module__", "ebb.")).startswith("ebb.")


def why_eager(model: Any) -> str | None:
    """What the library's own loop cannot do of a model that is compiled; None: it can do all."""
    kind = type(model)
    for name in _MAKERS:
        if is_own(kind, name):
            raise UnsupportedError(
                f"{kind.__name__}.{name}() is not called: there are no functions to make; "
                "write train_step(), test_step() or predict_step()",
                "fit",
            )
    for name in _STEPS:
        if is_own(kind, name) or name in model.__dict__:
            return f"{kind.__name__}.{name} is Python"
    if model.run_eagerly:
        return "run_eagerly=True"
    settings = model._settings
    if settings is not None and settings.why_eager is not None:
        return settings.why_eager  # type: ignore[no-any-return]
    for layer in holders(model):
        if own_metrics(layer):
            return f"{layer.name} has metrics of its own"
    return None


def why_eager_weights(model: Any) -> str | None:
    """The same of a model that is built: what its weights have that is Python."""
    for variable in model.weights:
        for what in ("regularizer", "constraint"):
            held = getattr(variable, what, None)
            if held is not None and (not is_ours(type(held)) or is_own(type(held), "__call__")):
                return f"the {what} of {variable.path} is Python"
    return None


def predicts_eagerly(model: Any) -> bool:
    """Must ``predict`` run Python for every batch?"""
    if model.run_eagerly and model._graph is None:
        return True
    return is_own(type(model), "predict_step") or "predict_step" in model.__dict__
