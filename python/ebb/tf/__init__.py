"""TensorFlow's face: the part of it that scripts with Keras models use.

::

    import ebb.tf as tf

    with tf.device("/CPU:0"):
        x = tf.constant([[1.0, 2.0]])
    print(tf.matmul(x, x, transpose_b=True))

Tensors, variables, ``tf.function`` and ``tf.GradientTape``, graphs and sessions
(``tf.compat.v1``), devices and memory (``tf.config``), datasets (``tf.data``) and Keras
(``tf.keras``). The memory of all of it is counted by ``ebb.memory()`` and is back when the last
reference goes. What is not here says so, and names what is near.
"""

# ruff: noqa: E402, F403, F405  (names for others; keras takes tensors from here)

from __future__ import annotations

import logging as _logging
from types import SimpleNamespace
from typing import Any

from ebb import _context
from ebb._dtype import (
    DType,
    TensorShape,
    as_dtype,
    bfloat16,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
)
from ebb._dtype import bool_ as bool
from ebb._graph import Graph, Operation
from ebb._operators import cast
from ebb._tensor import EagerTensor, Tensor
from ebb._tensor_spec import TensorSpec
from ebb.tf import (
    _arrays,
    _flow,
    _math,
    _nest,
    config,
    data,
    errors,
    image,
    io,
    linalg,
    nn,
    profiler,
    random,
    saved_model,
    strings,
)
from ebb.tf._arrays import *
from ebb.tf._arrays import range_ as range
from ebb.tf._arrays import slice_ as slice
from ebb.tf._custom_gradient import custom_gradient
from ebb.tf._devices import device
from ebb.tf._flow import *
from ebb.tf._flow import print_ as print
from ebb.tf._function import ConcreteFunction, function
from ebb.tf._graph_variables import (
    constant_initializer,
    ones_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    zeros_initializer,
)
from ebb.tf._math import *
from ebb.tf._math import equal_ as equal
from ebb.tf._math import not_equal_ as not_equal
from ebb.tf._refuse import Namespace, missing
from ebb.tf._tape import GradientTape, UnconnectedGradients, gradients
from ebb.tf._variables import Variable
from ebb.tf.linalg import norm

__version__ = "2.21.0"
newaxis = None


def _public(module: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names}


def log_sigmoid(x: Any, name: str | None = None) -> Any:
    """The logarithm of the sigmoid."""
    return -nn.softplus(-_operand(x))


def _operand(x: Any) -> Any:
    return _arrays.convert_to_tensor(x)


nn.log_sigmoid = log_sigmoid  # type: ignore[attr-defined]
math = Namespace(
    "tf.math", "Arithmetic.", **_public(_math, *_math.__all__), equal=equal, not_equal=not_equal,
    l2_normalize=nn.l2_normalize, softmax=nn.softmax, log_softmax=nn.log_softmax,
    zero_fraction=nn.zero_fraction, log_sigmoid=log_sigmoid,
)  # fmt: skip
dtypes = Namespace(
    "tf.dtypes", "Types of tensors.", DType=DType, as_dtype=as_dtype, cast=cast, bool=bool,
    saturate_cast=_flow.saturate_cast,
    **{d.name: d for d in (float16, float32, float64, bfloat16, int8, int16, int32, int64, uint8,
                           uint16, uint32, uint64, string)},
)  # fmt: skip
debugging = Namespace(
    "tf.debugging", "Checks.", Assert=_flow.Assert, is_numeric_tensor=_arrays.is_tensor,
    set_log_device_placement=lambda enabled: None,
    **_public(_flow, "assert_equal", "assert_near", "assert_less", "assert_less_equal",
              "assert_greater", "assert_greater_equal", "assert_rank", "assert_shapes",
              "check_numerics"),
)  # fmt: skip
nest = Namespace(
    "tf.nest", "Structures of lists, tuples and dicts.", is_nested=_nest.is_nested,
    **_public(_nest, "flatten", "pack_sequence_as", "map_structure", "assert_same_structure"),
)  # fmt: skip
autodiff = Namespace("tf.autodiff", "Gradients.", GradientTape=GradientTape)
version = SimpleNamespace(VERSION=__version__, GIT_VERSION="ebb", COMPILER_VERSION="")
autograph = SimpleNamespace(
    set_verbosity=lambda level=0, alsologtostdout=False: None,
    experimental=SimpleNamespace(do_not_convert=lambda func=None: func),
)
sysconfig = SimpleNamespace(
    get_build_info=lambda: {
        "is_cuda_build": False,
        "is_rocm_build": False,
        "is_tensorrt_build": False,
    }
)


def _is_gpu_available(cuda_only: Any = False, min_cuda_compute_capability: Any = None) -> Any:
    """Is there a GPU?"""
    return len(config.list_physical_devices("GPU")) > 0


