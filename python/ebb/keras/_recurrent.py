"""Recurrent layers and their cells: what the generated classes cannot say."""

from __future__ import annotations

from typing import Any

from ebb._errors import UnsupportedError
from ebb._generated import layers as _generated
from ebb.keras import _cells, _naming, _states, _symbolic, _tree
from ebb.keras._layer import Layer
from ebb.keras._object import nested
from ebb.keras._symbolic import KerasTensor, Node


class _Cell(Layer):
    """What cells of the library tell of themselves."""

    units: int
    _state_count = 1

    @property
    def state_size(self) -> Any:
        """Lengths of the states: a number, or a list where there are several."""
        return self.units if self._state_count == 1 else [self.units] * self._state_count

    @property
    def output_size(self) -> Any:
        """Length of what a step gives."""
        return self.units

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Give zeros to begin with.

        Parameters
        ----------
        batch_size : int

        Returns
        -------
        list of Tensor, shape (batch_size, units)
        """
        from ebb.keras import ops

        return [
            ops.zeros((batch_size, self.units), dtype=self.compute_dtype)
            for _ in range(self._state_count)
        ]

    def build(self, *shapes: Any, **named: Any) -> None:
        """Make the weights for the shape of a step, the rows (None) first."""
        shape = shapes[0] if shapes else next(iter(named.values()), None)
        if self._slots or shape is None or self._traces():
            super().build(*shapes, **named)
            return
        x = KerasTensor(tuple(shape), self.compute_dtype)
        states = [KerasTensor((shape[0], self.units)) for _ in range(self._state_count)]
        self._plain((x, states), {})


class SimpleRNNCell(_Cell, _generated.SimpleRNNCell):
    __doc__ = _generated.SimpleRNNCell.__doc__


class GRUCell(_Cell, _generated.GRUCell):
    __doc__ = _generated.GRUCell.__doc__


class LSTMCell(_Cell, _generated.LSTMCell):
    __doc__ = _generated.LSTMCell.__doc__
    _state_count = 2


class StackedRNNCells(_generated.StackedRNNCells):
    """Several cells as one: each works on the output of the one before.

    Parameters
    ----------
    cells : list of Layer
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        cells = [nested(cell) for cell in cells]
        for cell in cells:
            if not callable(getattr(cell, "call", None)):
                raise ValueError(
                    f"All cells must have a `call` method. Received cell without a `call` method: "
                    f"{cell}"
                )
            if not hasattr(cell, "state_size"):
                raise ValueError(
                    "All cells must have a `state_size` attribute. Received cell without a "
                    f"`state_size`: {cell}"
                )
        super().__init__(cells, **kwargs)

    @property
    def state_size(self) -> list[Any]:
        """Those of the cells, in order."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """Length of what the last cell gives."""
        return _cells.output_size(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Give zeros to begin with, a list for each cell.

        Parameters
        ----------
        batch_size : int
        """
        from ebb.keras import ops

        made: list[Any] = []
        for cell in self.cells:
            own = getattr(cell, "get_initial_state", None)
            if own is not None:
                made.append(own(batch_size=batch_size))
                continue
            zeros = [ops.zeros((batch_size, size)) for size in _cells.sizes(cell)]
            made.append(zeros if isinstance(cell.state_size, (list, tuple)) else zeros[0])
        return made

    def _finish(self, node: Node, entry: dict[str, Any], told: Any = None) -> Any:
        output, states = super()._finish(node, entry, told)
        return output, _tree.pack_as(self._structure(), states)

    def _structure(self) -> list[Any]:
        """How the states of a call are nested: a list for each cell."""
        return [_cells.sizes(cell) for cell in self.cells]


class _Recurrent(Layer):
    """What recurrent layers of the library have beside their arguments."""

    stateful: bool

    @property
    def states(self) -> Any:
        """The states that a stateful layer keeps; None of others, and before there are any."""
        return _states.states_of(self) or None

    def reset_states(self) -> None:
        """Begin with zeros again, where the layer is stateful."""
        _states.reset(self)

    def reset_state(self) -> None:
        """Begin with zeros again, where the layer is stateful."""
        self.reset_states()

    def _before_call(self, args: tuple[Any, ...]) -> None:
        x = args[0][0] if isinstance(args[0], (list, tuple)) else args[0]
        if self.stateful and x.shape[0] is None:
            raise ValueError(
                "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic "
                f"batch size: sequence.shape={x.shape}"
            )
        super()._before_call(args)


