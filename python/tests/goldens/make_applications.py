"""Writes applications.json: layers and parameters of Keras's architectures. Needs Keras."""

from __future__ import annotations

import json
import pathlib
import sys

import applications_cases
import keras

PATH = pathlib.Path(__file__).with_name("applications.json")


def main(rows_to: str | None) -> None:
    """Builds every architecture without weights."""
    found, rows = {}, {}
    for name, (kind, given) in applications_cases.cases().items():
        keras.backend.clear_session()
        model = getattr(keras.applications, kind)(weights=None, **given)
        found[name] = applications_cases.told(model)
        if rows_to:
            rows[name] = applications_cases.rows(model)
    for kind, given in applications_cases.COMPUTED.items():
        model = getattr(keras.applications, kind)(weights=None, **given)
        found[f"{kind} computed"] = applications_cases.outputs(model)
    PATH.write_text(json.dumps(found, indent=1) + "\n")
    if rows_to:
        pathlib.Path(rows_to).write_text(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
