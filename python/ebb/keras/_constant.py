"""Variables and arrays as symbolic tensors, inside layers that are traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb.keras import _symbolic, _tree
from ebb.keras._object import serialize
from ebb.keras._symbolic import Function, KerasTensor, Node
from ebb.keras._variable import Variable


class VariableNode(Function):
    """A weight of a layer that was written in Python, as a layer of the core."""

    is_variable = True

    def __init__(self, variable: Variable) -> None:
        super().__init__("keras.layers", "Variable", {}, name=variable.name.replace("/", "_"))
        self.variable = variable

    def entry(self) -> dict[str, Any]:
        """The library's class ``Variable``."""
        from ebb.keras._arguments import is_ours, is_python

        def told(held: Any) -> Any:
            """Steps of training that run in Python apply what is the caller's own."""
            return serialize(held) if held is None or is_ours(type(held)) else None

        variable = self.variable
        plain = variable.initializer is None or is_python(variable.initializer)
        config = {
            "name": self.name,
            "trainable": variable.trainable,
            "shape": list(variable.shape),
            "dtype": variable.dtype,
            "initializer": "zeros" if plain else serialize(variable.initializer),
            "regularizer": told(variable.regularizer),
            "constraint": told(variable.constraint),
        }
        return {
            "module": "keras.layers",
            "class_name": "Variable",
            "config": config,
            "registered_name": None,
        }

    def _core_entry(
        self, writer: Any, name: str, prefix: str, calls: list[Node], trainable: bool
    ) -> dict[str, Any]:
        made = self.entry()
        made["config"].update(name=name, trainable=self.variable.trainable and trainable)
        if writer is not None:
            writer.table[f"{prefix}{name}/{WEIGHT}"] = self.variable
            writer.frozen[prefix + name] = not (self.variable.trainable and trainable)
        return made


WEIGHT = "variable"  # what the library calls the weight of its class Variable


def variable_tensor(variable: Variable) -> Any:
    """The tensor of a variable in the layer that is traced now; one for each trace."""
    known = _symbolic.tracing.variables
    if id(variable) not in known:
        if variable._home is None and variable._pending is None:
            from ebb.keras._arguments import is_python

            if variable.initializer is not None and is_python(variable.initializer):
                variable._pending = variable._initial()
        node = Node(VariableNode(variable), (), {})
        known[id(variable)] = node.emit([(variable.shape, variable.dtype)])[0]
    return known[id(variable)]


def array_tensor(array: Any) -> Any:
    """An array as the tensor that layers are called on."""
    function = Function(_symbolic.NUMPY_OPS, "Copy", {})
    node = Node(function, (array,), {})
    return node.emit([(tuple(array.shape), str(array.dtype))])[0]


def lift(structure: Any, layer: Any) -> Any:
    """Arguments of a layer's call with Variables and arrays as symbolic tensors."""

    def change(leaf: Any) -> Any:
        if leaf is None or isinstance(leaf, KerasTensor):
            return leaf
        if getattr(leaf, "_is_variable", False):
            return leaf._symbolic()
        if isinstance(leaf, np.ndarray):
            return array_tensor(leaf)
        if hasattr(leaf, "numpy") and hasattr(leaf, "dtype"):
            return array_tensor(np.asarray(leaf.numpy()))
        return leaf

    return _tree.map_structure(change, structure)
