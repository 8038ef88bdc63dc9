"""``tf.compat.v1``: graphs and sessions of TensorFlow 1. Other names are those of ``tf``."""

from __future__ import annotations

import logging as _logging
from types import SimpleNamespace
from typing import Any

from ebb import _context
from ebb._dtype import as_dtype, float32
from ebb._errors import StateError, UnsupportedError
from ebb._graph import Graph, Operation
from ebb._operators import convert
from ebb._values import Tensor
from ebb.tf import _v1_train as train
from ebb.tf._flow import executing_eagerly, get_default_graph, name_scope, no_op
from ebb.tf._graph_variables import (
    AUTO_REUSE,
    VariableScope,
    assign,
    assign_add,
    assign_sub,
    constant_initializer,
    get_variable,
    get_variable_scope,
    global_variables,
    global_variables_initializer,
    glorot_normal_initializer,
    glorot_uniform_initializer,
    group,
    local_variables_initializer,
    ones_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    trainable_variables,
    truncated_normal_initializer,
    variable_scope,
    variables_initializer,
    variance_scaling_initializer,
    zeros_initializer,
)
from ebb.tf._refuse import missing
from ebb.tf._session import (
    ConfigProto,
    GPUOptions,
    InteractiveSession,
    RunMetadata,
    RunOptions,
    Session,
    get_default_session,
)
from ebb.tf._tape import gradients
from ebb.tf._variables import Variable

initializers = SimpleNamespace(
    zeros=zeros_initializer, ones=ones_initializer, constant=constant_initializer,
    random_normal=random_normal_initializer, random_uniform=random_uniform_initializer,
    truncated_normal=truncated_normal_initializer, glorot_normal=glorot_normal_initializer,
    glorot_uniform=glorot_uniform_initializer, variance_scaling=variance_scaling_initializer,
    global_variables=global_variables_initializer,
)  # fmt: skip
initialize_all_variables = global_variables_initializer
all_variables = global_variables


class GraphKeys:
    """Names of collections."""

    GLOBAL_VARIABLES = VARIABLES = "variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    LOCAL_VARIABLES = "local_variables"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"
    UPDATE_OPS = "update_ops"
    SUMMARIES = "summaries"
    INIT_OP = "init_op"
    TRAIN_OP = "train_op"


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Any:
    """Something that each run of a session must be fed with.

    Raises
    ------
    RuntimeError
        Nothing is being built: enter a graph or a session first.
    UnsupportedError
        The shape has no known rank.
    """
    if _context.building() is None:
        raise StateError("tf.placeholder() is not compatible with eager execution.")
    if shape is None:
        raise UnsupportedError(
            "a placeholder needs a shape; None stands for any length of an axis", "tf.placeholder"
        )
    return _context.default_graph().placeholder(as_dtype(dtype), shape, name)


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Any:
    """A tensor that runs may be fed in place of."""
    from ebb._apply import one

    return one("Identity", (convert(input),), None, name or "PlaceholderWithDefault")


def reset_default_graph() -> None:
    """Gives the thread's default graph back, and no other.

    Tensors of it are then of a graph that is gone; sessions that are open on it keep it until
    they are closed. Models of Keras are in no graph: none is touched.

    Raises
    ------
    AssertionError
        A graph or a session is entered.
    """
    if any(graph is not None for graph in _context.state.graphs.values()):
        raise AssertionError(
            "Do not use tf.reset_default_graph() to clear nested graphs. If you need a cleared "
            "graph, exit the nesting and create a new graph."
        )
    graph, _context.state.default = _context.state.default, None
    if graph is not None:
        graph.retire()


def disable_eager_execution() -> None:
    """From now on operations are added to the default graph, in every thread."""
    _context.settings.eager = False


def enable_eager_execution(config: Any = None, device_policy: Any = None,
                           execution_mode: Any = None) -> None:  # fmt: skip
    """From now on operations are done at once again."""
    _context.settings.eager = True


def executing_eagerly_outside_functions() -> bool:
    """Are operations done at once, but for graphs that are entered?"""
    return _context.settings.eager


def disable_v2_behavior() -> None:
    """The same as ``disable_eager_execution``."""
    disable_eager_execution()


def enable_v2_behavior() -> None:
    """The same as ``enable_eager_execution``."""
    enable_eager_execution()


def set_random_seed(seed: int) -> None:
    """The seed of the default graph's random operations, before the first is added."""
    from ebb.tf.random import set_seed

    if _context.building() is None:
        set_seed(seed)
    else:
        _context.default_graph().set_seed(int(seed))


def get_seed(op_seed: Any) -> Any:
    """The seeds of an operation."""
    return _context.default_graph().seed, op_seed


def add_to_collection(name: str, value: Any) -> None:
    """Remembers something in the default graph."""
    _context.default_graph().add_to_collection(name, value)


