"""Variables of graphs: ``get_variable``, ``variable_scope``, initializers, assignments."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ebb import _context
from ebb._dtype import DType, TensorShape, as_dtype, float32
from ebb._errors import ArgumentError
from ebb._graph import Graph, Operation, SymbolicTensor
from ebb._native import ffi, lib
from ebb._operators import convert
from ebb._values import Tensor
from ebb.tf._variables import Variable

AUTO_REUSE = "AUTO_REUSE"


class Record(NamedTuple):
    """What a graph remembers of a variable."""

    name: str
    id: int
    initial: int
    trainable: bool


class GraphVariable(Variable):
    """A variable of a graph: each session has a value of its own."""

    def __init__(
        self, initial_value: Any = None, trainable: Any = None, collections: Any = None,
        validate_shape: bool = True, caching_device: Any = None, name: str | None = None,
        variable_def: Any = None, dtype: Any = None, expected_shape: Any = None,
        import_scope: Any = None, constraint: Any = None, shape: Any = None, **_: Any,
    ) -> None:  # fmt: skip
        graph = _context.default_graph()
        if initial_value is None:
            raise ValueError("initial_value must be specified.")
        kept = [graph.name_scope(graph.unique_name(f"{name or 'Variable'}/Initializer/"))]
        with kept[0]:
            value = initial_value() if callable(initial_value) else initial_value
            initial = graph.own(convert(value, dtype))
        if not initial.shape.is_fully_defined():
            raise ValueError(
                f"initial_value must have a shape specified: {initial} has {initial.shape}"
            )
        slot = ffi.new("ebb_tensor *", [initial.id])
        pushed = graph._push_device()
        try:
            text = graph.node_name(name or "Variable").encode()
            made = lib.ebb_graph_variable_from(graph.handle, text, slot[0])
        finally:
            if pushed:
                lib.ebb_graph_device_pop(graph.handle)
        tensor = graph.wrap(made)
        trainable = True if trainable is None else bool(trainable)
        record = Record(tensor.name.split(":", maxsplit=1)[0], tensor.id, initial.id, trainable)
        graph.variables.append(record)
        self._fill(graph, record, tensor)

    def _fill(self, graph: Graph, record: Record, tensor: SymbolicTensor) -> None:
        self.graph = graph
        self._record = record
        self._tensor = tensor
        self.trainable = record.trainable

    @classmethod
    def of(cls, graph: Graph, record: Record) -> GraphVariable:
        """The object for a variable that the graph has."""
        made: GraphVariable = object.__new__(cls)
        made._fill(graph, record, SymbolicTensor(graph, record.id))
        return made

    @property
    def name(self) -> str:  # type: ignore[override]
        """``"w:0"``."""
        return f"{self._record.name}:0"

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The type of the elements."""
        return self._tensor.dtype

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The shape."""
        return self._tensor.shape

    @property
    def device(self) -> str:
        """The device that was asked for."""
        return self._tensor.device

    @property
    def op(self) -> Operation:
        """The operation that stands for it."""
        return self._tensor.op

    @property
    def initial_value(self) -> SymbolicTensor:
        """What it is initialized with."""
        return SymbolicTensor(self.graph, self._record.initial)

    @property
    def initializer(self) -> Any:
        """The operation that gives it its initial value."""
        return self._change("ebb_assign", self.initial_value).op

    def initialized_value(self) -> SymbolicTensor:
        """The initial value."""
        return self.initial_value

    def _as_tensor(self) -> Tensor:
        return self._tensor

    def _as_graph_element(self) -> SymbolicTensor:
        return self._tensor

    def _change(self, function: str, value: Any) -> SymbolicTensor:
        with self.graph.as_default():
            tensor = self.graph.own(convert(value, None, self.dtype))
        pair = ffi.new("ebb_tensor[2]", [[self._tensor.id], [tensor.id]])
        return self.graph.wrap(getattr(lib, function)(self.graph.handle, pair[0], pair[1]))

    def assign(self, value: Any, use_locking: Any = None, name: Any = None, **_: Any) -> Any:
        """An operation that sets the value; as a tensor it is the new value."""
        return self._change("ebb_assign", value)

    def assign_add(self, delta: Any, use_locking: Any = None, name: Any = None, **_: Any) -> Any:
        """An operation that adds to the value."""
        return self._change("ebb_assign_add", delta)

    def assign_sub(self, delta: Any, use_locking: Any = None, name: Any = None, **_: Any) -> Any:
        """An operation that subtracts from the value."""
        return self._change("ebb_assign_sub", delta)

    def read_value(self) -> SymbolicTensor:
        """The value after the assignments that this comes after."""
        slot = ffi.new("ebb_tensor *", [self._tensor.id])
        return self.graph.wrap(lib.ebb_graph_read(self.graph.handle, slot[0]))

    def eval(self, session: Any = None) -> Any:
        """The value in a session."""
        return self._tensor.eval(session=session)

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value in a session."""
        from ebb.tf._session import get_default_session

        session = session or get_default_session()
        if session is None:
            raise ValueError("No default session is registered: pass one to load()")
        session.run(self.assign(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GraphVariable) and self._tensor.same_as(other._tensor)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._tensor)

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


