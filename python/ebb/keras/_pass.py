"""Passes: a core run forwards, with what its gradients need (ebb/gradient.h)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ebb._arrays import Views, fill_view, to_array
from ebb._call import check, new_error
from ebb._dtype import TensorShape, as_dtype
from ebb._eager import handle
from ebb._native import ffi, lib
from ebb._tensor import Buffer, EagerTensor
from ebb._values import dtype_of_number

_F32 = as_dtype("float32")


class Pass:
    """One run of a core. It goes, and what it took, with its last name.

    Attributes
    ----------
    outputs : list of EagerTensor
        Of the model, then one number for each loss that its layers add.
    """

    __slots__ = ("_box", "_core", "_dims", "_kinds", "count")

    def __init__(self, core: Any, arrays: Sequence[Any], training: bool, seed: int = 0) -> None:
        self._core = core
        self._box = handle(lib.ebb_python_close_pass)
        given = [to_array(array) for array in arrays]
        self._dims = [(array.shape, array.dtype.kind == "f") for array in given]
        how, error = ffi.new("ebb_pass_options *"), new_error()
        how.struct_size, how.training = ffi.sizeof("ebb_pass_options"), training
        how.seed = seed
        views = Views(given)
        slot = ffi.addressof(self._box, "pass")
        check(lib.ebb_model_pass_open(core.handle, views.c, how, slot, error), error)
        self.count = int(lib.ebb_pass_outputs(getattr(self._box, "pass")))
        self._kinds: list[Any] = []

    @property
    def _handle(self) -> Any:
        return getattr(self._box, "pass")

    def outputs(self) -> list[EagerTensor]:
        """Copies of what the run gave."""
        made, view = [], ffi.new("ebb_view *")
        self._kinds = []
        for index in range(self.count):
            check(lib.ebb_pass_output(self._handle, index, view))
            shape = TensorShape(view.dims[0 : view.rank])
            buffer = Buffer(dtype_of_number(view.dtype), shape)
            size = buffer.dtype.size * int(np.prod(shape, dtype=np.int64))
            if size:
                ffi.memmove(buffer.data(), view.data, size)
            self._kinds.append(shape)
            made.append(EagerTensor(buffer))
        return made

    def gradients(
        self, upstream: Sequence[Any], inputs: Sequence[bool], weights: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Gradients of the inputs that are wanted, and of the weights.

        Parameters
        ----------
        upstream : sequence of tensor or None
            One for each output; None: zeros.
        inputs : sequence of bool
        weights : sequence of tuple of int or None
            The shape of each weight of the core whose gradient is wanted, else None.

        Returns
        -------
        tuple of two lists
            None for what is not wanted, or does not lead to an output.
        """
        held: list[Any] = []
        first = ffi.new("ebb_view[]", max(self.count, 1))
        for i, gradient in enumerate(upstream):
            if gradient is not None:
                array = np.asarray(to_array(gradient), np.float32, order="C")
                held.append((array, fill_view(first[i], array)))
        handle_ = self._handle
        shapes = [
            shape if is_wanted and is_float and lib.ebb_pass_reaches_input(handle_, i) else None
            for i, (is_wanted, (shape, is_float)) in enumerate(zip(inputs, self._dims))
        ]
        made = _room(shapes)
        reached = [
            shape if shape is not None and lib.ebb_pass_reaches_weight(handle_, i) else None
            for i, shape in enumerate(weights)
        ]
        found = _room(reached)
        error = new_error()
        check(
            lib.ebb_pass_gradients(
                handle_, first, self.count, made[1], len(shapes), found[1], len(reached), error
            ),
            error,
        )
        return made[0], found[0]


def _room(shapes: Sequence[Any]) -> tuple[list[Any], Any]:
    """Tensors for gradients of these shapes, and their views; None: not wanted."""
    views = ffi.new("ebb_view[]", max(len(shapes), 1))
    made: list[Any] = []
    for i, shape in enumerate(shapes):
        if shape is None:
            made.append(None)
            continue
        buffer = Buffer(_F32, shape)
        views[i] = buffer.view[0]
        made.append(EagerTensor(buffer))
    return made, views
