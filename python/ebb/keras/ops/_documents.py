"""Docstrings of operations: a first sentence of their own, then the parameters.

A parameter means the same in all operations that have it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping

_TENSOR = "tensor, array or number"

_MEANINGS: dict[str, tuple[str, str]] = {
    "x": (_TENSOR, "Of any shape, if nothing else is said."),
    "x1": (_TENSOR, "First operand; shapes broadcast as in numpy."),
    "x2": (_TENSOR, "Second operand."),
    "y": (_TENSOR, "Second operand."),
    "a": (_TENSOR, "First operand."),
    "b": (_TENSOR, "Second operand."),
    "xs": ("list of tensors", "What is joined."),
    "axis": ("int, tuple of int or None", "Counted from the end if negative; None means all."),
    "axes": ("int or list of int", "Counted from the end if negative."),
    "axis1": ("int", "First axis."),
    "axis2": ("int", "Second axis."),
    "keepdims": ("bool", "Whether reduced axes stay, with length 1."),
    "dtype": ("str or dtype, optional", "Of the result."),
    "shape": ("tuple of int", "Of the result."),
    "newshape": ("tuple of int", "Of the result; one length may be -1: what is left over."),
    "initial": ("number, optional", "Takes part in the comparison."),
    "condition": ("tensor of bool", "Which of the two is taken."),
    "indices": ("tensor of int", "Negative ones count from the end."),
    "indices_or_sections": ("int or list of int", "How many parts, or where they begin."),
    "data_format": (
        '{"channels_last", "channels_first"}, optional',
        "Where the channels are; by default what ``keras.config`` says.",
    ),
    "inputs": (_TENSOR, "Samples first; channels where ``data_format`` says."),
    "images": (_TENSOR, "``(height, width, channels)`` or with samples before."),
    "kernel": (_TENSOR, "``(*size, channels / groups, filters)``."),
    "strides": ("int or tuple of int", "Steps of the window."),
    "padding": ('{"valid", "same"}', "Whether borders are filled with zeros."),
    "dilation_rate": ("int or tuple of int", "Steps inside the window."),
    "pool_size": ("int or tuple of int", "Size of the window."),
    "target": (_TENSOR, "What is right."),
    "output": (_TENSOR, "What a model says."),
    "from_logits": ("bool", "Whether ``output`` are numbers before softmax or sigmoid."),
    "num_classes": ("int", "How many classes."),
    "seed": ("int or SeedGenerator, optional", "Where the numbers come from."),
    "epsilon": ("float, optional", "Keeps divisors away from 0; by default ``keras.config``'s."),
    "k": ("int", "Which diagonal, or how many."),
    "q": ("float or tensor", "Between 0 and 1 (quantiles) or 100 (percentiles)."),
    "mean": (_TENSOR, "Broadcasts along ``axis``."),
    "variance": (_TENSOR, "Broadcasts along ``axis``."),
    "num_segments": ("int, optional", "How many; by default the largest id plus 1."),
    "num": ("int", "How many."),
    "start": ("number", "First value."),
    "stop": ("number", "End of the values."),
}


def document(text: str | None, parameters: Mapping[str, inspect.Parameter]) -> str:
    """A docstring in numpy style of a first sentence and known parameters."""
    summary = inspect.cleandoc(text or "")
    if "Parameters\n---" in summary:
        return summary
    lines = [summary, "", "Parameters", "----------"]
    for name, parameter in parameters.items():
        kind, meaning = _MEANINGS.get(name, ("", ""))
        if not kind:
            default = parameter.default
            kind = "number, optional" if default is not inspect.Parameter.empty else "see above"
            if isinstance(default, (bool, str)):
                kind = type(default).__name__
        star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
        lines.append(f"{star}{name} : {kind}")
        if meaning:
            lines.append(f"    {meaning}")
    lines += [
        "",
        "Returns",
        "-------",
        "Tensor, or KerasTensor if a parameter is one",
        "",
        "Raises",
        "------",
        "UnsupportedError",
        "    A parameter is symbolic, and the operation cannot be a part of a model.",
        "ValueError",
        "    Shapes do not fit.",
    ]
    return "\n".join(lines)
