"""What the architectures have in common: arguments, the last layers, weights, chains of layers."""

from __future__ import annotations

import os
from typing import Any, Callable, Protocol, TypeVar

from ebb._errors import NotFoundError
from ebb.keras import layers
from ebb.keras._input import Input
from ebb.keras._model import Model
from ebb.keras._symbolic import is_keras_tensor
from ebb.keras.applications import imagenet_utils
from ebb.keras.utils._files import cache_folder
from ebb.keras.utils._graphs import get_source_inputs

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"


class Chain:
    """A tensor, and layers put on it one after the other."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def put(self, layer: Any) -> Chain:
        """Any layer."""
        self.x = layer(self.x)
        return self

    def conv(self, filters: int, size: Any, name: str | None = None, **settings: Any) -> Chain:
        """A convolution."""
        return self.put(layers.Conv2D(filters, size, name=name, **settings))

    def norm(self, name: str | None = None, **settings: Any) -> Chain:
        """Batch normalization."""
        return self.put(layers.BatchNormalization(axis=settings.pop("axis", 3), name=name,
                                                  **settings))  # fmt: skip

    def act(self, name: str | None = None, kind: Any = "relu") -> Chain:
        """An activation."""
        return self.put(layers.Activation(kind, name=name))

    def pad(self, padding: Any, name: str | None = None) -> Chain:
        """Zeros around the image."""
        return self.put(layers.ZeroPadding2D(padding, name=name))


class Request:
    """The arguments that every architecture takes."""

    def __init__(
        self, include_top: bool, weights: Any, input_tensor: Any, input_shape: Any, pooling: Any,
        classes: int, classifier_activation: Any, name: str | None,
    ) -> None:  # fmt: skip
        if weights not in (None, "imagenet") and not os.path.exists(weights):
            raise ValueError(
                "The `weights` argument should be either `None` (random initialization), "
                "'imagenet' (pre-training on ImageNet), or the path to the weights file to be "
                f"loaded. Received: weights={weights}"
            )
        if weights == "imagenet" and include_top and classes != 1000:
            raise ValueError(
                "If using `weights='imagenet'` with `include_top=True`, `classes` should be 1000. "
                f"Received classes={classes}"
            )
        kind = getattr(classifier_activation, "__name__", classifier_activation)
        if weights is not None and include_top and kind not in (None, "linear", "softmax"):
            raise ValueError(
                "Only `None` and `softmax` activations are allowed for the "
                "`classifier_activation` argument when using pretrained weights, with "
                f"`include_top=True`; Received: classifier_activation={classifier_activation}"
            )
        if pooling not in (None, "avg", "max"):
            raise ValueError(f"pooling: expected avg, max or None, found {pooling!r}")
        self.include_top, self.weights, self.classes = include_top, weights, classes
        self.input_tensor, self.input_shape, self.pooling = input_tensor, input_shape, pooling
        self.activation, self.name = classifier_activation, name
        self.shape: tuple[Any, ...] = ()
        self.input: Any = None

    def begin(self, size: int, least: int, needs_size: bool | None = None) -> Any:
        """The input: of the shape that was asked for, or square."""
        needs_size = self.include_top if needs_size is None else needs_size
        self.shape = self._shape(size, least, needs_size)
        if self.input_tensor is None:
            self.input = Input(shape=self.shape)
        else:
            if not is_keras_tensor(self.input_tensor):
                raise ValueError("input_tensor: expected a symbolic tensor: keras.Input(...)")
            self.input = self.input_tensor
        return self.input

    def _shape(self, size: int, least: int, needs_size: bool) -> tuple[Any, ...]:
        channels = 3
        if self.input_shape is not None:
            if len(self.input_shape) != 3:
                raise ValueError("`input_shape` must be a tuple of three integers.")
            channels = self.input_shape[-1]
        usual = (size, size, channels)
        if self.weights == "imagenet" and (
            channels != 3 or (needs_size and tuple(self.input_shape or usual) != usual)
        ):
            raise ValueError(
                "When setting `include_top=True` and loading `imagenet` weights, `input_shape` "
                f"should be {(size, size, 3)}. Received: input_shape={self.input_shape}"
            )
        if self.input_shape is None:
            return usual if needs_size else (None, None, 3)
        shape = tuple(self.input_shape)
        if any(length is not None and length < least for length in shape[:2]):
            raise ValueError(
                f"Input size must be at least {least}x{least}; Received: input_shape={shape}"
            )
        if needs_size and None in shape:
            raise ValueError(
                "If `include_top` is True, you should specify a static `input_shape`. Received: "
                f"input_shape={shape}"
            )
        return shape

    def pooled(self, x: Any, avg: str | None = None, max: str | None = None) -> Any:
        """What comes in place of the last layers."""
        if self.pooling == "avg":
            return layers.GlobalAveragePooling2D(name=avg)(x)
        return layers.GlobalMaxPooling2D(name=max)(x) if self.pooling == "max" else x

    def top(self, x: Any, dropout: float = 0, named: bool = True, **settings: Any) -> Any:
        """Mean over the image and a dense layer, or what comes in their place."""
        if not self.include_top:
            return self.pooled(x, *(("avg_pool", "max_pool") if named else ()))
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        if dropout:
            x = layers.Dropout(dropout, name="top_dropout")(x)
        return self.classifier(x, **settings)

    def classifier(self, x: Any, **settings: Any) -> Any:
        """The dense layer of the classes."""
        return layers.Dense(
            self.classes, activation=self.activation, name="predictions", **settings
        )(x)

    def end(self, x: Any, folder: str, with_top: str, without_top: str, remote: Any = None) -> Any:
        """The model, with its weights; ``remote``: the two names where they come from."""
        inputs = self.input
        if self.input_tensor is not None:
            sources = get_source_inputs(self.input_tensor)
            inputs = sources[0] if len(sources) == 1 else sources
        model = Model(inputs, x, name=self.name)
        if self.weights == "imagenet":
            file = with_top if self.include_top else without_top
            path = cache_folder(cache_subdir="models") / file
            if not path.exists():
                source = file if remote is None else remote[0 if self.include_top else 1]
                raise NotFoundError(
                    f"ebb opens no connections: download {ADDRESS}{folder}/{source} and put it "
                    "there, or give weights=None or the path of a weights file",
                    str(path),
                )
            model.load_weights(str(path))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model

    def end_kernels(self, x: Any, folder: str, name: str) -> Any:
        """The same, for the usual names of files."""
        stem = f"{name}_weights_tf_dim_ordering_tf_kernels"
        return self.end(x, folder, f"{stem}.h5", f"{stem}_notop.h5")


def half_padding(x: Any, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before a convolution of stride 2, so that it hits the same pixels as TensorFlow."""
    adjust = [1 if length is None else 1 - length % 2 for length in x.shape[1:3]]
    half = size // 2
    return (half - adjust[0], half), (half - adjust[1], half)


