"""The layers that ConvNeXt and InceptionResNetV2 bring along; files name them."""

from __future__ import annotations

from typing import Any

from ebb.keras._layer import Layer


class LayerScale(Layer):
    """A factor for each channel, learned, and small in the beginning.

    Parameters
    ----------
    init_values : float
        What all factors begin as.
    projection_dim : int
        How many channels there are.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    _keras_name = ("keras.src.applications.convnext", "LayerScale")

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._configure(init_values=init_values, projection_dim=projection_dim)


class StochasticDepth(Layer):
    """Drops whole samples while training, and scales the others up.

    Parameters
    ----------
    drop_path_rate : float
        Share that is dropped, from 0 to below 1.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    _keras_name = ("keras.src.applications.convnext", "StochasticDepth")

    def __init__(self, drop_path_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._configure(drop_path_rate=drop_path_rate)


class CustomScaleLayer(Layer):
    """``inputs[0] + inputs[1] * scale``.

    Parameters
    ----------
    scale : float
        Factor of the second input.
    **kwargs
        ``name``, ``dtype``, ``trainable`` and whatever else every layer takes.
    """

    _keras_name = ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer")

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._configure(scale=scale)
