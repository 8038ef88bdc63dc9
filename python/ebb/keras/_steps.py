"""Steps of training in Python: what classes override, and what they are by default.

``train_step`` and its siblings are called by ``fit`` and ``evaluate`` where the library cannot run
the whole step itself (_engine_choice.py tells when). Their order of operations is that of
keras/src/backend/tensorflow/trainer.py of 3.15.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Any

from ebb.keras._compiled import CompiledLoss, CompiledMetrics, flat
from ebb.keras._data import unpack
from ebb.keras._metric import own_metrics

Logs = dict[str, Any]


class Parts:
    """What ``compile`` made for steps in Python."""

    def __init__(self, settings: Any, names: list[str] | None) -> None:
        from ebb.keras import metrics

        self.tracker = metrics.Mean(name="loss")
        self.loss = None
        self.metrics = None
        if settings.loss is not None:
            self.loss = CompiledLoss(settings.loss, settings.loss_weights, names)
        if settings.metrics is not None or settings.weighted_metrics is not None:
            self.metrics = CompiledMetrics(settings.metrics, settings.weighted_metrics, names)


class Steps:
    """Methods of models that say what a step is; subclasses override them."""

    optimizer: Any
    loss: Any
    compiled: bool
    trainable_weights: Any
    losses: Any
    _settings: Any
    _graph: Any
    output_names: Any
    _compiled_parts: Parts | None = None

    # -- steps ------------------------------------------------------------------------------------

    def train_step(self, data: Any) -> Logs:
        """One step of training.

        Parameters
        ----------
        data
            A batch as ``fit`` was given it: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

        Returns
        -------
        dict
            Results so far in this epoch by name; they become logs.
        """
        from ebb.tf._tape import GradientTape

        x, y, sample_weight = unpack(data)
        with GradientTape() as tape:
            y_pred = call_model(self, x, True)
            loss = self._compute_loss(x, y, y_pred, sample_weight, True)
            self._track_loss(loss, x)
            if self.optimizer is not None:
                loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        if weights:
            gradients = tape.gradient(loss, weights)
            self.optimizer.apply_gradients(zip(gradients, weights))
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> Logs:
        """One step of evaluation: as ``train_step``, and nothing is trained."""
        x, y, sample_weight = unpack(data)
        y_pred = call_model(self, x, False)
        loss = self._compute_loss(x, y, y_pred, sample_weight, False)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Predictions of a batch, in the structure of the model's outputs."""
        return call_model(self, unpack(data)[0], False)

    # -- loss and metrics -------------------------------------------------------------------------

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """What is made small: the losses of ``compile`` and those of layers.

        Parameters
        ----------
        x, y, y_pred, sample_weight
            A batch, and what the model made of it.
        training : bool

        Returns
        -------
        Tensor
            A number.

        Raises
        ------
        ValueError
            There is no loss at all.
        """
        del x, training
        parts = self._parts_of_compile()
        total = None
        if parts is not None and parts.loss is not None:
            total = parts.loss(y, y_pred, sample_weight)
        for loss in self.losses:
            value = _as_number(loss)
            total = value if total is None else total + value
        if total is None:
            raise ValueError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or write "
                "compute_loss()."
            )
        return total

    def _compute_loss(self, x: Any, y: Any, y_pred: Any, weight: Any, training: bool) -> Any:
        """The same, also of classes whose own ``compute_loss`` has no ``training``."""
        if "training" in inspect.signature(self.compute_loss).parameters:
            return self.compute_loss(x, y, y_pred, weight, training=training)
        return self.compute_loss(x, y, y_pred, weight)

    def _track_loss(self, loss: Any, x: Any) -> None:
        parts = self._parts_of_compile()
        if parts is not None:
            rows = next(one for one in flat(x) if one is not None).shape[0]
            parts.tracker.update_state(loss, sample_weight=rows)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Adds a batch to the metrics of ``compile``.

        Returns
        -------
        dict
            All results so far in this epoch by name.
        """
        del x
        parts = self._parts_of_compile()
        if parts is not None and parts.metrics is not None:
            parts.metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> Logs:
        """Results of all metrics so far, by name; a metric may give several."""
        results: Logs = {}
        for metric in self.metrics:
            value = metric.result()
            if isinstance(value, dict):
                results.update(value)
            else:
                results[metric.name] = value
        return results

    def reset_metrics(self) -> None:
        """Begins anew with all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    @property
    def metrics(self) -> list[Any]:
        """The loss as a Mean, what ``compile`` was given, then metrics of the model and layers."""
        return metrics_of(self)

    def _parts_of_compile(self) -> Parts | None:
        """Made when a step first needs them; None before ``compile``."""
        if self._compiled_parts is None and self.compiled and self._settings is not None:
            names = self.output_names if self._graph is not None else None
            self._compiled_parts = Parts(self._settings, names)
        return self._compiled_parts

    # -- older names ------------------------------------------------------------------------------

    def compiled_loss(
        self, y: Any, y_pred: Any, sample_weight: Any = None, regularization_losses: Any = None
    ) -> Any:
        """Older name of ``compute_loss``."""
        warnings.warn(
            "`model.compiled_loss()` is deprecated. Instead, use `model.compute_loss(x, y, y_pred, "
            "sample_weight, training)`.",
            stacklevel=2,
        )
        return self.compute_loss(x=None, y=y, y_pred=y_pred, sample_weight=sample_weight)

    @property
    def compiled_metrics(self) -> Any:
        """Older name of what updates ``model.metrics``."""
        return _OldMetrics(self.metrics)


class _OldMetrics:
    """What ``compiled_metrics`` gives."""

    def __init__(self, metrics: list[Any]) -> None:
        self._metrics = metrics

    def update_state(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch to every metric but the loss."""
        from ebb.keras import metrics

        for one in self._metrics:
            if isinstance(one, metrics.Mean):
                one.update_state(y_pred, sample_weight=sample_weight)
            else:
                one.update_state(y, y_pred, sample_weight=sample_weight)


def _as_number(loss: Any) -> Any:
    """An added loss as one float."""
    from ebb.keras import ops

    if "float" not in str(getattr(loss, "dtype", "float32")):
        loss = ops.cast(loss, "float32")
    return ops.sum(loss) if getattr(loss, "shape", ()) else loss


def call_model(model: Any, x: Any, training: bool) -> Any:
    """A call of the model, with ``training`` if it takes that."""
    if takes_training(type(model)):
        return model(x, training=training)
    return model(x)


def takes_training(kind: type) -> bool:
    """Has the ``call`` of a class an argument ``training``?"""
    call = kind.call  # type: ignore[attr-defined]
    if str(call.__module__).startswith("ebb."):
        return True
    parameters = inspect.signature(call).parameters
    return "training" in parameters


def metrics_of(model: Any) -> list[Any]:
    """All metrics of a model that is trained by steps in Python."""
    parts = model._parts_of_compile()
    found: list[Any] = []
    if parts is not None:
        found.append(parts.tracker)
        if parts.metrics is not None:
            found.append(parts.metrics)
        if parts.loss is not None:
            found.extend(parts.loss.metrics)
    return [*found, *(metric for layer in holders(model) for metric in own_metrics(layer))]


def holders(model: Any) -> Iterable[Any]:
    """The model and the layers in it, but not those of models in it."""
    found, waiting = {id(model): model}, list(model._layers)
    while waiting:
        layer = waiting.pop(0)
        if id(layer) not in found and not layer._is_model:
            found[id(layer)] = layer
            waiting.extend(layer._layers)
    return found.values()