class Architecture(Protocol):
    """A function that makes a model of one architecture."""

    def __call__(
        self,
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = ...,
    ) -> Any: ...


Made = TypeVar("Made", bound=Callable[..., Any])
PREPROCESSING = """\
    include_preprocessing : bool
        Whether the model itself brings images from 0 to 255 into its range.
"""

_ARGUMENTS = """

    Parameters
    ----------
    include_top : bool
        Whether the classifier is there.
    weights : "imagenet", path or None
        "imagenet": the file of Keras in ``~/.keras/models``; None: random.
    input_tensor : KerasTensor, optional
        What it is put on.
    input_shape : tuple of int, optional
        ``(height, width, channels)``; without the classifier any size.
    pooling : {"avg", "max"}, optional
        What comes in place of the classifier.
    classes : int
        Of the classifier.
    classifier_activation : str or None
        Of the classifier.
    name : str
        Of the model.

    Returns
    -------
    Model

    Raises
    ------
    NotFoundError
        The weights are not there; says where to get them.
    """


def architecture(
    called: str, model_name: str, meaning: str, build: Callable[..., Any], *settings: Any
) -> Architecture:
    """The function of an architecture: ``build(request, *settings)`` behind Keras's arguments."""

    def make(
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = model_name,
    ) -> Any:
        request = Request(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return build(request, *settings)

    return described(make, called, meaning)


def described(make: Made, called: str, meaning: str, more: str = "") -> Made:
    """A function of an architecture with its name and docstring; ``more``: arguments of its own."""
    function: Any = make
    function.__name__ = function.__qualname__ = called
    head, _, rest = _ARGUMENTS.partition("    Returns\n")
    function.__doc__ = f"{meaning}{head.rstrip()}\n{more}\n    Returns\n{rest}"
    return make


def preprocessing(mode: str) -> Callable[..., Any]:
    """The function ``preprocess_input`` of an architecture."""

    def preprocess_input(x: Any, data_format: str | None = None) -> Any:
        """Brings images from 0 to 255 into the range of the weights.

        Parameters
        ----------
        x : array, tensor or symbolic tensor
            ``(height, width, 3)`` or with samples before.
        data_format : {"channels_last", "channels_first"}, optional
            Where the channels are.

        Returns
        -------
        ndarray, Tensor or KerasTensor, as ``x``
        """
        return imagenet_utils.preprocess_input(x, data_format, mode)

    return preprocess_input
