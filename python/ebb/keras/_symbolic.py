"""Symbolic tensors: what layers and keras.ops are called on while a model is put together.

A KerasTensor knows the node that made it, a node its operation and the tensors it was called with:
references lead upstream only, so that a graph goes when its last output, model or layer goes.
Operations know their nodes weakly. Shapes and types come from the library (ebb/infer.h): it reads
a configuration of the one operation.
"""

from __future__ import annotations

import contextlib
import json
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

from ebb._call import collect_text
from ebb._errors import EbbError, UnsupportedError
from ebb._native import ffi, lib
from ebb.keras import _naming, _tree
from ebb.keras._operators import Operators

Shape = "tuple[int | None, ...]"

NUMPY_OPS = "keras.src.ops.numpy"


class _Tracing(threading.local):
    """How many calls of layers written in Python are being traced."""

    def __init__(self) -> None:
        self.depth = 0
        self.scope: tuple[str, ...] = ()
        self.variables: dict[int, Any] = {}
        self.losses: list[Any] = []  # that the call that is being traced adds
        self.answer: bool | None = None  # to `if training`
        self.draws = False  # random numbers are nodes: a call runs, no build() or initializer
        self.generators: dict[int, Any] | None = None  # that calls drew from, as they were before
        self.training: bool | None = None  # of the call on numbers that is around this one
        self.eager_depth = 0  # of calls on numbers
        self.deferred = False  # models get their cores from somebody else
        self.known: dict[int, Any] = {}  # by id of an operation: what its calls give (_known.py)
        self.source: Any = None  # layers of a core's configuration, and its text
        self.blocks: dict[int, dict[str, Any]] = {}  # that run: what was before, by id


tracing = _Tracing()


class Changed:
    """A block in which the thread's state is another: ``with Changed(draws=False):``.

    An interrupt may keep the end of a block from running. Then the block around it puts all back,
    or this object does when it goes; and what goes when all is back already changes nothing.
    """

    __slots__ = ("_blocks", "_state", "_values")

    def __init__(self, **values: Any) -> None:
        self._state, self._blocks, self._values = vars(tracing), tracing.blocks, values

    def __enter__(self) -> None:
        state = self._state
        self._blocks[id(self)] = {name: state[name] for name in self._values}
        state.update(self._values)

    def __exit__(self, *failure: object) -> None:
        self._leave()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        """Ends this block and those that began in it."""
        blocks = self._blocks
        while id(self) in blocks:
            last = next(reversed(blocks))
            self._state.update(blocks[last])
            blocks.pop(last, None)


def drawing_numbers() -> Changed:
    """While what is drawn is numbers: weights are made."""
    return Changed(draws=False)


def scope_of(layer: Any) -> tuple[str, ...]:
    """Where weights that a layer makes are: the layers around it and itself."""
    scope = tracing.scope
    return scope if scope[-1:] == (layer.name,) else (*scope, layer.name)


def within(layer: Any) -> Changed:
    """Paths of weights that are made in here begin with the layer's."""
    return Changed(scope=scope_of(layer))


class KerasHistory(NamedTuple):
    """Where a tensor comes from: the call number ``node_index`` of ``operation``."""

    operation: Any
    node_index: int
    tensor_index: int