class RNN(_Recurrent, _generated.RNN):
    __doc__ = _generated.RNN.__doc__

    def _configure(self, **values: Any) -> None:
        """A list of cells is one cell."""
        if "cell" in values:
            cell = values["cell"]
            cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else nested(cell)
            _cells.check(cell)
            values["cell"] = cell
            self._prepared = _cells.Prepared()
        super()._configure(**values)

    @property
    def state_size(self) -> Any:
        """Lengths of the states, as a list."""
        return _cells.sizes(self.cell)

    @property
    def states(self) -> Any:
        """The states that a stateful layer keeps, a list for each cell of a stack; else None."""
        return _states.nested(self, self.state_size) or None

    def _before_call(self, args: tuple[Any, ...]) -> None:
        super()._before_call(args)
        x = args[0][0] if isinstance(args[0], (list, tuple)) else args[0]
        if len(x.shape) >= 2 and x.shape[1] is None and _cells.is_python(self.cell):
            raise UnsupportedError(
                "a cell written in Python runs over a known number of steps, the sequence has "
                f"shape {x.shape}. Give Input a length, pad sequences to one "
                "(keras.utils.pad_sequences) and mask what is padded",
                self.name,
            )
        if len(x.shape) >= 2:
            with _symbolic.within(self):
                self._prepared.step(self.cell, KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))

    def _finish(self, node: Node, entry: dict[str, Any], told: Any = None) -> Any:
        made = super()._finish(node, entry, told)
        if not self.return_state or not _cells.is_stack(self.cell):
            return made
        structure = [
            _cells.sizes(c) if isinstance(c.state_size, (list, tuple)) else c.state_size
            for c in self.cell.cells
        ]
        return (made[0], *_tree.pack_as(structure, made[1:]))


class _WithCell(_Recurrent):
    """A layer around one cell of the library."""

    _cell_class: Any

    @property
    def cell(self) -> Any:
        """The cell: a layer of its own, with the weights of this one once they are there."""
        held = self.__dict__.get("_held_cell")
        if held is None:
            names = [name for name in self._arguments if name not in _OF_SEQUENCES]
            config = {name: getattr(self, name) for name in names}
            made = self._cell_class(
                **config,
                name=f"{_naming.snake_case(self._cell_class.__name__)}",
                trainable=self.trainable,
                dtype=self.dtype_policy,
            )
            held = self.__dict__["_held_cell"] = _Held(made)
        cell = held.layer
        if not cell.built and self._slots:
            cell._slots = [(inner.partition("/")[2], variable) for inner, variable in self._slots]
            cell.built = True
        return cell

    @property
    def state_size(self) -> Any:
        """Lengths of the states, as a list."""
        return _cells.sizes(self.cell)


class _Held:
    """A layer that is an attribute of another one without being a layer in it."""

    __slots__ = ("layer",)

    def __init__(self, layer: Any) -> None:
        self.layer = layer


# Arguments of recurrent layers that are not those of their cells.
_OF_SEQUENCES = (
    "return_sequences", "return_state", "go_backwards", "stateful", "unroll", "use_cudnn",
    "zero_output_for_mask", "activity_regularizer",
)  # fmt: skip


class SimpleRNN(_WithCell, _generated.SimpleRNN):
    __doc__ = _generated.SimpleRNN.__doc__
    _cell_class = SimpleRNNCell


class GRU(_WithCell, _generated.GRU):
    __doc__ = _generated.GRU.__doc__
    _cell_class = GRUCell


class LSTM(_WithCell, _generated.LSTM):
    __doc__ = _generated.LSTM.__doc__
    _cell_class = LSTMCell


class ConvLSTM1D(_Recurrent, _generated.ConvLSTM1D):
    __doc__ = _generated.ConvLSTM1D.__doc__


class ConvLSTM2D(_Recurrent, _generated.ConvLSTM2D):
    __doc__ = _generated.ConvLSTM2D.__doc__


class ConvLSTM3D(_Recurrent, _generated.ConvLSTM3D):
    __doc__ = _generated.ConvLSTM3D.__doc__
