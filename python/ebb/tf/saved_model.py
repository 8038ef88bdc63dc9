"""``tf.saved_model``: folders that serve a model."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ebb._dtype import as_dtype
from ebb._errors import NotFoundError, UnsupportedError
from ebb._load import load as _load
from ebb._tensor_spec import TensorSpec
from ebb._values import EagerTensor, Tensor, convert_array

DEFAULT_SERVING_SIGNATURE_DEF_KEY = "serving_default"
SERVING = "serve"


def _value(value: Any, dtype: Any) -> Any:
    array = (
        value.view()
        if isinstance(value, EagerTensor)
        else convert_array(value, None, as_dtype(dtype))
    )
    return np.asarray(array)


class _Core:
    """The loaded model that all signatures share."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.inputs = list(model.inputs)
        self.outputs = list(model.outputs)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        """The outputs as tensors."""
        names = [info.name.split(":")[0] for info in self.inputs]
        flat: list[Any] = []
        for arg in args:
            if isinstance(arg, dict):
                kwargs = {**arg, **kwargs}
            elif isinstance(arg, (list, tuple)) and len(self.inputs) > 1:
                flat.extend(arg)
            else:
                flat.append(arg)
        for name in names[len(flat) :]:
            found = [key for key in kwargs if key == name]
            if found:
                flat.append(kwargs.pop(found[0]))
        flat.extend(kwargs.values())
        if len(flat) != len(self.inputs):
            raise TypeError(f"the model takes {names}, {len(flat)} tensors were given")
        arrays = [_value(x, info.dtype) for x, info in zip(flat, self.inputs)]
        return [EagerTensor.of(y) for y in self.model._predict_arrays(arrays)]


class Signature:
    """A signature of a loaded folder: called with its inputs by name, it gives a dict."""

    def __init__(self, core: _Core, name: str) -> None:
        self._core = core
        self.name = name

    @property
    def structured_input_signature(self) -> Any:
        """Types and shapes of the inputs, by name."""
        return (), {i.name: TensorSpec(i.shape, i.dtype, i.name) for i in self._core.inputs}

    @property
    def structured_outputs(self) -> dict[str, TensorSpec]:
        """Types and shapes of the outputs, by name."""
        return {i.name: TensorSpec(i.shape, i.dtype, i.name) for i in self._core.outputs}

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """The outputs by name."""
        made = self._core.run(args, kwargs)
        return {info.name: tensor for info, tensor in zip(self._core.outputs, made)}

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self.name} {self.structured_input_signature[1]}>"


class LoadedModel:
    """A SavedModel folder that was loaded. Its bytes are back when the last reference goes.

    Attributes
    ----------
    signatures : dict
        ``serving_default``.
    """

    def __init__(self, core: _Core) -> None:
        self._core = core
        self.signatures = {DEFAULT_SERVING_SIGNATURE_DEF_KEY: Signature(core, "serving_default")}

    @property
    def _model(self) -> Any:
        return self._core.model

    def serve(self, *args: Any, **kwargs: Any) -> Any:
        """The model's outputs: a tensor, or a list of them."""
        made = self._core.run(args, kwargs)
        return made[0] if len(made) == 1 else made

    def __call__(self, *args: Any, training: bool = False, **kwargs: Any) -> Any:
        """As ``serve``; ``training`` changes nothing."""
        return self.serve(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<LoadedModel signatures={list(self.signatures)}>"


def load(export_dir: Any, tags: Any = None, options: Any = None) -> LoadedModel:
    """Loads a SavedModel folder.

    Raises
    ------
    OSError
        There is no such folder, or no SavedModel in it.
    """
    path = os.fspath(export_dir)
    if not os.path.isdir(path):
        raise NotFoundError(f"SavedModel file does not exist at: {path}")
    return LoadedModel(_Core(_load(path)))


def save(obj: Any, export_dir: Any, signatures: Any = None, options: Any = None) -> None:
    """Writes a Keras model as a SavedModel folder: ``model.export()``."""
    if isinstance(obj, LoadedModel):
        obj = obj._model
    if not hasattr(obj, "export"):
        raise UnsupportedError(
            f"only Keras models are written as SavedModel folders, not {type(obj).__name__}",
            "tf.saved_model.save",
        )
    if signatures is not None:
        raise UnsupportedError("signatures of one's own are not written", "tf.saved_model.save")
    obj.export(os.fspath(export_dir))


def contains_saved_model(export_dir: Any) -> bool:
    """Is there a SavedModel in this folder?"""
    return os.path.exists(os.path.join(os.fspath(export_dir), "saved_model.pb"))
