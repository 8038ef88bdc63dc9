"""Variables: the weights of layers. Their numbers live in native models ("cores").

A variable names the place where its newest numbers are: a weight of a core (``_home``), an array
that somebody assigned before there was a core, or the recipe of its layer, which makes a core of
the one layer when somebody asks. Models that share a layer have a core each; versions tell which
of them is behind (_engine.py). A variable holds its place and nothing else: no layer, no model.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebb._context import StayEager, need_values
from ebb.keras import _naming
from ebb.keras._operators import Operators

Array = NDArray[Any]


def to_numpy(value: Any) -> Array:
    """An array of anything that has numbers."""
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        need_values(value, "a layer, a loss, a metric or an optimizer")
        return np.asarray(value.numpy())
    return np.asarray(value)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy type in which weights of a type are handed over."""
    return np.dtype(np.float32 if name == "bfloat16" else name)


class _Clock:
    """Counts changes of all variables, so that models need not look where there was none."""

    changes = 0
    freezes = 0  # changes of what is trainable


clock = _Clock()


# The functions of keras.ops behind the operators.
_FUNCTIONS = {
    "Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Matmul": "matmul",
    "TrueDivide": "true_divide", "FloorDivide": "floor_divide", "Mod": "mod", "Power": "power",
    "LogicalAnd": "logical_and", "LogicalOr": "logical_or", "LogicalXor": "logical_xor",
    "Less": "less", "LessEqual": "less_equal", "Greater": "greater",
    "GreaterEqual": "greater_equal", "Negative": "negative", "Absolute": "absolute",
    "LogicalNot": "logical_not",
}  # fmt: skip


