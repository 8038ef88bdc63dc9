"""Sequential models: one layer after the other."""

from __future__ import annotations

from typing import Any

from ebb.keras import _arguments, _known, _naming, _symbolic, _tree
from ebb.keras._config import Writer
from ebb.keras._graph import Graph
from ebb.keras._input import InputLayer
from ebb.keras._layer import Layer
from ebb.keras._model import Model
from ebb.keras._object import deserialize, serialize
from ebb.keras._symbolic import KerasTensor


class Sequential(Model):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer, optional
        The first may be an ``Input``; without one, and without ``input_shape`` on the first layer,
        the model is built when it sees data.
    trainable : bool
    name : str, optional

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        Layer.__init__(self, trainable=trainable, name=name)
        self._stack: list[Layer] = []
        for layer in layers or ():
            self.add(layer, rebuild=False)
        self._rebuild()
        if self._graph is not None:
            self._engine_begin()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Add a layer at the end.

        Raises
        ------
        ValueError
            It is no layer, or one of its name is there already.
        """
        first = layer._first_shape if isinstance(layer, Layer) else None
        if not self._stack and first is not None:
            dtype = "int32" if type(layer).__name__ == "Embedding" else layer.dtype
            self.add(InputLayer(batch_shape=first, dtype=dtype), rebuild=False)
        if isinstance(layer, KerasTensor):
            layer = layer._node.operation if layer._node is not None else layer
        if not isinstance(layer, Layer):
            if callable(layer) and hasattr(layer, "entry"):
                layer = _of_function(layer)
            else:
                raise ValueError(
                    "Only instances of `keras.Layer` can be added to a Sequential model. Received: "
                    f"{layer} (of type {type(layer)})"
                )
        if layer.name in [other.name for other in self._stack]:
            raise ValueError(
                "All layers added to a Sequential model should have unique names. Name "
                f"'{layer.name}' is already the name of a layer in this model. Update the `name` "
                "argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._stack:
            if isinstance(self._stack[0], InputLayer):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input "
                    f"shape {self._stack[0].batch_shape}. You cannot add a different Input layer "
                    "to it."
                )
            self._stack.insert(0, layer)
        else:
            self._stack.append(layer)
        before = self._graph
        self._forget()
        if rebuild and before is not None and self._stack[-1] is layer:
            self._extend(before, layer)
        elif rebuild:
            self._rebuild()

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer away.

        Returns
        -------
        Layer
        """
        layer = self._stack.pop()
        self._forget()
        if rebuild:
            self._rebuild()
        return layer

    def _extend(self, graph: Graph, layer: Layer) -> None:
        """The graph with one more layer."""
        try:
            with self._scope():
                outputs = layer(graph.outputs)
        except BaseException:
            self._stack.pop()
            self._finish_graph(graph.inputs, graph.outputs)
            raise
        self._finish_graph(graph.inputs, outputs)

    def _scope(self) -> _symbolic.Changed:
        """Paths of weights that are made in here begin with the model's name."""
        return _symbolic.Changed(scope=(*_symbolic.tracing.scope, self.name))

    def _finish_graph(self, inputs: Any, outputs: Any) -> None:
        """It is built."""
        _naming.unique("functional")  # Keras counts the graph that it makes here
        self._graph = Graph(inputs, outputs, strict=False)
        self.built = True
        self._build_shapes_dict = {"input_shape": inputs.shape}

    def _forget(self) -> None:
        """The layers are others now."""
        self.built = False
        self._graph = self._engine = None

    def _rebuild(self) -> None:
        """Builds it if the shape of the input is known."""
        self._forget()
        if len(self._stack) < 2:
            if self._stack and isinstance(self._stack[0], Model) and self._stack[0]._graph:
                return
            return
        first = self._stack[0]
        if isinstance(first, InputLayer):
            self.build(first.batch_shape)
        elif isinstance(first, Model) and first._graph is not None:
            self.build(_tree.unpack_single(first.input_shape))

    def build(self, input_shape: Any = None, **named: Any) -> None:
        """Build the model for a shape of input, the rows (None) first.

        Raises
        ------
        ValueError
            There are no layers.
        """
        if self._graph is not None and input_shape is None:
            return
        if not self._stack:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call "
                "`model.add(layer)`."
            )
        if isinstance(self._stack[0], InputLayer):
            self._build_on(self._stack[0].output)
        elif input_shape is None:
            raise ValueError("You must provide an `input_shape` argument.")
        else:
            first = self._stack[0]
            dtype = "int32" if type(first).__name__ == "Embedding" else first.compute_dtype
            if isinstance(first, Model) and first._graph is not None:
                dtype = first.inputs[0].dtype
            self._build_on(InputLayer(batch_shape=tuple(input_shape), dtype=dtype).output)

    def _build_on(self, tensor: Any) -> None:
        """Calls every layer."""
        source = tensor._node.operation
        if self._stack[0] is not source:
            self._stack.insert(0, source)
        with self._scope():
            x = tensor
            for layer in self._stack[1:]:
                x = layer(x)
        self._finish_graph(tensor, x)

    def _build_for(self, x: Any, y: Any = None) -> None:
        if self._graph is None:
            from ebb.keras._eager_call import tensors_like

            like = _tree.flatten(tensors_like(x))[0]
            if isinstance(self._stack[0] if self._stack else None, InputLayer):
                self.build(None)
            else:
                self._check_layers()
                dtype = "int32" if type(self._stack[0]).__name__ == "Embedding" else like.dtype
                self._build_on(InputLayer(batch_shape=like.shape, dtype=dtype).output)
        if self._engine is None:
            self._engine_begin()
            self._sync()

    def _check_layers(self) -> None:
        """There are layers."""
        if not self._stack:
            raise ValueError(
                f"Sequential model '{self.name}' cannot be built because it has no layers. Call "
                "`model.add(layer)`."
            )

    def _call_symbolic(self, args: Any, kwargs: dict[str, Any]) -> Any:
        if self._graph is None:
            self._check_layers()
            self.build(_tree.flatten(args)[0].shape)
        return Model._call_symbolic(self, args, kwargs)

    @property  # type: ignore[misc]
    def layers(self) -> list[Layer]:
        """The layers; an Input is none."""
        stack = self.__dict__.get("_stack", [])
        return stack[1:] if stack and isinstance(stack[0], InputLayer) else list(stack)

    @property
    def _layers(self) -> list[Layer]:
        return list(self._stack)

    @property
    def inputs(self) -> Any:
        """Symbolic inputs as a list."""
        self._need_graph("inputs")
        return Model.inputs.fget(self)  # type: ignore[attr-defined]

    @property
    def outputs(self) -> Any:
        """Symbolic outputs as a list."""
        self._need_graph("outputs")
        return Model.outputs.fget(self)  # type: ignore[attr-defined]

    @property
    def input_shape(self) -> Any:
        """Shape of the input, rows first."""
        self._need_graph("input shape")
        return self.inputs[0].shape

    @property
    def output_shape(self) -> Any:
        """Shape of the output, rows first."""
        self._need_graph("output shape")
        return _tree.map_structure(lambda x: x.shape, self.output)

    def _need_graph(self, what: str) -> None:
        """Its shapes are known."""
        if self._graph is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")

    def _graph_entry(
        self, writer: Writer, graph: Graph, name: str, prefix: str, trainable: bool
    ) -> dict[str, Any]:
        trainable = trainable and self.trainable
        entries = []
        for layer in self._stack:
            calls = graph.calls(layer)
            entries.append(layer._core_entry(writer, layer.name, prefix, calls, trainable))
        config = {
            "name": name,
            "trainable": trainable,
            "dtype": self.dtype_policy.entry(),
            "layers": entries,
            "build_input_shape": list(graph.flat_inputs[0].shape),
        }
        return {
            "module": "keras",
            "class_name": "Sequential",
            "config": config,
            "registered_name": None,
        }

    def get_build_config(self) -> dict[str, Any] | None:
        """Give the shape it was built for."""
        return Layer.get_build_config(self)

    def get_config(self) -> dict[str, Any]:
        """Give the layers, as Keras 3 writes them."""
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.entry(),
            "layers": [serialize(layer) for layer in self._stack],
        }
        if self._graph is not None:
            config["build_input_shape"] = self._graph.flat_inputs[0].shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a model of what ``get_config()`` gave."""
        model = cls(name=config.get("name"), trainable=config.get("trainable", True))
        for entry in config["layers"]:
            model.add(deserialize(entry, custom_objects), rebuild=False)
        layers = {layer.name: layer for layer in model._stack}
        with _known.telling("Sequential", config, layers):
            model._rebuild()
            shape = config.get("build_input_shape")
            if model._graph is None and shape and model._stack:
                model.build(_arguments.shapes_of(shape))
        if model._graph is not None:
            model._engine_begin()
        return model


def _of_function(function: Any) -> Layer:
    """An operation of keras.ops as a layer."""
    from ebb.keras._wrappers import Lambda

    return Lambda(function)
