"""The progress bar, to the character."""

from __future__ import annotations

import io
import logging
import time

import numpy as np
import pytest
from training_golden import check_case, classifier, data, screen

from ebb import keras
from ebb.keras import _progbar


def test_progress_is_that_of_keras() -> None:
    check_case("progress")


def test_the_bar_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    bar = _progbar.Progbar(4, stateful_metrics=["loss"])
    for step in range(1, 5):
        now[0] += 0.5
        bar.update(step, [("loss", 0.5 / step), ("mean", float(step))])
    text = capsys.readouterr().out
    last = text.rsplit("\r", 1)[-1]
    assert last == (
        "\x1b[1m4/4\x1b[0m \x1b[32m" + "━" * 20 + "\x1b[0m\x1b[37m\x1b[0m \x1b[1m2s\x1b[0m "
        "500ms/step - loss: 0.1250 - mean: 4.0000\n"
    )
    first = text.split("\r")[1]
    assert first.startswith("\x1b[1m1/4\x1b[0m \x1b[32m━━━━━\x1b[0m\x1b[37m")
    assert "\x1b[1m1s\x1b[0m 500ms/step - loss: 0.5000 - mean: 1.0000" in first


def test_times_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    for step_time, shown in ((0.001, "0s"), (2, "3:18"), (60, "1:39:00")):
        bar = _progbar.Progbar(100)
        now[0] += step_time
        bar.update(1)
        assert f"\x1b[1m{shown}\x1b[0m" in capsys.readouterr().out
    unknown = _progbar.Progbar(None)
    now[0] += 1
    unknown.update(7)
    assert "      7/Unknown \x1b[1m1s\x1b[0m" in capsys.readouterr().out


def test_small_numbers_and_unknown_widths(capsys: pytest.CaptureFixture[str]) -> None:
    bar = _progbar.Progbar(2, verbose=2)
    bar.update(1, [("a", 1e-5)])
    assert capsys.readouterr().out == ""
    bar.add(1, [("a", 1e-5), ("b", -2.0)])
    shown = screen(capsys.readouterr().out)[0]
    assert shown.endswith("- a: 1.0000e-05 - b: -2.0000e+00")
    with pytest.raises(ValueError, match="not both"):
        _progbar.Progbar(2, stateful_metrics=[], stateless_metrics=[])


def test_quiet_and_into_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    x, y = data()
    model = classifier(keras)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert capsys.readouterr().out == ""
    _progbar.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, "ebb"):
            model.fit(x, y, verbose=2)
        assert not _progbar.is_interactive_logging_enabled()
    finally:
        _progbar.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert any("3/3 - " in record.getMessage() for record in caplog.records)


def test_a_stream_without_the_bars_character(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    bar = _progbar.Progbar(1)
    bar.update(1, [("loss", np.float32(0.5))])
    assert b"=" * 20 in raw.getvalue()
