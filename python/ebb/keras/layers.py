"""Layers: those of the library, with Keras's names and arguments, and the base of your own."""

from __future__ import annotations

from ebb._generated import layers as _generated
from ebb._generated.layers import *  # noqa: F403
from ebb.keras import _missing
from ebb.keras._clahe import ContrastLimitedAdaptiveHistogramEqualization
from ebb.keras._crossing import HashedCrossing
from ebb.keras._hashing import Hashing
from ebb.keras._input import Input, InputLayer  # type: ignore[assignment]
from ebb.keras._layer import InputSpec, Layer
from ebb.keras._lookup import IntegerLookup, StringLookup
from ebb.keras._merging import (
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from ebb.keras._object import deserialize, serialize
from ebb.keras._preprocessing import Discretization, Normalization
from ebb.keras._recurrent import (
    GRU,
    LSTM,
    RNN,
    ConvLSTM1D,
    ConvLSTM2D,
    ConvLSTM3D,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from ebb.keras._spectrogram import MelSpectrogram, STFTSpectrogram
from ebb.keras._text import TextVectorization
from ebb.keras._wrappers import (
    Bidirectional,
    Lambda,
    Pipeline,
    TimeDistributed,
    Wrapper,
)

__all__ = [  # noqa: PLE0604
    *_generated.__all__,
    "Bidirectional",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Discretization",
    "HashedCrossing",
    "GRUCell",
    "Hashing",
    "Input",
    "InputLayer",
    "InputSpec",
    "IntegerLookup",
    "LSTM",
    "LSTMCell",
    "Lambda",
    "Layer",
    "MelSpectrogram",
    "Normalization",
    "Pipeline",
    "RNN",
    "SimpleRNNCell",
    "STFTSpectrogram",
    "StackedRNNCells",
    "StringLookup",
    "TextVectorization",
    "TimeDistributed",
    "Wrapper",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "GRU",
    "SimpleRNN",
]

__getattr__ = _missing.guard(__name__, globals())
