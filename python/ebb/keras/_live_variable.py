"""A number or array of somebody else: read when it is looked at, written by ``assign``."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

Array = np.ndarray[Any, Any]


class LiveVariable(np.lib.mixins.NDArrayOperatorsMixin):
    """A variable of an optimizer: read when it is looked at, set by ``assign``."""

    __array_priority__ = 1000

    def __init__(self, name: str, read: Callable[[], Array], write: Callable[[Any], None]) -> None:
        self.name = name.rsplit("/", 1)[-1]
        self.path = name
        self.trainable = False
        self._read = read
        self._write = write

    def numpy(self) -> Any:
        """The value as a numpy array or number."""
        return self._read()

    @property
    def value(self) -> Any:
        """The value as a numpy array."""
        return np.asarray(self._read())

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return np.shape(self._read())

    @property
    def dtype(self) -> str:
        """Name of the type."""
        return str(np.asarray(self._read()).dtype)

    def assign(self, value: Any) -> LiveVariable:
        """Sets the value."""
        self._write(value)
        return self

    def assign_add(self, value: Any) -> LiveVariable:
        """Adds to the value."""
        return self.assign(self._read() + np.asarray(value))

    def assign_sub(self, value: Any) -> LiveVariable:
        """Subtracts from the value."""
        return self.assign(self._read() - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        del copy
        return np.asarray(self._read(), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(one) if isinstance(one, LiveVariable) else one for one in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def __index__(self) -> int:
        return int(self._read())

    def __bool__(self) -> bool:
        return bool(self._read())

    def __round__(self, digits: int | None = None) -> Any:
        return round(float(self._read()), digits)

    def __format__(self, text: str) -> str:
        return format(self._read() if text == "" else float(self._read()), text)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return (
            f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, "
            f"value={self._read()}>"
        )
