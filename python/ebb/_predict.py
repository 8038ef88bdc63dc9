"""Predictions: whatever a caller has for inputs, in pieces that leave room for an interrupt.

A prediction in C cannot be interrupted. So many rows go in pieces of whole passes, which give the
same numbers bit for bit, sized so that one takes some tens of milliseconds; between two of them
Python answers signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ebb._arrays import Array, Views, dtype_name, is_array, to_array, to_output
from ebb._call import check, new_error
from ebb._errors import ArgumentError, DTypeError, ShapeError
from ebb._info import Port
from ebb._native import ffi, lib

if TYPE_CHECKING:
    from ebb._model import Model

#: Arrays by name, in a list, or one alone.
Data = Union[Any, Sequence[Any], Mapping[str, Any]]

_PIECE_SECONDS = 0.05


def arrange(data: Data, ports: Sequence[Port], what: str) -> list[Any]:
    """One value for each port: from a dict by name, a list by order, or one value alone.

    Raises
    ------
    ArgumentError
        Their number or names do not fit; names those that there are.
    """
    if isinstance(data, Mapping):
        return _by_name(data, ports, what)
    is_list = isinstance(data, (list, tuple))
    if len(ports) == 1:
        alone = is_list and len(data) == 1 and is_array(data[0])
        if alone and np.ndim(data[0]) >= len(ports[0].info.shape):
            return [data[0]]
        return [data]
    if is_list and len(data) == len(ports):
        return list(data)
    names = ", ".join(port.info.name for port in ports)
    got = f"{len(data)}" if is_list else "one"
    raise ArgumentError(f"expected {len(ports)} {what}s ({names}), got {got}")


def _by_name(data: Mapping[str, Any], ports: Sequence[Port], what: str) -> list[Any]:
    names = [port.info.name for port in ports]
    missing = [name for name in names if name not in data]
    unknown = [str(name) for name in data if name not in names]
    if missing or unknown:
        raise ArgumentError(
            f"expected {what}s by the names {', '.join(names)}"
            + (f"; there is no {', '.join(missing)}" if missing else "")
            + (f"; got {', '.join(unknown)}" if unknown else "")
        )
    return [data[name] for name in names]


def input_arrays(data: Data, ports: Sequence[Port]) -> list[Array]:
    """The arrays of a model's inputs; what is wrong with one names the input."""
    return [
        to_array(value, port.info.name, f"{port.info.dtype} {shape_text(port.info.shape)}")
        for value, port in zip(arrange(data, ports, "input"), ports)
    ]


def shape_text(shape: Sequence[int | None]) -> str:
    """``[any, 28, 28, 1]``."""
    return f"[{', '.join('any' if length is None else str(length) for length in shape)}]"


def output_shapes(model: Model, inputs: Sequence[Array], views: Views) -> list[tuple[int, ...]]:
    """Shapes of the results for these inputs."""
    ports = model._outputs
    rows = inputs[0].shape[0] if inputs and inputs[0].ndim else 0
    if model._is_row_wise and rows and all(port.tail is not None for port in ports):
        return [(rows, *(port.tail or ())) for port in ports]
    found, error = ffi.new("ebb_view[]", len(ports)), new_error()
    check(lib.ebb_model_output_shapes(model.handle, views.c, found, len(ports), error), error)
    return [tuple(view.dims[0 : view.rank]) for view in found]


def _results(model: Model, out: Data | None, shapes: list[tuple[int, ...]]) -> list[Array]:
    ports = model._outputs
    if out is None:
        return [np.empty(shape, port.dtype) for shape, port in zip(shapes, ports)]
    results = []
    for value, port, shape in zip(arrange(out, ports, "output"), ports, shapes):
        result = to_output(value, port.info.name)
        if result.shape != shape:
            text = f"out: expected shape {shape_text(shape)}, got {shape_text(result.shape)}"
            raise ShapeError(text, port.info.name)
        if result.dtype != port.dtype:
            text = f"out: expected {dtype_name(port.code)}, got {result.dtype}"
            raise DTypeError(text, port.info.name)
        results.append(result)
    return results


def predict_arrays(
    model: Model, inputs: Sequence[Array], out: Data | None = None, batch_size: int | None = None
) -> list[Array]:
    """One forward pass over dense arrays, one for each input."""
    given = Views(inputs)
    results = _results(model, out, output_shapes(model, inputs, given))
    made = Views(results, writable=True)
    rows = _common_rows(model, inputs)
    piece = rows
    if rows > 1 and model._is_row_wise:
        piece = model._piece
    elif rows > 1 and batch_size is not None:
        piece = batch_size
    if piece >= rows:
        error = new_error()
        check(lib.ebb_model_predict(model.handle, given.c, made.c, error), error)
        return results
    _in_pieces(model, given, made, rows, piece)
    return results


def _common_rows(model: Model, inputs: Sequence[Array]) -> int:
    """Rows that every input has, or 0: then C looks at them, and says what is wrong."""
    if any(port.info.shape[:1] != (None,) for port in (*model._inputs, *model._outputs)):
        return 0
    counts = {array.shape[0] if array.ndim else 0 for array in inputs}
    return counts.pop() if len(counts) == 1 else 0


def _in_pieces(model: Model, given: Views, made: Views, rows: int, piece: int) -> None:
    views = [
        (views.items[i], int(ffi.cast("uintptr_t", views.items[i].data)), array.nbytes // rows)
        for views in (given, made)
        for i, array in enumerate(views.arrays)
    ]
    adapts, error, done = model._is_row_wise, new_error(), 0
    while done < rows:
        count = min(piece, rows - done)
        for view, address, row_bytes in views:
            view.data = ffi.cast("void *", address + done * row_bytes)
            view.dims[0] = count
        begin = perf_counter()
        check(lib.ebb_model_predict(model.handle, given.c, made.c, error), error)
        done += count
        if adapts and count == piece:
            piece = model._piece = _next_piece(piece, perf_counter() - begin, model._batch)


def _next_piece(piece: int, seconds: float, batch: int) -> int:
    """Whole passes that should take about as long as somebody may wait for an interrupt."""
    factor = min(8.0, max(0.25, _PIECE_SECONDS / max(seconds, 1e-9)))
    return max(1, round(piece * factor / batch)) * batch


def make_predictor(model: Model) -> Any:
    """The template of the short way for one input and one output, or None."""
    if not model._is_row_wise or len(model._inputs) != 1 or len(model._outputs) != 1:
        return None
    source, target = model._inputs[0], model._outputs[0]
    if source.tail is None or target.tail is None or target.code == lib.EBB_BF16:
        return None
    box = model._checked()
    made = ffi.new("ebb_python_predictor *")
    made.model, made.generation = box.id, box.generation
    for view, code, tail in (
        (made.input, source.code, source.tail),
        (made.output, target.code, target.tail),
    ):
        view.dtype = code
        view.rank = 1 + len(tail)
        view.dims[1 : view.rank] = tail
    return made
