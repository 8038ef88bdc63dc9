"""Files to models: load, plan, check, summary; and models of Keras's JSON."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Union

from ebb._call import Keep, check, collect_text, new_error, options
from ebb._call import TextSink as _TextSink
from ebb._memory import Plan, Receipt, parse_bytes
from ebb._model import Model
from ebb._native import ffi, lib
from ebb._runtime import Runtime
from ebb._runtime import runtime as _here
from ebb._scope import Scope, current_scope

Path = Union[str, "os.PathLike[str]"]

_LOAD_OPTIONS = (
    "architecture", "batch", "bytes_max", "device", "inference_only", "keeps_states", "lanes",
    "plans_max",
    "scope", "sequence", "signature", "threads",
)  # fmt: skip


def load_options(
    keep: Keep, runtime: Runtime, given: dict[str, Any], *, has_scope: bool = True
) -> Any:
    """``ebb_load_options`` of keyword arguments; the scope around the call if none is named.

    Raises
    ------
    TypeError
        There is no such option.
    """
    for name in given:
        if name not in _LOAD_OPTIONS:
            known = ", ".join(_LOAD_OPTIONS)
            raise TypeError(f"no such option: {name}; there are {known}")
    fields = dict(given)
    fields["bytes_max"] = parse_bytes(fields.get("bytes_max"))
    scope: Scope | None = fields.pop("scope", None)
    if scope is None and has_scope:
        scope = current_scope(runtime)
    made = options("ebb_load_options", keep, **fields)
    if scope is not None:
        made.scope = keep.hold(scope).handle
    return keep.hold(made)


def build_options(
    keep: Keep, runtime: Runtime, seed: int, load: dict[str, Any], **fields: Any
) -> Any:
    """``ebb_build_options`` with those of a load in them."""
    made = options("ebb_build_options", keep, seed=seed & (2**64 - 1), **fields)
    made.load = load_options(keep, runtime, load)
    return keep.hold(made)


def load(path: Path, *, runtime: Runtime | None = None, **load: Any) -> Model:
    """Loads a model: ``.keras`` (file or folder), ``.h5``/``.hdf5``, or a SavedModel folder.

    Ready means ready: the first prediction is as fast as the thousandth, and none allocates. A
    load that fails leaves nothing behind.

    Parameters
    ----------
    path : path
    runtime : Runtime, optional
        None: the one of this place.
    bytes_max : int or str, optional
        Limit for this model: bytes, or ``"64MiB"``.
    batch : int, optional
        Rows planned for; larger predictions run in several passes.
    sequence : int, optional
        Planned length of every other unknown axis.
    lanes : int, optional
        Predictions that may run at once; 1.
    threads : int, optional
        For one prediction; chosen from the work.
    plans_max : int, optional
        Plans kept for other shapes; 8.
    device : str, optional
        ``"CPU:1"``; None: that of `ebb.device`, or the first one.
    architecture : path, optional
        JSON with the architecture, for files with weights only.
    inference_only : bool, optional
        The least memory; weights cannot be read or set.
    keeps_states : bool, optional
        Stateful recurrent layers go on where the call before ended.
    scope : Scope, optional
        Where the model lives; None: the `ebb.scope` around the call.
    signature : str, optional
        Of a SavedModel folder: run this one.

    Returns
    -------
    Model

    Raises
    ------
    NotFoundError (FileNotFoundError)
        No such file, or no such device.
    FormatError (OSError, ValueError)
        The file is damaged, or not what its name says.
    UnsupportedError (NotImplementedError)
        It has something in it that ebb cannot run: `ebb.check` lists everything.
    OutOfMemoryError (MemoryError)
        A limit is below what it takes; says what is asked and what could go.
    ShapeError, DTypeError
        Layers and weights do not fit together.
    """
    here = runtime or _here()
    model, keep, error = Model(here), Keep(), new_error()
    made = load_options(keep, here, load)
    status = lib.ebb_model_load(here.handle, keep.text(path), made, model._slot("model"), error)
    check(status, error)
    return model


@contextlib.contextmanager
def loaded(path: Path, **options: Any) -> Iterator[Model]:
    """A model for a block: unloaded at its end, also when names still hold it, also on errors.

    ::

        with ebb.loaded("my_model.keras") as model:
            y = model.predict(x)

    Parameters
    ----------
    path : path
    **options
        As for `ebb.load`, with the same errors.
    """
    with load(path, **options) as model:
        yield model


def plan(path: Path, *, runtime: Runtime | None = None, **load: Any) -> Plan:
    """States what a load would take, to the byte. Reads no weights; nothing stays.

    Parameters
    ----------
    path, runtime, **load
        As for `ebb.load`, with the same errors.

    Returns
    -------
    Plan
    """
    here = runtime or _here()
    keep, error, made = Keep(), new_error(), ffi.new("ebb_plan *")
    choices = load_options(keep, here, load)
    check(lib.ebb_model_plan(here.handle, keep.text(path), choices, made, error), error)
    return Plan(made)


def check_file(path: Path, *, runtime: Runtime | None = None, **load: Any) -> list[str]:
    """Everything in a file that ebb cannot run, one line each; empty: it runs.

    Parameters
    ----------
    path, runtime, **load
        As for `ebb.load`.

    Raises
    ------
    NotFoundError, FormatError
        The file cannot be read.
    """
    here = runtime or _here()
    keep, error, sink, count = Keep(), new_error(), _TextSink(), ffi.new("uint32_t *")
    choices = load_options(keep, here, load)
    status = lib.ebb_file_check(
        here.handle,
        keep.text(path),
        choices,
        lib.ebb_python_text,
        sink.handle,
        count,
        error,
    )
    sink.finish(status, error)
    return [line for line in sink.text().splitlines() if line.strip()]


def summary(path: Path, *, runtime: Runtime | None = None, **load: Any) -> str:
    """Keras's table of a model's file. Reads no weights.

    Parameters
    ----------
    path, runtime, **load
        As for `ebb.load`, with the same errors.
    """
    here = runtime or _here()
    keep = Keep()
    choices = load_options(keep, here, load)
    return collect_text(lib.ebb_file_summary, here.handle, keep.text(path), choices)


def from_json(
    text: str | dict[str, Any], *, runtime: Runtime | None = None, seed: int = 0, **load: Any
) -> Model:
    """A model of Keras's ``model.to_json()``, of any version, with initial weights.

    Parameters
    ----------
    text : str or dict
    runtime : Runtime, optional
    seed : int
        Of the initial weights; equal seeds and names of layers, equal weights.
    **load
        As for `ebb.load`, with the same errors.

    Returns
    -------
    Model
    """
    here = runtime or _here()
    model, keep, error = Model(here), Keep(), new_error()
    made = build_options(keep, here, seed, load)
    if not isinstance(text, str):
        import json

        text = json.dumps(text)
    data = text.encode()
    if not data:
        raise ValueError("expected the JSON of a model, got an empty text")
    buffer = ffi.from_buffer(data)
    slot = model._slot("model")
    check(lib.ebb_model_from_json(here.handle, buffer, len(data), made, slot, error), error)
    return model


def remove(path: Path, *, everything: bool = False, dry_run: bool = False) -> Receipt:
    """Removes a model's file or folder that is not loaded.

    Parameters
    ----------
    path : path
    everything : bool
        A model folder goes with what else is in it. A folder that is no model is refused.
    dry_run : bool
        Only tell: the receipt lists what would go.

    Raises
    ------
    NotFoundError, UnsupportedError, InputOutputError
        No such file; other things in the folder; no permission.
    """
    keep, error, receipt = Keep(), new_error(), ffi.new("ebb_receipt *")
    made = options("ebb_remove_options", everything=everything, dry_run=dry_run)
    check(lib.ebb_file_remove_with(keep.text(path), made, receipt, error), error)
    return Receipt(receipt)
