"""Losses and metrics of ``compile`` as objects, for steps of training that run in Python.

Which of them belongs to which output, how results are called and in what order they come is
Keras's: keras/src/trainers/compile_utils.py of 3.15. Models that the library trains need none of
this (_settings.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ebb.keras import losses, metrics
from ebb.keras._loss import Loss
from ebb.keras._metric import MeanMetricWrapper, Metric

_SHAPED_LOSSES = ("crossentropy", "ce")
_SHAPED_METRICS = ("accuracy", "acc")


def is_nested(value: Any) -> bool:
    """Is it a list, tuple or dictionary?"""
    return isinstance(value, (list, tuple, Mapping))


def flat(value: Any) -> list[Any]:
    """Leaves, those of dictionaries by sorted keys."""
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for one in value for leaf in flat(one)]
    return [value]


class Outputs:
    """The outputs of a model as they come out of ``call``: how to find what belongs to each.

    Parameters
    ----------
    y_pred : tensor, or list or dictionary of them
    names : list of str, optional
        Of a functional model's outputs.
    """

    def __init__(self, y_pred: Any, names: Sequence[str] | None) -> None:
        self.is_single = not is_nested(y_pred)
        self.keys: list[Any] | None = None
        count = len(flat(y_pred))
        if isinstance(y_pred, Mapping) and len(y_pred) == count:
            is_match = names is not None and set(names) == set(y_pred)
            self.keys = list(names) if is_match and names else sorted(y_pred)
        known = list(names) if names is not None and len(names) == count else None
        self.names: list[Any] = self.keys or known or [None] * count
        self.count = count

    def split(self, value: Any) -> list[Any]:
        """Tensors by output, of predictions."""
        if self.keys is not None and isinstance(value, Mapping):
            return [value[key] for key in self.keys]
        return flat(value)

    def assign(self, given: Any, what: str) -> list[Any]:
        """What was given by output: by name, by place, or one thing for all."""
        if isinstance(given, Mapping) and "class_name" not in given:
            unknown = [key for key in given if key not in self.names]
            if unknown:
                raise ValueError(
                    f"`{what}` has a key {unknown[0]!r}, but the model's outputs are {self.names}."
                )
            return [given.get(name) for name in self.names]
        if isinstance(given, (list, tuple)) and len(given) == self.count:
            return list(given)
        return [given] * self.count

    def targets(self, y: Any, wanted: Sequence[bool]) -> list[Any]:
        """Targets by output; ``wanted`` tells which outputs have a loss or metric at all."""
        if self.count == 1:
            return flat(y)[:1]
        if isinstance(y, Mapping):
            return [y.get(name) for name in self.names]
        leaves = flat(y)
        if len(leaves) == self.count:
            return leaves
        if len(leaves) == sum(wanted):
            rest = iter(leaves)
            return [next(rest) if is_wanted else None for is_wanted in wanted]
        raise ValueError(
            f"y_true and y_pred have different structures: {len(leaves)} targets for "
            f"{self.count} outputs."
        )

    def weights(self, weight: Any) -> list[Any]:
        """Sample weights by output."""
        if isinstance(weight, Mapping):
            return [weight.get(name) for name in self.names]
        if isinstance(weight, (list, tuple)) and len(weight) == self.count:
            return list(weight)
        return [flat(weight)[0] if is_nested(weight) else weight] * self.count


def _kind_by_shape(y_true: Any, y_pred: Any) -> str:
    """What "accuracy" and "crossentropy" are for tensors like these."""
    if y_pred.shape and y_pred.shape[-1] == 1:
        return "binary"
    is_sparse = len(y_true.shape) < len(y_pred.shape) or (
        y_true.shape[-1] == 1 and y_pred.shape[-1] > 1
    )
    return "sparse_categorical" if is_sparse else "categorical"


# -- losses ---------------------------------------------------------------------------------------


class FunctionLoss(Loss):
    """A function ``function(y_true, y_pred)`` as a loss."""

    def __init__(self, function: Any, name: str) -> None:
        super().__init__(name=name)
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What the function gives."""
        if hasattr(y_true, "shape") and hasattr(y_pred, "shape"):
            y_true = _same_rank(y_true, y_pred)
        return self._function(y_true, y_pred)