class KerasTensor(Operators):
    """A tensor without numbers: an input of a model, or what a layer makes of others.

    Attributes
    ----------
    shape : tuple of int or None
        None: any length.
    dtype : str
    name : str

    Operators and indexing give new symbolic tensors. Numbers cannot be taken from it.
    """

    __slots__ = ("__weakref__", "_index", "_node", "dtype", "name", "shape")
    __array_priority__ = 1000
    sparse = False
    ragged = False

    def __init__(
        self,
        shape: Any,
        dtype: str = "float32",
        sparse: bool = False,
        ragged: bool = False,
        name: str | None = None,
        record_history: bool = True,
    ) -> None:
        self.shape: tuple[Any, ...] = tuple(shape)
        self.dtype = getattr(dtype, "name", None) or str(dtype)
        self.name = name or _naming.unique("keras_tensor")
        self._node: Node | None = None
        self._index = 0

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def _keras_history(self) -> KerasHistory:
        if self._node is None:
            return KerasHistory(None, 0, 0)
        return KerasHistory(self._node.operation, self._node.number, self._index)

    def __repr__(self) -> str:
        return (
            f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse=False, ragged=False, "
            f"name={self.name}>"
        )

    def reshape(self, newshape: Any) -> Any:
        """The same elements in another shape."""
        return operation_node(NUMPY_OPS, "Reshape", {"newshape": tuple(newshape)}, (self,))

    def squeeze(self, axis: Any = None) -> Any:
        """Without axes of length 1."""
        return operation_node(NUMPY_OPS, "Squeeze", {"axis": axis}, (self,))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise ValueError(
            "A KerasTensor is symbolic: it's a placeholder for a shape and a dtype. It doesn't "
            "have any actual numerical value. You cannot convert it to a NumPy array."
        )

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("Iterating over a symbolic KerasTensor is not supported.")

    def __bool__(self) -> bool:
        raise TypeError("A symbolic KerasTensor cannot be used as a boolean.")

    def __int__(self) -> int:
        raise ValueError("A KerasTensor is symbolic: it has no value to make an int of.")

    def __float__(self) -> float:
        raise ValueError("A KerasTensor is symbolic: it has no value to make a float of.")

    def _operate(self, class_name: str, *args: Any) -> Any:
        return operation_node(NUMPY_OPS, class_name, {}, args)

    def __getitem__(self, key: Any) -> Any:
        return operation_node(NUMPY_OPS, "GetItem", {}, (self, key))

    def __round__(self, ndigits: int | None = None) -> Any:
        return operation_node(NUMPY_OPS, "Round", {"decimals": ndigits or 0}, (self,))

    def __ne__(self, other: object) -> Any:
        return operation_node(NUMPY_OPS, "NotEqual", {}, (self, other))

    def __eq__(self, other: object) -> Any:
        return self is other

    __hash__ = object.__hash__


class Node:
    """One call of an operation."""

    __slots__ = (
        "__weakref__",
        "args",
        "in_call",
        "kwargs",
        "number",
        "operation",
        "parents",
        "results",
        "specs",
        "trace",
    )

    def __init__(self, operation: Any, args: Any, kwargs: Any) -> None:
        self.operation = operation
        self.args, self.kwargs = args, kwargs
        self.parents = symbolic_leaves((args, kwargs))
        self.specs: list[tuple[Any, str]] = []
        self.results: list[weakref.ref[KerasTensor]] = []
        self.trace: Any = None
        self.in_call = tracing.depth > 0  # `training` is what the call says, also in predict
        self.number = operation._node_add(self)

    @property
    def operation_is_model(self) -> bool:
        """Is it the call of something that the core knows as a nested model?"""
        return self.trace is not None or getattr(self.operation, "_is_model", False)

    @property
    def is_input(self) -> bool:
        """Has it no symbolic argument?"""
        return not self.parents

    def emit(self, specs: list[tuple[Any, str]], names: list[str] | None = None) -> list[Any]:
        """Its results, for shapes and types."""
        self.specs = specs
        made = []
        for index, (shape, dtype) in enumerate(specs):
            tensor = KerasTensor(shape, dtype, name=names[index] if names else None)
            tensor._node, tensor._index = self, index
            made.append(tensor)
        self.results = [weakref.ref(tensor) for tensor in made]
        return made

    @property
    def output_tensors(self) -> list[KerasTensor]:
        """The results; those that nobody holds any more are made again."""
        for index, reference in enumerate(self.results):
            if reference() is None:
                again = KerasTensor(*self.specs[index])
                again._node, again._index = self, index
                self.results[index] = weakref.ref(again)
                return [*self.output_tensors[:index], again, *self.output_tensors[index + 1 :]]
        return [tensor for reference in self.results if (tensor := reference()) is not None]

    @property
    def input_tensors(self) -> list[KerasTensor]:
        """The symbolic tensors among its arguments."""
        return self.parents


class Operation:
    """Something that is called on tensors: a layer, or a function of keras.ops."""

    _node_refs: list[weakref.ref[Node]]

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = _naming.auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                "Argument `name` must be a string and cannot contain character `/`. "
                f"Received: name={name} (of type {type(name)})"
            )
        self.name = name

    def _node_add(self, node: Node) -> int:
        """Notes a call; its number."""
        references = self.__dict__.setdefault("_node_refs", [])
        number = self.__dict__.get("_node_count", 0)
        self.__dict__["_node_count"] = number + 1
        references[:] = [reference for reference in references if reference() is not None]
        references.append(weakref.ref(node))
        return int(number)

    @property
    def _inbound_nodes(self) -> list[Node]:
        found = (reference() for reference in self.__dict__.get("_node_refs", ()))
        return [node for node in found if node is not None]

    def _node_tensors(self, what: str) -> Any:
        nodes = self._inbound_nodes
        if not nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called and thus has no defined {what}."
            )
        tensors = nodes[0].output_tensors if what == "output" else nodes[0].parents
        return _tree.unpack_single(list(tensors))

    @property
    def input(self) -> Any:
        """The symbolic tensor, or tensors, of its first call."""
        return self._node_tensors("input")

    @property
    def output(self) -> Any:
        """What its first call gave."""
        return self._node_tensors("output")


