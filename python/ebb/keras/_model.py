"""Models: graphs of layers, and classes whose ``call`` is written in Python.

A model has an engine (_engine.py) with a native model, its core. It is made at once where the
model is new, and when first needed where the layers have numbers elsewhere already.
"""

from __future__ import annotations

import json
from typing import Any

from ebb._errors import StaleHandleError, UnsupportedError
from ebb.keras import _arguments, _symbolic, _tree
from ebb.keras._config import Writer
from ebb.keras._eager_call import call_plain, has_penalty, tensors_like
from ebb.keras._engine import Engine, core_from_text
from ebb.keras._graph import Graph, inlined
from ebb.keras._host_graph import split
from ebb.keras._layer import Layer, is_native
from ebb.keras._saveable import Saveable
from ebb.keras._seeds import next_seed
from ebb.keras._symbolic import Node
from ebb.keras._trainer import Trainer
from ebb.keras._variable import clock

_UNTRAINED = (None, False)


def is_functional_call(args: Any, kwargs: Any) -> bool:
    """Are these arguments inputs and outputs?"""
    return (
        len(args) == 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
    )


class Model(Layer, Trainer, Saveable):
    """A model: layers between inputs and outputs, or a class with a ``call`` of its own.

    Parameters
    ----------
    inputs, outputs : KerasTensor, or lists or dictionaries of them
        Of a functional model.
    name : str, optional

    Examples
    --------
    >>> inputs = keras.Input((37,))
    >>> x = keras.layers.Dense(32, activation="relu")(inputs)
    >>> model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(x))

    >>> class Net(keras.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = keras.layers.Dense(5)
    ...
    ...     def call(self, x):
    ...         return self.dense(x)

    Notes
    -----
    ``del model`` gives every byte back at once. ``model.close()``, or ``with model:``, does so
    while the name is still there and tells what came back; the model cannot be used afterwards.
    """

    _is_model = True
    _graph: Graph | None = None
    _engine: Engine | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and is_functional_call(args, kwargs):
            from ebb.keras._functional import Functional

            return Layer.__new__(Functional)
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if is_functional_call(args, kwargs):
            from ebb.keras import _functional

            _functional.make_functional(type(self))
            _functional.set_up(self, *args, **kwargs)
            return
        Layer.__init__(self, *args, **kwargs)

    # -- structure --------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers, in the order of files."""
        if self._graph is None:
            return Layer._layers.fget(self)  # type: ignore[attr-defined, no-any-return]
        return [operation for operation in self._operations if isinstance(operation, Layer)]

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError(
            "`Model.layers` attribute is reserved and should not be used. Please use another name."
        )

    @property
    def _layers(self) -> list[Layer]:
        own = Layer._layers.fget(self)  # type: ignore[attr-defined]
        return list(dict.fromkeys([*self.layers, *own]))

    @property
    def _operations(self) -> list[Any]:
        return list(self._graph.operations) if self._graph is not None else list(self.layers)

    @property
    def inputs(self) -> Any:
        """Symbolic inputs as a list; None for a class with ``call`` that has not seen data."""
        graph = self._run_graph
        return graph.flat_inputs if graph is not None else None

    @property
    def outputs(self) -> Any:
        """Symbolic outputs as a list."""
        graph = self._run_graph
        return graph.flat_outputs if graph is not None else None

    @property
    def input(self) -> Any:
        """Symbolic inputs in the structure that was given."""
        if self._graph is None:
            return Layer.input.fget(self)  # type: ignore[attr-defined]
        return self._graph.inputs

    @property
    def output(self) -> Any:
        """Symbolic outputs in the structure that was given."""
        if self._graph is None:
            return Layer.output.fget(self)  # type: ignore[attr-defined]
        return self._graph.outputs

    @property
    def input_names(self) -> list[str]:
        """Names of the input layers."""
        return [tensor._node.operation.name for tensor in self.inputs or []]

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that give the outputs."""
        return [tensor._node.operation.name for tensor in self.outputs or []]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Give a layer by its name or its number.

        Raises
        ------
        ValueError
            There is none; names those that are there.
        """
        if index is not None and name is not None:
            raise ValueError(
                f"Provide only a layer name or a layer index. Received: index={index}, name={name}."
            )
        if index is not None:
            if len(self.layers) <= index:
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has "
                    f"{len(self.layers)} layers."
                )
            return self.layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"No such layer: {name}. Existing layers are: {[layer.name for layer in self.layers]}."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a model of what ``get_config()`` gave.

        Parameters
        ----------
        config : dict
        custom_objects : dict, optional
            Name to class or function of the user's.
        """
        if {"layers", "input_layers", "output_layers"} <= set(config):
            from ebb.keras._functional import Functional
            from ebb.keras._rebuild import functional_from_config

            kind = Functional if cls is Model else cls
            return functional_from_config(kind, config, custom_objects)
        return cls(**config)

    # -- calling ----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        is_alone = not kwargs or (len(kwargs) == 1 and kwargs.get("training", self) in _UNTRAINED)
        state = _symbolic.tracing
        if is_alone and len(args) == 1 and not state.depth and not state.training:
            made = call_plain(self, args[0])
            if made is not None:
                return made
        return Layer.__call__(self, *args, **kwargs)

    def _call_symbolic(self, args: Any, kwargs: dict[str, Any]) -> Any:
        if self._graph is None:
            return Layer._call_symbolic(self, args, kwargs)
        from ebb.keras import _constant

        args, kwargs = _constant.lift((args, kwargs), self)
        args = (self._arrange(args[0] if args else kwargs.pop("inputs", None)), *args[1:])
        kwargs = {k: v for k, v in kwargs.items() if k != "training" or isinstance(v, bool)}
        kwargs = kwargs or {"mask": None}
        node = Node(self, args, kwargs)
        graph = self._graph
        known = [(tensor.shape, tensor.dtype) for tensor in graph.flat_outputs]
        if [tensor.shape for tensor in node.parents] != [t.shape for t in graph.flat_inputs]:
            entry = self._core_entry(None, self.name, "", [node], True)
            known = _symbolic.infer(entry, node, len(known))["outputs"]
        return _tree.pack_as(graph.outputs, node.emit(known))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the model computes: written by subclasses."""
        if self._graph is not None:
            return self._call_symbolic(args, kwargs)
        raise NotImplementedError(
            f"Model {type(self).__name__} does not have a `call()` method implemented."
        )

    def _arrange(self, inputs: Any) -> Any:
        """Inputs in the structure of the model's own."""
        assert self._graph is not None
        own = self._graph.inputs
        names = self.input_names
        if isinstance(inputs, dict) and not isinstance(own, dict):
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(
                    f"The structure of `inputs` doesn't match the expected structure.\nExpected: "
                    f"{names}\nReceived: inputs={inputs}"
                )
            values = [inputs[name] for name in names]
            return _tree.pack_as(own, values)
        count = len(_tree.flatten(inputs))
        if count != len(names):
            raise ValueError(
                f"The structure of `inputs` doesn't match the expected structure.\nExpected: "
                f"{names}\nReceived: inputs={inputs}"
            )
        return inputs

    # -- what the core is told --------------------------------------------------------------------

    def _core_entry(
        self, writer: Any, name: str, prefix: str, calls: list[Node], trainable: bool
    ) -> dict[str, Any]:
        if self._graph is None:
            return Layer._core_entry(self, writer, name, prefix, calls, trainable)
        return self._graph_entry(
            writer or Writer(), self._graph, name, f"{prefix}{name}/", trainable
        )

    def _graph_entry(
        self, writer: Writer, graph: Graph, name: str, prefix: str, trainable: bool
    ) -> dict[str, Any]:
        """A graph of layers as the core is told it."""
        config = writer.graph(graph, name, prefix, trainable and self.trainable)
        return {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": config,
            "registered_name": "Functional",
        }

    # -- the core ---------------------------------------------------------------------------------

    _traced: Graph | None = None
    _trace_structure: Any = None

    @property
    def _run_graph(self) -> Graph | None:
        """The graph that the core runs: of the layers, or what ``call`` was traced to."""
        return self._graph if self._graph is not None else self._traced

    def _engine_make(self) -> Engine:
        """Makes the core now."""
        graph = self._run_graph
        if graph is None:
            raise ValueError(
                f"Model '{self.name}' has not been built yet: its input shape is not known. Call "
                "it on data, call `build(input_shape)`, or give its first layer an `input_shape`."
            )
        parts = split(graph)
        writer, flat = Writer(), None if parts is None else parts.core.graph
        if flat is None:
            entry = self._graph_entry(writer, graph, self.name, "", True)
            if len({id(variable) for variable in writer.table.values()}) < len(writer.table):
                # A layer is inside a nested model and outside too: the core has them apart.
                writer, flat = Writer(), inlined(graph)
        if flat is not None:
            entry = Model._graph_entry(self, writer, flat, self.name, "", True)
        core = core_from_text(json.dumps(entry), next_seed())
        engine = Engine(core, writer.table, writer.frozen, writer.stateful)
        engine.graph, engine.host = flat, parts
        engine.has_penalty = has_penalty(self)
        self._engine = engine
        for layer in self._inner_models():
            if layer._engine is not None and not layer.compiled and not layer._engine.is_closed:
                layer._engine.retreat()
                layer._engine = None  # it gets another core when it is used by itself
        return engine

    def _inner_models(self) -> list[Model]:
        """Models in the model, at any depth."""
        found: list[Model] = []
        waiting = list(self._layers)
        while waiting:
            layer = waiting.pop()
            if isinstance(layer, Model) and layer not in found and layer is not self:
                found.append(layer)
            waiting.extend(layer._layers)
        return found

    def _engine_begin(self) -> None:
        """Makes the core of a model whose weights are all new."""
        if _symbolic.tracing.deferred:
            return
        if all(variable._home is None for variable in self.weights):
            self._engine_make()

    @property
    def _core(self) -> Any:
        """The native model.

        Raises
        ------
        ValueError
            The model has not been built.
        """
        engine = self._engine if self._engine is not None else self._engine_make()
        if engine.is_closed or not engine.core.alive:
            raise StaleHandleError("the model was closed; build or load it again", self.name)
        return engine.core

    @property
    def _parts(self) -> Any:
        return self._engine.host if self._engine is not None else None

    def _plain_core(self) -> Any:
        """The core, weights up to date, of a model that takes and gives one array; else None."""
        engine = self._engine
        if engine is None or engine.is_closed:
            return None
        if engine.synced != clock.changes:
            engine.sync()
        core = engine.built.core
        known = self._known_ports
        ports = known[1] if known is not None and known[0]() is core else self._ports
        return core if ports.is_plain else None

    @property
    def _core_or_none(self) -> Any:
        if self._engine is None and self._run_graph is None:
            return None
        return self._core

    def _sync(self) -> None:
        """Weights and frozen layers that other models or the user changed reach the core."""
        engine = self._engine if self._engine is not None else self._engine_make()
        if engine.is_closed or not engine.core.alive:
            raise StaleHandleError("the model was closed; build or load it again", self.name)
        engine.sync()
        if engine.frozen_at != clock.freezes:
            self._freeze(engine)
            engine.frozen_at = clock.freezes

    def _sync_weights(self) -> None:
        """The same for a prediction, which need not know what is frozen."""
        engine = self._engine if self._engine is not None else self._engine_make()
        engine.sync()

    def _freeze(self, engine: Engine) -> None:
        """Tells the core what training may change."""
        graph = self._run_graph
        assert graph is not None
        if engine.is_split:
            raise UnsupportedError(
                "a layer is used inside another layer (TimeDistributed, Bidirectional ...) and "
                "outside of it too; such a model predicts, but training would separate the two",
                self.name,
            )
        writer = Writer(is_brief=True)
        if engine.graph is None:
            self._graph_entry(writer, graph, self.name, "", True)
        else:
            Model._graph_entry(self, writer, engine.graph, self.name, "", True)
        for title, is_frozen in writer.frozen.items():
            if engine.frozen.get(title, False) != is_frozen:
                engine.built.freeze(title, is_frozen)
                engine.frozen[title] = is_frozen

    def _weights_changed(self) -> None:
        """The core was trained: its numbers are the newest."""
        if self._engine is not None:
            self._engine.changed()

    def _build_for(self, x: Any, y: Any = None) -> None:
        """Builds a model that is not built yet, for data like these."""
        if self._run_graph is not None:
            if self._engine is None:
                self._engine_make()
            return
        self._build_tensors((tensors_like(x),), {})

    def _build_tensors(self, args: Any, kwargs: dict[str, Any]) -> None:
        """Builds it for symbolic tensors."""
        from ebb.keras import _tracing

        trace = _tracing.trace_call(self, args, kwargs)
        _tracing.name_ports(trace, args)
        self._traced, self._trace_structure = trace.graph, trace.structure
        self.built = True
        self._engine_begin()

    def build(self, input_shape: Any = None, **named: Any) -> None:
        """Build the model for a shape of input, the rows (None) first.

        Parameters
        ----------
        input_shape : tuple, or a list or dictionary of tuples
        """
        if self._run_graph is not None or not is_native(type(self).build):
            self.built = True
            return
        if is_native(type(self).call) or input_shape is None:
            self.built = True
            return
        self._build_shapes_dict = {"input_shape": input_shape}
        self._build_tensors((_arguments.tensors_of(input_shape, self),), {})

    def get_build_config(self) -> dict[str, Any] | None:
        """Give the shapes it was built for."""
        if self._graph is not None:
            return {"input_shape": None}
        return Layer.get_build_config(self)

    # -- weights, memory, life --------------------------------------------------------------------

    def close(self) -> Any:
        """Unload the model now.

        Returns
        -------
        Receipt
            Every byte that came back. Using the model afterwards raises StaleHandleError.
        """
        engine = self._engine if self._engine is not None else self._engine_make()
        return engine.close()

    unload = close

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._engine is not None and not self._engine.is_closed:
            self.close()

    def __reduce__(self) -> Any:
        from ebb.keras._copying import from_bytes, to_bytes

        return from_bytes, (to_bytes(self),)

    def __deepcopy__(self, memo: Any) -> Any:
        from ebb.keras._copying import from_bytes, to_bytes

        return from_bytes(to_bytes(self))

    def __copy__(self) -> Any:
        return self.__deepcopy__({})

    def memory(self) -> Any:
        """Give the bytes that the model takes, by class."""
        return self._core.memory()

    def quantize(self, mode: str = "int8", **kwargs: Any) -> None:
        """Keep the weights in fewer bits; the model computes with what is kept.

        Parameters
        ----------
        mode : str
            ``"int8"``, ``"float16"`` ...
        """
        self._sync()
        self._core.quantize(mode, **kwargs)

    def _pack_outputs(self, outputs: Any) -> Any:
        """Arrays in the structure of the model's outputs."""
        structure = self._graph.outputs if self._graph is not None else self._trace_structure
        flat = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        packed = _tree.pack_as(structure, flat)
        return _tree.unpack_single(packed)
