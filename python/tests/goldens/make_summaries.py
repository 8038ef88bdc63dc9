"""Writes summaries.json: what Keras 3 prints for the models of summary_models.py.

Run with a Python that has Keras: ``python make_summaries.py``.
"""

import json
import os
import pathlib
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import summary_models

HERE = pathlib.Path(__file__).parent


def text_of(model: Any, **options: Any) -> str:
    """The text that summary() hands to a print function."""
    parts: list[str] = []
    model.summary(print_fn=lambda text, *_, **__: parts.append(text), **options)
    return "\n".join(parts)


def main() -> None:
    """Every model with every set of options."""
    found = {}
    for columns in ("160", "80"):
        os.environ["COLUMNS"] = columns
        for name, make in summary_models.MODELS.items():
            for options in summary_models.OPTIONS if columns == "160" else [{}]:
                keras.backend.clear_session()
                key = f"{columns} {name} {json.dumps(options)}"
                try:
                    found[key] = text_of(make(keras), **options)
                except Exception as failure:
                    found[key] = f"{type(failure).__name__}"
    (HERE / "summaries.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
