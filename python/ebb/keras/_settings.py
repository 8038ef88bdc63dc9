"""What compile() was told: objects for Python, texts for the library.

Names, objects and functions of ebb become the JSON of Keras 3. Python of the caller's own is
refused by name: a loss or metric would have to run inside of a step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from ebb import _training
from ebb._errors import UnsupportedError
from ebb.keras import _traced, losses, metrics, optimizers
from ebb.keras._loss import Loss
from ebb.keras._metric import Metric
from ebb.keras._object import deserialize, serialize
from ebb.keras._optimizer import Optimizer

PARTS = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
_BY_OUTPUT = ("loss", "metrics", "weighted_metrics")


class Foreign:
    """A metric of the caller's own, which runs in Python."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def config(self) -> Any:
        """What files say."""
        return serialize(self.given)


def own_class(obj: Any) -> Any:
    """The class of ebb that an object is one of; None if there is none below its base."""
    for kind in type(obj).__mro__:
        if kind.__module__.startswith("ebb."):
            return None if kind in (Loss, Metric, Optimizer) else kind
    return None


_OWN = (_traced.Traced, Foreign)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _leaf(given: Any, what: str, base: Any, get: Callable[[Any], Any]) -> Any:
    """One loss or metric as JSON."""
    if given is None:
        return None
    if isinstance(given, str):
        get(given)  # names that are not there are said now
        return given
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, base) and own_class(given) is type(given):
        return serialize(given)
    name = getattr(given, "_ebb_name", None)
    if name is not None and not isinstance(given, base):
        return name
    if isinstance(given, type) and issubclass(given, base):
        return _leaf(given(), what, base, get)
    own = _traced.of(given, what == "losses")
    if own is not None:
        return own
    if isinstance(given, base):
        return Foreign(given)
    raise ValueError(f"{what}: expected a name, an object or a function, found {given!r}")


def _each(given: Any, make: Callable[[Any], Any]) -> Any:
    """The same lists and dicts with every leaf made anew."""
    if isinstance(given, (list, tuple)):
        return [_each(one, make) for one in given]
    if isinstance(given, Mapping) and "class_name" not in given:
        return {name: _each(one, make) for name, one in given.items()}
    return make(given)


def _leaves(given: Any) -> list[Any]:
    if isinstance(given, (list, tuple)):
        return [leaf for one in given for leaf in _leaves(one)]
    if isinstance(given, Mapping) and "class_name" not in given:
        return [leaf for one in given.values() for leaf in _leaves(one)]
    return [] if given is None else [given]


def _by_output(given: Any, ports: Any, make: Callable[[Any, int], Any]) -> Any:
    """Leaves made anew, with the number of the output that they are for."""
    count = len(ports.outputs)

    def of_output(value: Any, number: int) -> Any:
        return _each(value, lambda leaf: make(leaf, number))

    if count == 1 or not isinstance(given, (list, dict)) or _is_object(given):
        return of_output(given, 0)
    if isinstance(given, dict):
        numbers = {name: number for number, (name, _) in enumerate(ports.outputs)}
        numbers.update((key, number) for number, key in enumerate(ports.output_keys))
        return {key: of_output(value, numbers.get(key, 0)) for key, value in given.items()}
    return [of_output(value, min(number, count - 1)) for number, value in enumerate(given)]


def _is_object(given: Any) -> bool:
    return isinstance(given, Mapping) and "class_name" in given


def _plain(weights: Any) -> Any:
    """Loss weights as JSON numbers."""
    return _each(weights, lambda one: None if one is None else float(one))


def _scales(model: Any, optimizer: Any) -> bool:
    """Is the loss scaled, so that gradients of 16 bits do not vanish?"""
    is_scaled = isinstance(optimizer, optimizers.LossScaleOptimizer)
    return optimizer is not None and not is_scaled and model.dtype_policy.name == "mixed_float16"