def variables_of(graph: Graph, trainable: bool, scope: str | None) -> list[GraphVariable]:
    """The variables of a graph."""
    return [
        GraphVariable.of(graph, record)
        for record in graph.variables
        if (record.trainable or not trainable) and (not scope or record.name.startswith(scope))
    ]


def global_variables(scope: str | None = None) -> list[GraphVariable]:
    """The variables of the default graph."""
    return variables_of(_context.default_graph(), False, scope)


def trainable_variables(scope: str | None = None) -> list[GraphVariable]:
    """The variables of the default graph that train."""
    return variables_of(_context.default_graph(), True, scope)


def global_variables_initializer() -> Operation:
    """An operation that gives every variable, as they are now, its initial value."""
    graph = _context.default_graph()
    return graph.wrap_operation(lib.ebb_graph_initializer(graph.handle))


def variables_initializer(var_list: Any, name: str = "init") -> Operation:
    """An operation that gives these variables their initial values."""
    return group(*(variable.initializer for variable in var_list), name=name)


def local_variables_initializer() -> Operation:
    """There are no local variables: an operation that does nothing."""
    return group(name="init_local")


def group(*inputs: Any, name: str | None = None) -> Operation:
    """An operation that does all of these."""
    graph = _context.default_graph()
    flat = [
        item for part in inputs for item in (part if isinstance(part, (list, tuple)) else [part])
    ]
    elements = [graph.as_graph_element(item) for item in flat]
    nodes = ffi.new("ebb_tensor[]", max(len(elements), 1))
    for i, element in enumerate(elements):
        nodes[i].id = element.id
    text = graph.node_name(name or "group_deps").encode()
    return graph.wrap_operation(lib.ebb_graph_group(graph.handle, nodes, len(elements), text))


def assign(ref: Any, value: Any, validate_shape: Any = None, use_locking: Any = None,
           name: str | None = None) -> Any:  # fmt: skip
    """Sets a variable: at once, or an operation of the graph."""
    return ref.assign(value)


