"""Arguments of layers: as users write them, as attributes, and as Keras writes them to files."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ebb.keras import _cells, _find, _naming, _policy, _symbolic, _tree
from ebb.keras._object import nested, serialize
from ebb.keras._symbolic import KerasTensor, Node
from ebb.keras._variable import Array, Variable

# Arguments that are a whole number or one for each axis of a window.
_WINDOWS = ("kernel_size", "strides", "dilation_rate", "pool_size")
# Lists that Keras hands out as tuples.
_TUPLES = ("target_shape", "dims", "noise_shape")
# Arguments that are left out of configurations when they are None.
_SILENT = [
    "lora_rank",
    "lora_alpha",
    "activity_regularizer",
    "backward_layer",
    "flash_attention",
    "use_gate",
    "gptq_unpacked_column_size",
]
# Classes that keep an axis as a list.
_AXES = ("LayerNormalization",)
_NEVER = ("activity_regularizer", "use_cudnn")
_UNWRITTEN = {
    "SimpleRNN": ("seed",),
    "RandomGrayscale": ("seed",),
    "CategoryEncoding": ("sparse",),
    "Pipeline": ("trainable", "dtype"),
}
_BARE = [
    "Discretization",
    "HashedCrossing",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]
_SPEAKING = [
    "EinsumDense",
    "SimpleRNN",
    "GRU",
    "LSTM",
    "Embedding",
    "ReversibleEmbedding",
    "GroupQueryAttention",
    "MultiHeadAttention",
]
# Arguments that are in files though constructors do not name them.
EXTRAS = [
    "zero_output_for_mask",
    "unroll",
    "rms_scaling",
    "seed",
    "data_format",
    "quantization_config",
    "lora_rank",
    "lora_alpha",
    "sparse",
    "flash_attention",
    "use_gate",
    "stateful",
]
# Arguments whose name is that of a property of every layer.
HIDDEN = ("output_shape",)
# Classes whose calls have more keywords in files than were given.
_MASKED = (
    "BatchNormalization",
    "Bidirectional",
    "TimeDistributed",
    "Softmax",
    "GlobalAveragePooling1D",
    "Lambda",
)
_UNTRAINED = ("SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "SpectralNormalization")
# Classes that Keras does not build: files tell no shapes of theirs.
_SHAPELESS = frozenset(
    [
        "Activation",
        "ActivityRegularization",
        "AlphaDropout",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "Identity",
        "InputLayer",
        "LeakyReLU",
        "Masking",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "ReLU",
        "Reshape",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "UnitNormalization",
    ]
)
# What the tensors of a call are called where there are several.
_CALLS = {
    "MultiHeadAttention": ("query", "value", "key"),
    "GroupQueryAttention": ("query", "value", "key"),
}
_RECURRENT = [
    "RNN",
    "SimpleRNN",
    "LSTM",
    "GRU",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Bidirectional",
]
_FIRST = ("inputs", "sequences", "sequence", "x", "input")
# Attributes in which wrappers hold the layers whose weights are theirs.
_PARTS = ("forward_layer", "backward_layer", "layer", "cell")
_ATTENTION = {
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "output_dense": "attention_output",
}
_INITIALIZERS = {
    "kernel": "kernel",
    "recurrent_kernel": "recurrent",
    "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
}


# -- values ---------------------------------------------------------------------------------------


def initializer(value: Any) -> Any:
    """An initializer of a name, a configuration, an array or a function."""
    return _find.get("initializers", value)


def regularizer(value: Any) -> Any:
    """A regularizer of a name, a configuration or a function."""
    return _find.get("regularizers", value)


def constraint(value: Any) -> Any:
    """A constraint of a name, a configuration or a function."""
    return _find.get("constraints", value)


def activation(value: Any) -> Any:
    """An activation of a name, a configuration or a function."""
    from ebb.keras import activations

    return activations.get(value)


_PLAIN = frozenset([str, int, float, bool])


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


_OBJECTS = {
    "initializer": initializer,
    "regularizer": regularizer,
    "constraint": constraint,
    "activation": activation,
}


@functools.lru_cache(maxsize=512)
def _word(name: str) -> str:
    """The last word of an argument's name if it is one of objects: ``"initializer"``; else none."""
    return next((word for word in _OBJECTS if name.endswith(word)), "")


