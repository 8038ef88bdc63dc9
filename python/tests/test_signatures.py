"""Names, order and defaults of every constructor are Keras's, and every name of Keras is there or
says why not."""

from __future__ import annotations

import importlib
import inspect
import json
import pathlib
from typing import Any

import pytest
from signature_form import rows

from ebb._errors import UnsupportedError

GOLDENS = pathlib.Path(__file__).resolve().parent / "goldens"
SIGNATURES: dict[str, Any] = json.loads((GOLDENS / "signatures.json").read_text())
NAMES: dict[str, Any] = json.loads((GOLDENS / "names.json").read_text())

KINDS = [
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "optimizers.schedules",
    "regularizers",
]
GENERATED = {kind: kind.rpartition(".")[2] for kind in KINDS}

# Of ebb alone: class to reason.
OF_EBB = {
    ("layers", "ThresholdedReLU"): "of Keras 2, for its files",
    ("layers", "CuDNNGRU"): "of Keras 2: the name of GRU in files",
    ("layers", "CuDNNLSTM"): "of Keras 2: the name of LSTM in files",
    ("layers", "Deconvolution2D"): "of Keras 1: the name of Conv2DTranspose",
    ("layers", "Deconvolution3D"): "of Keras 1: the name of Conv3DTranspose",
    ("layers", "GroupedQueryAttention"): "the name of GroupQueryAttention in files",
    ("layers", "SyncBatchNormalization"): "of Keras 2: there is one replica",
}
# Written by hand, with another signature on purpose.
DIFFERENT: dict[tuple[str, str], str] = {}


# Modules of Keras whose name alone is answered: ebb.keras says what to do instead.
OTHER_SPACES = {
    "keras.applications",
    "keras.distillation",
    "keras.distribution",
    "keras.export",
    "keras.legacy",
    "keras.legacy.saving",
    "keras.quantizers",
    "keras.utils.bounding_boxes",
    "keras.utils.legacy",
    "keras.visualization",
}


def generated(kind: str) -> Any:
    return importlib.import_module(f"ebb._generated.{GENERATED[kind]}")


def public(kind: str) -> Any:
    return importlib.import_module(f"ebb.keras.{kind}")


def classes(module: Any) -> list[str]:
    return [name for name in module.__all__ if inspect.isclass(getattr(module, name))]


@pytest.mark.parametrize("kind", KINDS)
def test_generated_signatures_are_those_of_keras(kind: str) -> None:
    module, golden = generated(kind), SIGNATURES[kind]
    wrong = {}
    for name in classes(module):
        if name in golden:
            found = rows(getattr(module, name))
            if found != golden[name]:
                wrong[name] = (found, golden[name])
        else:
            assert (kind, name) in OF_EBB, f"{name} is no {kind} of Keras"
    assert not wrong
    assert classes(module)


@pytest.mark.parametrize("kind", KINDS)
def test_public_signatures_are_those_of_keras(kind: str) -> None:
    module, golden = public(kind), SIGNATURES[kind]
    wrong = {}
    for name, expected in golden.items():
        item = getattr(module, name, None) if name in dir(module) else None
        if item is None or (kind, name) in DIFFERENT:
            continue
        if name in classes(generated(kind)) and rows(item) != expected:
            wrong[name] = (rows(item), expected)
    assert not wrong


@pytest.mark.parametrize("kind", KINDS)
def test_docstrings_tell_every_parameter(kind: str) -> None:
    module = generated(kind)
    for name in classes(module):
        made = getattr(module, name)
        annotations = inspect.signature(made).parameters
        assert "self" not in annotations
        assert made.__doc__.count("Parameters") == (1 if annotations else 0), name
        for parameter in annotations:
            if parameter != "kwargs":
                assert f"    {parameter} : " in made.__doc__, f"{name}.{parameter}"


