"""Sessions of TensorFlow 1: they run parts of a graph and own the values of its variables.

A session of the library is opened with the first run and closed by ``close()``, by the end of the
``with`` block, or with the last reference: then every byte it held is back.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ebb import _context
from ebb._call import check, new_error
from ebb._dtype import Array
from ebb._eager import fill_view, handle
from ebb._errors import ArgumentError, NotFoundError, StateError
from ebb._graph import Graph, Operation, SymbolicTensor
from ebb._handle import Uncopied
from ebb._native import ffi, lib
from ebb._values import EagerTensor, Reference, Tensor, convert_array

_SHAPES_MAX = 64


class Fields:
    """A bag of settings whose fields are all accepted, as protocol buffers of TensorFlow are."""

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        made = Fields()
        self.__dict__[name] = made
        return made

    def __bool__(self) -> bool:
        return bool(self.__dict__)

    def CopyFrom(self, other: Fields) -> None:  # noqa: N802
        """Takes over the fields of another."""
        self.__dict__.update(other.__dict__)

    def __repr__(self) -> str:
        return " ".join(f"{name}: {value!r}" for name, value in self.__dict__.items())


class GPUOptions(Fields):
    """``allow_growth`` and others: nothing is ever reserved, so they change nothing."""


class ConfigProto(Fields):
    """Settings of a session: ``allow_soft_placement``, ``intra_op_parallelism_threads``."""


class RunOptions(Fields):
    """Settings of one run; accepted."""

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = range(4)


class RunMetadata(Fields):
    """What a run would tell; stays empty."""


class _Fetches:
    """A structure of fetches, taken apart, and its values put in their places."""

    def __init__(self, graph: Graph, fetches: Any) -> None:
        self.graph = graph
        self.tensors: list[SymbolicTensor] = []
        self.targets: list[Operation] = []
        self.places: dict[int, int] = {}
        self.form = self._take(fetches)

    def _take(self, item: Any) -> Any:
        if isinstance(item, dict):
            return type(item), {key: self._take(value) for key, value in item.items()}
        if isinstance(item, (list, tuple)):
            return type(item), [self._take(value) for value in item]
        if isinstance(item, EagerTensor) or (
            hasattr(item, "_as_tensor") and not hasattr(item, "_as_graph_element")
        ):
            return None, item  # its value is there
        try:
            item = self.graph.as_graph_element(item)
        except TypeError as failure:
            raise TypeError(
                f'Argument `fetch` = {item!r} has invalid type "{type(item).__name__}" must be '
                f"a string or Tensor. ({failure})"
            ) from None
        if isinstance(item, Operation):
            self.targets.append(item)
            return None, None
        if item.id not in self.places:
            self.places[item.id] = len(self.tensors)
            self.tensors.append(item)
        return None, self.places[item.id]

    def give(self, values: list[Any], form: Any = None) -> Any:
        """The structure with values in it."""
        kind, item = self.form if form is None else form
        if kind is None:
            if item is None:
                return None
            return values[item] if isinstance(item, int) else item.numpy()
        if isinstance(item, dict):
            return kind((key, self.give(values, value)) for key, value in item.items())
        parts = [self.give(values, value) for value in item]
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


class Session(Uncopied):
    """Runs operations of a graph.

    Parameters
    ----------
    target : str
        Only ``""``: sessions run in this process.
    graph : Graph, optional
        None: the default graph.
    config : ConfigProto, optional
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        self._box: Any = None
        self._closed = False
        if target:
            raise ArgumentError(f"no session target but '' is supported, got {target!r}")
        self.graph = graph if graph is not None else _context.default_graph()
        if not isinstance(self.graph, Graph):
            raise TypeError(f"graph must be a tf.Graph, but got {type(graph)}")
        self._config = config
        self._shapes: dict[Any, list[tuple[int, ...]]] = {}
        self._lock = threading.Lock()
        self._entered: list[Any] = []

    sess_str = ""

    @property
    def graph_def(self) -> Any:
        """Not written."""
        raise NotImplementedError("graphs are not written as GraphDef")

    def _handle(self) -> Any:
        with self._lock:
            if self._box is None:
                box, error = handle(lib.ebb_python_close_session), new_error()
                options = ffi.new("ebb_session_options *")
                options.struct_size = ffi.sizeof("ebb_session_options")
                config = self._config.__dict__ if self._config is not None else {}
                soft = config.get("allow_soft_placement", _context.settings.soft_placement)
                options.soft_placement = bool(soft)
                options.log_placement = bool(config.get("log_device_placement", False))
                options.threads = int(config.get("intra_op_parallelism_threads", 0) or 0)
                slot = ffi.addressof(box, "session")
                check(lib.ebb_session_open(self.graph.handle, options, slot, error), error)
                self._box = box
                self.graph.session_opened()
            return self._box.session

    # -- runs ----------------------------------------------------------------------------------

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """Computes what is asked for.

        Parameters
        ----------
        fetches
            A tensor, a variable, an operation, one of their names, or a list, tuple or dict of
            such, nested as you like.
        feed_dict : dict, optional
            Values by placeholder (or by another tensor, which they take the place of).

        Returns
        -------
        ndarray, number or None, or the structure of ``fetches`` with these
            None for operations.

        Raises
        ------
        RuntimeError
            The session is closed, or the graph is empty.
        ValueError
            A tensor is not of this graph, or a fed value is not of the tensor's shape.
        tf.errors.InvalidArgumentError, FailedPreconditionError, ResourceExhaustedError
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        wanted = _Fetches(self.graph, fetches)
        feeds = self._feeds(feed_dict or {})
        if not wanted.tensors and not wanted.targets:
            return wanted.give([])
        if self.graph.is_empty:
            raise RuntimeError(
                "The Session graph is empty. Add operations to the graph before calling run()."
            )
        return wanted.give(self._compute(feeds, wanted))

    def _feeds(self, feed_dict: Any) -> dict[int, tuple[SymbolicTensor, Array]]:
        found = {}
        for key, value in feed_dict.items():
            name = key.deref() if isinstance(key, Reference) else key
            try:
                tensor = self.graph.as_graph_element(name)
            except (TypeError, KeyError) as failure:
                raise TypeError(f"Cannot interpret feed_dict key as Tensor: {failure}") from None
            if isinstance(value, Tensor) and value.is_symbolic:
                raise TypeError(
                    "The value of a feed cannot be a tf.Tensor object. Acceptable feed values "
                    "include Python scalars, lists and numpy arrays."
                )
            found[tensor.id] = (tensor, fed_array(tensor, value))
        return found

    def _compute(self, feeds: dict[int, tuple[SymbolicTensor, Array]], wanted: _Fetches) -> Any:
        session, error = self._handle(), new_error()
        given = ffi.new("ebb_feed[]", max(len(feeds), 1))
        for i, (tensor, array) in enumerate(feeds.values()):
            given[i].tensor.id = tensor.id
            fill_view(ffi.addressof(given[i], "view"), array)
        count = len(wanted.tensors)
        fetches = ffi.new("ebb_tensor[]", max(count, 1))
        for i, tensor in enumerate(wanted.tensors):
            fetches[i].id = tensor.id
        targets = ffi.new("ebb_tensor[]", max(len(wanted.targets), 1))
        for i, operation in enumerate(wanted.targets):
            targets[i].id = operation.id
        views = ffi.new("ebb_view[]", max(count, 1))
        outputs = self._outputs(session, wanted.tensors, feeds, given, fetches, views)
        for i, array in enumerate(outputs):
            fill_view(ffi.addressof(views, i), array)
        status = lib.ebb_session_run(
            session, given, len(feeds), fetches, views, count, targets, len(wanted.targets), error
        )
        check_run(status, error)
        return [array if array.ndim else array[()] for array in outputs]

    def _outputs(
        self, session: Any, tensors: list[SymbolicTensor], feeds: Any, given: Any, fetches: Any,
        views: Any,
    ) -> list[Array]:  # fmt: skip
        """Memory for the results."""
        if all(tensor.shape.is_fully_defined() for tensor in tensors):
            return [np.empty(tuple(t.shape), t.dtype.numpy) for t in tensors]
        key = (
            tuple(t.id for t in tensors),
            tuple((number, array.shape) for number, (_, array) in feeds.items()),
        )
        shapes = self._shapes.get(key)
        if shapes is None:
            error, count = new_error(), len(tensors)
            status = lib.ebb_session_output_shapes(
                session, given, len(feeds), fetches, views, count, error
            )
            check_run(status, error)
            shapes = [tuple(views[i].dims[0 : views[i].rank]) for i in range(count)]
            if len(self._shapes) >= _SHAPES_MAX:
                self._shapes.clear()
            self._shapes[key] = shapes
        return [np.empty(shape, t.dtype.numpy) for shape, t in zip(shapes, tensors)]

    def make_callable(self, fetches: Any, feed_list: Any = None, **_: Any) -> Any:
        """A function that runs ``fetches`` with its arguments as the values of ``feed_list``."""
        keys = list(feed_list or [])

        def call(*values: Any) -> Any:
            return self.run(fetches, dict(zip(keys, values)))

        return call

    def list_devices(self) -> list[Any]:
        """The logical devices."""
        from ebb.tf.config import list_logical_devices

        return list_logical_devices()

    # -- life ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Gives everything back: variables, prepared runs. Once more does no harm."""
        self._closed = True
        box, self._box = self._box, None
        if box is not None:
            ffi.release(box)
            self.graph.session_closed()

    def __del__(self) -> None:
        if getattr(self, "_box", None) is not None:
            self.close()

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Session]:
        """In the block ``tensor.eval()`` and ``operation.run()`` use this session."""
        place = _context.Place(_context.state.sessions, weakref.ref(self))
        try:
            yield self
        finally:
            place.leave()

    def __enter__(self) -> Session:
        self._entered.append(self._places())
        return self

    def _places(self) -> tuple[_context.Place, _context.Place]:
        """Makes it the default one, and its graph. It holds the places, they do not hold it."""
        state = _context.state
        graph = _context.Place(state.graphs, self.graph)
        return graph, _context.Place(state.sessions, weakref.ref(self))

    def __exit__(self, *failure: object) -> None:
        for place in self._entered.pop():
            place.leave()
        self.close()


