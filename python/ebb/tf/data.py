"""``tf.data``: datasets, which are those of ``keras.utils`` too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ebb._dataset import AUTOTUNE, Dataset
from ebb._dataset import INFINITE as INFINITE_CARDINALITY
from ebb._dataset import UNKNOWN as UNKNOWN_CARDINALITY


class Options:
    """Settings of datasets: all are accepted, elements are made when they are asked for."""

    def __init__(self) -> None:
        self.deterministic: Any = None
        self.experimental_deterministic: Any = None
        self.autotune = SimpleNamespace()
        self.threading = SimpleNamespace()
        self.experimental_optimization = SimpleNamespace()
        self.experimental_distribute = SimpleNamespace()


def _cardinality(dataset: Dataset) -> Any:
    return dataset.cardinality()


experimental = SimpleNamespace(
    AUTOTUNE=AUTOTUNE,
    INFINITE_CARDINALITY=INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY=UNKNOWN_CARDINALITY,
    cardinality=_cardinality,
)

__all__ = [
    "AUTOTUNE", "Dataset", "INFINITE_CARDINALITY", "Options", "UNKNOWN_CARDINALITY",
    "experimental",
]  # fmt: skip
