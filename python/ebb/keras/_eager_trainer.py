"""What ``fit``, ``evaluate`` and ``predict`` do for models whose steps run in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ebb import _training
from ebb._native import lib
from ebb.keras._callback import plain_logs
from ebb.keras._data import ArrayData
from ebb.keras._eager_data import feed_of, one_batch
from ebb.keras._eager_loop import EagerLoop, arrays_of, ordered
from ebb.keras._engine_choice import is_own
from ebb.keras._metric import own_metrics
from ebb.keras._steps import holders


def fit(model: Any, data: Any, validation: Any, listeners: Any, how: Mapping[str, Any]) -> None:
    """Trains; ``how`` are the arguments of ``fit``, checked."""
    begin(model)
    batch_size, weights = how["batch_size"], how["class_weight"]
    split, rows, rest = how["validation_split"], None, None
    if split and validation is None:
        count = int(data.rows * (1.0 - split))
        rows, rest = (0, count), (count, data.rows)
        validation = data
    more = {} if rows is None else {"rows": rows}
    feed = feed_of(
        data, batch_size, shuffle=how["shuffle"], limit=how["steps_per_epoch"],
        class_weight=weights, **more,
    )  # fmt: skip
    other = None
    if validation is not None:
        size, steps = how["validation_batch_size"] or batch_size, how["validation_steps"]
        more = {} if rest is None else {"rows": rest}
        other = feed_of(validation, size, limit=steps, **more)
    EagerLoop(model, listeners).fit(
        feed,
        other,
        validation_freq=how["validation_freq"],
        validation_steps=how["validation_steps"],
        epochs=how["epochs"],
        initial_epoch=how["initial_epoch"],
        steps=how["steps_per_epoch"],
    )


def evaluate(
    model: Any, data: Any, listeners: Any, batch_size: int | None, steps: int | None, as_dict: bool
) -> Any:
    """Loss and metrics over data."""
    begin(model)
    feed = feed_of(data, batch_size, limit=steps)
    try:
        logs = EagerLoop(model, listeners).evaluate(feed, steps)
    finally:
        feed.close()
    return logs if as_dict else ordered(model, logs)


def predict(
    model: Any, data: Any, listeners: Any, batch_size: int | None, steps: int | None
) -> Any:
    """Predictions in the structure that ``predict_step`` gives."""
    begin(model)
    feed = feed_of(data, batch_size, limit=steps)
    try:
        return EagerLoop(model, listeners).predict(feed, steps)
    finally:
        feed.close()


def on_batch(model: Any, trains: bool, data: ArrayData, as_dict: bool) -> Any:
    """One step; results are of this batch alone."""
    begin(model)
    model.reset_metrics()
    step = model.train_step if trains else model.test_step
    logs = plain_logs(step(one_batch(data)))
    return logs if as_dict else ordered(model, logs)


def predict_on_batch(model: Any, data: ArrayData) -> Any:
    """Predictions for one batch."""
    begin(model)
    return arrays_of(model.predict_step(one_batch(data)[:1]))


def begin(model: Any) -> None:
    """Before steps run in Python: training in the library, if there was any, ends."""
    run_python(model)
    if model._core_or_none is None or not lib.ebb_model_compiled(model._core.handle):
        return
    if hasattr(model.optimizer, "_to_own"):
        model.optimizer._to_own(model.trainable_weights)
    _training.uncompile(model._core.handle)
    model._ready_for = None


def run_python(model: Any) -> None:
    """Has the Python of layers run for every call, where it does more than can be traced."""
    for layer in [*holders(model)][::-1]:
        if layer._untraced is not None or not _has_python(layer):
            continue
        if model.run_eagerly:
            layer._untraced = "run_eagerly=True"
        elif any(own_metrics(part) or part._untraced is not None for part in inside(layer)):
            layer._untraced = f"{layer.name} has metrics that its call updates"


def inside(layer: Any) -> list[Any]:
    """What a layer calls, and a layer itself; the metrics of a model are of its steps."""
    return [*layer._layers] if layer._is_model else [layer, *layer._layers]


def _has_python(layer: Any) -> bool:
    """Is its ``call`` the caller's own, or that of a layer in it?"""
    if layer._is_model and layer._graph is not None:
        return any(_has_python(part) for part in layer._layers)
    return is_own(type(layer), "call")