SAMPLES: dict[str, Any] = {
    "activation": "relu",
    "cell": lambda: public("layers").GRUCell(2),
    "cells": lambda: [public("layers").GRUCell(2)],
    "decay_rate": 0.5,
    "equation": "ab,bc->ac",
    "layer": lambda: public("layers").LSTM(2),
    "layers": list,
    "optimizer_map": lambda: {"default": "sgd"},
    "output_shape": (2,),
    "boundaries": [10],
    "values": [0.1, 0.01],
    "schedule": lambda: lambda epoch, rate: rate,
    "inner_optimizer": "sgd",
    "filename": "log.csv",
    "filepath": "model.keras",
    "backup_dir": "backup",
    "target_class_ids": [0],
    "mode": "horizontal",
    "rate": 0.5,
    "factor": 0.5,
    "precision": 0.5,
    "recall": 0.5,
    "sensitivity": 0.5,
    "specificity": 0.5,
    "theta": 1.0,
}
FURTHER: dict[str, dict[str, Any]] = {
    "CategoryEncoding": {"num_tokens": 4},
    "Discretization": {"num_bins": 2},
    "InputLayer": {"shape": (2,)},
}


def made(kind: str, name: str) -> Any:
    """An object of a class, its required arguments samples."""
    given = dict(FURTHER.get(name, {}))
    for parameter in inspect.signature(getattr(public(kind), name)).parameters.values():
        if parameter.default is parameter.empty and parameter.kind.name != "VAR_KEYWORD":
            sample = SAMPLES.get(parameter.name, 2)
            given[parameter.name] = sample() if callable(sample) else sample
    return getattr(public(kind), name)(**given)


def text_of(config: dict[str, Any]) -> str:
    return json.dumps(config, default=str, sort_keys=True)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_what_its_configuration_says(kind: str) -> None:
    wrong = {}
    for name in classes(generated(kind)):
        item = made(kind, name)
        if kind == "callbacks":  # of which Keras knows no configuration
            continue
        config = item.get_config()
        again = type(item).from_config(config).get_config()
        if text_of(again) != text_of(config):
            wrong[name] = (config, again)
    assert not wrong


def test_names_say_which_class() -> None:
    names = importlib.import_module("ebb._generated.names")
    assert names.LOSSES["mse"] == "MeanSquaredError"
    assert names.OPTIMIZERS["adam"] == "Adam"
    assert names.INITIALIZERS["glorot_uniform"] == "GlorotUniform"
    assert names.ACTIVATIONS["swish"] == "silu"


def test_what_is_said_to_be_missing_is() -> None:
    missing = importlib.import_module("ebb.keras._missing")
    for space, absent in missing.ABSENT.items():
        module = importlib.import_module(f"ebb.keras.{space}" if space else "ebb.keras")
        there = set(absent) & set(vars(module))
        assert not there, space
        for name, text in absent.items():
            with pytest.raises(UnsupportedError, match=name) as caught:
                getattr(module, name)
            assert text in str(caught.value)


@pytest.mark.parametrize("space", sorted(set(NAMES) - OTHER_SPACES))
def test_every_name_of_keras_is_there_or_says_why_not(space: str) -> None:
    module = importlib.import_module(space.replace("keras", "ebb.keras", 1))
    silent = []
    for name in set(NAMES[space]) - {"src"}:
        try:
            getattr(module, name)
        except UnsupportedError as error:
            assert name in str(error)
        except AttributeError:
            silent.append(name)
    assert sorted(silent) == []


def test_a_missing_name_says_why_and_a_typo_what_was_meant() -> None:
    missing = importlib.import_module("ebb.keras._missing")
    guard = missing.guard("ebb.keras.layers", {"Dense": 0, "Conv2D": 0, "MaxPooling2D": 0})
    with pytest.raises(UnsupportedError, match=r"keras\.layers\.JaxLayer is not supported: "):
        guard("JaxLayer")
    with pytest.raises(ImportError):
        guard("TFSMLayer")
    with pytest.raises(AttributeError, match="did you mean 'Dense'"):
        guard("Dence")
    with pytest.raises(AttributeError, match="did you mean 'MaxPooling2D'"):
        guard("max_pooling_2d")
    with pytest.raises(AttributeError) as caught:
        guard("__path__")
    assert "did you mean" not in str(caught.value)
