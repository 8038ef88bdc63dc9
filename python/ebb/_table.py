"""What is known of the operations of TensorFlow's registry besides the library's own table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import numpy as np

from ebb._dtype import Array, DType
from ebb._values import Tensor

Operand = Union[Tensor, Array]
Attributes = Mapping[str, Any]

_LAST = -1

# Inputs (axes, shapes ...) that have to be known when an operation is prepared.
STATIC: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ["Sum", "Mean", "Max", "Min", "Prod", "Any", "All", "EuclideanNorm", "ArgMax", "ArgMin",
         "Cumsum", "Cumprod", "TopKV2", "Reshape", "ExpandDims", "BroadcastTo", "Transpose", "Tile",
         "Pad", "MirrorPad", "ReverseV2", "ResizeBilinear", "ResizeNearestNeighbor",
         "ResizeBicubic"], (1,)),
    **dict.fromkeys(
        ["Slice", "SplitV", "Roll", "MatrixBandPart", "SpaceToBatchND", "BatchToSpaceND"], (1, 2)),
    **dict.fromkeys(["Range", "LinSpace"], (0, 1, 2)),
    **dict.fromkeys(
        ["Fill", "Split", "Concat", "RandomUniform", "RandomStandardNormal", "TruncatedNormal",
         "RandomUniformInt", "Conv2DBackpropInput", "Conv3DBackpropInputV2"], (0,)),
    "PadV2": (1,), "StridedSlice": (1, 2, 3), "ConcatV2": (_LAST,), "GatherV2": (2,),
    "OneHot": (1,), "BroadcastArgs": (0, 1), "InvertPermutation": (0,),
}  # fmt: skip


def static_places(op: str, count: int) -> tuple[int, ...]:
    """Which inputs have to be known when the operation is prepared."""
    if op not in STATIC:
        return ()
    return tuple(i if i >= 0 else count + i for i in STATIC[op])


def value_text(value: Any) -> str:
    """An attribute's value in the words of the library."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, DType):
        return value.name
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    return repr(float(value))


def attributes_text(attributes: Attributes) -> str:
    """Attributes in the words of the library: ``"transpose_b=true"``."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in attributes.items())
