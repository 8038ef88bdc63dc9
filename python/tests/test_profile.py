"""The memory profiler."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
import pytest
from conftest import dense_json

import ebb


def test_a_profile(tmp_path: pathlib.Path) -> None:
    with ebb.Profiler() as profiler:
        profiler.mark("begin")
        model = ebb.from_json(dense_json((64, 256, 64)), batch=8)
        model.predict(np.zeros((3, 64), "f4"))
        took = model.memory().peak
        del model
        profiler.mark("end")
    profile = profiler.read()
    assert profile.peak >= took
    assert profile.current < profile.peak
    assert profile.marks == 2
    assert 0 < profile.peak_seconds < profile.seconds
    data = profiler.json()
    assert data["peak"] == profile.peak
    assert [mark["label"] for mark in data["marks"]] == ["begin", "end"]
    assert "model" in profiler.text()
    assert profiler.svg().startswith("<svg")
    assert profiler._repr_html_() == profiler.svg()
    assert json.loads(profiler.trace())
    profiler.save(tmp_path / "profile.json")
    assert json.loads((tmp_path / "profile.json").read_text())["peak"] == profile.peak
    profiler.save(f"{tmp_path}/all/")
    assert sorted(os.listdir(tmp_path / "all")) == [
        "profile.json", "profile.svg", "profile.trace.json", "profile.txt",
    ]  # fmt: skip
    with pytest.raises(ebb.ArgumentError):
        profiler.save(tmp_path / "profile.doc")
    with pytest.raises(ebb.StateError):
        profiler.mark("too late")
    assert "peak" in repr(profiler)
    profiler.close()
    profiler.close()
    assert repr(profiler) == "<ebb.Profiler closed>"


def test_start_and_stop() -> None:
    profiler = ebb.Profiler(moments_max=64, interval=1e-6)
    assert repr(profiler) == "<ebb.Profiler not started>"
    with pytest.raises(ebb.StateError, match="not started"):
        profiler.stop()
    profiler.start()
    with pytest.raises(ebb.StateError):
        ebb.Profiler().start()
    assert profiler.stop().peak > 0
    profiler.start()  # again, from the beginning
    assert profiler.read().seconds < 5
    profiler.stop()


def test_dropped_while_it_runs() -> None:
    before = ebb.memory().live
    profiler = ebb.Profiler().start()
    assert ebb.memory().live > before
    del profiler
    assert ebb.memory().live == before
