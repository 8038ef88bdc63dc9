"""A model that is the graph of a SavedModel folder: it predicts, and has no layers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras import _tree
from ebb.keras._engine import Built
from ebb.keras._layer import Layer
from ebb.keras._model import Model
from ebb.keras._variable import Variable


class GraphModel(Model):
    """What ``load_model`` gives for a SavedModel folder without layers of Keras.

    It predicts, its weights can be read and set, it can be exported. It has no layers, and so
    cannot be trained, cloned, or saved to a file of Keras.
    """

    def __init__(self, core: Any) -> None:
        Layer.__init__(self, name=core.name)
        self._built = Built(core)
        self._variables = [self._variable(i, info) for i, info in enumerate(core.weight_infos)]
        self.built = True

    def _variable(self, index: int, info: Any) -> Variable:
        """A weight of the graph."""
        made = Variable(
            None,
            shape=tuple(info.shape),
            dtype=str(info.dtype),
            trainable=bool(info.trainable),
            name=info.name.rsplit("/", 1)[-1],
            path=info.name,
        )
        made._home, made._index = self._built, index
        return made

    @property
    def _core(self) -> Any:
        return self._built.core

    @property
    def _core_or_none(self) -> Any:
        return self._built.core

    @property  # type: ignore[misc]
    def layers(self) -> list[Layer]:
        """None are known."""
        return []

    @property
    def weights(self) -> list[Variable]:
        """The variables of the graph."""
        return list(self._variables)

    @property
    def input_shape(self) -> Any:
        """Shape, or shapes, of the inputs, rows first."""
        return _tree.unpack_single([tuple(port.shape) for port in self._core.inputs])

    @property
    def output_shape(self) -> Any:
        """Shape, or shapes, of the outputs, rows first."""
        return _tree.unpack_single([tuple(port.shape) for port in self._core.outputs])

    def _sync(self) -> None:
        """Nobody shares its weights."""

    _sync_weights = _sync

    def _weights_changed(self) -> None:
        """The variables read them where they are."""

    def _pack_outputs(self, outputs: Any) -> Any:
        """One array, or a list."""
        flat = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        return flat[0] if len(flat) == 1 else flat

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it on arrays.

        Returns
        -------
        Tensor, or a list of them
        """
        from ebb._tensor import Tensor

        kwargs.pop("training", None)
        given = args[0] if len(args) == 1 and not kwargs else kwargs or list(args)
        told = self._core.predict(_tree.map_structure(np.asarray, given))
        return _tree.map_structure(Tensor.from_array, told)

    def close(self) -> Any:
        """Unload the model now.

        Returns
        -------
        Receipt
        """
        return self._core.unload()

    unload = close

    def _refuse(self, what: str) -> NoReturn:
        """Raises what needs layers."""
        raise UnsupportedError(
            f"{what}: the model is the graph of a SavedModel folder, without layers of Keras; load "
            "a .keras or .h5 file for that",
            self.name,
        )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Graphs are not trained."""
        self._refuse("compile()")

    def get_config(self) -> dict[str, Any]:
        """Graphs have no configuration."""
        self._refuse("get_config()")

    def save(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Graphs are not saved as files of Keras."""
        self._refuse("save()")

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print what is in the graph.

        Parameters
        ----------
        line_length, positions, expand_nested, show_trainable, layer_range
            Not looked at.
        print_fn : callable, optional
            Given the whole text.
        """
        del line_length, positions, expand_nested, show_trainable, layer_range
        text = self._core.summary()
        if print_fn is not None:
            print_fn(text)
        else:
            print(text, end="" if text.endswith("\n") else "\n")
