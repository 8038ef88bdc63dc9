"""Losses and metrics of the caller's own, traced to operations that the library computes.

The function is called once with symbolic targets and predictions; what it does with ``keras.ops``
becomes a small model, which the library puts into the step. What needs values while it runs
cannot be traced and is refused by name.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from ebb._errors import UnsupportedError
from ebb.keras import _naming, _registry
from ebb.keras._object import serialize

Shape = tuple[Any, ...]


class Traced:
    """A loss or metric that is traced when the targets are known.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred)``.
    name : str
        For History and messages.
    is_loss : bool
        Losses see float32 targets of the rank of the predictions.
    reduction : str
        Of losses.
    told : object
        The function or object as the caller gave it.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, is_loss: bool, reduction: str, told: Any
    ) -> None:
        self.function = function
        self.name = name
        self.is_loss = is_loss
        self.reduction = reduction
        self.told = told

    def config(self) -> Any:
        """What Keras's files say: the name of a function; class and arguments of an object."""
        if not isinstance(self.told, type) and hasattr(self.told, "get_config"):
            return serialize(self.told)
        of_name = self.told if hasattr(self.told, "__name__") else type(self.told)
        plain = _registry.get_registered_name(of_name)
        return {
            "module": "builtins",
            "class_name": "function",
            "config": plain,
            "registered_name": "function",
        }

    def resolve(self, target: tuple[Shape, str], output: Shape) -> dict[str, Any]:
        """The JSON for the library, for targets and predictions of these shapes."""
        shape, dtype = target
        has_labels = len(shape) < len(output) or (shape[-1:] == (1,) and output[-1:] != (1,))
        if self.is_loss:
            dtype = "float32"
            if len(shape) == len(output) - 1 and output[-1] == 1:
                shape, has_labels = (*shape, 1), False
        config: dict[str, Any] = {"name": self.name, "keras": self.config()}
        config["model"] = trace(self.function, self.name, (shape, dtype), output)
        if self.is_loss:
            config["reduction"] = self.reduction or "none"
        kind = "TracedLabels" if self.is_loss and has_labels else "Traced"
        return {"class_name": kind, "config": config}


def trace(
    function: Callable[..., Any], name: str, target: tuple[Shape, str], output: Shape
) -> dict[str, Any]:
    """The function as the configuration of a functional model of y_true and y_pred."""
    from ebb.keras._config import Writer
    from ebb.keras._graph import Graph
    from ebb.keras._input import InputLayer
    from ebb.keras._symbolic import KerasTensor
    from ebb.keras._tracing import traced

    y_true = InputLayer(batch_shape=target[0], dtype=target[1], name="y_true").output
    y_pred = InputLayer(batch_shape=output, dtype="float32", name="y_pred").output
    try:
        with traced(name):
            made = function(y_true, y_pred)
    except UnsupportedError:
        raise
    except Exception as failure:
        raise UnsupportedError(
            f"{name} is Python code of your own that cannot be traced to operations: "
            f"{type(failure).__name__}: {failure}",
            "compile",
        ) from failure
    if not isinstance(made, KerasTensor):
        raise UnsupportedError(
            f"{name} is Python code of your own and gave {type(made).__name__} where a tensor "
            "made of y_true and y_pred was expected",
            "compile",
        )
    writer = Writer()
    config = writer.graph(Graph([y_true, y_pred], made, strict=False), name, "", True)
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def of(given: Any, is_loss: bool) -> Traced | None:
    """A Traced of a function or loss of the caller's own; None if it is nothing of that kind."""
    from ebb.keras._loss import Loss
    from ebb.keras._metric import MeanMetricWrapper

    if is_loss and isinstance(given, Loss):
        return Traced(given.call, given.name, True, str(given.reduction or "none"), given)
    if not is_loss and type(given) is MeanMetricWrapper:
        function = functools.partial(given._fn, **given._fn_kwargs)
        return Traced(function, given.name, False, "", given._fn)
    if isinstance(given, type) or not callable(given) or hasattr(given, "get_config"):
        return None
    name = getattr(given, "__name__", None) or type(given).__name__
    return Traced(given, _naming.snake_case(name), is_loss, "sum_over_batch_size", given)