test = SimpleNamespace(
    is_gpu_available=_is_gpu_available,
    gpu_device_name=lambda: "/device:GPU:0" if _is_gpu_available() else "",
    is_built_with_cuda=_is_gpu_available,
    is_built_with_gpu_support=_is_gpu_available,
    is_built_with_rocm=lambda: False,
    is_built_with_xla=lambda: False,
)


def get_logger() -> _logging.Logger:
    """The logger of ebb: loads, unloads, training, and what failed."""
    return _logging.getLogger("ebb")


def is_symbolic_tensor(tensor: Any) -> Any:
    """Is this a tensor of a graph?"""
    return isinstance(tensor, Tensor) and tensor.is_symbolic


def get_current_name_scope() -> str:
    """The scope of names of the graph that is being built."""
    graph = _context.building()
    return "" if graph is None else graph.get_name_scope()


from ebb import keras
from ebb.tf import _alias, compat

_alias.install()


def __dir__() -> list[str]:
    return sorted(name for name in globals() if not name.startswith("_") or name == "__version__")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in compat.v1.__all__:  # TensorFlow 1's names without compat.v1: tf.Session
        return getattr(compat.v1, name)
    raise missing("tf", name, globals())


__all__ = [
    "Assert", "ConcreteFunction", "DType", "EagerTensor", "GradientTape", "Graph", "Module",
    "Operation", "Tensor", "TensorShape", "TensorSpec", "UnconnectedGradients", "Variable", "abs",
    "acos", "acosh", "add", "add_n", "argmax", "argmin", "argsort", "as_dtype", "asin", "asinh",
    "assert_equal", "assert_greater", "assert_greater_equal", "assert_less", "assert_less_equal",
    "assert_near", "assert_rank", "assert_shapes", "atan", "atan2", "atanh", "autodiff",
    "autograph", "bfloat16", "bincount", "bool", "boolean_mask", "broadcast_static_shape",
    "broadcast_to", "case", "cast", "ceil", "check_numerics", "clip_by_global_norm",
    "clip_by_norm", "clip_by_value", "compat", "complex128", "complex64", "concat", "cond",
    "config", "confusion_matrix", "constant", "constant_initializer", "control_dependencies",
    "convert_to_tensor", "cos", "cosh", "count_nonzero", "cumprod", "cumsum", "custom_gradient",
    "data", "debugging", "device", "divide", "divide_no_nan", "double", "dtypes", "einsum",
    "ensure_shape", "equal",
    "erf", "erfc", "errors", "executing_eagerly", "exp", "expand_dims", "expm1", "eye", "fill",
    "float16", "float32", "float64", "floor", "floordiv", "floormod", "foldl", "function",
    "gather", "gather_nd", "get_current_name_scope", "get_default_graph", "get_logger",
    "get_static_value", "global_norm", "gradients", "greater", "greater_equal", "group", "half",
    "identity", "image", "in_top_k", "init_scope", "int16", "int32", "int64", "int8", "io",
    "is_finite", "is_inf", "is_nan", "is_symbolic_tensor", "is_tensor", "keras", "less",
    "less_equal", "linalg", "linspace", "log", "log1p", "log_sigmoid", "logical_and",
    "logical_not", "logical_or", "logical_xor", "map_fn", "math", "matmul", "matvec", "maximum",
    "meshgrid", "minimum", "mod", "multiply", "multiply_no_nan", "name_scope", "negative", "nest",
    "newaxis", "nn", "no_op", "norm", "not_equal", "numpy_function", "one_hot", "ones",
    "ones_initializer", "ones_like", "pad", "pow", "print", "profiler", "py_function", "random",
    "random_normal_initializer", "random_uniform_initializer", "range", "rank", "reciprocal",
    "reduce_all", "reduce_any", "reduce_euclidean_norm", "reduce_logsumexp", "reduce_max",
    "reduce_mean", "reduce_min", "reduce_prod", "reduce_std", "reduce_sum", "reduce_variance",
    "repeat", "reshape", "reverse", "rint", "roll", "round", "rsqrt", "saturate_cast",
    "saved_model", "scalar_mul", "scan", "scatter_nd", "searchsorted", "segment_sum",
    "sequence_mask", "shape", "sigmoid", "sign", "sin", "sinh", "size", "slice", "softplus",
    "softsign", "sort", "split", "sqrt", "square", "squared_difference", "squeeze", "stack",
    "stop_gradient", "strings", "strided_slice", "string", "subtract", "sysconfig", "tan", "tanh",
    "tensor_scatter_nd_add", "tensor_scatter_nd_max", "tensor_scatter_nd_min",
    "tensor_scatter_nd_sub", "tensor_scatter_nd_update", "tensordot", "test", "tile", "timestamp",
    "top_k", "transpose", "truediv", "uint16", "uint32", "uint64", "uint8", "unique",
    "unique_with_counts", "unsorted_segment_sum", "unstack", "vectorized_map", "version", "where",
    "while_loop", "xdivy", "xlog1py", "xlogy", "zeros", "zeros_initializer", "zeros_like",
]  # fmt: skip