class Variable(Operators):
    """A weight: numbers that training or the caller changes.

    Parameters
    ----------
    initializer : array, number, str, Initializer or callable
        The first value, or what makes it.
    shape : tuple of int, optional
        Of the value; needed with an initializer.
    dtype : str, optional
        ``"float32"`` if left out and there is no array.
    trainable : bool
    name : str, optional

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    path : str
        With the layers around it: ``"dense/kernel"``.
    """

    _is_variable = True
    __array_priority__ = 1000

    def __init__(
        self,
        initializer: Any = None,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or _naming.auto_name("Variable")
        self.path = kwargs.pop("path", None) or self.name
        self.trainable = bool(trainable)
        self.is_natural = bool(trainable)  # what it is when its layer is not frozen
        self.regularizer = kwargs.pop("regularizer", None)
        self.constraint = kwargs.pop("constraint", None)
        self.aggregation = aggregation
        self.initializer = initializer
        self._home: Any = None
        self._index = 0
        self._version = 0
        self._pending: Array | None = None
        self._birth: Any = None
        self._engines: list[weakref.ref[Any]] = []
        self._node: Any = None
        self._seen: Any = None  # (version, weak reference to the tensor of it)
        self._take(initializer, shape, dtype)

    def _take(self, initializer: Any, shape: Any, dtype: Any) -> None:
        """Shape, type and first value of what the constructor was given."""
        dtype = getattr(dtype, "name", dtype)
        is_maker = callable(initializer) or isinstance(initializer, str)
        if initializer is not None and shape is None and not is_maker:
            value = to_numpy(initializer)
            if dtype is None:
                dtype = "float32" if value.dtype.kind == "f" else value.dtype.name
            self._pending = value.astype(numpy_dtype(str(dtype)))
            shape = value.shape
        if shape is None:
            raise ValueError(
                "When creating a Variable from an initializer, the `shape` argument should be "
                f"specified. Received: initializer={initializer} and shape={shape}"
            )
        self.shape: tuple[int, ...] = tuple(shape)
        self.dtype: str = str(dtype or "float32")

    # -- numbers ----------------------------------------------------------------------------------

    def _read(self) -> Array:
        """The newest numbers, as the type they compute in."""
        if self._home is not None:
            return self._home.read(self._index)  # type: ignore[no-any-return]
        if self._pending is None and self._birth is not None:
            self._birth.make()
            return self._read()
        if self._pending is None:
            self._pending = self._initial()
        return np.array(self._pending)

    def _initial(self) -> Array:
        """Of the initializer, made here."""
        from ebb.keras._initializer import make_array

        return make_array(self.initializer, self.shape, self.dtype)

    def numpy(self) -> Array:
        """Give a copy of the numbers.

        Returns
        -------
        numpy.ndarray
            After ``quantize("int8")`` the int8 numbers that are kept.

        Raises
        ------
        StaleHandleError
            The model that held them was closed.
        """
        if self._home is not None:
            return self._home.read_stored(self._index)  # type: ignore[no-any-return]
        return self._read()

    def _as_tensor(self) -> Any:
        """The numbers as a tensor: the same one until they change. Gradient tapes note it."""
        from ebb import _record
        from ebb._tensor import EagerTensor, building_graph
        from ebb.keras import _symbolic

        if _symbolic.tracing.depth:
            return self._symbolic()
        graph = building_graph()
        if graph is not None and graph.building_function:
            raise StayEager(f"the weight {self.path}")
        version, reference = self._seen if self._seen is not None else (-1, None)
        held = reference() if reference is not None and version == self._version else None
        if held is None:
            held = EagerTensor.of(self._read())
            self._seen = (self._version, weakref.ref(held))
        _record.read(self, held)
        return held

    @property
    def value(self) -> Any:
        """The numbers as a tensor; inside a call that is traced a symbolic one."""
        from ebb.keras import _symbolic

        return self._symbolic() if _symbolic.tracing.depth else self._as_tensor()

    def read_value(self) -> Any:
        """The numbers as a tensor."""
        return self.value

    def assign(self, value: Any) -> Variable:
        """Set all numbers.

        Parameters
        ----------
        value : array
            Of the variable's shape, or one that broadcasts to it by leading axes of 1.

        Raises
        ------
        ValueError
            The shape differs.
        """
        array = to_numpy(value)
        if array.shape != self.shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in "
                f"`variable.assign(value)` must match. variable.shape={self.shape}, "
                f"Received: value.shape={array.shape}. Target variable: {self.path}"
            )
        kind = numpy_dtype(self.dtype)
        if self._home is not None:
            self._home.write(self._index, np.asarray(array, kind, order="C"))
        else:
            self._pending = np.array(array, kind, order="C")
        self._version += 1
        clock.changes += 1
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add to all numbers."""
        return self.assign(self._read() + to_numpy(value))

    def assign_sub(self, value: Any) -> Variable:
        """Subtract from all numbers."""
        return self.assign(self._read() - to_numpy(value))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    @property
    def trainable(self) -> bool:
        """Whether training may change it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        clock.freezes += 1

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers as they are kept."""
        if self._home is not None:
            return int(self._home.stored_bytes(self._index))
        return self.size * numpy_dtype(self.dtype).itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a variable without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        try:
            value = f", value={self.numpy()}" if self._birth is None else ""
        except RuntimeError as failure:
            value = f", value={failure}"
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}{value}>"

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __getitem__(self, key: Any) -> Any:
        from ebb.keras import _symbolic

        if _symbolic.tracing.depth:
            return self._symbolic()[key]
        return self._as_tensor()[key]

    def _operate(self, class_name: str, *args: Any) -> Any:
        from ebb.keras import _symbolic

        if _symbolic.any_symbolic(args):
            return _symbolic.operation_node(_symbolic.NUMPY_OPS, class_name, {}, args)
        from ebb.keras import ops

        return getattr(ops, _FUNCTIONS[class_name])(*args)

    def __deepcopy__(self, memo: Any) -> Variable:
        return Variable(
            self._read(),
            dtype=self.dtype,
            trainable=self.is_natural,
            name=self.name,
            path=self.path,
        )

    def _symbolic(self) -> Any:
        """The variable as a tensor of the layer that is being traced."""
        from ebb.keras._constant import variable_tensor

        return variable_tensor(self)