class Function(Operation):
    """A function of keras.ops as a node of a model: ``keras.src.ops.numpy:Mean`` ...

    Parameters
    ----------
    module, class_name : str
        As Keras 3 writes them to files.
    config : dict
        Without the name.
    """

    is_variable = False

    def __init__(
        self, module: str, class_name: str, config: dict[str, Any], name: str | None = None
    ) -> None:
        super().__init__(name or _naming.auto_name(class_name))
        self.module, self.class_name, self.config = module, class_name, config

    def get_config(self) -> dict[str, Any]:
        """Name and settings."""
        return {"name": self.name, **self.config}

    def entry(self) -> dict[str, Any]:
        """As Keras serializes it."""
        from ebb.keras._serialization import serialize_dict

        return {
            "module": self.module,
            "class_name": self.class_name,
            "config": serialize_dict(self.get_config()),
            "registered_name": self.class_name,
        }

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = lift((args, kwargs))
        node = Node(self, args, kwargs)
        told = known_of(self, node) or infer(self.entry(), node)
        made = node.emit(told["outputs"])
        return made[0] if len(made) == 1 and self.class_name not in MANY else made


# Operations that give a list even of one tensor.
MANY = ("Split", "Unstack", "ArraySplit", "Meshgrid", "Hsplit", "Vsplit", "Dsplit")


