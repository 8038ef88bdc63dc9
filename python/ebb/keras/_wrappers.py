"""Layers that hold other layers or functions: what the generated classes cannot say."""

from __future__ import annotations

import inspect
from typing import Any, Callable

from ebb._generated import layers as _generated
from ebb.keras import _states, _symbolic
from ebb.keras._layer import Layer
from ebb.keras._object import nested
from ebb.keras._symbolic import KerasTensor, Node


class Wrapper(Layer):
    """A layer around another one.

    Parameters
    ----------
    layer : Layer
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._configure(layer=_layer_of(self, layer))


def _layer_of(wrapper: Any, layer: Any) -> Any:
    """The layer that a wrapper is given."""
    layer = nested(layer)
    if not isinstance(layer, Layer):
        raise ValueError(
            f"Please initialize `{type(wrapper).__name__}` layer with a `keras.layers.Layer` "
            f"instance. Received: {layer}"
        )
    return layer


class TimeDistributed(_generated.TimeDistributed):
    """The same layer for every step of a sequence.

    Parameters
    ----------
    layer : Layer
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(_layer_of(self, layer), **kwargs)
        self._kept: Any = None

    def _before_call(self, args: tuple[Any, ...]) -> None:
        if not _needs_call(self.layer):
            x = args[0][0] if isinstance(args[0], (list, tuple)) else args[0]
            if len(x.shape) >= 3:
                with _symbolic.within(self):
                    self.layer._before_call((KerasTensor((x.shape[0], *x.shape[2:]), x.dtype),))
            return
        if self.built:
            return
        x = args[0]
        if len(x.shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 "
                f"dimensions, received: {x.shape}"
            )
        self._kept = self.layer(KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))


def _needs_call(layer: Any) -> bool:
    """Is it written in Python, or a model?"""
    return getattr(layer, "_is_model", False) or layer._traces()


class Bidirectional(_generated.Bidirectional):
    """A recurrent layer that reads a sequence from both ends.

    Parameters
    ----------
    layer : Layer
        LSTM, GRU, SimpleRNN, RNN ...
    merge_mode : {"concat", "sum", "mul", "ave"} or None
        How the two results are joined; None: a list of both.
    weights : list of array, optional
        First values.
    backward_layer : Layer, optional
        Reads from the end; by default like ``layer``.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        layer = _layer_of(self, layer)
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise ValueError(
                f"Invalid merge mode. Received: {merge_mode}. Merge mode should be one of "
                '{"sum", "mul", "ave", "concat", None}'
            )
        Layer.__init__(self, weights=weights, **kwargs)
        base = layer.name[8:] if layer.name.startswith("forward_") else layer.name
        config = {**layer.get_config(), "name": f"forward_{base}"}
        self.forward_layer = type(layer).from_config(config)
        self.forward_layer._is_of_file = layer._waits
        if backward_layer is None:
            config = {**layer.get_config(), "name": f"backward_{base}"}
            config["go_backwards"] = not config.get("go_backwards", False)
            self.backward_layer = type(layer).from_config(config)
        else:
            self.backward_layer = _layer_of(self, backward_layer)
            if bool(getattr(self.backward_layer, "go_backwards", False)) == bool(
                getattr(layer, "go_backwards", False)
            ):
                raise ValueError(
                    "Forward layer and backward layer should have different `go_backwards` value."
                )
        for part in (self.forward_layer, self.backward_layer):
            part.zero_output_for_mask = bool(part.return_sequences)
            if "zero_output_for_mask" not in part._arguments:
                part._arguments = (*part._arguments, "zero_output_for_mask")
        self.layer = self.forward_layer
        self.merge_mode = merge_mode
        self._arguments = ("merge_mode", "layer", "backward_layer")
        if "name" not in kwargs:
            self._is_named = False

    def _before_call(self, args: tuple[Any, ...]) -> None:
        with _symbolic.within(self):
            for part in (self.forward_layer, self.backward_layer):
                part._before_call(args)

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build it for the shapes that ``get_build_config()`` gave."""
        super().build_from_config(config)
        self._tell_parts()

    def _build_note(self, node: Node) -> None:
        super()._build_note(node)
        self._tell_parts()

    def _tell_parts(self) -> None:
        """The two layers know the shapes as well."""
        for part in (self.forward_layer, self.backward_layer):
            part._build_shapes_dict = self._build_shapes_dict

    @property
    def stateful(self) -> bool:
        """Whether the two layers keep their states from batch to batch."""
        return bool(self.forward_layer.stateful)

    def reset_states(self) -> None:
        """Begin with zeros again, where the two layers are stateful."""
        _states.reset(self)

    def reset_state(self) -> None:
        """Begin with zeros again, where the two layers are stateful."""
        self.reset_states()

    @property
    def return_sequences(self) -> bool:
        """Whether every step is given."""
        return bool(self.forward_layer.return_sequences)

    @property
    def return_state(self) -> bool:
        """Whether the states are given too."""
        return bool(self.forward_layer.return_state)

    @property
    def go_backwards(self) -> bool:
        """Whether the forward layer begins at the end."""
        return bool(self.forward_layer.go_backwards)


class Pipeline(_generated.Pipeline):
    """Applies layers one after another.

    Parameters
    ----------
    layers : list of Layer
    name : str, optional
    """

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__([_layer_of(self, layer) for layer in layers], name=name)

    def get_config(self) -> dict[str, Any]:
        """Give the layers and the name."""
        config = super().get_config()
        return {"layers": config["layers"], "name": config["name"]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make one of what ``get_config()`` gave."""
        return cls(config["layers"], name=config.get("name"))


class Lambda(Layer):
    """A function as a layer: it is traced, as ``call`` of a layer written in Python is.

    Parameters
    ----------
    function : callable
        Takes a tensor, gives one; written with operators and ``keras.ops``.
    arguments : dict, optional
        Further keywords of the function.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._configure(function=nested(function), arguments=dict(arguments or {}))

    def build(self, *shapes: Any, **named: Any) -> None:
        """Nothing to make: a function has no weights."""
        self.built = True

    def _traces(self) -> bool:
        return True

    def _trace_body(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """What the function makes of a tensor."""
        taken = inspect.signature(self.function).parameters
        more = {"mask": mask, "training": training}
        given = {name: value for name, value in more.items() if name in taken}
        return self.function(inputs, **{**given, **self.arguments})
