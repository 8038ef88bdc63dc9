"""Operators of symbolic tensors and variables: each is an operation of keras.ops."""

from __future__ import annotations

from typing import Any


class Operators:
    """Python's operators in terms of ``_operate``, which is given the class of the operation."""

    __slots__ = ()

    def _operate(self, class_name: str, *args: Any) -> Any:
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return self._operate("Add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._operate("Add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._operate("Subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._operate("Subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._operate("Multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._operate("Multiply", other, self)

    def __matmul__(self, other: Any) -> Any:
        return self._operate("Matmul", self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._operate("Matmul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._operate("TrueDivide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._operate("TrueDivide", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._operate("FloorDivide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._operate("FloorDivide", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._operate("Mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._operate("Mod", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._operate("Power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._operate("Power", other, self)

    def __and__(self, other: Any) -> Any:
        return self._operate("LogicalAnd", self, other)

    def __rand__(self, other: Any) -> Any:
        return self._operate("LogicalAnd", other, self)

    def __or__(self, other: Any) -> Any:
        return self._operate("LogicalOr", self, other)

    def __ror__(self, other: Any) -> Any:
        return self._operate("LogicalOr", other, self)

    def __xor__(self, other: Any) -> Any:
        return self._operate("LogicalXor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return self._operate("LogicalXor", other, self)

    def __lt__(self, other: Any) -> Any:
        return self._operate("Less", self, other)

    def __le__(self, other: Any) -> Any:
        return self._operate("LessEqual", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._operate("Greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return self._operate("GreaterEqual", self, other)

    def __neg__(self) -> Any:
        return self._operate("Negative", self)

    def __abs__(self) -> Any:
        return self._operate("Absolute", self)

    def __invert__(self) -> Any:
        return self._operate("LogicalNot", self)