def assign_add(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """Adds to a variable: at once, or an operation of the graph."""
    return ref.assign_add(value)


def assign_sub(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """Subtracts from a variable: at once, or an operation of the graph."""
    return ref.assign_sub(value)


# -- scopes ----------------------------------------------------------------------------------------


class VariableScope:
    """Where ``get_variable`` makes and finds variables."""

    def __init__(self, name: str = "", reuse: Any = False, initializer: Any = None) -> None:
        self.name = name
        self.reuse = reuse
        self.initializer = initializer
        self.original_name_scope = f"{name}/" if name else ""

    def reuse_variables(self) -> None:
        """From now on ``get_variable`` finds variables and makes none."""
        self.reuse = True

    def global_variables(self) -> list[GraphVariable]:
        """The variables in it."""
        return global_variables(self.original_name_scope)

    def trainable_variables(self) -> list[GraphVariable]:
        """The variables in it that train."""
        return trainable_variables(self.original_name_scope)


def get_variable_scope() -> VariableScope:
    """The scope of the default graph."""
    scopes = _context.default_graph().variable_scopes
    if not scopes:
        scopes.append(VariableScope())
    found: VariableScope = scopes[-1]
    return found


@contextlib.contextmanager
def variable_scope(
    name_or_scope: Any, default_name: str | None = None, values: Any = None,
    initializer: Any = None, regularizer: Any = None, caching_device: Any = None,
    partitioner: Any = None, custom_getter: Any = None, reuse: Any = None, dtype: Any = float32,
    use_resource: Any = None, constraint: Any = None, auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:  # fmt: skip
    """Variables and operations of the block are named ``name/...``; ``reuse`` finds variables."""
    graph, outer = _context.default_graph(), get_variable_scope()
    if isinstance(name_or_scope, VariableScope):
        name, short = name_or_scope.name, name_or_scope.original_name_scope
        reuse = name_or_scope.reuse if reuse is None else reuse
    else:
        short = str(default_name or "" if name_or_scope is None else name_or_scope)
        if not short:
            raise TypeError("If default_name is None then name_or_scope is required")
        if name_or_scope is None:
            used = {record.name.split("/")[0] for record in graph.variables}
            count = 0
            while (f"{short}_{count}" if count else short) in used:
                count += 1
            short = f"{short}_{count}" if count else short
        name = f"{outer.name}/{short}" if outer.name else short
    scope = VariableScope(name, reuse or outer.reuse, initializer or outer.initializer)
    graph.variable_scopes.append(scope)
    try:
        with graph.name_scope(short) if auxiliary_name_scope else contextlib.nullcontext():
            yield scope
    finally:
        graph.variable_scopes.pop()


def get_variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None,
    regularizer: Any = None, trainable: Any = None, collections: Any = None,
    caching_device: Any = None, partitioner: Any = None, validate_shape: bool = True,
    use_resource: Any = None, custom_getter: Any = None, constraint: Any = None,
    synchronization: Any = None, aggregation: Any = None,
) -> Any:  # fmt: skip
    """A variable of the default graph by name: made, or found where the scope says ``reuse``.

    Raises
    ------
    ValueError
        It is there already and the scope does not say reuse, or the reverse; or its shape differs.
    """
    graph, scope = _context.default_graph(), get_variable_scope()
    full = f"{scope.name}/{name}" if scope.name else name
    found = next((record for record in graph.variables if record.name == full), None)
    if found is not None and not scope.reuse:
        raise ValueError(
            f"Variable {full} already exists, disallowed. Did you mean to set reuse=True or "
            "reuse=tf.AUTO_REUSE in VarScope?"
        )
    if found is None and scope.reuse and scope.reuse != AUTO_REUSE:
        raise ValueError(
            f"Variable {full} does not exist, or was not created with tf.get_variable(). Did you "
            "mean to set reuse=tf.AUTO_REUSE in VarScope?"
        )
    if found is not None:
        variable = GraphVariable.of(graph, found)
        if shape is not None and not variable.shape.is_compatible_with(shape):
            raise ValueError(
                f"Trying to share variable {full}, but specified shape {TensorShape(shape)} and "
                f"found shape {variable.shape}."
            )
        return variable
    kind = as_dtype(dtype) if dtype is not None else float32
    made = initializer or scope.initializer
    if made is None:
        made = glorot_uniform_initializer() if kind.is_floating else zeros_initializer()
    if isinstance(made, type):
        made = made()
    if callable(made):
        if shape is None or not TensorShape(shape).is_fully_defined():
            raise ValueError(
                f"Shape of a new variable ({full}) must be fully defined, but instead was {shape}."
            )
        value: Any = _Initial(made, TensorShape(shape), kind)
    else:
        value = convert(made, dtype)
    with graph.as_default(), graph.name_scope(f"{scope.name}/" if scope.name else None):
        return GraphVariable(value, trainable, name=name)


class _Initial:
    """An initializer with its shape and type, to be called in the variable's scope."""

    def __init__(self, initializer: Any, shape: TensorShape, dtype: DType) -> None:
        self.arguments = initializer, shape, dtype

    def __call__(self) -> Any:
        initializer, shape, dtype = self.arguments
        try:
            value = initializer(shape.as_list(), dtype=dtype)
        except TypeError:
            value = initializer(shape.as_list())
        tensor = convert(value if isinstance(value, Tensor) else np.asarray(value))
        if tensor.dtype is not dtype:
            from ebb._operators import cast

            return cast(tensor, dtype)
        return tensor


# -- initializers ----------------------------------------------------------------------------------


class Initializer:
    """Makes the initial value of a variable: ``initializer(shape, dtype=None)``."""

    def __init__(self, **config: Any) -> None:
        self._config = config

    def get_config(self) -> dict[str, Any]:
        """The arguments it was made with."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An initializer with these arguments."""
        return cls(**config)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        raise NotImplementedError


class zeros_initializer(Initializer):  # noqa: N801
    """All zero."""

    def __init__(self, dtype: Any = float32) -> None:
        super().__init__(dtype=dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        from ebb.tf._arrays import zeros

        return zeros(shape, dtype or self._config["dtype"])


class ones_initializer(Initializer):  # noqa: N801
    """All one."""

    def __init__(self, dtype: Any = float32) -> None:
        super().__init__(dtype=dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        from ebb.tf._arrays import ones

        return ones(shape, dtype or self._config["dtype"])


class constant_initializer(Initializer):  # noqa: N801
    """A number, or values in row-major order."""

    def __init__(self, value: Any = 0, dtype: Any = float32, verify_shape: bool = False) -> None:
        super().__init__(value=value, dtype=dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        from ebb.tf._arrays import constant

        return constant(self._config["value"], dtype or self._config["dtype"], shape)


class _Random(Initializer):
    """Random numbers of one distribution."""

    _function = ""

    def _draw(self, shape: Any, dtype: Any, first: float, second: float) -> Any:
        from ebb.tf import random

        draw = getattr(random, self._function)
        return draw(shape, first, second, dtype or float32, self._config.get("seed"))


class random_normal_initializer(_Random):  # noqa: N801
    """A normal distribution."""

    _function = "normal"

    def __init__(
        self, mean: float = 0.0, stddev: float | None = None, seed: Any = None,
        dtype: Any = float32,
    ) -> None:  # fmt: skip
        stddev = self._stddev if stddev is None else stddev
        super().__init__(mean=mean, stddev=stddev, seed=seed, dtype=dtype)

    _stddev = 1.0

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return self._draw(shape, dtype, self._config["mean"], self._config["stddev"])


class truncated_normal_initializer(random_normal_initializer):  # noqa: N801
    """A normal distribution without what is more than two deviations away."""

    _function = "truncated_normal"


class random_uniform_initializer(_Random):  # noqa: N801
    """A uniform distribution."""

    _function = "uniform"

    def __init__(
        self, minval: float = 0.0, maxval: float | None = None, seed: Any = None,
        dtype: Any = float32,
    ) -> None:  # fmt: skip
        maxval = 1.0 if maxval is None else maxval
        super().__init__(minval=minval, maxval=maxval, seed=seed, dtype=dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return self._draw(shape, dtype, self._config["minval"], self._config["maxval"])


class variance_scaling_initializer(Initializer):  # noqa: N801
    """A spread that fits the number of inputs and outputs."""

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
        seed: Any = None, dtype: Any = float32,
    ) -> None:  # fmt: skip
        super().__init__(scale=scale, mode=mode, distribution=distribution, seed=seed, dtype=dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        from ebb.tf import random

        c, dims = self._config, list(TensorShape(shape))
        field = math.prod(dims[:-2]) if len(dims) > 2 else 1
        fan_in = dims[-2] * field if len(dims) > 1 else (dims or [1])[0]
        fan_out = dims[-1] * field if dims else 1
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        if c["mode"] not in fans:
            raise ArgumentError(f"unknown mode {c['mode']!r}; there are {sorted(fans)}")
        scale = c["scale"] / max(1.0, fans[c["mode"]])
        kind = dtype or float32
        if c["distribution"] == "uniform":
            limit = math.sqrt(3 * scale)
            return random.uniform(shape, -limit, limit, kind, c["seed"])
        if c["distribution"] == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(scale), kind, c["seed"])
        # 0.8796...: the deviation of a normal distribution cut off at two deviations
        deviation = math.sqrt(scale) / 0.87962566103423978
        return random.truncated_normal(shape, 0.0, deviation, kind, c["seed"])


class glorot_uniform_initializer(variance_scaling_initializer):  # noqa: N801
    """Glorot's uniform distribution."""

    _distribution = "uniform"

    def __init__(self, seed: Any = None, dtype: Any = float32) -> None:
        super().__init__(1.0, "fan_avg", self._distribution, seed, dtype)


class glorot_normal_initializer(glorot_uniform_initializer):  # noqa: N801
    """Glorot's normal distribution."""

    _distribution = "truncated_normal"
