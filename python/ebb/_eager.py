"""Operations that are done at once.

Arithmetic runs in the library: an operation with inputs of these types and shapes is prepared once
(a graph of one node and its session) and kept. What is kept is bounded, and is given back with the
last tensor of the process, so that no byte stays behind. What only moves elements, and what the
library would compute in a narrower type (it computes in float32 and int32), numpy does in place of
it: ``ebb._host``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb import _context, _host
from ebb._call import check, new_error
from ebb._dtype import Array, DType, TensorShape, as_dtype
from ebb._errors import ArgumentError
from ebb._native import ffi, lib
from ebb._table import attributes_text, static_places
from ebb._values import Buffer, EagerTensor, dtype_of_number, kept_of

_KEPT_MAX = 128
_KEPT_BYTES_MAX = 4 << 20  # of inputs and outputs: larger operations are prepared each time


def run(op: str, inputs: Sequence[Any], attributes: Any) -> list[EagerTensor]:
    """Does an operation; its outputs."""
    runtime = _context.runtime_handle()
    device = _context.device_now(runtime)
    inputs = [x if isinstance(x, EagerTensor) else np.asarray(x) for x in inputs]
    function = _host.MOVES.get(op)
    if function is None:
        kept = kept_of(runtime)
        key = _key(op, inputs, attributes, device)
        prepared = kept.find(key)
        if prepared is not None:
            made = prepared.run_one(inputs, kept, runtime)
            if made is not None:
                return [EagerTensor(made)]
            return [EagerTensor(buffer) for buffer in prepared.run(inputs)]
    arrays = [x.buffer.array() if isinstance(x, EagerTensor) else x for x in inputs]
    _check_types(op, arrays)
    if function is None and op in _host.WIDE and any(map(_is_numpys, _values(op, arrays))):
        function = _host.WIDE[op]
    if function is None:
        return _run_library(op, arrays, attributes, kept, key)
    with np.errstate(all="ignore"):
        results = function(*arrays, **attributes)
    if not isinstance(results, (list, tuple)):
        results = [results]
    return [EagerTensor.of(np.asarray(result), None, device) for result in results]


def run_again(op: str, x: EagerTensor, y: EagerTensor) -> EagerTensor | None:
    """What an operation of two tensors gives, if it was prepared before and nothing else is to do.

    The short way of what is done most often; None: `run` knows the rest.
    """
    state, settings = _context.state, _context.settings
    if state.graphs or state.tapes or not settings.eager:
        return None
    runtime, a, b = _context.runtime_handle(), x.buffer, y.buffer
    kept = kept_of(runtime)
    device = _context.device_now(runtime)
    key = (
        op, device, settings.soft_placement, a.dtype.number, a.shape, b.dtype.number, b.shape,
    )  # fmt: skip
    prepared = kept.find(key)
    made = prepared.run_one((x, y), kept, runtime) if prepared is not None else None
    return EagerTensor(made) if made is not None else None


def _is_numpys(array: Array) -> bool:
    """Is this of a type that the library would narrow, or without elements?"""
    return array.dtype.itemsize == 8 or array.dtype.char == "I" or not array.size


def _values(op: str, arrays: list[Array]) -> list[Array]:
    """The inputs that are computed with; not axes and shapes."""
    places = static_places(op, len(arrays))
    if not places:
        return arrays
    return [array for i, array in enumerate(arrays) if i not in places] or arrays


_SAME_TYPE = frozenset(
    ["Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "FloorDiv", "FloorMod", "Maximum", "Minimum",
     "Pow", "Atan2", "SquaredDifference", "DivNoNan", "MulNoNan", "Xdivy", "Xlogy", "Equal",
     "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "MatMul", "BatchMatMulV2",
     "BiasAdd", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Conv2D", "TruncateDiv", "Mod"]
)  # fmt: skip
_SAME_SHAPE = _SAME_TYPE - {"MatMul", "BatchMatMulV2", "BiasAdd", "Conv2D"}


def _check_types(op: str, arrays: list[Array]) -> None:
    if op not in _SAME_TYPE:
        return
    first, second = as_dtype(arrays[0].dtype), as_dtype(arrays[1].dtype)
    if first is not second:
        names = ["float" if t.name == "float32" else t.name for t in (first, second)]
        raise ArgumentError(
            f"cannot compute {op} as input #1(zero-based) was expected to be a {names[0]} tensor "
            f"but is a {names[1]} tensor [Op:{op}]"
        )
    if op in _SAME_SHAPE and arrays[0].shape != arrays[1].shape:
        try:
            np.broadcast_shapes(arrays[0].shape, arrays[1].shape)
        except ValueError:
            shapes = [str(list(a.shape)).replace(" ", "") for a in arrays]
            raise ArgumentError(
                f"Incompatible shapes: {shapes[0]} vs. {shapes[1]} [Op:{op}]"
            ) from None


# -- the library -----------------------------------------------------------------------------------


def _key(op: str, inputs: Sequence[Any], attributes: Any, device: str) -> tuple[Any, ...]:
    """What tells a prepared operation from others: types, shapes, and values of axes and such."""
    places = static_places(op, len(inputs))
    parts: list[Any] = [op, device, _context.settings.soft_placement]
    if attributes:
        parts.append(attributes_text(attributes))
    for i, x in enumerate(inputs):
        if isinstance(x, EagerTensor):
            buffer = x.buffer
            parts += (buffer.dtype.number, buffer.shape)
        else:
            parts += (x.dtype, x.shape)
        if i in places:
            parts.append(np.asarray(x).tobytes())
    return tuple(parts)


def _run_library(
    op: str, arrays: list[Array], attributes: Any, kept: Any, key: tuple[Any, ...]
) -> list[EagerTensor]:
    arrays = [a if a.flags.c_contiguous else a.copy() for a in arrays]
    places = static_places(op, len(arrays))
    prepared = Prepared(op, attributes_text(attributes), arrays, places, key[1])
    if prepared.nbytes + sum(a.nbytes for a in arrays) <= _KEPT_BYTES_MAX:
        kept.add(key, prepared, _KEPT_MAX)
    return [EagerTensor(buffer) for buffer in prepared.run(arrays)]


class Prepared:
    """A graph of one operation, and a session that runs it."""

    def __init__(
        self, op: str, attributes: str, arrays: list[Array], places: tuple[int, ...], device: str
    ) -> None:
        self._session = handle(lib.ebb_python_close_session)
        self._graph = handle(lib.ebb_python_close_graph)
        self.lock = threading.Lock()
        self.device = device
        self.fed = [i for i in range(len(arrays)) if i not in places]
        self.feeds = ffi.new("ebb_feed[]", max(len(self.fed), 1))
        error = new_error()
        box = ffi.addressof(self._graph, "graph")
        check(lib.ebb_graph_open(_context.runtime_handle(), ffi.NULL, box, error), error)
        graph = self._graph.graph
        check(lib.ebb_graph_device_push(graph, device.encode(), error), error)
        inputs = ffi.new("ebb_tensor[]", max(len(arrays), 1))
        for i, array in enumerate(arrays):
            inputs[i] = self._input(i, array)
        first = lib.ebb_graph_op(graph, op.encode(), inputs, len(arrays), attributes.encode())
        check(lib.ebb_graph_error(graph, error), error)
        self._outputs(first, error)
        options = ffi.new("ebb_session_options *")
        options.struct_size = ffi.sizeof("ebb_session_options")
        options.soft_placement = _context.settings.soft_placement
        box = ffi.addressof(self._session, "session")
        check(lib.ebb_session_open(graph, options, box, error), error)
        self.one = self._one() if self.count == 1 and self.is_fixed else None

    def _one(self) -> Any:
        """The whole operation as C takes it, for one call."""
        one = ffi.new("ebb_python_operation *")
        one.session = self._session.session
        one.feeds, one.feed_count, one.fetch = self.feeds, len(self.fed), self.fetches
        self._device_text = ffi.new("char[]", self.device.encode())
        one.device = self._device_text
        dtype, shape = self.kinds[0]
        one.output.dtype, one.output.rank, one.output.dims = dtype.number, len(shape), shape
        return one

    def _input(self, place: int, array: Array) -> Any:
        dtype = as_dtype(array.dtype).number
        if place in self.fed:
            tensor = lib.ebb_graph_placeholder(
                self._graph.graph, b"x", dtype, array.ndim, ffi.new("int64_t[]", [*array.shape, 0])
            )
            feed = self.feeds[self.fed.index(place)]
            feed.tensor = tensor
            feed.view.dtype, feed.view.rank = dtype, array.ndim
            feed.view.dims = array.shape
            return tensor
        view = ffi.new("ebb_view *")
        fill_view(view, array)
        return lib.ebb_graph_constant(self._graph.graph, view, ffi.NULL)

    def _outputs(self, first: Any, error: Any) -> None:
        graph = self._graph.graph
        operation, info = ffi.new("ebb_operation_info *"), ffi.new("ebb_tensor_info *")
        last = lib.ebb_graph_operation_count(graph) - 1
        check(lib.ebb_graph_operation_read(graph, last, operation), None)
        self.count = int(operation.outputs)
        self.fetches = ffi.new("ebb_tensor[]", max(self.count, 1))
        self.views = ffi.new("ebb_view[]", max(self.count, 1))
        self.kinds: list[tuple[DType, TensorShape]] = []
        for i in range(self.count):
            self.fetches[i] = lib.ebb_graph_output(graph, first, i) if i else first
            check(lib.ebb_graph_tensor_info(graph, self.fetches[i], info), None)
            shape = TensorShape(info.dims[0 : info.rank])
            self.kinds.append((dtype_of_number(info.dtype), shape))
        self.is_fixed = all(shape.is_fully_defined() for _, shape in self.kinds)
        check(lib.ebb_graph_error(graph, error), error)

    @property
    def nbytes(self) -> int:
        """Of the outputs, as far as their shapes are known."""
        return sum(dtype.size * int(shape.num_elements() or 0) for dtype, shape in self.kinds)

    def run_one(self, inputs: Sequence[Any], kept: Any, runtime: Any) -> Buffer | None:
        """The same in one call of C; None: `run` knows how, or what is wrong."""
        if self.one is None:
            return None
        held, borrowed = [], []
        for i in self.fed:
            x = inputs[i]
            if isinstance(x, EagerTensor):
                held.append(x.buffer.box)
                continue
            array = ffi.new(_ARRAY)
            borrowed.append(_memory(x))
            array.generation, array.view.data = _OTHERS, borrowed[-1]
            held.append(array)
        box = ffi.gc(ffi.new(_ARRAY), lib.ebb_python_close_array)
        if lib.ebb_python_operate(self.one, runtime, held, box):
            return None
        if lib.ebb_python_log_pending:
            check(0)
        return Buffer.made(box, *self.kinds[0], self.device, kept)

    def run(self, inputs: Sequence[Any]) -> list[Buffer]:
        """Runs it with arrays and tensors of the prepared types and shapes."""
        error, held = new_error(), [_memory(inputs[i]) for i in self.fed]
        with self.lock:
            for i, memory in enumerate(held):
                self.feeds[i].view.data = memory
            if not self.is_fixed:
                self._shapes(error)
            buffers = [Buffer(dtype, shape, self.device) for dtype, shape in self.kinds]
            for i, buffer in enumerate(buffers):
                self.views[i] = buffer.view[0]
            status = lib.ebb_session_run(
                self._session.session, self.feeds, len(self.fed), self.fetches, self.views,
                self.count, ffi.NULL, 0, error,
            )  # fmt: skip
        check(status, error)
        return buffers

    def _shapes(self, error: Any) -> None:
        status = lib.ebb_session_output_shapes(
            self._session.session,
            self.feeds,
            len(self.fed),
            self.fetches,
            self.views,
            self.count,
            error,
        )
        check(status, error)
        self.kinds = [
            (dtype, TensorShape(self.views[i].dims[0 : self.views[i].rank]))
            for i, (dtype, _) in enumerate(self.kinds)
        ]

    def __del__(self) -> None:
        for name in ("_session", "_graph"):  # in this order; neither, if an interrupt came first
            box = getattr(self, name, None)
            if box is not None:
                ffi.release(box)


def _memory(x: Any) -> Any:
    """Where the elements of a tensor, or of an array, are in their order."""
    if isinstance(x, EagerTensor):
        return x.buffer.data()
    return ffi.from_buffer(x if x.flags.c_contiguous else x.copy())


_ARRAY = ffi.typeof("ebb_python_array *")
_OTHERS = 2**32 - 1  # a generation that no process has: the memory is somebody else's


def handle(close: Any) -> Any:
    """Room for a handle, which C closes when it goes."""
    box = ffi.new("ebb_python_handle *")
    box.generation = lib.ebb_python_generation
    return ffi.gc(box, close)


def fill_view(view: Any, array: Array) -> None:
    """Describes a contiguous array; the caller keeps it alive."""
    view.dtype, view.rank = as_dtype(array.dtype).number, array.ndim
    view.dims = array.shape
    view.data = ffi.from_buffer(array)
