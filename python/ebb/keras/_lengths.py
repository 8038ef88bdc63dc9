"""Lengths that are known when a model runs: what ``ops.shape`` gives in a call that is traced.

Such a length is a tensor of int32. In the shape of something else it stands for the length of that
axis of that tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras._symbolic import Function, KerasTensor, Node

MODULE = "keras.src.ops.random"  # of nodes that Keras does not have


def length(x: KerasTensor, axis: int) -> KerasTensor:
    """A length of a tensor, known when the model runs, as a tensor of int32."""
    node = Node(Function(MODULE, "Length", {"axis": axis}), (x,), {})
    made: KerasTensor = node.emit([((), "int32")])[0]
    return made


def lengths(x: KerasTensor) -> tuple[Any, ...]:
    """The shape of a tensor: integers, and tensors where a length is not known yet."""
    return tuple(length(x, axis) if n is None else n for axis, n in enumerate(x.shape))


def source_of(item: Any) -> tuple[KerasTensor, int] | None:
    """Whose length on which axis this is; None: it is none that ``length`` gave."""
    node = item._node if isinstance(item, KerasTensor) else None
    operation = node.operation if node is not None else None
    if not isinstance(operation, Function) or operation.class_name != "Length":
        return None
    assert node is not None
    return node.parents[0], int(operation.config["axis"])


def is_open(shape: Any) -> bool:
    """Whether a shape has a length that is known when the model runs."""
    return isinstance(shape, (list, tuple)) and any(
        n is None or isinstance(n, KerasTensor) for n in shape
    )


def sized_node(name: str, shape: Any, dtype: str, config: dict[str, Any]) -> Any:
    """A node that gives a tensor of a shape."""
    told, tensors = _told(shape)
    node = Node(Function(MODULE, name, {**told, **config, "dtype": dtype}), tuple(tensors), {})
    return node.emit([(tuple(told["shape"]), dtype)])[0]  # known: there may be no tensor to ask


def filled(shape: Any, number: float, dtype: Any) -> Any:
    """One number everywhere."""
    kind = str(getattr(dtype, "name", dtype))
    return sized_node("Filled", shape, kind, {"number": float(number)})


def _told(shape: Any) -> tuple[dict[str, Any], list[Any]]:
    """What the configuration says of a shape, and the tensors that its open lengths are of."""
    if isinstance(shape, (int, np.integer, KerasTensor)):
        shape = (shape,)
    items = shape if isinstance(shape, (list, tuple)) else np.asarray(shape).tolist()
    told: list[int | None] = []
    tensors, axes = [], []
    for item in items:
        if not isinstance(item, KerasTensor) and item is not None:
            told.append(int(item))
            continue
        found = source_of(item)
        if found is None:
            raise UnsupportedError(
                "the shape of a tensor made inside a model needs integers, and lengths that "
                f"ops.shape() gave; found {item!r} in {tuple(items)}. Write ops.shape(x)[0] for "
                "the number of rows of x, and reshape what is made of it"
            )
        told.append(None)
        tensors.append(found[0])
        axes.append(found[1])
    return {"shape": told, "axes": axes}, tensors