def operation_node(
    module: str,
    class_name: str,
    config: dict[str, Any],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """A new node of a function of keras.ops: what ``keras.ops`` does for symbolic arguments.

    Parameters
    ----------
    module : str
        ``"keras.src.ops.numpy"``, as Keras 3 names it in files.
    class_name : str
        ``"Mean"``
    config : dict
        Arguments of the operation's constructor: ``{"axis": 1, "keepdims": False}``
    args, kwargs
        Of its call: symbolic tensors, Variables, arrays and plain values.

    Returns
    -------
    KerasTensor, or a list of them
    """
    return Function(module, class_name, config)(*args, **(kwargs or {}))


def is_keras_tensor(x: Any) -> bool:
    """Is it a symbolic tensor?"""
    return isinstance(x, KerasTensor)


def symbolic_leaves(structure: Any) -> list[KerasTensor]:
    """Every symbolic tensor in a structure; more than once if it is there more than once."""
    return [leaf for leaf in _tree.leaves(structure) if isinstance(leaf, KerasTensor)]


def any_symbolic(*structures: Any) -> bool:
    """Is there anything that an operation cannot compute with at once?

    Symbolic tensors; while a layer written in Python is traced also its Variables.
    """
    for leaf in _tree.leaves(structures):
        if isinstance(leaf, KerasTensor):
            return True
        if tracing.depth and getattr(leaf, "_is_variable", False):
            return True
    return False


any_symbolic_tensors = any_symbolic


def lift(structure: Any) -> Any:
    """The structure with Variables replaced by symbolic tensors."""
    return _tree.map_structure(
        lambda leaf: leaf._symbolic() if getattr(leaf, "_is_variable", False) else leaf, structure
    )


# -- shapes and types -----------------------------------------------------------------------------


def known_of(operation: Any, node: Node) -> Any:
    """What a call gives, as `infer` tells it, where a whole model was read before; else None."""
    known = tracing.known.get(id(operation))
    return known.get(node.number) if known is not None else None


def describe(text: str) -> dict[str, Any]:
    """What the library says about a configuration: outputs, calls, weights (ebb/infer.h)."""
    from ebb._runtime import runtime

    code = text.encode()
    told = collect_text(lib.ebb_config_infer, runtime().handle, ffi.from_buffer(code), len(code))
    found: dict[str, Any] = json.loads(told)
    return found


def input_entry(name: str, shape: Any, dtype: str) -> dict[str, Any]:
    """An InputLayer in a configuration."""
    config = {
        "batch_shape": list(shape),
        "dtype": dtype,
        "sparse": False,
        "ragged": False,
        "name": name,
        "optional": False,
    }
    return {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": config,
        "registered_name": None,
        "name": name,
        "inbound_nodes": [],
    }


def tensor_entry(tensor: KerasTensor, layer: str, node: int, index: int) -> dict[str, Any]:
    """A symbolic tensor among the arguments of a call in a configuration."""
    config = {
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "keras_history": [layer, node, index],
    }
    return {"class_name": "__keras_tensor__", "config": config}


def model_text(name: str, layers: list[Any], inputs: Any, outputs: Any) -> str:
    """The text of a functional model's configuration."""
    config = {
        "name": name,
        "trainable": True,
        "layers": layers,
        "input_layers": inputs,
        "output_layers": outputs,
    }
    return json.dumps(
        {"module": "keras", "class_name": "Functional", "config": config, "registered_name": None}
    )


def probe_text(entry: dict[str, Any], node: Node, outputs: int) -> str:
    """The configuration of a model that is only this call."""
    from ebb.keras._serialization import serialize_keras_object

    names: dict[int, str] = {}
    layers: list[dict[str, Any]] = []

    def refer(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        if id(leaf) not in names:
            names[id(leaf)] = f"input:{len(names)}"
            layers.append(input_entry(names[id(leaf)], leaf.shape, leaf.dtype))
        return tensor_entry(leaf, names[id(leaf)], 0, 0)

    if node.operation_is_model:
        tensors = [refer(tensor) for tensor in node.parents]
        args = [tensors[0] if len(tensors) == 1 else tensors]
        kwargs = {k: v for k, v in node.kwargs.items() if k == "training" and isinstance(v, bool)}
    else:
        args = serialize_keras_object(_tree.map_structure(refer, list(node.args)))
        kwargs = serialize_keras_object(_tree.map_structure(refer, node.kwargs))
    name = entry["config"]["name"]
    inputs = [[layer["name"], 0, 0] for layer in layers]
    layers.append({**entry, "name": name, "inbound_nodes": [{"args": args, "kwargs": kwargs}]})
    first = 1 if entry["class_name"] in ("Functional", "Model") else 0
    return model_text(name, layers, inputs, [[name, first, index] for index in range(outputs)])


def infer(entry: dict[str, Any], node: Node, expected: int = 1) -> dict[str, Any]:
    """Shapes and types of what a call gives, and the weights of its layer.

    Returns
    -------
    dict
        ``outputs``: list of (shape, dtype); ``weights``: name, shape, dtype, trainable; ``text``:
        of the configuration of the call alone.
    """
    name = entry["config"]["name"]
    if any(tensor.dtype == "string" for tensor in node.parents):
        raise UnsupportedError(
            "it cannot work on texts; TextVectorization, StringLookup and Hashing make numbers of "
            "them",
            f"{entry['class_name']} '{name}'",
        )
    entry = {**entry, "config": {**entry["config"], "name": _ASKED}}
    text = probe_text(entry, node, expected)
    told = _ask(text, name)
    count = max(told["calls"].get(_ASKED, 1), expected)
    if count > expected:
        text = probe_text(entry, node, count)
        told = _ask(text, name)
    outputs = [(tuple(output["shape"]), output["dtype"]) for output in told["outputs"]]
    weights = [
        {**weight, "name": name + weight["name"][len(_ASKED) :]} for weight in told["weights"]
    ]
    return {"outputs": outputs, "weights": weights, "text": _named(text, name)}


# A layer is called this while it is asked for, so that layers that differ in their names alone
# are asked for once: deep models have many. What was answered last is kept.
_ASKED = "layer:asked"
_ANSWERS_MAX = 128
_TEXT_MAX = 8192  # characters
_answers: dict[str, dict[str, Any]] = {}


def _named(text: str, name: str) -> str:
    """The configuration with the layer's own name."""
    return text.replace(f'"{_ASKED}"', json.dumps(name))


def _ask(text: str, name: str) -> dict[str, Any]:
    """What the library says of the configuration of a call; faults name the layer."""
    told = _answers.pop(text, None)
    if told is None:
        try:
            told = describe(text)
        except EbbError:
            told = describe(_named(text, name))
    if len(text) <= _TEXT_MAX:
        _answers[text] = told
        with contextlib.suppress(RuntimeError):  # another thread asks, too
            while len(_answers) > _ANSWERS_MAX:
                _answers.pop(next(iter(_answers)), None)
    return told
