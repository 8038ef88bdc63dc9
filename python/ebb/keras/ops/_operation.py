"""The table of operations: name, node in a model, parameters, and what it computes on arrays.

A function decorated with ``operation`` is all of that. Its body computes on numpy arrays; called
with symbolic tensors it becomes a node of the class that Keras saves, with the parameters that
``tensors`` names as arguments and all others as its configuration. Functions decorated with
``composed`` are written in terms of other operations and work on both. Functions decorated with
``eager`` compute on arrays only and refuse symbolic tensors.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any, Callable, TypeVar

import numpy as np

from ebb._context import state
from ebb._errors import UnsupportedError
from ebb.keras._lengths import source_of
from ebb.keras._symbolic import any_symbolic, operation_node
from ebb.keras.ops._documents import document
from ebb.keras.ops._promotion import as_array, meet, to_float, wrap
from ebb.keras.ops._recorded import record_composed, record_operation

Function = TypeVar("Function", bound=Callable[..., Any])

NUMPY, NN, CORE, MATH, LINALG, IMAGE = (
    f"keras.src.ops.{name}" for name in ("numpy", "nn", "core", "math", "linalg", "image")
)


def is_symbolic(*values: Any) -> bool:
    """Whether a symbolic tensor is among values, or in structures among them."""
    return any_symbolic(values)


class Operation:
    """One entry of the table.

    Attributes
    ----------
    name : str
        Of the function.
    module, class_name : str or None
        The node that a model holds; None where there is none.
    parameters : mapping of str to inspect.Parameter
        In Keras's order.
    tensors : tuple of str
        Which of them are tensors: ``"x"``, or ``"xs*"`` for a list of tensors.
    promote : str
        What happens to arrays before they are computed with: ``""`` nothing, ``"float"`` integers
        become floats, ``"meet"`` all get their common type, ``"meet_float"`` both.
    """

    __slots__ = (
        "class_name",
        "convert",
        "function",
        "module",
        "name",
        "parameters",
        "prepare",
        "promote",
        "tensors",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        tensors: str,
        promote: str,
        module: str | None,
        class_name: str | None,
        prepare: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        self.name = function.__name__.rstrip("_")
        self.function = function
        self.parameters = inspect.signature(function).parameters
        self.tensors = tuple(tensors.split())
        self.promote = promote
        self.module = module
        self.class_name = class_name
        self.prepare = prepare
        names = list(self.parameters)
        self.convert = tuple(
            (names.index(name.rstrip("*")), name.rstrip("*"), name.endswith("*"))
            for name in self.tensors
        )

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Every parameter by name, with defaults; ``*args`` as a tuple, ``**kwargs`` as a dict."""
        names = list(self.parameters)
        bound = inspect.Signature(list(self.parameters.values())).bind(*args, **kwargs)
        bound.apply_defaults()
        return {name: bound.arguments[name] for name in names}

    def node(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the operation makes of symbolic tensors."""
        try:
            values = self.bind(args, kwargs)
        except TypeError:
            if self.class_name is not None:
                raise
            values = {}
        changed = self.prepare(values) if values and self.prepare is not None else None
        if changed is not None:
            return changed
        if self.class_name is None or self.module is None:
            raise UnsupportedError(
                f"keras.ops.{self.name} computes on arrays only; it cannot be a part of a model: "
                "use other operations, or call it on the data before the model"
            )
        arguments: list[Any] = []
        for spec in self.tensors:
            value = values.pop(spec.rstrip("*"))
            arguments.extend(value) if spec.startswith("*") else arguments.append(value)
        while arguments and arguments[-1] is None:
            arguments.pop()
        return operation_node(self.module, self.class_name, plain_config(values), tuple(arguments))

    def compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the operation makes of arrays: tensors."""
        given, raw = list(args), []
        for position, name, _ in self.convert:
            raw.append(given[position] if position < len(given) else kwargs.get(name))
        if self.promote.startswith("meet"):
            made = meet(raw, self.promote == "meet_float")
        else:
            change = to_float if self.promote == "float" else as_array
            made = [
                None
                if value is None
                else [change(item) for item in value]
                if is_list
                else change(value)
                for value, (_, _, is_list) in zip(raw, self.convert)
            ]
        for (position, name, _), value in zip(self.convert, made):
            if position < len(given):
                given[position] = value
            elif name in kwargs:
                kwargs[name] = value
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of numpy's functions without NaN
            return wrap(self.function(*given, **kwargs))


OPERATIONS: dict[str, Operation] = {}


def plain_config(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration in what JSON has: numpy numbers and dtypes become plain ones."""
    return {name: _plain(value, name) for name, value in values.items()}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(item, name) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if source_of(value) is not None:
        return None  # a length that is known when the model runs
    if name == "dtype":
        from ebb.keras.ops._promotion import dtype_name

        return dtype_name(value)
    array = as_array(value)
    return array.item() if array.ndim == 0 else array.tolist()


def _register(entry: Operation, call: Callable[..., Any]) -> Any:
    if not entry.name.startswith("_"):
        OPERATIONS[entry.name] = entry
    functools.update_wrapper(call, entry.function)
    call.__name__ = entry.name
    call.__doc__ = document(entry.function.__doc__, entry.parameters)
    return call


def operation(
    class_name: str,
    tensors: str = "x",
    promote: str = "",
    module: str = NUMPY,
    prepare: Callable[[dict[str, Any]], Any] | None = None,
) -> Callable[[Function], Function]:
    """An operation that can be a node of a model.

    ``prepare`` is given all parameters of a symbolic call by name; it may change them in place, or
    return what the call shall return.
    """

    def decorate(function: Function) -> Function:
        entry = Operation(function, tensors, promote, module, class_name, prepare)

        def call(*args: Any, **kwargs: Any) -> Any:
            if any_symbolic(args, kwargs):
                return entry.node(args, kwargs)
            if state.tapes:
                return record_operation(entry, call, args, kwargs)
            return entry.compute(args, kwargs)

        return _register(entry, call)  # type: ignore[no-any-return]

    return decorate


def eager(
    tensors: str = "x",
    promote: str = "",
    prepare: Callable[[dict[str, Any]], Any] | None = None,
) -> Callable[[Function], Function]:
    """An operation on arrays only; ``prepare`` may know what to return for symbolic tensors."""

    def decorate(function: Function) -> Function:
        entry = Operation(function, tensors, promote, None, None, prepare)

        def call(*args: Any, **kwargs: Any) -> Any:
            if any_symbolic(args, kwargs):
                return entry.node(args, kwargs)
            if state.tapes:
                return record_operation(entry, call, args, kwargs)
            return entry.compute(args, kwargs)

        return _register(entry, call)  # type: ignore[no-any-return]

    return decorate


def composed(function: Function) -> Function:
    """An operation that is written in terms of others."""
    entry = Operation(function, "", "", None, None, None)

    def call(*args: Any, **kwargs: Any) -> Any:
        if state.tapes:
            return record_composed(function, call, args, kwargs)
        return function(*args, **kwargs)

    return _register(entry, call)  # type: ignore[no-any-return]
