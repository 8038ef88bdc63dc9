"""Graphs, their tensors and operations, as in TensorFlow 1.

A ``Graph`` owns one graph of the library, opened with its first operation. Tensors and sessions
hold their graph; the graph holds none of them, so that it goes with the last of them. What is
known of a tensor (name, type, shape) is read once, when it is made.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ebb import _context
from ebb._apply import apply
from ebb._call import check, new_error
from ebb._dtype import Array, DType, TensorShape
from ebb._eager import fill_view, handle
from ebb._errors import ArgumentError, NotFoundError
from ebb._handle import Uncopied
from ebb._native import ffi, lib
from ebb._table import Attributes, Operand, attributes_text, value_text
from ebb._values import EagerTensor, Tensor, dtype_of_number

_numbers = itertools.count(1)


class OperatorNotAllowedInGraphError(TypeError):
    """A tensor that has no value yet is used where Python needs one."""


class Graph(Uncopied):
    """Operations and their tensors; sessions run parts of it.

    Attributes
    ----------
    building_function : bool
        Whether this is the trace of a ``tf.function``.
    seed : int or None
        Of random operations that have none of their own.
    """

    building_function = False

    def __init__(self) -> None:
        self._session_count = 0
        self._box: Any = None
        self._retires = self._retired = False
        self._scope = ""
        self._scopes: dict[str, int] = {}
        self._inputs: dict[str, tuple[int, ...]] = {}
        self._finalized = False
        self.number = next(_numbers)
        self.seed: int | None = None
        # Descriptions, not objects: those would hold the graph that holds them.
        self.variables: list[Any] = []
        self.variable_scopes: list[Any] = []
        self.collections: dict[str, list[Any]] = {}

    # -- the library's graph -------------------------------------------------------------------

    @property
    def handle(self) -> Any:
        """The ``ebb_graph`` of C, opened if need be."""
        if self._retired:
            raise ValueError("this graph was reset: what was in it is gone")
        if self._box is None:
            box, error = handle(lib.ebb_python_close_graph), new_error()
            slot = ffi.addressof(box, "graph")
            check(lib.ebb_graph_open(_context.runtime_handle(), ffi.NULL, slot, error), error)
            if self.seed:
                lib.ebb_graph_seed(box.graph, self.seed & (2**63 - 1))
            self._box = box
        return self._box.graph

    def set_seed(self, seed: int) -> None:
        """The seed of random operations, before the first of them is added."""
        self.seed = seed
        if self._box is not None:
            check(lib.ebb_graph_seed(self._box.graph, seed & (2**63 - 1)))

    @property
    def is_empty(self) -> bool:
        """Whether it has no operations."""
        return self._box is None or lib.ebb_graph_operation_count(self._box.graph) == 0

    def retire(self) -> None:
        """Gives it back although tensors of it are around; open sessions keep it until they go."""
        self._retires = True
        self._retire_if_idle()

    def _retire_if_idle(self) -> None:
        if self._retires and self._session_count == 0:
            self._retired = True
            if self._box is not None:
                ffi.release(self._box)
                self._box = None

    def session_opened(self) -> None:
        """A session of the library is open on it."""
        self._session_count += 1

    def session_closed(self) -> None:
        """One less."""
        self._session_count -= 1
        self._retire_if_idle()

    def fault(self) -> None:
        """Raises what went wrong since it was last asked."""
        error = new_error()
        check(lib.ebb_graph_error(self.handle, error), error)

    # -- adding --------------------------------------------------------------------------------

    def node_name(self, name: str) -> str:
        """A name within the scope; one that ends with a slash is taken as it is."""
        name = name[:-1] if name.endswith("/") else self._scope + name
        if not re.match(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$", name):
            raise ValueError(f"'{name}' is not a valid node name")
        return name[:127]

    def add(
        self, op: str, inputs: Sequence[Operand], attributes: Attributes, name: str
    ) -> list[SymbolicTensor]:
        """Adds an operation; its outputs."""
        graph = self.handle
        nodes = ffi.new("ebb_tensor[]", max(len(inputs), 1))
        for i, x in enumerate(inputs):
            nodes[i].id = self.own(x).id
        pushed = self._push_device()
        try:
            text = attributes_text({**attributes})
            named = f"name={value_text(self.node_name(name))}"
            text = f"{text}, {named}" if text else named
            first = lib.ebb_graph_op(graph, op.encode(), nodes, len(inputs), text.encode())
        finally:
            if pushed:
                lib.ebb_graph_device_pop(graph)
        if first.id == 0:
            self.fault()
        return self._outputs(first, tuple(nodes[i].id for i in range(len(inputs))))

    def _push_device(self) -> bool:
        device = _context.innermost(_context.state.devices)
        if not device:
            return False
        error = new_error()
        check(lib.ebb_graph_device_push(self.handle, device.encode(), error), error)
        return True

    def _outputs(self, first: Any, inputs: tuple[int, ...]) -> list[SymbolicTensor]:
        graph, operation = self.handle, ffi.new("ebb_operation_info *")
        last = lib.ebb_graph_operation_count(graph) - 1
        check(lib.ebb_graph_operation_read(graph, last, operation))
        made = [
            SymbolicTensor(self, (lib.ebb_graph_output(graph, first, i) if i else first).id)
            for i in range(max(int(operation.outputs), 1))
        ]
        self._inputs[ffi.string(operation.name).decode()] = inputs
        return made

    def own(self, x: Operand) -> SymbolicTensor:
        """An operand as a tensor of this graph."""
        if not isinstance(x, Tensor):
            return self.constant(x)
        if isinstance(x, SymbolicTensor):
            if x.graph is not self:
                return self.capture(x)
            return x
        return self.capture(x)

    def capture(self, x: Tensor) -> SymbolicTensor:
        """A tensor from outside: its value becomes a constant."""
        if isinstance(x, EagerTensor):
            return self.constant(x.view())
        raise ValueError(f"{x} must be from the same graph as the others")

    def constant(self, array: Array, name: str | None = None) -> SymbolicTensor:
        """A constant; the values are copied."""
        array = array if array.flags.c_contiguous else array.copy()
        view = ffi.new("ebb_view *")
        fill_view(view, array)
        pushed = self._push_device()
        try:
            text = self.node_name(name or "Const").encode()
            made = lib.ebb_graph_constant(self.handle, view, text)
        finally:
            if pushed:
                lib.ebb_graph_device_pop(self.handle)
        return self.wrap(made)

    def wrap(self, made: Any) -> SymbolicTensor:
        """A tensor of the library as an object; raises the fault if there is none."""
        if made.id == 0:
            self.fault()
        return SymbolicTensor(self, made.id)

    def wrap_operation(self, made: Any) -> Operation:
        """An operation of the library, which stands for itself and has no value."""
        if made.id == 0:
            self.fault()
        return Operation(self, lib.ebb_graph_operation_count(self.handle) - 1, made.id)

    def placeholder(self, dtype: DType, shape: Any, name: str | None = None) -> SymbolicTensor:
        """Something that each run must be fed with."""
        dims = [-1 if d is None else d for d in TensorShape(shape)]
        pushed = self._push_device()
        try:
            made = lib.ebb_graph_placeholder(
                self.handle, self.node_name(name or "Placeholder").encode(), dtype.number,
                len(dims), ffi.new("int64_t[]", [*dims, 0]),
            )  # fmt: skip
        finally:
            if pushed:
                lib.ebb_graph_device_pop(self.handle)
        return self.wrap(made)

    def call_model(
        self, core: Any, inputs: Sequence[Operand], owner: Any = None
    ) -> list[SymbolicTensor]:
        """Adds a call of a loaded model (an ``ebb.Model``), which it does not keep alive."""
        error, handles = new_error(), ffi.new("ebb_tensor[]", max(len(inputs), 1))
        for i, x in enumerate(inputs):
            handles[i].id = self.own(x).id
        info = ffi.new("ebb_model_info *")
        check(lib.ebb_model_info_read(core.handle, info))
        outputs = ffi.new("ebb_tensor[]", info.outputs)
        status = lib.ebb_graph_model_call(
            self.handle, core.handle, handles, len(inputs), outputs, info.outputs, error
        )
        check(status, error)
        self.called(core)
        if owner is not None:
            self.called(owner)
        return [SymbolicTensor(self, outputs[i].id) for i in range(info.outputs)]

    def called(self, model: Any) -> None:
        """A call of a model was added."""

    # -- looking -------------------------------------------------------------------------------

    def get_operations(self) -> list[Operation]:
        """The operations in the order in which they were added."""
        if self._box is None:
            return []
        return [Operation(self, i) for i in range(lib.ebb_graph_operation_count(self.handle))]

    def get_operation_by_name(self, name: str) -> Operation:
        """An operation by its name.

        Raises
        ------
        KeyError
            There is none of this name.
        """
        for operation in self.get_operations():
            if operation.name == name:
                return operation
        raise KeyError(f"The name '{name}' refers to an Operation not in the graph.")

    def get_tensor_by_name(self, name: str) -> SymbolicTensor:
        """A tensor by its name, ``"MatMul_1:0"``.

        Raises
        ------
        KeyError
            There is none of this name.
        """
        if ":" not in name:
            raise ValueError(
                f"The name '{name}' looks like an (invalid) Operation name, not a Tensor name. "
                'Tensor names must be of the form "<op_name>:<output_index>".'
            )
        made, error = ffi.new("ebb_tensor *"), new_error()
        try:
            check(lib.ebb_graph_find(self.handle, name.encode(), made, error), error)
        except (NotFoundError, ArgumentError) as failure:
            operation = name.split(":", maxsplit=1)[0]
            raise KeyError(
                f"The name '{name}' refers to a Tensor which does not exist. The operation, "
                f"'{operation}', does not exist in the graph. {failure}"
            ) from None
        return SymbolicTensor(self, made.id)

    def as_graph_element(self, item: Any, *_: Any, **__: Any) -> Any:
        """A tensor or an operation: itself, or by name."""
        if isinstance(item, str):
            return (self.get_tensor_by_name if ":" in item else self.get_operation_by_name)(item)
        maker = getattr(item, "_as_graph_element", None)
        item = maker() if maker is not None else item
        if not isinstance(item, (SymbolicTensor, Operation)):
            raise TypeError(f"Can not convert a {type(item).__name__} into a Tensor or Operation.")
        if item.graph is not self or self._retired:
            raise ValueError(f"Tensor {item} is not an element of this graph.")
        return item

    # -- scopes --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Inside the block operations are added to this graph."""
        place = _context.Place(_context.state.graphs, self)
        try:
            yield self
        finally:
            place.leave()

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Names in the block begin with ``name/``."""
        before = self._scope
        if not name:
            self._scope = ""
        elif name.endswith("/"):
            self._scope = name
        else:
            full = before + name
            used = self._scopes.get(full, 0)
            self._scopes[full] = used + 1
            self._scope = (f"{full}_{used}" if used else full) + "/"
        try:
            yield self._scope
        finally:
            self._scope = before

    def get_name_scope(self) -> str:
        """The scope of names, without its slash."""
        return self._scope[:-1]

    def unique_name(self, name: str) -> str:
        """The name within the scope."""
        return self._scope + name

    @contextlib.contextmanager
    def device(self, device: Any) -> Iterator[None]:
        """Operations of the block are placed on this device."""
        from ebb.tf._devices import device as scope

        with scope(device):
            yield

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """What is added in the block runs after these, and whenever it runs they do."""
        items = [self.as_graph_element(item) for item in control_inputs or ()]
        ids = [item.id for item in items]
        nodes, error = ffi.new("ebb_tensor[]", max(len(ids), 1)), new_error()
        for i, number in enumerate(ids):
            nodes[i].id = number
        check(lib.ebb_graph_control_push(self.handle, nodes, len(ids), error), error)
        try:
            yield
        finally:
            lib.ebb_graph_control_pop(self.handle)

    def finalize(self) -> None:
        """From now on nothing can be added."""
        self._finalized = True
        check(lib.ebb_graph_finalize(self.handle))

    @property
    def finalized(self) -> bool:
        """Whether nothing can be added any more."""
        return self._finalized

    # -- collections ---------------------------------------------------------------------------

    def add_to_collection(self, name: str, value: Any) -> None:
        """Remembers something under a name; tensors by their own names."""
        self.collections.setdefault(name, []).append(_described(value))

    def get_collection(self, name: str, scope: str | None = None) -> list[Any]:
        """What was remembered under a name."""
        if name in ("variables", "trainable_variables"):
            from ebb.tf._graph_variables import variables_of

            return variables_of(self, name == "trainable_variables", scope)
        found = [self._found(item) for item in self.collections.get(name, [])]
        return [item for item in found if not scope or getattr(item, "name", "").startswith(scope)]

    def get_collection_ref(self, name: str) -> list[Any]:
        """As ``get_collection``: a copy."""
        return self.get_collection(name)

    def clear_collection(self, name: str) -> None:
        """Forgets what was remembered under a name."""
        self.collections.pop(name, None)

    def get_all_collection_keys(self) -> list[str]:
        """The names of collections."""
        return [*self.collections, *(["variables"] if self.variables else [])]

    def _found(self, item: Any) -> Any:
        return self.get_tensor_by_name(item.name) if isinstance(item, _ByName) else item


class _ByName:
    """A tensor in a collection of its own graph: only its name, or it would hold the graph."""

    def __init__(self, name: str) -> None:
        self.name = name


def _described(value: Any) -> Any:
    return _ByName(value.name) if isinstance(value, SymbolicTensor) else value


class SymbolicTensor(Tensor):
    """A tensor of a graph: it gets a value when a session runs."""

    __slots__ = ("_dtype", "_name", "_shape", "graph", "id")
    is_symbolic = True

    def __init__(self, graph: Graph, number: int) -> None:
        self.graph: Graph = graph
        self.id = int(number)
        info = ffi.new("ebb_tensor_info *")
        made = ffi.new("ebb_tensor *", [self.id])
        check(lib.ebb_graph_tensor_info(graph.handle, made[0], info))
        self._name = str(ffi.string(info.name).decode())
        self._dtype = dtype_of_number(info.dtype)
        self._shape = TensorShape(info.dims[0 : info.rank])

    @property
    def name(self) -> str:
        """``"MatMul_1:0"``."""
        return self._name

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The type of the elements."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The shape; None where a length is known only when the graph runs."""
        return self._shape

    @property
    def device(self) -> str:  # type: ignore[override]
        """The device that was asked for; empty for none."""
        device: str = self.op.device
        return device

    @property
    def op(self) -> Operation:
        """The operation that makes it."""
        graph: Graph = self.graph
        return graph.get_operation_by_name(self._name.split(":", maxsplit=1)[0])

    @property
    def value_index(self) -> int:
        """Which output of its operation this is."""
        return int(self._name.split(":")[1]) if ":" in self._name else 0

    def same_as(self, other: Any) -> bool:
        """Is this the same tensor of the same graph?"""
        return (
            isinstance(other, SymbolicTensor) and other.graph is self.graph and other.id == self.id
        )

    def set_shape(self, shape: Any) -> None:
        """States what is known of the shape."""
        self._shape = self._shape.merge_with(shape)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, from the session or the default one."""
        session = session or _context.session()
        if session is None:
            raise ValueError(
                "Cannot evaluate tensor using `eval()`: No default session is registered. Use "
                "`with sess.as_default()` or pass an explicit session to `eval(session=sess)`"
            )
        return session.run(self, feed_dict)

    def consumers(self) -> list[Operation]:
        """The operations that take it."""
        return [
            operation
            for operation in self.graph.get_operations()
            if self.id in self.graph._inputs.get(operation.name, ())
        ]

    def _no_value(self, what: str) -> OperatorNotAllowedInGraphError:
        return OperatorNotAllowedInGraphError(
            f"Using a symbolic `tf.Tensor` as a Python `{what}` is not allowed: {self.name} has a "
            "value only when the graph runs. Use tf.where, tf.cond or tf.maximum instead of `if`, "
            "or run this part outside of the graph or tf.function."
        )

    def __bool__(self) -> bool:
        raise self._no_value("bool")

    def __int__(self) -> int:
        raise self._no_value("int")

    def __float__(self) -> float:
        raise self._no_value("float")

    def __index__(self) -> int:
        raise self._no_value("int")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise NotImplementedError(
            f"Cannot convert a symbolic tf.Tensor ({self.name}) to a numpy array. It has a value "
            "only when the graph runs: use functions of tf inside graphs and tf.function, not of "
            "numpy."
        )

    def __len__(self) -> int:
        if not self._shape or self._shape[0] is None:
            raise TypeError(
                f"len is not well defined for a symbolic Tensor ({self.name}). "
                "Please call `x.shape` rather than `len(x)` for shape information."
            )
        return int(self._shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.graph.building_function or not self._shape or self._shape[0] is None:
            raise OperatorNotAllowedInGraphError(
                "Iterating over a symbolic `tf.Tensor` is not allowed: its length is known only "
                "when the graph runs."
            )
        return iter(apply("Unpack", [self], {"num": self._shape[0], "axis": 0}))

    def __hash__(self) -> int:
        if self.graph.building_function:
            raise TypeError("Tensor is unhashable. Instead, use tensor.ref() as the key.")
        return hash((self.graph.number, self.id))

    def __eq__(self, other: object) -> Any:
        return super().__eq__(other)

    def __ne__(self, other: object) -> Any:
        return super().__ne__(other)

    def __copy__(self) -> SymbolicTensor:
        return self

    def __deepcopy__(self, memo: Any) -> SymbolicTensor:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"cannot pickle {self!r}: it belongs to a graph of this process")

    def __str__(self) -> str:
        place = f", device={self.device}" if not self.graph._retired and self.device else ""
        return f'Tensor("{self.name}", shape={self.shape}, dtype={self.dtype.name}{place})'

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}>"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Operation:
    """A node of a graph."""

    __slots__ = ("_id", "_info", "graph", "index")

    def __init__(self, graph: Graph, index: int, number: int = 0) -> None:
        self.graph = graph
        self.index = index
        self._id = int(number)
        self._info = ffi.new("ebb_operation_info *")
        check(lib.ebb_graph_operation_read(graph.handle, index, self._info))

    @property
    def name(self) -> str:
        """Its name, unique in the graph."""
        return str(ffi.string(self._info.name).decode())

    @property
    def type(self) -> str:
        """What it does: ``"MatMul"``."""
        return str(ffi.string(self._info.op).decode())

    @property
    def device(self) -> str:
        """The device that was asked for; empty for none."""
        short = ffi.string(self._info.device).decode()
        return f"/device:{short}" if short else ""

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The tensors that it makes."""
        count = int(self._info.outputs)
        return [self.graph.get_tensor_by_name(f"{self.name}:{i}") for i in range(count)]

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The tensors that it takes."""
        numbers = self.graph._inputs.get(self.name, ())
        return [SymbolicTensor(self.graph, number) for number in numbers]

    @property
    def id(self) -> int:
        """The number of what stands for it in the library's calls."""
        if not self._id:
            made, error = ffi.new("ebb_tensor *"), new_error()
            check(lib.ebb_graph_find(self.graph.handle, self.name.encode(), made, error), error)
            self._id = int(made.id)
        return self._id

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Runs it in the session or the default one."""
        session = session or _context.session()
        if session is None:
            raise ValueError(
                "Cannot execute operation using `run()`: No default session is registered."
            )
        session.run(self, feed_dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and (self.graph, self.index) == (
            other.graph, other.index
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.graph.number, self.index))

    def __repr__(self) -> str:
        return f"<tf.Operation '{self.name}' type={self.type}>"
