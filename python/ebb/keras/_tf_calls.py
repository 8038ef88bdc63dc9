"""Functions of tf in a call that is traced: what TensorFlow's operations are in keras.ops.

A layer's ``call`` may be written in terms of ``tf``. While it is traced, operations of tf on its
symbolic tensors become the nodes that the functions of keras.ops make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from ebb import _context
from ebb._errors import UnsupportedError
from ebb._values import EagerTensor
from ebb.keras import _lengths, _symbolic, ops

# By TensorFlow's name: the function of keras.ops with the same tensors.
_SAME = {
    "Abs": "absolute", "Acos": "arccos", "Acosh": "arccosh", "AddV2": "add", "Asin": "arcsin",
    "Asinh": "arcsinh", "Atan": "arctan", "Atan2": "arctan2", "Atanh": "arctanh", "Ceil": "ceil",
    "Cos": "cos", "Cosh": "cosh", "DivNoNan": "divide_no_nan", "Elu": "elu", "Equal": "equal",
    "Erf": "erf", "Exp": "exp", "Expm1": "expm1", "Floor": "floor", "FloorDiv": "floor_divide",
    "FloorMod": "mod", "Greater": "greater", "GreaterEqual": "greater_equal",
    "IsFinite": "isfinite", "IsInf": "isinf", "IsNan": "isnan", "Less": "less",
    "LessEqual": "less_equal", "Log": "log", "Log1p": "log1p", "LogSoftmax": "log_softmax",
    "LogicalAnd": "logical_and", "LogicalNot": "logical_not", "LogicalOr": "logical_or",
    "Maximum": "maximum", "Minimum": "minimum", "Mul": "multiply", "Neg": "negative",
    "NotEqual": "not_equal", "OnesLike": "ones_like", "Pow": "power", "RealDiv": "true_divide",
    "Reciprocal": "reciprocal", "Relu": "relu", "Relu6": "relu6", "Rint": "round",
    "Round": "round", "Rsqrt": "rsqrt", "SelectV2": "where", "Selu": "selu", "Sigmoid": "sigmoid",
    "Sign": "sign", "Sin": "sin", "Sinh": "sinh", "Softmax": "softmax", "Softplus": "softplus",
    "Softsign": "softsign", "Sqrt": "sqrt", "Square": "square", "StopGradient": "stop_gradient",
    "Sub": "subtract", "Tan": "tan", "Tanh": "tanh", "ZerosLike": "zeros_like",
}  # fmt: skip
_REDUCTIONS = {
    "All": "all", "Any": "any", "Max": "max", "Mean": "mean", "Min": "min", "Prod": "prod",
    "Sum": "sum",
}  # fmt: skip


def _ints(value: Any) -> Any:
    """Axes or a shape: integers, and lengths that are known when the model runs."""
    if isinstance(value, (list, tuple)):
        return tuple(value)
    found = np.asarray(value).tolist()
    return tuple(found) if isinstance(found, list) else found


def _matmul(inputs: Sequence[Any], attributes: Any) -> Any:
    made = list(inputs)
    for place, names in enumerate((("transpose_a", "adj_x"), ("transpose_b", "adj_y"))):
        if any(attributes.get(name) for name in names):
            made[place] = ops.swapaxes(made[place], -2, -1)
    return ops.matmul(*made)


def _squeeze(inputs: Sequence[Any], attributes: Any) -> Any:
    axes = attributes.get("squeeze_dims") or None
    return ops.squeeze(inputs[0], axes if axes is None else tuple(axes))


def _difference(inputs: Sequence[Any], _: Any) -> Any:
    return ops.square(ops.subtract(*inputs))


_OTHERS: dict[str, Callable[[Sequence[Any], Any], Any]] = {
    "BatchMatMulV2": _matmul,
    "BroadcastTo": lambda x, a: ops.broadcast_to(x[0], _ints(x[1])),
    "Cast": lambda x, a: ops.cast(x[0], a["DstT"].name),
    "ConcatV2": lambda x, a: ops.concatenate(list(x[:-1]), axis=int(np.asarray(x[-1]))),
    "Cumsum": lambda x, a: ops.cumsum(x[0], axis=int(np.asarray(x[1]))),
    "ExpandDims": lambda x, a: ops.expand_dims(x[0], int(np.asarray(x[1]))),
    "Identity": lambda x, a: x[0],
    "LeakyRelu": lambda x, a: ops.leaky_relu(x[0], negative_slope=a.get("alpha", 0.2)),
    "MatMul": _matmul,
    "Pack": lambda x, a: ops.stack(list(x), axis=a.get("axis", 0)),
    "Reshape": lambda x, a: ops.reshape(x[0], _ints(x[1])),
    "Shape": lambda x, a: _lengths.lengths(x[0]),
    "SquaredDifference": _difference,
    "Squeeze": _squeeze,
    "Tile": lambda x, a: ops.tile(x[0], _ints(x[1])),
    "Transpose": lambda x, a: ops.transpose(x[0], _ints(x[1])),
}


def call(op: str, inputs: Sequence[Any], attributes: Any) -> Any:
    """What an operation gives in the call that is traced.

    Raises
    ------
    UnsupportedError
        There is no such node; names the operation.
    """
    given = [x.numpy() if isinstance(x, EagerTensor) else x for x in inputs]
    if op in _SAME:
        return getattr(ops, _SAME[op])(*given)
    if op in _REDUCTIONS:
        axes = _ints(given[1])
        axes = axes if isinstance(axes, int) else tuple(axes)
        keeps = bool(attributes.get("keep_dims"))
        return getattr(ops, _REDUCTIONS[op])(given[0], axis=axes, keepdims=keeps)
    if op in _OTHERS:
        return _OTHERS[op](given, attributes)
    raise UnsupportedError(
        f"the operation {op} of tf cannot be a part of a model; use the functions of keras.ops, or "
        "a layer"
    )


def is_symbolic(value: Any) -> bool:
    """Is it a symbolic tensor of a call that is being traced?"""
    return bool(_symbolic.tracing.depth) and isinstance(value, _symbolic.KerasTensor)


_context.settings.keras = (is_symbolic, call)