@functools.lru_cache(maxsize=512)
def _rank_of(class_name: str) -> int:
    """``"Conv2D"``: 2; 0 without a number."""
    return next((int(c) for c in reversed(class_name) if c in "123"), 0)


def convert(layer: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as attributes."""
    rank = _rank_of(type(layer).__name__)
    done = {}
    for name, value in values.items():
        word = _word(name)
        if word:
            value = _OBJECTS[word](value)  # noqa: PLW2901
        elif value is None or type(value) in _PLAIN:
            if name in _WINDOWS and rank and value is not None:
                value = _window(name, value, rank)  # noqa: PLW2901
            elif name == "padding" and isinstance(value, str):
                value = _padding(type(layer).__name__, value)  # noqa: PLW2901
        elif name in _WINDOWS and rank and value is not None:
            value = _window(name, value, rank)  # noqa: PLW2901
        elif name in _TUPLES and isinstance(value, (list, tuple)):
            value = tuple(_plain(list(value)))  # noqa: PLW2901
        else:
            value = _plain(nested(value))  # noqa: PLW2901
        if name == "data_format" and value is None:
            value = _policy.settings.image_data_format  # noqa: PLW2901
        if name == "axis" and isinstance(value, int) and type(layer).__name__ in _AXES:
            value = [value]  # noqa: PLW2901
        done[name] = value
    if done.get("value_dim", 0) is None:
        done["value_dim"] = done["key_dim"]
    if "Pool" in type(layer).__name__ and done.get("strides", 0) is None:
        done["strides"] = done["pool_size"]
    return done


def _padding(kind: str, value: str) -> str:
    """The padding of a convolution; other layers look at it when they are called."""
    if "Conv" not in kind:
        return value
    known = ["valid", "same"]
    if kind in ("Conv1D", "SeparableConv1D", "DepthwiseConv1D"):  # the last two in Keras 2
        known.append("causal")
    if value.lower() not in known:
        told = ", ".join(f"'{one}'" for one in known)
        raise ValueError(
            f"The `padding` argument must be a list/tuple or one of {{{told}}}. Received: {value}"
        )
    return value.lower()


def _window(name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One number for each axis."""
    values = tuple(value) if isinstance(value, (list, tuple, np.ndarray)) else (value,) * rank
    if len(values) != rank:
        raise ValueError(
            f"The `{name}` argument must be a tuple of {rank} integers. Received {name}={value}"
        )
    return tuple(int(length) for length in values)


def argument(layer: Any, name: str) -> Any:
    """The value of an argument."""
    return getattr(layer, f"_{name}" if name in HIDDEN else name)


def config(layer: Any) -> dict[str, Any]:
    """What ``get_config()`` says of the arguments."""
    done = {}
    for name in layer._arguments:
        value = argument(layer, name)
        if (value is None and name in _SILENT) or name in _NEVER:
            continue
        done[name] = activation_config(value) if name.endswith("activation") else serialize(value)
    return done


def speaks(layer: Any) -> bool:
    """Does Keras write a missing activity_regularizer for this class?"""
    kind = type(layer).__name__
    return kind.startswith(("Conv", "Depthwise", "Separable")) or kind in _SPEAKING


def like_keras(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Without what Keras leaves out of files, with what it always writes."""
    kind = type(layer).__name__
    if kind in _RECURRENT and kind != "Bidirectional":
        config.setdefault("zero_output_for_mask", False)
        config.setdefault("unroll", False)
    if kind == "LSTMCell":  # it has another order than LSTM
        later = list(config)[list(config).index("use_bias") + 1 :]
        for name in ("unit_forget_bias", *(n for n in later if n != "unit_forget_bias")):
            config[name] = config.pop(name)
    if kind == "RNN":
        config["cell"] = config.pop("cell")  # the last one
    if kind == "LayerNormalization":
        config.setdefault("rms_scaling", False)
    for name in _UNWRITTEN.get(kind, ()):
        config.pop(name, None)
    if kind in _BARE:
        config.pop("trainable")
        config["dtype"] = layer.dtype_policy.name
    return config


def activation_config(value: Any) -> Any:
    """Activations of ebb by name."""
    if value is None:
        return "linear"
    if is_ours(value):
        return getattr(value, "__name__", None) or serialize(value)
    return serialize(value)


def is_ours(thing: Any) -> bool:
    """Is a class, a function or the class of an object one of ebb's own?"""
    module = str(getattr(thing, "__module__", ""))
    return module == "ebb" or module.startswith("ebb.")


def has_own_parts(layer: Any) -> bool:
    """Is its activation, or the regularizer of what it gives, something of the user's?"""
    penalty = layer.activity_regularizer
    return has_own_activation(layer) or (penalty is not None and not is_ours(type(penalty)))


def has_own_activation(layer: Any) -> bool:
    """Is the activation a function of the user's?"""
    value = layer.__dict__.get("activation")
    return value is not None and not is_ours(value)


def core_config(layer: Any) -> dict[str, Any]:
    """The arguments as the core is told them."""
    done: dict[str, Any] = {"dtype": layer.dtype_policy.entry()}
    for name in layer._arguments:
        value = argument(layer, name)
        word = _word(name)
        if name == "activation" and has_own_activation(layer):
            done[name] = "linear"  # it is traced
        elif word == "activation":
            done[name] = activation_config(value)
        elif value is None or type(value) in _PLAIN:
            done[name] = value
        elif word == "initializer" and is_python(value):
            done[name] = "zeros"  # what it gives is set afterwards
        elif word in ("regularizer", "constraint") and not is_ours(type(value)):
            done[name] = None  # steps of training that run in Python apply it
        else:
            done[name] = _core_value(value)
    return done


def _core_value(value: Any) -> Any:
    """Layers inside as the core is told them."""
    if getattr(value, "_is_layer", False):
        return value._core_entry(None, value.name, "", value._inbound_nodes, True)
    if isinstance(value, (list, tuple)):
        return [_core_value(item) for item in value]
    return serialize(value)


def is_python(value: Any) -> bool:
    """An initializer whose numbers only Python has: a function, a class of the user, an array."""
    if value is None or isinstance(value, str):
        return False
    if not is_ours(type(value)):
        return True
    given = getattr(value, "value", None)
    return hasattr(given, "shape") or isinstance(given, (list, tuple))


_CALLED = {"recurrent_kernel": "recurrent", "depthwise_kernel": "depthwise",
           "pointwise_kernel": "pointwise"}  # fmt: skip


def setting_of(layer: Any, inner: str, what: str) -> Any:
    """The regularizer or constraint that a layer has for a weight of its own, or None."""
    name = inner.rsplit("/", 1)[-1]
    return getattr(layer, f"{_CALLED.get(name, name)}_{what}", None)


def first_value(layer: Any, inner: str, variable: Variable) -> Array | None:
    """A weight's first numbers where an initializer is one of Python."""
    name = inner.rsplit("/", 1)[-1]
    given = getattr(layer, f"{_INITIALIZERS.get(name, name)}_initializer", None)
    if given is None or not is_python(given):
        return None
    from ebb.keras._initializer import make_array

    return make_array(given, variable.shape, variable.dtype)


def given_config(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor written in Python, if JSON has them."""
    import inspect

    try:
        bound = inspect.signature(type(layer).__init__).bind(layer, *args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    values = dict(list(bound.arguments.items())[1:])
    for name, parameter in inspect.signature(type(layer).__init__).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            values.update(values.pop(name, {}))
        elif parameter.kind is parameter.VAR_POSITIONAL and not values.get(name):
            values.pop(name, None)
    done = {}
    for name, value in values.items():
        if name in ("name", "trainable", "dtype"):
            continue
        try:
            done[name] = serialize(value)
            json.dumps(done[name])
        except TypeError as failure:
            raise NotImplementedError(
                f"Object {type(layer).__name__} was created by passing non-serializable argument "
                f"values in `__init__()`, and therefore the object must override `get_config()` "
                f"in order to be serializable. Argument: {name}={value!r}"
            ) from failure
    return done


# -- calls ----------------------------------------------------------------------------------------


def order_call(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The first argument by position; nothing that says nothing."""
    kwargs = {
        name: value
        for name, value in kwargs.items()
        if not (value is None and name in ("training", "initial_state"))
        and type(value).__name__ != "TrainingFlag"
    }
    if not args and kwargs and type(layer).__name__ not in _CALLS:
        first = next((name for name in _FIRST if name in kwargs), None)
        if first is not None and str(type(layer).call.__module__).startswith("ebb."):
            args = (kwargs.pop(first),)
    is_plain = not kwargs and len(args) == 1 and is_ours(type(layer))
    if is_plain and not _symbolic.tracing.depth:
        kwargs = _defaults(type(layer).__name__)
    return args, kwargs


def _defaults(kind: str) -> dict[str, Any]:
    """What Keras adds to a call that is given nothing but a tensor."""
    if kind in _RECURRENT and kind != "Bidirectional":
        return {"training": False, "mask": None}
    if kind in _MASKED:
        return {"mask": None}
    if kind.endswith("Dropout") or "Dropout1D" in kind or kind in _UNTRAINED:
        return {"training": False}
    return {}


def shapes_of(value: Any) -> Any:
    """Shapes that JSON gave as lists: tuples."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: shapes_of(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if all(item is None or isinstance(item, (int, np.integer)) for item in value):
            return tuple(value)
        return [shapes_of(item) for item in value]
    raise TypeError(f"Expected a shape, got {value!r}")


def _is_shape(value: Any) -> bool:
    """``(None, 10)``"""
    return isinstance(value, (list, tuple)) and all(
        item is None or isinstance(item, (int, np.integer)) for item in value
    )


def tensors_of(shape: Any, layer: Any) -> Any:
    """Symbolic tensors of shapes."""
    if _is_shape(shape):
        dtype = "int32" if type(layer).__name__ == "Embedding" else layer.compute_dtype
        return KerasTensor(tuple(shape), dtype)
    if isinstance(shape, dict):
        return {key: tensors_of(item, layer) for key, item in shape.items()}
    return [tensors_of(item, layer) for item in shape]


def build_shapes(layer: Any, node: Node) -> dict[str, Any] | None:
    """The shapes of a call, as Keras keeps them."""
    kind = type(layer).__name__
    if kind in _SHAPELESS:
        return None
    shapes = _tree.map_structure(lambda x: getattr(x, "shape", None), list(node.args))
    if kind in _CALLS:
        if layer.__dict__.get("attention_axes", 0) is None and shapes:
            layer.attention_axes = tuple(range(1, len(shapes[0]) - 1))
        given = {**dict(zip(_CALLS[kind], shapes)), **node.kwargs}
        return {
            f"{name}_shape": getattr(value, "shape", value)
            for name, value in given.items()
            if name in _CALLS[kind] and value is not None
        }
    if not shapes:
        return None
    note_parts(layer, shapes[0])
    if kind in _RECURRENT and node.kwargs.get("initial_state") is not None:
        states = _tree.map_structure(lambda x: x.shape, node.kwargs["initial_state"])
        return {"sequences_shape": shapes[0], "initial_state_shape": tuple(states)}
    return {"input_shape": shapes[0]}


def count_parts(layer: Any) -> None:
    """Layers that Keras makes inside one as it is built take part in the count of names."""
    if type(layer).__name__ in _CALLS:
        _naming.unique("softmax")
        _naming.unique("dropout")


def note_parts(layer: Any, shape: Any) -> None:
    """What the layers inside one are built for."""
    kind = type(layer).__name__
    if kind == "RNN":
        step = (shape[0], *shape[2:])
        layer.cell._build_shapes_dict = {"input_shape": step}
        for cell in getattr(layer.cell, "cells", None) or ():
            cell._build_shapes_dict = {"input_shape": step}
            step = (step[0], cell.units)
    elif kind == "TimeDistributed":
        inner = layer.layer
        if inner._build_shapes_dict is None and type(inner).__name__ not in _SHAPELESS:
            inner._build_shapes_dict = {"input_shape": (shape[0], *shape[2:])}


def first_shape(kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """The shape, with rows, that older versions gave the first layer: taken out of the keywords."""
    batch = kwargs.get("batch_size")
    whole = kwargs.pop("batch_input_shape", None) or kwargs.pop("batch_shape", None)
    if whole is not None:
        return tuple(whole)
    shape = kwargs.pop("input_shape", None)
    width, length = kwargs.pop("input_dim", None), kwargs.pop("input_length", None)
    if shape is None and width is not None:
        shape = (width,) if length is None else (length, width)
    if shape is None:
        return None
    return (batch, *(shape if isinstance(shape, (list, tuple)) else (shape,)))


# -- layers in layers -----------------------------------------------------------------------------


def owner_of(layer: Any, inner: str) -> tuple[Any, str]:
    """The layer inside a wrapper that a weight belongs to, and the weight's name there."""
    first, _, rest = inner.partition("/")
    if rest and first in _PARTS:
        part = layer.__dict__.get(first)
        if getattr(part, "_is_layer", False):
            return part, rest
    return None, inner


def weights_by_name(layer: Any) -> dict[str, Variable]:
    """The weights of a layer that is built, by their names in the core without the layer's own."""
    from ebb.keras._config import Writer

    if not layer.built:
        parts = {f"cells/{name}": cell for name, cell in _cell_names(layer)}
        parts.update((n, one) for n, one in _cells.opened(layer).items() if n != "cells")
        known = {name: weights_by_name(part) for name, part in parts.items()}
        return {f"{name}/{rest}": known[name][rest] for name in known for rest in known[name]}

    writer = Writer()
    layer._core_entry(writer, layer.name, "", layer._inbound_nodes, True)
    return {name[len(layer.name) + 1 :]: writer.table[name] for name in writer.table}


def hand_down(layer: Any) -> None:
    """Layers inside a wrapper get the weights that are theirs."""
    parts: dict[int, Any] = {}
    slots: dict[int, list[tuple[str, Variable]]] = {}
    for inner, variable in layer._slots:
        part, rest = owner_of(layer, inner)
        if part is None and inner.startswith("cells/"):
            part, rest = _cell_of(layer, inner)
        if part is not None and not part.built:
            parts[id(part)] = part
            slots.setdefault(id(part), []).append((rest, variable))
    for key, part in parts.items():
        part._slots = slots[key]
        part.built = True
        hand_down(part)


def _cell_names(layer: Any) -> list[tuple[str, Any]]:
    """Cells of a stack by their names in the core: ``lstm_cell_1`` is the second LSTMCell."""
    counts: dict[str, int] = {}
    named = []
    for cell in layer.__dict__.get("cells") or ():
        base = "functional" if cell._traces() else _naming.snake_case(type(cell).__name__)
        count = counts.get(base, 0)
        counts[base] = count + 1
        named.append((f"{base}_{count}" if count else base, cell))
    return named


def _cell_of(layer: Any, inner: str) -> tuple[Any, str]:
    """``cells/lstm_cell_1/kernel``: the second LSTMCell."""
    _, name, rest = inner.split("/", 2)
    found = next((cell for known, cell in _cell_names(layer) if known == name), None)
    return (found, rest) if found is not None else (None, inner)


def _is_alone(layer: Any) -> bool:
    """Is it built by itself: of a configuration that says for what, or of a file?"""
    tracing = _symbolic.tracing
    return layer._waits or layer._is_of_file or (tracing.deferred and not tracing.depth)


def weight_path(layer: Any, scope: str, inner: str) -> str:
    """The path of a weight as Keras tells it: ``sequential/lstm/lstm_cell/kernel``.

    Layers of a configuration that says what they were built for are built by themselves.
    """
    parts = inner.split("/")
    names = [scope] if scope and not _is_alone(layer) else []
    names.append(layer.name)
    here: Any = layer
    for part in parts[:-1]:
        if part == "cells":
            continue
        inside: Any = getattr(here, "__dict__", {}).get(part)
        if inside is None and _cells.is_stack(here):
            inside = dict(_cell_names(here)).get(part)
        if inside is not None and getattr(inside, "_is_layer", False):
            names = [inside.name] if _is_alone(inside) else [*names, inside.name]
        elif part == "cell":
            names.append(f"{_naming.snake_case(type(here).__name__)}_cell")
        else:
            names.append(_ATTENTION.get(part, part))
        here = inside
    return "/".join([*names, parts[-1]])


def that_builds(build: Any) -> Any:
    """A ``build`` of the caller's own, after which the layer is built: also if it says nothing."""
    if not callable(build):
        return build

    @functools.wraps(build)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        with _symbolic.within(self):
            build(self, *args, **kwargs)
        self.built = True

    return wrapped