class Settings:
    """Arguments of compile(), checked."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        given_metrics: Any,
        weighted_metrics: Any,
        auto_scale_loss: bool = True,
    ) -> None:
        self.optimizer = optimizers.get(optimizer)
        self._given_optimizer = self.optimizer
        if self.optimizer is not None and not hasattr(self.optimizer, "_serialized"):
            raise ValueError(f"optimizer: expected an optimizer or its name, got {optimizer!r}")
        if auto_scale_loss and _scales(model, self.optimizer):
            self.optimizer = optimizers.LossScaleOptimizer(
                self.optimizer, name="loss_scale_optimizer"
            )
        self.loss = loss
        self.loss_weights = loss_weights
        self.metrics = given_metrics
        self.weighted_metrics = weighted_metrics
        self.is_of_file = False
        self.why_eager: str | None = None  # what of it only Python can do
        self._resolved_for: Any = None
        self._json = {
            "optimizer": None if self.optimizer is None else self.optimizer._serialized(),
            "loss": _each(loss, lambda one: _leaf(one, "losses", Loss, losses.get)),
            "loss_weights": _plain(loss_weights),
            "metrics": _each(given_metrics, _metric_leaf),
            "weighted_metrics": _each(weighted_metrics, _metric_leaf),
        }
        leaves = list(_leaves(self._of_outputs()))
        # Must the targets be known before the library can be told?
        self.is_traced = any(isinstance(leaf, _traced.Traced) for leaf in leaves)
        foreign = [leaf for leaf in leaves if isinstance(leaf, Foreign)]
        if foreign:
            self.why_eager = f"the metric {type(foreign[0].given).__name__} is Python"
        elif self.optimizer is not None:
            self.why_eager = self.optimizer._why_eager()

    @classmethod
    def restored(cls, model: Any, config: Mapping[str, Any]) -> Settings:
        """Of a file: the library has its own copy, with the state of the optimizer."""
        given = arguments_of(config)
        made = cls(
            model, given.get("optimizer"), given.get("loss"), given.get("loss_weights"),
            given.get("metrics"), given.get("weighted_metrics"),
        )  # fmt: skip
        made.is_of_file = True
        return made

    def taught(self, ports: Any) -> list[int] | None:
        """Which outputs have a loss, if a list of losses leaves some without."""
        if len(ports.outputs) == 1 or not isinstance(self.loss, (list, tuple)):
            return None
        return [number for number, one in enumerate(self.loss) if one is not None]

    def _of_outputs(self) -> list[Any]:
        return [self._json[name] for name in _BY_OUTPUT]

    def try_trace(self, ports: Any, targets: Any) -> str | None:
        """Why something of it cannot be traced for targets like these; None if all can."""
        if self.is_traced and self.why_eager is None:
            try:
                self._resolved(ports, targets)
            except UnsupportedError as failure:
                self.why_eager = str(failure)
        return self.why_eager

    def apply(
        self, core: Any, seed: int, ports: Any, targets: Any = None, variables: Any = ()
    ) -> None:
        """Compiles a core. An optimizer that is compiled again goes on where it was.

        ``targets`` are shape and type of each output's, for what has to be traced; ``variables``
        what is trained.
        """
        optimizer = self.optimizer
        state = None if optimizer is None else optimizer._state_of(core)
        told = {**self._json, **self._resolved(ports, targets)}
        texts = {name: _text(told[name]) for name in PARTS}
        if optimizer is None:
            texts["optimizer"] = "null"
        else:
            texts["optimizer"] = json.dumps(optimizer._for_library())  # its rate may have changed
        if self.is_of_file:
            texts = {}
        _training.compile_model(core.handle, seed=seed, **texts)
        self.is_of_file = False
        if optimizer is not None:
            optimizer._bind(core, state, variables)

    def _resolved(self, ports: Any, targets: Any) -> dict[str, Any]:
        """Losses and metrics with what is traced made JSON."""
        if not self.is_traced:
            return {}
        key = (targets, tuple(shape for _, shape in ports.outputs))
        if self._resolved_for is not None and self._resolved_for[0] == key:
            return self._resolved_for[1]  # type: ignore[no-any-return]
        shapes = [shape for _, shape in ports.outputs]
        if targets is None:
            targets = [(shape, "float32") for shape in shapes]

        def one(leaf: Any, output: int) -> Any:
            if not isinstance(leaf, _traced.Traced):
                return leaf
            return leaf.resolve(targets[output], shapes[output])

        found = {}
        for name in _BY_OUTPUT:
            given = self._json[name]
            if name == "loss" and isinstance(given, _traced.Traced) and len(shapes) > 1:
                given = [given] * len(shapes)
            found[name] = _by_output(given, ports, one)
        self._resolved_for = (key, found)
        return found

    def config(self) -> dict[str, Any]:
        """The five arguments as JSON values."""
        config = {
            name: _each(value, lambda one: one.config() if isinstance(one, _OWN) else one)
            for name, value in self._json.items()
        }
        if self.optimizer is not None:
            config["optimizer"] = self._given_optimizer._serialized()
        return config

    def metric_objects(self) -> list[Any]:
        """The loss as a Mean, then the metrics in order, names made objects."""
        found = [*_leaves(self.metrics), *_leaves(self.weighted_metrics)]
        return [metrics.Mean(name="loss"), *(metrics._of_compile(one) for one in found)]


def _metric_leaf(given: Any) -> Any:
    return _leaf(given, "metrics", Metric, metrics.get)


def _object(value: Any) -> Any:
    """What JSON says; what is of the caller's own is an object already."""
    if isinstance(value, (list, tuple)):
        return [_object(item) for item in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {name: _object(item) for name, item in value.items()}
    is_made = isinstance(value, (Optimizer, Loss, Metric)) or callable(value)
    return value if is_made else deserialize(value)


def arguments_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of compile() from the JSON of a file."""
    found = {name: config[name] for name in PARTS if config.get(name) is not None}
    for name, value in found.items():
        found[name] = _object(value)
    for name in ("run_eagerly", "steps_per_execution", "jit_compile"):
        if name in config:
            found[name] = config[name]
    return found


def result_order(names: list[str], own: list[str], outputs: list[str]) -> list[str]:
    """Names of what evaluate() returns, in Keras's order.

    First the loss, then what the metrics call themselves (with several outputs nothing is called
    so, and a name that came twice is told twice), the losses by output, then the rest by name.
    """
    by_output = [f"{output}_loss" for output in outputs] if len(outputs) > 1 else []
    ordered = [name for name in (*names[:1], *own, *by_output) if name in names]
    return ordered + [name for name in sorted(names) if name not in ordered]
