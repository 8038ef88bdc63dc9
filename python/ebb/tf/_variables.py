"""``tf.Variable``: a value that can be assigned, at once or when a graph runs.

An eager variable holds one tensor and swaps it for another when it is assigned, so that tensors
that were read before never change. A variable of a graph is a description: sessions hold values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable

from ebb import _context
from ebb._dtype import Array, DType, TensorShape, as_dtype
from ebb._errors import ArgumentError
from ebb._operators import convert
from ebb._values import EagerTensor, Reference, Tensor


class Variable:
    """A value that can be assigned.

    Parameters
    ----------
    initial_value
        Anything that can be a tensor, or a function without arguments that makes it.
    trainable : bool, optional
    name : str, optional
    dtype : optional
        None: that of the value.
    shape : optional
        Checked against the value.
    """

    __array_priority__ = 100

    def __new__(cls, *arguments: Any, **keywords: Any) -> Any:
        if cls is not Variable:
            return object.__new__(cls)
        graph = _context.building()
        if graph is None or graph.building_function:
            return object.__new__(EagerVariable)
        from ebb.tf._graph_variables import GraphVariable

        return object.__new__(GraphVariable)

    name: str
    dtype: DType
    shape: TensorShape
    trainable: bool

    if TYPE_CHECKING:  # those of its value

        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array: ...
        def numpy(self) -> Any: ...
        def assign(self, value: Any, *_: Any, **__: Any) -> Any: ...
        def assign_add(self, delta: Any, *_: Any, **__: Any) -> Any: ...
        def assign_sub(self, delta: Any, *_: Any, **__: Any) -> Any: ...

    def _as_tensor(self) -> Tensor:
        raise NotImplementedError

    def value(self) -> Any:
        """The value as a tensor."""
        return self._as_tensor()

    def read_value(self) -> Any:
        """The value as a tensor."""
        return self._as_tensor()

    def get_shape(self) -> TensorShape:
        """The shape."""
        return self.shape

    def ref(self) -> Reference:
        """A hashable reference to the variable."""
        return Reference(self)

    def __len__(self) -> int:
        return len(self._as_tensor())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._as_tensor())

    def __getitem__(self, index: Any) -> Any:
        return self._as_tensor()[index]

    def __bool__(self) -> bool:
        return bool(self._as_tensor())

    def __int__(self) -> int:
        return int(self._as_tensor())

    def __float__(self) -> float:
        return float(self._as_tensor())

    def __eq__(self, other: object) -> Any:
        return self._as_tensor() == other

    def __ne__(self, other: object) -> Any:
        return self._as_tensor() != other

    def __hash__(self) -> int:
        raise TypeError("Variable is unhashable. Instead, use variable.ref() as the key.")

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)


def _delegate(name: str) -> Callable[..., Any]:
    def method(self: Variable, *others: Any) -> Any:
        return getattr(self._as_tensor(), name)(*(_plain(other) for other in others))

    method.__name__ = name
    return method


def _plain(value: Any) -> Any:
    return value._as_tensor() if isinstance(value, Variable) else value


for _name in [
    "add",
    "radd",
    "sub",
    "rsub",
    "mul",
    "rmul",
    "truediv",
    "rtruediv",
    "floordiv",
    "rfloordiv",
    "mod",
    "rmod",
    "pow",
    "rpow",
    "matmul",
    "rmatmul",
    "lt",
    "le",
    "gt",
    "ge",
    "and",
    "rand",
    "or",
    "ror",
    "xor",
    "rxor",
    "invert",
    "neg",
    "abs",
    "format",
]:
    setattr(Variable, f"__{_name}__", _delegate(f"__{_name}__"))


class EagerVariable(Variable):
    """A variable whose value is there."""

    def __init__(
        self, initial_value: Any = None, trainable: Any = None, validate_shape: bool = True,
        caching_device: Any = None, name: str | None = None, variable_def: Any = None,
        dtype: Any = None, import_scope: Any = None, constraint: Any = None,
        synchronization: Any = None, aggregation: Any = None, shape: Any = None,
        **_: Any,
    ) -> None:  # fmt: skip
        if initial_value is None:
            raise ValueError("The `initial_value` arg to `tf.Variable` must be specified")
        place = _context.Place(_context.state.graphs, None)  # made at once, also inside a trace
        try:
            value = initial_value() if callable(initial_value) else initial_value
            tensor = convert(value, dtype)
        finally:
            place.leave()
        if not isinstance(tensor, EagerTensor):
            raise ValueError(
                "a tf.Variable made inside a tf.function needs an initial value that is known "
                "when the function is traced"
            )
        if shape is not None:
            tensor.shape.assert_is_compatible_with(shape)
        self._value = tensor
        self._name = name or "Variable"
        self.trainable = True if trainable is None else bool(trainable)
        self.constraint = constraint

    @property
    def name(self) -> str:  # type: ignore[override]
        """``"Variable:0"``."""
        return f"{self._name}:0"

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The type of the elements."""
        return self._value.dtype

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The shape."""
        return self._value.shape

    @property
    def device(self) -> str:
        """Where the value is."""
        return self._value.device

    def _as_tensor(self) -> Tensor:
        graph = _context.building()
        if graph is not None and graph.building_function:
            return graph.read_variable(self)  # type: ignore[attr-defined,no-any-return]
        for tape in _context.tapes():
            tape.read(self, self._value)
        return self._value

    def numpy(self) -> Any:
        """The value as a numpy array."""
        return self._value.numpy()

    def eval(self, session: Any = None) -> Any:
        """The value as a numpy array."""
        return self.numpy()

    def is_initialized(self, name: str | None = None) -> bool:
        """True: the value is there from the beginning."""
        return True

    def _set(self, value: Any, op: str, read_value: bool) -> Any:
        graph = _context.building()
        tensor = convert(value, self.dtype if not hasattr(value, "dtype") else None, self.dtype)
        if tensor.dtype is not self.dtype:
            raise ValueError(
                f"Tensor conversion requested dtype {self.dtype.name} for Tensor with dtype "
                f"{tensor.dtype.name}"
            )
        if op:
            tensor = getattr(self._as_tensor(), op)(tensor)
        if not self.shape.is_compatible_with(tensor.shape):
            raise ArgumentError(
                f"Cannot assign value to variable '{self.name}': Shape mismatch. The variable "
                f"shape {self.shape}, and the assigned value shape {tensor.shape} are incompatible."
            )
        if graph is not None and graph.building_function:
            graph.assign_variable(self, tensor)  # type: ignore[attr-defined]
            return tensor
        if not isinstance(tensor, EagerTensor):
            raise ValueError(
                "an eager variable cannot be assigned by a graph; make it in the graph"
            )
        self._value = tensor
        return self if read_value else None

    def assign(
        self, value: Any, use_locking: Any = None, name: Any = None, read_value: bool = True
    ) -> Any:
        """Sets the value. Shapes and types have to be equal."""
        return self._set(value, "", read_value)

    def assign_add(
        self, delta: Any, use_locking: Any = None, name: Any = None, read_value: bool = True
    ) -> Any:
        """Adds to the value."""
        return self._set(delta, "__add__", read_value)

    def assign_sub(
        self, delta: Any, use_locking: Any = None, name: Any = None, read_value: bool = True
    ) -> Any:
        """Subtracts from the value."""
        return self._set(delta, "__sub__", read_value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self._value.__array__(dtype, copy)

    def __deepcopy__(self, memo: Any) -> EagerVariable:
        return EagerVariable(self._value.__deepcopy__(memo), self.trainable, name=self._name)

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        value = self.numpy()
        text = repr(value) if self.shape else str(value)
        return (
            f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}, numpy={text}>"
        )


def dtype_or_none(dtype: Any) -> DType | None:
    """A type, or None for none."""
    return None if dtype is None else as_dtype(dtype)