def get_collection(key: str, scope: str | None = None) -> list[Any]:
    """What the default graph remembers."""
    return _context.default_graph().get_collection(key, scope)


def local_variables() -> list[Any]:
    """There are none."""
    return []


def is_variable_initialized(variable: Any) -> Any:
    """Has the variable a value in the session?"""
    from ebb._apply import one

    return one("VarIsInitializedOp", (variable._as_tensor(),))


def device(device_name_or_function: Any) -> Any:
    """As ``tf.device``."""
    from ebb.tf._devices import device as scope

    return scope(device_name_or_function)


def to_float(x: Any, name: str = "ToFloat") -> Any:
    """The tensor as float32."""
    from ebb._operators import cast

    return cast(x, float32)


def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """The tensor as int32."""
    from ebb._operators import cast

    return cast(x, "int32")


def random_normal(*args: Any, **kwargs: Any) -> Any:
    """As ``tf.random.normal``."""
    from ebb.tf.random import normal

    return normal(*args, **kwargs)


def random_uniform(*args: Any, **kwargs: Any) -> Any:
    """As ``tf.random.uniform``."""
    from ebb.tf.random import uniform

    return uniform(*args, **kwargs)


def truncated_normal(*args: Any, **kwargs: Any) -> Any:
    """As ``tf.random.truncated_normal``."""
    from ebb.tf.random import truncated_normal as draw

    return draw(*args, **kwargs)


def div(x: Any, y: Any, name: str | None = None) -> Any:
    """Division as in Python 2: of integers, rounded down."""
    from ebb._operators import binary, operand

    kind = as_dtype(operand(x).dtype)
    return binary("RealDiv" if kind.is_floating else "FloorDiv", x, y)


class _Level:
    """Levels of ``tf.compat.v1.logging``."""

    DEBUG, INFO, WARN, ERROR, FATAL = 10, 20, 30, 40, 50


_logger = _logging.getLogger("ebb")
logging = SimpleNamespace(
    DEBUG=10, INFO=20, WARN=30, ERROR=40, FATAL=50, set_verbosity=_logger.setLevel,
    get_verbosity=_logger.getEffectiveLevel, debug=_logger.debug, info=_logger.info,
    warn=_logger.warning, warning=_logger.warning, error=_logger.error, fatal=_logger.critical,
    get_logger=lambda: _logger,
)  # fmt: skip


# -- Keras and sessions ----------------------------------------------------------------------------


class _KerasSession:
    """The session that Keras was given."""

    session: Any = None


def _set_session(session: Any) -> None:
    import weakref

    _KerasSession.session = None if session is None else weakref.ref(session)


def _get_session(op_input_list: Any = ()) -> Any:
    found = _KerasSession.session() if _KerasSession.session is not None else None
    return found if found is not None else get_default_session() or Session()


class _Backend:
    """``keras.backend`` with the session functions of TensorFlow 1."""

    set_session = staticmethod(_set_session)
    get_session = staticmethod(_get_session)

    def __getattr__(self, name: str) -> Any:
        from ebb import keras

        return getattr(keras.backend, name)


class _Keras:
    """``tf.keras`` whose backend knows sessions. Models live beside sessions, not in them."""

    backend = _Backend()

    def __getattr__(self, name: str) -> Any:
        from ebb import keras

        return getattr(keras, name)


keras = _Keras()


def __getattr__(name: str) -> Any:
    from ebb import tf

    if name.startswith("__"):
        raise AttributeError(name)
    if name in vars(tf):
        return getattr(tf, name)
    raise missing("tf.compat.v1", name, [*globals(), *vars(tf)])


__all__ = [
    "AUTO_REUSE", "ConfigProto", "GPUOptions", "Graph", "GraphKeys", "InteractiveSession",
    "Operation", "RunMetadata", "RunOptions", "Session", "Tensor", "Variable", "VariableScope",
    "add_to_collection", "all_variables", "assign", "assign_add", "assign_sub",
    "constant_initializer", "device", "disable_eager_execution", "disable_v2_behavior", "div",
    "enable_eager_execution", "enable_v2_behavior", "executing_eagerly",
    "executing_eagerly_outside_functions", "get_collection", "get_default_graph",
    "get_default_session", "get_seed", "get_variable", "get_variable_scope", "global_variables",
    "global_variables_initializer", "glorot_normal_initializer", "glorot_uniform_initializer",
    "gradients", "group", "initialize_all_variables", "initializers", "is_variable_initialized",
    "local_variables", "local_variables_initializer", "logging", "name_scope", "no_op",
    "ones_initializer", "placeholder", "placeholder_with_default", "random_normal",
    "random_normal_initializer", "random_uniform", "random_uniform_initializer",
    "reset_default_graph", "set_random_seed", "to_float", "to_int32", "train",
    "trainable_variables", "truncated_normal", "truncated_normal_initializer", "variable_scope",
    "variables_initializer", "variance_scaling_initializer", "zeros_initializer",
]  # fmt: skip