class InteractiveSession(Session):
    """A session that is the default one until it is closed."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._entered.append(self._places())
        _interactive.append(self)

    def close(self) -> None:
        """Gives everything back, and is no longer the default session."""
        if self in _interactive:
            _interactive.remove(self)
            for place in self._entered.pop(0):
                place.leave()
        super().close()


_interactive: list[InteractiveSession] = []


def get_default_session() -> Session | None:
    """The session whose block this is, or None."""
    return _context.session()  # type: ignore[no-any-return]


def fed_array(tensor: SymbolicTensor, value: Any) -> Array:
    """A value for a tensor of a graph, of its type and shape."""
    array = convert_array(value.view() if isinstance(value, EagerTensor) else value)
    if array.dtype != tensor.dtype.numpy:
        if array.dtype.kind == "f" and tensor.dtype.is_integer:
            whole = array.astype(tensor.dtype.numpy)
            if not np.array_equal(whole, array):
                raise TypeError(
                    f"Type of feed value {value!r} is not compatible with Tensor type "
                    f"{tensor.dtype.name}. Try explicitly setting the type of the feed tensor to a "
                    "larger type (e.g. int64)."
                )
        array = array.astype(tensor.dtype.numpy)
    if not tensor.shape.is_compatible_with(array.shape):
        raise ValueError(
            f"Cannot feed value of shape {array.shape} for Tensor {tensor.name}, which has shape "
            f"{tensor.shape}"
        )
    return array if array.flags.c_contiguous else array.copy()


def check_run(status: int, error: Any) -> None:
    """Raises what a run's status says, in TensorFlow's kinds of errors."""
    try:
        check(status, error)
    except NotFoundError as failure:  # of a device
        raise ArgumentError(failure.text, failure.where) from None


__all__ = [
    "ConfigProto", "GPUOptions", "InteractiveSession", "RunMetadata", "RunOptions", "Session",
    "StateError", "get_default_session",
]  # fmt: skip
