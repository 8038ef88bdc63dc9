"""``clone_model``: a model like another one, with new layers and new weights."""

from __future__ import annotations

from typing import Any, Callable

from ebb.keras import _summary, _tree
from ebb.keras._host_layer import is_host
from ebb.keras._serialization import deserialize_keras_object, serialize_keras_object
from ebb.keras._symbolic import KerasTensor

Cloner = Callable[[Any], Any]


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Cloner | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """Make a model of new layers that are connected as those of another one.

    Parameters
    ----------
    model : Model
        A Sequential or functional model; another one if its class has ``get_config()``.
    input_tensors : KerasTensor, or a list or dict of them, optional
        The new model's inputs, in the structure of ``model.input``.
    clone_function : callable, optional
        ``clone_function(layer)`` gives the layer to use instead. Left out:
        ``layer.__class__.from_config(layer.get_config())``.
    call_function : callable, optional
        ``call_function(layer, *args, **kwargs)`` calls a new layer; for functional models.
    recursive : bool
        Models inside the model are cloned layer by layer too.

    Returns
    -------
    Model
        With new weights; compiled as the model was, if it was.

    Raises
    ------
    ValueError
        The arguments do not fit the kind of model.
    """
    cache = kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"Unexpected keyword argument(s): {tuple(kwargs)}")
    if _summary.is_sequential(model):
        if call_function is not None:
            raise ValueError("`call_function` is not supported with Sequential models.")
        clone = _wrapped(clone_function, None, recursive, cache)
        return _compiled(_clone_sequential(model, clone, input_tensors), model)
    if _summary.is_functional(model):
        clone = _wrapped(clone_function, call_function, recursive, cache)
        return _compiled(_clone_functional(model, clone, call_function, input_tensors), model)
    for name, value in (
        ("clone_function", clone_function),
        ("input_tensors", input_tensors),
        ("call_function", call_function),
    ):
        if value is not None:
            raise ValueError(
                f"`{name}` is only supported for Sequential and functional models. Received "
                f"a model of type {type(model).__name__}"
            )
    entry = serialize_keras_object(model)
    return deserialize_keras_object(entry, {type(model).__name__: type(model)})


def _default_clone(layer: Any) -> Any:
    """A new layer of the same configuration."""
    if type(layer).__name__ == "Function":
        return type(layer)(layer.module, layer.class_name, dict(layer.config), name=layer.name)
    made = type(layer).from_config(layer.get_config())
    if is_host(layer):
        made._state_take(layer)
    return made


def _wrapped(
    function: Cloner | None,
    call_function: Callable[..., Any] | None,
    recursive: bool,
    cache: dict[int, Any] | None,
) -> Cloner:
    """Each layer is cloned once; models inside too, where that is asked for."""
    made: dict[int, Any] = {} if cache is None else cache

    def clone(layer: Any) -> Any:
        if id(layer) not in made:
            is_graph = _summary.is_functional(layer)
            if recursive and (is_graph or _summary.is_sequential(layer)):
                made[id(layer)] = clone_model(
                    layer,
                    clone_function=function,
                    call_function=call_function if is_graph else None,
                    recursive=True,
                    cache=made,
                )
            elif type(layer).__name__ == "Function":
                made[id(layer)] = _default_clone(layer)
            else:
                made[id(layer)] = (function or _default_clone)(layer)
        return made[id(layer)]

    return clone


def _compiled(clone: Any, model: Any) -> Any:
    """Compiled as the model is."""
    if getattr(model, "compiled", False):
        clone.compile_from_config(model.get_compile_config())
    return clone


def _one_tensor(given: Any) -> Any:
    """The only input tensor of a Sequential."""
    tensors = _tree.flatten(given)
    if len(tensors) != 1:
        raise ValueError("Argument `input_tensors` must contain a single tensor.")
    if not isinstance(tensors[0], KerasTensor):
        raise ValueError(f"Argument `input_tensors` must be a KerasTensor. Received: {tensors[0]}")
    return tensors[0]


def _clone_sequential(model: Any, clone: Cloner, input_tensors: Any) -> Any:
    """Layer by layer."""
    from ebb.keras._input import InputLayer
    from ebb.keras._sequential import Sequential

    layers = [clone(layer) for layer in model.layers]
    if input_tensors is not None:
        tensor = _one_tensor(input_tensors)
        shape, dtype = tensor.shape, tensor.dtype
        layers.insert(0, InputLayer(batch_shape=shape, dtype=dtype))
    elif getattr(model, "inputs", None):
        tensor = _tree.flatten(model.inputs)[0]
        name = tensor._node.operation.name if tensor._node is not None else None
        layers.insert(0, InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=name))
    made = Sequential(layers, name=model.name)
    made.trainable = model.trainable
    return made


def _same_structure(one: Any, other: Any) -> bool:
    """Are both nested in the same way?"""
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(_same_structure(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same_structure, one, other))
    return not isinstance(one, (list, tuple, dict)) and not isinstance(other, (list, tuple, dict))


def _new_inputs(model: Any, clone: Cloner, given: Any) -> Any:
    """The given tensors, or new ones like the model's."""
    from ebb.keras._input import Input

    own = model._inputs_struct if hasattr(model, "_inputs_struct") else model.input
    if given is not None:
        if not all(isinstance(tensor, KerasTensor) for tensor in _tree.leaves(given)):
            raise ValueError(f"All entries in `input_tensors` must be KerasTensors: {given}")
        flat = _tree.flatten(given)
        if not _same_structure(given, own) and len(flat) != len(_tree.flatten(own)):
            raise ValueError("`input_tensors` must have the same structure as model.input")
        return _tree.pack_as(own, flat)

    def fresh(tensor: Any) -> Any:
        name = tensor._node.operation.name
        return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)

    return _tree.map_structure(fresh, own)


def _clone_functional(
    model: Any, clone: Cloner, call_function: Callable[..., Any] | None, input_tensors: Any
) -> Any:
    """Runs the graph again on new inputs, with new layers."""
    inputs = _new_inputs(model, clone, input_tensors)
    known: dict[tuple[int, int], Any] = {}
    old = _tree.flatten(model.inputs)
    for before, after in zip(old, _tree.flatten(inputs)):
        known[id(before._node), before._index] = after

    def translate(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        return known[id(leaf._node), leaf._index]

    for node in _summary.graph_nodes(model):
        if (id(node), 0) in known:
            continue
        layer = clone(node.operation)
        args = _tree.map_structure(translate, node.args)
        kwargs = _tree.map_structure(translate, node.kwargs)
        if call_function is not None and type(layer).__name__ != "Function":
            outputs = call_function(layer, *args, **kwargs)
        else:
            outputs = layer(*args, **kwargs)
        for index, tensor in enumerate(_tree.leaves(outputs)):
            known[id(node), index] = tensor
    outputs = _tree.map_structure(translate, _outputs_of(model))
    from ebb.keras._functional import Functional

    kind = type(model) if type(model).__init__ is Functional.__init__ else Functional
    made = kind(inputs, outputs, name=model.name)
    made.trainable = model.trainable
    return made


def _outputs_of(model: Any) -> Any:
    """The outputs in their structure."""
    graph = getattr(model, "_graph", None)
    return graph.outputs if graph is not None else model.output
