"""The usual data sets, read from the folder where Keras keeps them: ``~/.keras/datasets``.

ebb opens no connections: a file that is not there is an error that says where to get it.
"""

from __future__ import annotations

from ebb.keras.datasets import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)

__all__ = [
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
]
