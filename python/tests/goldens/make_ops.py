"""Writes ops.npz, what Keras computes for ops_cases.py, and ops_signatures.json. Needs Keras."""

from __future__ import annotations

import inspect
import json
import pathlib

import numpy as np
import ops_cases
from keras import ops

PATH = pathlib.Path(__file__).with_name("ops.npz")


def main() -> None:
    """Computes every case at once."""
    names = {"o": ops, "np": np, "K": ops_cases.constant}
    found = {}
    for index, (text, _) in enumerate(ops_cases.cases()):
        values = {key: ops.convert_to_tensor(value) for key, value in ops_cases.inputs().items()}
        try:
            result = eval(text, {**names, **values})
        except Exception as failure:
            raise SystemExit(f"{text}: {failure}") from failure
        for place, leaf in enumerate(ops_cases.flatten(result)):
            found[f"{index}/{place}"] = np.asarray(leaf)
    np.savez_compressed(PATH, **found)
    public = [name for name in sorted(dir(ops)) if not name.startswith("_")]
    told = {
        name: str(inspect.signature(getattr(ops, name)))
        for name in public
        if callable(getattr(ops, name)) and not inspect.ismodule(getattr(ops, name))
    }
    PATH.with_name("ops_signatures.json").write_text(json.dumps(told, indent=0) + "\n")
    print(len(ops_cases.cases()), "cases,", PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