def _same_rank(y_true: Any, y_pred: Any) -> Any:
    """Targets with the last axis of length 1 that predictions have, or without."""
    from ebb.keras import ops

    if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        return ops.expand_dims(y_true, -1)
    if len(y_true.shape) == len(y_pred.shape) + 1 and y_true.shape[-1] == 1:
        return ops.squeeze(y_true, -1)
    return y_true


def loss_of(given: Any, y_true: Any, y_pred: Any) -> Any:
    """The object for a loss of ``compile``; None for None."""
    if given is None or isinstance(given, Loss):
        return given
    name = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    if isinstance(given, str) and given.lower() in _SHAPED_LOSSES:
        found = getattr(losses, f"{_kind_by_shape(y_true, y_pred)}_crossentropy")
    else:
        found = losses.get(given)
    return found if isinstance(found, Loss) else FunctionLoss(found, name)


class CompiledLoss:
    """The losses of ``compile``: called on targets and predictions they give one number."""

    def __init__(self, loss: Any, weights: Any, names: Sequence[str] | None) -> None:
        self._given = loss
        self._weights = weights
        self._names = names
        self._outputs: Outputs | None = None
        self._entries: list[tuple[int, Any, Any]] = []  # output, loss, weight
        self.metrics: list[Any] = []

    def __call__(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The weighted sum; None if there is no loss at all."""
        if self._outputs is None:
            self._build(y, y_pred)
        outputs = self._outputs
        assert outputs is not None
        predictions = outputs.split(y_pred)
        targets = outputs.targets(y, self._wanted)
        weights = outputs.weights(sample_weight)
        total = None
        for place, (output, loss, factor) in enumerate(self._entries):
            value = loss(targets[output], predictions[output], weights[output])
            if len(self._entries) > 1:
                rows = predictions[output].shape[0]
                self.metrics[place].update_state(value, sample_weight=rows)
            if factor is not None:
                value = value * factor
            total = value if total is None else total + value
        return total

    def _build(self, y: Any, y_pred: Any) -> None:
        """Finds out which loss is for which output."""
        outputs = Outputs(y_pred, self._names)
        given = outputs.assign(self._given, "loss")
        if outputs.count == 1 and isinstance(given[0], (list, tuple)):
            given = [flat(given[0])[0]]
        self._wanted = [one is not None for one in given]
        factors = _factors(outputs, self._weights, self._wanted)
        targets = outputs.targets(y, self._wanted)
        predictions = outputs.split(y_pred)
        self._entries = []
        for index, one in enumerate(given):
            if one is None:
                continue
            loss = loss_of(one, targets[index], predictions[index])
            self._entries.append((index, loss, factors[index]))
        if len(self._entries) > 1:
            self.metrics = [
                metrics.Mean(name=f"{outputs.names[index] or loss.name}_loss")
                for index, loss, _ in self._entries
            ]
        self._outputs = outputs


def _factors(outputs: Outputs, weights: Any, wanted: Sequence[bool]) -> list[Any]:
    """``loss_weights`` by output."""
    if weights is None:
        return [None] * outputs.count
    if is_nested(weights) and not isinstance(weights, Mapping):
        if len(weights) == sum(wanted) != outputs.count:
            rest = iter(weights)
            return [next(rest) if is_wanted else None for is_wanted in wanted]
        if len(weights) != outputs.count:
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {sum(wanted)} losses and "
                f"{len(weights)} weights."
            )
    return outputs.assign(weights, "loss_weights")


# -- metrics --------------------------------------------------------------------------------------


def metric_of(given: Any, y_true: Any, y_pred: Any) -> Any:
    """The object for a metric of ``compile``, named as History names it."""
    if isinstance(given, Metric):
        return given
    if isinstance(given, str) and given.lower() in _SHAPED_METRICS:
        kind = _kind_by_shape(y_true, y_pred).title().replace("_", "")
        return getattr(metrics, f"{kind}Accuracy")(name=given)
    if isinstance(given, str) and given.lower() in _SHAPED_LOSSES:
        kind = _kind_by_shape(y_true, y_pred).title().replace("_", "")
        return getattr(metrics, f"{kind}Crossentropy")(name=given)
    if callable(given) and not isinstance(given, type):
        return MeanMetricWrapper(given, name=getattr(given, "__name__", type(given).__name__))
    return metrics._of_compile(given)


class CompiledMetrics:
    """The metrics of ``compile``. In ``model.metrics`` it stands for all of them."""

    name = "compile_metrics"

    def __init__(self, given: Any, weighted: Any, names: Sequence[str] | None) -> None:
        self._given = (given, weighted)
        self._names = names
        self._outputs: Outputs | None = None
        self._plain: list[list[Any]] = []  # by output
        self._weighted: list[list[Any]] = []

    @property
    def metrics(self) -> list[Any]:
        """All of them, once there were data."""
        return [one for group in (*self._plain, *self._weighted) for one in group]

    @property
    def variables(self) -> list[Any]:
        """What they keep between batches."""
        return [variable for one in self.metrics for variable in one.variables]

    def update_state(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch."""
        if self._outputs is None:
            self._build(y, y_pred)
        outputs = self._outputs
        assert outputs is not None
        predictions = outputs.split(y_pred)
        targets = outputs.targets(y, self._wanted)
        weights = outputs.weights(sample_weight)
        for output in range(outputs.count):
            for one in self._plain[output]:
                one.update_state(targets[output], predictions[output])
            for one in self._weighted[output]:
                one.update_state(
                    targets[output], predictions[output], sample_weight=weights[output]
                )

    def _build(self, y: Any, y_pred: Any) -> None:
        outputs = Outputs(y_pred, self._names)
        found = []
        for given, what in zip(self._given, ("metrics", "weighted_metrics")):
            if outputs.count == 1:
                found.append([[one for one in flat(given) if one is not None]])
            else:
                groups = outputs.assign(given or [None] * outputs.count, what)
                found.append([[one for one in flat(g) if one is not None] for g in groups])
        self._wanted = [bool(plain or weighted) for plain, weighted in zip(*found)]
        targets = outputs.targets(y, self._wanted) if any(self._wanted) else [None] * outputs.count
        predictions = outputs.split(y_pred)
        made = [
            [
                [metric_of(one, targets[index], predictions[index]) for one in group]
                for index, group in enumerate(groups)
            ]
            for groups in found
        ]
        self._plain, self._weighted = made
        self._outputs = outputs

    def reset_state(self) -> None:
        """Begins anew."""
        for one in self.metrics:
            one.reset_state()

    def result(self) -> dict[str, Any]:
        """Results by name; a name that comes again is numbered, or says that it is weighted."""
        if self._outputs is None:
            raise ValueError("Cannot get result() since the metric has not yet been built.")
        results: dict[str, Any] = {}
        times: dict[str, int] = {}
        for groups, is_weighted in ((self._plain, False), (self._weighted, True)):
            for index, group in enumerate(groups):
                prefix = self._prefix(index)
                for one in group:
                    name = f"{prefix}{one.name}"
                    if is_weighted and name in times:
                        name = f"{prefix}weighted_{one.name}"
                    count = times.get(name, 0)
                    times[name] = count + 1
                    results[f"{name}_{count}" if count else name] = one.result()
        return results

    def _prefix(self, output: int) -> str:
        assert self._outputs is not None
        name = self._outputs.names[output]
        return "" if self._outputs.count == 1 or name is None else f"{name}_"
