"""Model.summary(): the table of Keras, compared with what Keras 3 printed (goldens/summaries.json).

Keras cuts lines off at the width of the terminal; ebb does not, so lines are cut here.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import pytest

import ebb
from ebb import keras
from ebb.keras import _summary

GOLDENS = pathlib.Path(__file__).parent / "goldens"
sys.path.insert(0, str(GOLDENS))

import summary_models  # noqa: E402

SUMMARIES: dict[str, str] = json.loads((GOLDENS / "summaries.json").read_text())


def printed(model: Any, **options: Any) -> str:
    """The text that summary() hands to a print function."""
    parts: list[str] = []
    model.summary(print_fn=parts.append, **options)
    return "\n".join(parts)


@pytest.mark.parametrize("key", list(SUMMARIES))
def test_is_keras_s_table(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns, name, text = key.split(" ", 2)
    options, expected = json.loads(text), SUMMARIES[key]
    monkeypatch.setenv("COLUMNS", columns)
    keras.backend.clear_session()
    model = summary_models.MODELS[name](keras)
    if "\n" not in expected:  # the name of an exception
        with pytest.raises((ValueError, IndexError)):
            printed(model, **options)
        return
    found = [line[: int(columns)].rstrip() for line in printed(model, **options).splitlines()]
    assert found == [line.rstrip() for line in expected.splitlines()]


def test_prints_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    keras.backend.clear_session()
    model = summary_models.small(keras)
    model.summary()
    assert capsys.readouterr().out == printed(model)


def test_a_model_that_never_was_called_has_no_shapes() -> None:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.dense = keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    text = printed(Net(), line_length=88)
    assert "?" in text
    assert "0 (unbuilt)" in text
    assert "Total params: 0 (0.00 B)" in text


def test_count_params() -> None:
    model = summary_models.small(keras)
    assert model.count_params() == 121
    assert _summary.count_params(model.weights) == 121
    assert _summary.weight_memory_size(model.weights) == 484
    with pytest.raises(ValueError, match="built"):
        keras.layers.Dense(3).count_params()


def test_columns_that_are_too_narrow() -> None:
    model = summary_models.small(keras)
    with pytest.raises(ValueError, match="Insufficient console width"):
        printed(model, line_length=10, positions=[0.1, 0.2, 1.0])


def test_layer_range() -> None:
    model = summary_models.small(keras)
    with pytest.raises(ValueError, match="two strings"):
        printed(model, layer_range=["a"])
    with pytest.raises(ValueError, match="do not match"):
        printed(model, layer_range=["nobody", "nothing"])


def test_wide_letters_take_two_columns() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="層")])
    lines = printed(model, line_length=60).splitlines()
    widths = {sum(2 if ord(letter) > 0x2E80 else 1 for letter in line) for line in lines[1:6]}
    assert widths == {60}


def test_html() -> None:
    model = summary_models.small(keras)
    html = model._repr_html_()
    assert html.startswith("<pre")
    assert "dense" in html
    assert ebb.memory().live > 0
