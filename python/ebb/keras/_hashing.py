"""Hashes of texts that TensorFlow's layers use: FarmHash's Fingerprint64 and SipHash-2-4.

Sources: Google's FarmHash (farmhashna, public), Aumasson and Bernstein's SipHash.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ebb._errors import UnsupportedError
from ebb.keras import _policy
from ebb.keras._host_layer import HostLayer, encode, key_of, wrap
from ebb.keras._variable import to_numpy

Array = npt.NDArray[Any]

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _rotate(x: int, by: int) -> int:
    x &= _MASK
    return ((x >> by) | (x << (64 - by))) & _MASK


def _mix(x: int) -> int:
    return x ^ (x >> 47)


def _pair(u: int, v: int, factor: int) -> int:
    a = _mix(((u ^ v) * factor) & _MASK)
    b = _mix(((v ^ a) * factor) & _MASK)
    return (b * factor) & _MASK


def _short(s: bytes) -> int:
    n = len(s)
    factor = (_K2 + n * 2) & _MASK
    if n >= 8:
        a, b = (_word(s, 0) + _K2) & _MASK, _word(s, n - 8)
        c = (_rotate(b, 37) * factor + a) & _MASK
        d = ((_rotate(a, 25) + b) * factor) & _MASK
        return _pair(c, d, factor)
    if n >= 4:
        first, last = (int.from_bytes(s[at : at + 4], "little") for at in (0, n - 4))
        return _pair((n + (first << 3)) & _MASK, last, factor)
    if n == 0:
        return _K2
    y, z = s[0] + (s[n >> 1] << 8), n + (s[n - 1] << 2)
    return (_mix(((y * _K2) ^ (z * _K0)) & _MASK) * _K2) & _MASK


def _middle(s: bytes) -> int:
    n = len(s)
    factor = (_K2 + n * 2) & _MASK
    start = _K1 if n <= 32 else _K2
    a, b = (_word(s, 0) * start) & _MASK, _word(s, 8)
    c, d = (_word(s, n - 8) * factor) & _MASK, (_word(s, n - 16) * _K2) & _MASK
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    z = _pair(y, (a + _rotate(b + _K2, 18) + c) & _MASK, factor)
    if n <= 32:
        return z
    e, f = (_word(s, 16) * factor) & _MASK, _word(s, 24)
    g = ((y + _word(s, n - 32)) * factor) & _MASK
    h = ((z + _word(s, n - 24)) * factor) & _MASK
    first = (_rotate(e + f, 43) + _rotate(g, 30) + h) & _MASK
    return _pair(first, (e + _rotate(f + a, 18) + g) & _MASK, factor)


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(s, at + 8 * k) for k in range(4))
    a = (a + w) & _MASK
    b = _rotate(b + a + z, 21)
    c = a
    a = (a + x + y) & _MASK
    b = (b + _rotate(a, 44)) & _MASK
    return (a + z) & _MASK, (b + c) & _MASK


def _round(s: bytes, at: int, state: list[Any], factor: int, weight: int) -> None:
    x, y, z, v, w = state
    x = (_rotate(x + y + v[0] + _word(s, at + 8), 37) * factor) & _MASK
    y = (_rotate(y + v[1] + _word(s, at + 48), 42) * factor) & _MASK
    x ^= (w[1] * weight) & _MASK
    y = (y + v[0] * weight + _word(s, at + 40)) & _MASK
    z = (_rotate(z + w[0], 33) * factor) & _MASK
    v = _weak(s, at, v[1] * factor, x + w[0])
    w = _weak(s, at + 32, z + w[1], y + _word(s, at + 16))
    state[:] = [z, y, x, v, w]


def fingerprint64(s: bytes) -> int:
    """FarmHash's Fingerprint64."""
    n = len(s)
    if n <= 16:
        return _short(s)
    if n <= 64:
        return _middle(s)
    y = (81 * _K1 + 113) & _MASK
    z = (_mix((y * _K2 + 113) & _MASK) * _K2) & _MASK
    state: list[Any] = [(81 * _K2 + _word(s, 0)) & _MASK, y, z, (0, 0), (0, 0)]
    end = (n - 1) // 64 * 64
    for at in range(0, end, 64):
        _round(s, at, state, _K1, 1)
    x, y, z, v, w = state
    factor = (_K1 + ((z & 0xFF) << 1)) & _MASK
    w = ((w[0] + ((n - 1) & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    state = [x, y, z, v, w]
    _round(s, n - 64, state, factor, 9)
    x, y, z, v, w = state
    first = (_pair(v[0], w[0], factor) + _mix(y) * _K0 + z) & _MASK
    return _pair(first, (_pair(v[1], w[1], factor) + x) & _MASK, factor)


def siphash(s: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 with a key of two words."""
    k0, k1 = (word & _MASK for word in key)
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def turn(times: int) -> None:
        for _ in range(times):
            v[0] = (v[0] + v[1]) & _MASK
            v[2] = (v[2] + v[3]) & _MASK
            v[1] = _rotate(v[1], 51) ^ v[0]
            v[3] = _rotate(v[3], 48) ^ v[2]
            v[0] = _rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & _MASK
            v[0] = (v[0] + v[3]) & _MASK
            v[1] = _rotate(v[1], 47) ^ v[2]
            v[3] = _rotate(v[3], 43) ^ v[0]
            v[2] = _rotate(v[2], 32)

    padded = s + bytes(7 - len(s) % 8) + bytes([len(s) & 0xFF])
    for at in range(0, len(padded), 8):
        word = _word(padded, at)
        v[3] ^= word
        turn(2)
        v[0] ^= word
    v[2] ^= 0xFF
    turn(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def hash_of(item: Any, salt: tuple[int, int] | None) -> int:
    """The hash of a word or of an integer as text, with a key or without."""
    text = item if isinstance(item, bytes) else str(item).encode()
    return fingerprint64(text) if salt is None else siphash(text, salt)


class Hashing(HostLayer):
    """Words and integers as one of ``num_bins`` numbers, on data or inside a model.

    Keras's ``keras.layers.Hashing``.

    Parameters
    ----------
    num_bins : int
        How many numbers there are.
    mask_value : str or int, optional
        What becomes 0; all others are then 1 or larger.
    salt : int or pair of int, optional
        Chooses another hash, by a key.
    output_mode : {"int", "one_hot", "multi_hot", "count"}
        Form of the result.
    sparse : bool
        Sparse tensors are not supported: False.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else _policy.settings.floatx
        super().__init__(**kwargs)
        if num_bins is None or num_bins <= 0:
            raise ValueError(f"`num_bins` must be positive. Received: num_bins={num_bins}")
        if output_mode not in ("int", "one_hot", "multi_hot", "count"):
            raise ValueError(f"`output_mode`: no such one as {output_mode!r}")
        if sparse:
            raise UnsupportedError("sparse tensors are not supported", self.name)
        self.num_bins, self.mask_value = num_bins, mask_value
        self.output_mode, self.sparse = output_mode, False
        self.salt = None if salt is None else key_of(salt)

    def _number(self, item: Any) -> int:
        if self.mask_value is not None and item == self.mask_value:
            return 0
        hashed = hash_of(item, self.salt)
        if self.mask_value is None:
            return hashed % self.num_bins
        bins = self.num_bins - 1
        return hashed % bins + 1 if bins else 1

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Give the shape of what it gives for a shape of input."""
        shape = tuple(input_shape)
        return shape if self.output_mode == "int" else (*shape[:-1], self.num_bins)

    def _true_shape(self, shape: Any) -> Any:
        if self.output_mode == "one_hot" and not (len(shape) > 1 and shape[-1] == 1):
            return (*shape, self.num_bins)
        return self.compute_output_shape(shape)

    def _result_dtype(self) -> str:
        return self.dtype

    def call(self, inputs: Any) -> Any:
        """Numbers of words or integers.

        Parameters
        ----------
        inputs : array_like of str or int
            Any shape.

        Returns
        -------
        Tensor
            int64 of the same shape, or float32 rows for the other output modes.
        """
        return wrap(self._compute(inputs))

    def _compute(self, inputs: Any) -> Array:
        array = to_numpy(inputs if not isinstance(inputs, (str, bytes)) else [inputs])
        if array.dtype.kind == "f":
            array = array.astype(np.int64)
        flat = [self._number(item) for item in array.reshape(-1).tolist()]
        shape = () if isinstance(inputs, (str, bytes)) else array.shape
        numbers = np.asarray(flat, np.int64).reshape(shape)
        return encode(numbers, self.output_mode, self.num_bins, np.float32, None).astype(self.dtype)

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this one.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.entry(),
            "num_bins": self.num_bins,
            "salt": None if self.salt is None else list(self.salt),
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": False,
        }
