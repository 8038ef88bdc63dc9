"""EfficientNet."""

from __future__ import annotations

from typing import Any

from ebb.keras.applications import _mobile
from ebb.keras.applications._frame import Request
from ebb.keras.applications.imagenet_utils import decode_predictions

__all__ = [
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "decode_predictions",
    "preprocess_input",
]


def EfficientNetB0(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb0",
) -> Any:
    """EfficientNet, size 0 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb0")


def EfficientNetB1(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb1",
) -> Any:
    """EfficientNet, size 1 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb1")


def EfficientNetB2(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb2",
) -> Any:
    """EfficientNet, size 2 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb2")


def EfficientNetB3(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb3",
) -> Any:
    """EfficientNet, size 3 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb3")


def EfficientNetB4(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb4",
) -> Any:
    """EfficientNet, size 4 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb4")


def EfficientNetB5(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb5",
) -> Any:
    """EfficientNet, size 5 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb5")


def EfficientNetB6(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb6",
) -> Any:
    """EfficientNet, size 6 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb6")


def EfficientNetB7(  # noqa: N802
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "efficientnetb7",
) -> Any:
    """EfficientNet, size 7 of 0 to 7.

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
    request = Request(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    return _mobile.build_efficient(request, "efficientnetb7")


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Gives images as they are: the model itself brings them into range.

    Parameters
    ----------
    x : array, tensor or symbolic tensor
        ``(height, width, 3)`` or with samples before.
    data_format : str, optional
        Has no effect.

    Returns
    -------
    ndarray, Tensor or KerasTensor, as ``x``
    """
    return x
