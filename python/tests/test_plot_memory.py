"""``ebb.plot_memory()``: by matplotlib, and as SVG where that is missing."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import dense_json

import ebb
from ebb import _plot

SVG = "{http://www.w3.org/2000/svg}"


def profiled() -> ebb.Profiler:
    """A profile of a model that comes and goes."""
    profiler = ebb.Profiler()
    with profiler:
        model = ebb.from_json(dense_json((64, 512, 2)))
        profiler.mark("epoch <1>")
        model.predict([[0.0] * 64])
        del model
    return profiler


@pytest.fixture
def data() -> Iterator[dict[str, Any]]:
    """The dictionary of a profile."""
    profiler = profiled()
    made = profiler.json()
    profiler.close()
    yield made


def test_without_matplotlib(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for by in ("owner", "class"):
        drawing = ebb.plot_memory(data, by=by)
        assert isinstance(drawing, _plot.Drawing)
        tree = ElementTree.fromstring(drawing)
        names = [name for name, _ in _plot.bands(data, by)]
        texts = [element.text for element in tree.iter(f"{SVG}text")]
        assert len(list(tree.iter(f"{SVG}polygon"))) == len(names) > 0
        assert set(names) <= set(texts)
        assert "epoch <1>" in texts
        assert drawing._repr_svg_() == drawing


def test_the_library_draws_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    profiler = profiled()
    assert ebb.plot_memory(profiler) == profiler.svg()
    assert ebb.plot_memory(profiler, by="class") != profiler.svg()
    profiler.close()


@pytest.mark.keeps_files
def test_with_matplotlib(data: dict[str, Any]) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    for by in ("owner", "class"):
        ax = ebb.plot_memory(data, by=by)
        shown = [text.get_text() for text in ax.get_legend().get_texts()]
        assert shown == [name for name, _ in _plot.bands(data, by)]
        size, _ = _plot.scale_of(data["peak"])
        assert ax.lines[0].get_ydata()[0] == pytest.approx(data["peak"] / size)
        top = max(path.vertices[:, 1].max() for area in ax.collections for path in area.get_paths())
        assert top == pytest.approx(data["peak"] / size, rel=1e-6)
        pyplot.close(ax.figure)
    figure, own = pyplot.subplots()
    assert ebb.plot_memory(data, ax=own) is own
    pyplot.close(figure)


def test_files_and_folders(data: dict[str, Any], tmp_path: pathlib.Path) -> None:
    (tmp_path / "profile.json").write_text(json.dumps(data))
    assert _plot.read_profile(tmp_path) == data
    assert _plot.read_profile(tmp_path / "profile.json") == data
    with pytest.raises(FileNotFoundError):
        ebb.plot_memory(tmp_path / "none.json")
    with pytest.raises(ValueError, match="owner"):
        ebb.plot_memory(data, by="size")


def test_what_is_live_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with ebb.from_json(dense_json(name="a_model")):
        assert "a_model" in ebb.plot_memory()
        assert "weights" in ebb.plot_memory(by="class")


def test_a_drawing_is_saved(data: dict[str, Any], tmp_path: pathlib.Path) -> None:
    drawing = _plot.svg_of(data, _plot.bands(data, "owner"), "owner")
    drawing.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == drawing
