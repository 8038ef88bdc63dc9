"""Writes python/tests/goldens from Keras itself: what the tests compare with.

Usage: make_goldens.py [NAME ...]           all of them without a name

Needs Keras 3 (its version is written into the files). A golden is a function of GOLDENS; what it
returns becomes goldens/NAME.json.
"""

from __future__ import annotations

import inspect
import json
import os
import pathlib
import sys
from typing import Any, Callable

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
from signature_form import rows

FOLDER = pathlib.Path(__file__).resolve().parent / "goldens"

SIGNATURES = {
    "activations": keras.activations,
    "callbacks": keras.callbacks,
    "constraints": keras.constraints,
    "initializers": keras.initializers,
    "layers": keras.layers,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "optimizers": keras.optimizers,
    "optimizers.schedules": keras.optimizers.schedules,
    "regularizers": keras.regularizers,
}


def signatures() -> dict[str, Any]:
    """Every class and function of the modules that ebb generates, with its parameters."""
    found: dict[str, Any] = {"keras": keras.__version__}
    for space, module in SIGNATURES.items():
        found[space] = {
            name: rows(getattr(module, name))
            for name in sorted(dir(module))
            if not name.startswith("_") and not inspect.ismodule(getattr(module, name))
        }
    return found


def names() -> dict[str, Any]:
    """Every public name of every public module of Keras."""
    found: dict[str, Any] = {"keras": keras.__version__}

    def walk(module: Any, path: str) -> None:
        public = [name for name in sorted(dir(module)) if not name.startswith("_")]
        found[path] = public
        for name in public:
            inner = getattr(module, name)
            if (
                inspect.ismodule(inner)
                and inner.__name__.startswith("keras.")
                and not inner.__name__.startswith("keras.src")
                and name != "applications"
            ):
                walk(inner, f"{path}.{name}")

    walk(keras, "keras")
    return found


def training() -> dict[str, Any]:
    """What the programs of training_cases.py give."""
    sys.path.insert(0, str(FOLDER))
    import training_cases

    found: dict[str, Any] = {"keras": keras.__version__}
    for name, case in training_cases.CASES.items():
        found[name] = case(keras)
    return found


GOLDENS: dict[str, Callable[[], dict[str, Any]]] = {
    "names": names,
    "signatures": signatures,
    "training": training,
}


def _lines(value: Any, depth: int = 2, indent: int = 0) -> str:
    """JSON with one line for each member up to ``depth``: small files, readable changes."""
    if not isinstance(value, dict) or depth == 0 or not value:
        return json.dumps(value)
    pad = " " * (indent + 1)
    inner = ",\n".join(
        f"{pad}{json.dumps(key)}: {_lines(item, depth - 1, indent + 1)}"
        for key, item in value.items()
    )
    return f"{{\n{inner}\n{' ' * indent}}}"


def main() -> None:
    """Reads the command line and writes the files."""
    wanted = sys.argv[1:] or list(GOLDENS)
    for name in wanted:
        if name not in GOLDENS:
            raise SystemExit(f"no golden '{name}'; there are {', '.join(GOLDENS)}")
        path = FOLDER / f"{name}.json"
        path.write_text(_lines(GOLDENS[name]()) + "\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
