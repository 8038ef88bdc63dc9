"""HashedCrossing: several features as one number. Source: TensorFlow's sparse_cross_op (hashed)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb._texts import is_texts, to_texts
from ebb.keras import _policy
from ebb.keras._hashing import fingerprint64
from ebb.keras._host_layer import HostLayer, encode
from ebb.keras._variable import to_numpy

Array = npt.NDArray[Any]

_MASK = (1 << 64) - 1
_FACTOR = 0xC6A4A7935BD1E995
_START = 0xDECAFCAFFE


def _mix(x: int) -> int:
    return x ^ (x >> 47)


def _joined(first: int, second: int) -> int:
    """One fingerprint of two."""
    made = first ^ _FACTOR ^ (_mix((second * _FACTOR) & _MASK) * _FACTOR & _MASK)
    made = _mix((made * _FACTOR) & _MASK) * _FACTOR & _MASK
    return _mix(made)


def _features(x: Any) -> Array:
    """Texts, or integers, as an array."""
    if isinstance(x, (str, bytes)):
        return to_texts(x)
    array = np.asarray(x, object) if isinstance(x, (list, tuple)) else to_numpy(x)
    if is_texts(array):
        return to_texts(array)
    array = np.asarray(array.tolist()) if array.dtype.kind == "O" else array
    if array.dtype.kind not in "iub":
        raise ValueError(
            "All `HashedCrossing` inputs should have an integer or string dtype. Received: an "
            f"array of {array.dtype}"
        )
    return array


class HashedCrossing(HostLayer):
    """Each combination of features as one of ``num_bins`` numbers, on data or inside a model.

    Keras's ``keras.layers.HashedCrossing``.

    Parameters
    ----------
    num_bins : int
        How many numbers there are.
    output_mode : {"int", "one_hot"}
        Form of the result.
    sparse : bool
        Sparse tensors are not supported: False.
    name : str, optional
        Name of the layer.
    dtype : str, optional
        Type of the result; None: int64, or the global float type for "one_hot".
    **kwargs
        ``trainable`` and what files hold.
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if dtype is None:
            dtype = "int64" if output_mode == "int" else _policy.settings.floatx
        super().__init__(name=name, dtype=dtype, **kwargs)
        if output_mode not in ("int", "one_hot"):
            raise ValueError(f'`output_mode`: expected "int" or "one_hot", found {output_mode!r}')
        if sparse:
            raise UnsupportedError("sparse tensors are not supported", self.name)
        self.num_bins, self.output_mode, self.sparse = num_bins, output_mode, False

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for the shapes of the inputs.

        Raises
        ------
        ValueError
            Not two or more shapes, or shapes that differ.
        """
        shapes = [tuple(shape) for shape in input_shape if isinstance(shape, (list, tuple))]
        if len(shapes) < 2:
            raise ValueError(
                "`HashedCrossing` should be called on at least two inputs. Received: "
                f"input_shape={input_shape}"
            )
        first = shapes[0]
        if any(shape[1:] != first[1:] or len(shape) != len(first) for shape in shapes):
            raise ValueError(f"All `HashedCrossing` inputs should have equal shape: {shapes}")
        if self.output_mode == "int":
            return first
        return (*(first[:-1] if first and first[-1] == 1 else first), self.num_bins)

    def _true_shape(self, shape: Any) -> Any:
        made = self.compute_output_shape(shape)
        is_scalar = self.output_mode == "one_hot" and len(made) == 1
        return (1, self.num_bins) if is_scalar else made

    def _result_dtype(self) -> str:
        return self.dtype

    def call(self, inputs: Any) -> Any:
        """Numbers of combinations.

        Parameters
        ----------
        inputs : list or tuple of array_like of str or int
            At least two, all of shape ``(n,)``, ``(n, 1)`` or ``()``.

        Returns
        -------
        Tensor
            int64 of the same shape, or float32 rows for "one_hot".

        Raises
        ------
        ValueError
            Fewer than two inputs, other shapes, or numbers that are no integers.
        """
        return super().call(inputs)

    def _compute(self, inputs: Any) -> Array:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(
                "`HashedCrossing` should be called on a list or tuple of at least two inputs. "
                f"Received: inputs={inputs}"
            )
        arrays = [_features(x) for x in inputs]
        shape = arrays[0].shape
        if any(array.shape != shape for array in arrays):
            raise ValueError(
                "All `HashedCrossing` inputs should have equal shape. Received: "
                f"{[array.shape for array in arrays]}"
            )
        if len(shape) > 2 or (len(shape) == 2 and shape[-1] != 1):
            raise ValueError(
                "All `HashedCrossing` inputs should have shape `()`, `(batch_size)` or "
                f"`(batch_size, 1)`. Received: {shape}"
            )
        rows = zip(*(array.reshape(-1).tolist() for array in arrays))
        numbers = np.asarray([self._number(row) for row in rows], np.int64).reshape(shape)
        return encode(numbers, self.output_mode, self.num_bins, np.float32, None).astype(self.dtype)

    def _number(self, row: tuple[Any, ...]) -> int:
        made = _START
        for item in row:
            is_text = isinstance(item, str)
            made = _joined(made, fingerprint64(item.encode()) if is_text else int(item) & _MASK)
        return made % self.num_bins

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one.

        Returns
        -------
        dict
        """
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": False,
            "name": self.name,
            "dtype": self.dtype,
        }
