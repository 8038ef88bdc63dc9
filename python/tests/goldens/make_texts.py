"""Writes texts.json and texts.keras: what Keras makes of the models of text_cases. Needs Keras."""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import Any

import keras
import tensorflow as tf
import text_cases

HERE = pathlib.Path(__file__).parent


def texts(values: Any) -> Any:
    """Texts as TensorFlow takes them."""
    return tf.constant(values)


def told(name: str, path: pathlib.Path) -> dict[str, Any]:
    """One case: predictions, training, the file."""
    keras.backend.clear_session()
    model = text_cases.ALL[name](keras)
    text_cases.fill(model)
    x = text_cases.inputs_of(name, texts)
    found: dict[str, Any] = {"predicted": text_cases.listed(model.predict(x, batch_size=4))}
    lines: list[str] = []
    model.summary(line_length=80, print_fn=lines.append)
    found["summary"] = "\n".join(lines)
    model.save(path)
    found["config"] = text_cases.config(path)
    found["assets"] = text_cases.assets(path)
    if name in text_cases.TRAINED:
        data = tf.data.Dataset.from_tensor_slices((x, text_cases.LABELS)).batch(4)
        model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
        found["history"] = model.fit(data, epochs=3, verbose=0).history
        found["evaluated"] = model.evaluate(data, verbose=0)
        found["afterwards"] = text_cases.listed(model.predict(data))
    return found


def main() -> None:
    """All cases."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in text_cases.ALL:
            path = pathlib.Path(folder, "model.keras")
            found[name] = told(name, path)
            if name == "in and out":
                (HERE / "texts.keras").write_bytes(path.read_bytes())
    (HERE / "texts.json").write_text(json.dumps(found, indent=None) + "\n")


if __name__ == "__main__":
    main()
