"""Activations: functions of arrays and symbolic tensors, and the names that layers know them by.

A layer may be given any of these functions, its name, or a function of the user's own that is made
of ``ebb.keras.ops``.
"""

from __future__ import annotations

import difflib
from typing import Any, Callable

from ebb._generated.activations import ALIASES as _ALIASES
from ebb._generated.activations import NAMES as _NAMES
from ebb.keras import _registry
from ebb.keras._serialization import deserialize_keras_object, serialize_keras_object
from ebb.keras.ops import _elementwise as _e

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]


def linear(x: Any) -> Any:
    """``x`` itself."""
    return x


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """``max(x, 0)``, with a slope below, a largest value, and another place than 0.

    Parameters
    ----------
    x : tensor or array
        Any shape.
    negative_slope : float
        Of values below the threshold: ``negative_slope * (x - threshold)``.
    max_value : float, optional
        Larger values become this.
    threshold : float
        Values below it are 0, or on the slope.

    Returns
    -------
    Tensor, or KerasTensor if ``x`` is one
        The shape of ``x``.
    """
    if threshold == 0 and negative_slope == 0 and max_value in (None, 6):
        return _e.relu(x) if max_value is None else _e.relu6(x)
    if threshold == 0:
        made = _e.leaky_relu(x, negative_slope=negative_slope) if negative_slope else _e.relu(x)
    else:
        below = _e.multiply(_e.subtract(x, threshold), negative_slope)
        made = _e.where(_e.greater(x, threshold), x, below)
    return made if max_value is None else _e.minimum(made, float(max_value))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """``x``, times the slope where it is negative."""
    return _e.leaky_relu(x, negative_slope=negative_slope)


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``."""
    return _e.relu6(x)


def softmax(x: Any, axis: Any = -1) -> Any:
    """Probabilities: positive, sum 1 along an axis or several."""
    return _e.softmax(x, axis=axis)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """``log(softmax(x))`` without underflow."""
    return _e.log_softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x``, and ``alpha * (exp(x) - 1)`` where it is negative."""
    return _e.elu(x, alpha=alpha)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """``x``, and ``alpha * (exp(x / alpha) - 1)`` where it is negative."""
    return _e.celu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """Scaled ELU: keeps mean and variance through many layers."""
    return _e.selu(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """``x`` times the normal distribution up to ``x``; exact, or approximated by tanh."""
    return _e.gelu(x, approximate=approximate)


def glu(x: Any, axis: int = -1) -> Any:
    """The first half of an axis times the sigmoid of the second."""
    return _e.glu(x, axis=axis)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return _e.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6``."""
    return _e.hard_sigmoid(x)


def log_sigmoid(x: Any) -> Any:
    """``log(sigmoid(x))`` without underflow."""
    return _e.log_sigmoid(x)


def sparse_sigmoid(x: Any) -> Any:
    """0 up to -1, 1 from 1 on, ``(x + 1) / 2`` between them."""
    return _e.sparse_sigmoid(x)


def silu(x: Any) -> Any:
    """``x * sigmoid(x)``, also called swish."""
    return _e.silu(x)


swish = silu


def hard_silu(x: Any) -> Any:
    """``x * hard_sigmoid(x)``, also called hard swish."""
    return _e.hard_silu(x)


hard_swish = hard_silu


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return _e.tanh(x)


def hard_tanh(x: Any) -> Any:
    """Into the range from -1 to 1."""
    return _e.hard_tanh(x)


def tanh_shrink(x: Any) -> Any:
    """``x - tanh(x)``."""
    return _e.tanh_shrink(x)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """``x``, and 0 within the threshold around 0."""
    return _e.hard_shrink(x, threshold=threshold)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """``x`` moved towards 0 by the threshold."""
    return _e.soft_shrink(x, threshold=threshold)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    return _e.softplus(x)


def sparse_plus(x: Any) -> Any:
    """0 up to -1, ``x`` from 1 on, ``(x + 1) ** 2 / 4`` between them."""
    return _e.sparse_plus(x)


def squareplus(x: Any, b: float = 4) -> Any:
    """``(x + sqrt(x ** 2 + b)) / 2``."""
    return _e.squareplus(x, b=b)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    return _e.softsign(x)


def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))``."""
    return _e.multiply(x, _e.tanh(_e.softplus(x)))


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Like softmax, with zeros where numbers are small."""
    return _e.sparsemax(x, axis=axis)


def exponential(x: Any) -> Any:
    """``exp(x)``."""
    return _e.exp(x)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """``x`` above the threshold, else the default value."""
    return _e.threshold(x, threshold, default_value)


# A layer's configuration has the name; parameters then have their defaults.
_BY_NAME: dict[str, Callable[..., Any]] = {name: globals()[name] for name in _NAMES}
_BY_NAME.update({alias: _BY_NAME[name] for alias, name in _ALIASES.items()})
_BY_NAME.update(swish=swish, hard_swish=hard_swish)


def serialize(activation: Callable[..., Any]) -> Any:
    """Name of an activation, as configurations have it.

    Parameters
    ----------
    activation : function
        One of this module, or one registered with ``register_keras_serializable``.

    Returns
    -------
    str or dict
        ``"relu"``; a dict for functions of the user's own.

    Raises
    ------
    ValueError
        Nothing that can be called.
    """
    if not callable(activation):
        raise ValueError(f"serialize: {activation!r} is no activation")
    name = getattr(activation, "__name__", "")
    if _BY_NAME.get(name) is activation:
        return name
    made = serialize_keras_object(activation)
    if isinstance(made, dict) and made.get("class_name") == "function":
        return made["config"]
    return made


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation of a name or of a configuration.

    Parameters
    ----------
    config : str or dict
        What ``serialize`` gave.
    custom_objects : dict, optional
        Name to function, for functions of the user's own.

    Returns
    -------
    function

    Raises
    ------
    ValueError
        Nobody knows the name; tells the nearest ones.
    """
    if isinstance(config, dict):
        return deserialize_keras_object(config, custom_objects=custom_objects)
    own = _registry.find_custom(config, None, custom_objects)
    found = own if own is not None else _BY_NAME.get(config)
    if found is None:
        near = difflib.get_close_matches(str(config), list(_BY_NAME), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"Could not interpret activation function identifier: {config!r}{hint}")
    return found


def get(identifier: Any) -> Any:
    """The activation that a name, a configuration or a function means.

    Parameters
    ----------
    identifier : str, dict, function, layer or None
        None is ``linear``.

    Returns
    -------
    function

    Raises
    ------
    ValueError
        Nobody knows the name.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret activation function identifier: {identifier!r}")
