"""What a model is made of: inputs, outputs, weights, and the model itself in figures."""

from __future__ import annotations

from typing import Any, NamedTuple

from ebb._arrays import DTYPES, dtype_name
from ebb._native import ffi

_STRING = ffi.string


def text(field: Any) -> str:
    """A ``char[]`` of C."""
    return _STRING(field).decode(errors="replace")


def shape_of(info: Any) -> tuple[int | None, ...]:
    """Dims of an ``ebb_tensor_info``; None where any length will do."""
    return tuple(None if dim < 0 else dim for dim in ffi.unpack(info.dims, info.rank))


class TensorInfo(NamedTuple):
    """An input or an output of a model.

    Attributes
    ----------
    name : str
    shape : tuple of (int or None)
        None where any length will do; the first axis are the rows.
    dtype : str
        ``"float32"`` ...
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    @classmethod
    def _read(cls, c: Any) -> TensorInfo:
        return cls(text(c.name), shape_of(c), dtype_name(c.dtype))


class WeightInfo(NamedTuple):
    """A weight of a model.

    Attributes
    ----------
    name : str
        ``"lstm/cell/kernel"``: layer and weight.
    shape : tuple of int
    dtype : str
        What it reads as.
    trainable : bool
    stored : str
        The type it is kept in: ``"int8"`` for one that was quantized.
    stored_bytes : int
        What it takes in memory; 0: not kept (``inference_only``).
    sparse : bool
        Kept without its zeros.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    stored: str
    stored_bytes: int
    sparse: bool

    @classmethod
    def _read(cls, c: Any) -> WeightInfo:
        return cls(
            text(c.name),
            tuple(ffi.unpack(c.dims, c.rank)),
            dtype_name(c.dtype),
            bool(c.trainable),
            dtype_name(c.stored),
            int(c.stored_bytes),
            bool(c.sparse),
        )


class ModelInfo(NamedTuple):
    """A model in figures.

    Attributes
    ----------
    name, path, format, keras_version, device : str
        ``path`` is empty for a model that was built; ``format`` is "keras", "h5" or "savedmodel".
    inputs, outputs, layers, weights : int
        Counts.
    parameters, parameters_trainable : int
    batch, lanes, threads : int
        Rows planned for, predictions that may run at once, threads of one prediction.
    inference_only : bool
    is_row_wise : bool
        No row of a batch influences another.
    load_seconds : float
        Wall time of the load.
    """

    name: str
    path: str
    format: str
    keras_version: str
    device: str
    inputs: int
    outputs: int
    layers: int
    weights: int
    parameters: int
    parameters_trainable: int
    batch: int
    lanes: int
    threads: int
    inference_only: bool
    is_row_wise: bool
    load_seconds: float

    @classmethod
    def _read(cls, c: Any) -> ModelInfo:
        return cls(
            name=text(c.name),
            path=text(c.path),
            format=text(c.format),
            keras_version=text(c.keras_version),
            device=text(c.device),
            inputs=int(c.inputs),
            outputs=int(c.outputs),
            layers=int(c.layers),
            weights=int(c.weights),
            parameters=int(c.parameters),
            parameters_trainable=int(c.parameters_trainable),
            batch=int(c.batch),
            lanes=int(c.lanes),
            threads=int(c.threads),
            inference_only=bool(c.inference_only),
            is_row_wise=bool(c.is_row_wise),
            load_seconds=c.load_ns / 1e9,
        )


class Port:
    """An input or output as predictions need it: the shape behind the rows, numpy's type."""

    __slots__ = ("code", "dtype", "info", "tail")

    def __init__(self, c: Any) -> None:
        self.info = TensorInfo._read(c)
        self.code = int(c.dtype)
        self.dtype = DTYPES[self.code]
        shape = self.info.shape
        #: The lengths behind the rows; None unless the rows are free and nothing else is.
        self.tail: tuple[int, ...] | None = None
        if shape and shape[0] is None and None not in shape[1:]:
            self.tail = tuple(length for length in shape[1:] if length is not None)
