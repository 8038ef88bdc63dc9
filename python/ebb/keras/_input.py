"""Inputs of models."""

from __future__ import annotations

from typing import Any

from ebb._errors import UnsupportedError
from ebb.keras import _naming, _policy
from ebb.keras._layer import Layer
from ebb.keras._symbolic import KerasTensor, Node, input_entry


class InputLayer(Layer):
    """The place where data come into a model.

    Parameters
    ----------
    shape : tuple of int or None
        Without rows; None: any length.
    batch_size : int, optional
        Fixes the number of rows.
    dtype : str, optional
    batch_shape : tuple, optional
        With rows, instead of ``shape`` and ``batch_size``.
    name : str, optional
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape = kwargs.pop("input_shape", shape)
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name)
        if sparse or ragged:
            raise UnsupportedError("sparse and ragged inputs are not supported", self.name)
        if shape is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `shape` and `batch_shape` at the same time.")
        if shape is None and batch_shape is None:
            raise ValueError("You must pass a `shape` argument.")
        if batch_shape is None:
            lengths = shape if isinstance(shape, (list, tuple)) else (shape,)
            batch_shape = (batch_size, *lengths)
        self.batch_shape = tuple(None if n is None else int(n) for n in batch_shape)
        self.optional = bool(optional)
        self.sparse, self.ragged = False, False
        self._type = str(getattr(dtype, "name", dtype) or _policy.settings.floatx)
        self._is_named = name is not None
        self.built = True

    @property
    def dtype(self) -> str:
        """Type of the data."""
        return self._type

    @property
    def output(self) -> Any:
        """The symbolic tensor."""
        nodes = self._inbound_nodes
        if nodes:
            return nodes[0].output_tensors[0]
        node = Node(self, (), {})
        names = [self.name] if self._is_named else [_naming.unique("keras_tensor")]
        return node.emit([(self.batch_shape, self._type)], names)[0]

    @property
    def input(self) -> Any:
        """The same."""
        return self.output

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """An input is not called."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Shape, type and name."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self._type,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }

    def _core_entry(
        self, writer: Any, name: str, prefix: str, calls: list[Node], trainable: bool
    ) -> dict[str, Any]:
        made = input_entry(name, self.batch_shape, self._type)
        if self.optional:
            made["config"]["optional"] = True
        return {key: made[key] for key in ("module", "class_name", "config", "registered_name")}


def Input(  # noqa: N802
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """Give a symbolic tensor that stands for the data of a model.

    Parameters
    ----------
    shape : tuple of int or None
        Without rows; None: any length.
    batch_size : int, optional
        Fixes the number of rows.
    dtype : str, optional
        Default ``"float32"``.
    batch_shape : tuple, optional
        With rows, instead of ``shape`` and ``batch_size``.
    name : str, optional

    Returns
    -------
    KerasTensor
        Of shape ``(batch_size, *shape)``.

    Raises
    ------
    ValueError
        No shape, or two.
    """
    made: KerasTensor = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        name=name,
        optional=optional,
    ).output
    return made
