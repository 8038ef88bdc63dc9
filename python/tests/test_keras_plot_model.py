"""plot_model and model_to_dot: boxes, lines, and files of every kind."""

from __future__ import annotations

import pathlib
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from ebb import keras

SVG = "{http://www.w3.org/2000/svg}"


def branches() -> Any:
    """Two ways that come together, with a model inside."""
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")], name="inner")
    x = keras.Input((4,), name="x")
    left = keras.layers.Dense(3, activation="relu", name="left", trainable=False)(x)
    joined = keras.layers.Add(name="sum")([left, inner(x)])
    return keras.Model(x, keras.layers.Dense(1, name="head")(joined), name="branches")


def texts(drawing: str) -> list[str]:
    """Every text of an SVG drawing."""
    tree = ElementTree.fromstring(drawing)
    return [element.text or "" for element in tree.iter(f"{SVG}text")]


def boxes(drawing: str) -> list[tuple[float, float, float, float]]:
    """The black rectangles of layers."""
    found = []
    for element in ElementTree.fromstring(drawing).iter(f"{SVG}rect"):
        if element.get("fill") == "black":
            found.append(tuple(float(element.get(k, "0")) for k in ("x", "y", "width", "height")))
    return found  # type: ignore[return-value]


def test_boxes_and_lines() -> None:
    dot = keras.utils.model_to_dot(branches())
    assert sorted(dot.get_nodes()) == [
        "head (Dense)",
        "inner (Sequential)",
        "left (Dense)",
        "sum (Add)",
        "x (InputLayer)",
    ]
    assert sorted(dot.get_edges()) == [
        ("inner (Sequential)", "sum (Add)"),
        ("left (Dense)", "sum (Add)"),
        ("sum (Add)", "head (Dense)"),
        ("x (InputLayer)", "inner (Sequential)"),
        ("x (InputLayer)", "left (Dense)"),
    ]


def test_models_inside_are_opened() -> None:
    dot = keras.utils.model_to_dot(branches(), expand_nested=True)
    assert "inner (Sequential)" not in dot.get_nodes()
    assert ("deep (Dense)", "sum (Add)") in dot.get_edges()
    assert ("x (InputLayer)", "deep (Dense)") in dot.get_edges()
    assert "subgraph cluster_0" in dot.to_string()
    assert "inner" in texts(dot.svg())


def test_what_the_options_show() -> None:
    dot = keras.utils.model_to_dot(
        branches(),
        show_shapes=True,
        show_dtype=True,
        show_layer_activations=True,
        show_trainable=True,
    )
    found = texts(dot.svg())
    for text in (
        "Input shape: (None, 4)",
        "Output shape: (None, 3)",
        "Output dtype: float32",
        "Activation: relu",
        "Trainable",
        "Non-trainable",
        "Input shape: [(None, 3), (None, 3)]",
    ):
        assert text in found, text
    plain = texts(keras.utils.model_to_dot(branches(), show_layer_names=False).svg())
    assert sorted(plain) == ["Add", "Dense", "Dense", "InputLayer", "Sequential"]


@pytest.mark.parametrize("rankdir", ["TB", "LR", "BT", "RL"])
def test_boxes_do_not_overlap(rankdir: str) -> None:
    drawing = keras.utils.model_to_dot(branches(), rankdir=rankdir, show_shapes=True).svg()
    found = boxes(drawing)
    assert len(found) == 5
    for i, (x, y, w, h) in enumerate(found):
        assert x >= 0 and y >= 0
        for x2, y2, w2, h2 in found[i + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_ranks_follow_the_direction() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    tops = [box[1] for box in boxes(keras.utils.model_to_dot(model).svg())]
    assert tops == sorted(tops)
    lefts = [box[0] for box in boxes(keras.utils.model_to_dot(model, rankdir="LR").svg())]
    assert lefts == sorted(lefts) and lefts[0] < lefts[1]


def test_a_model_that_feeds_itself() -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="deep")], name="inner")
    x = keras.Input((4,), name="x")
    model = keras.Model(x, inner(inner(x)))
    dot = keras.utils.model_to_dot(model, expand_nested=True)
    assert ("x (InputLayer)", "deep (Dense)") in dot.get_edges()
    assert len(boxes(dot.svg())) == len(dot.get_nodes())


def test_files(tmp_path: pathlib.Path) -> None:
    model = branches()
    dot = keras.utils.plot_model(model, tmp_path / "a.svg", show_layer_names=True)
    assert (tmp_path / "a.svg").read_text() == dot.svg()
    keras.utils.plot_model(model, tmp_path / "a.dot")
    assert (tmp_path / "a.dot").read_text().startswith("digraph G {")
    del model, dot


@pytest.mark.keeps_files
def test_png(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("matplotlib")
    keras.utils.plot_model(branches(), tmp_path / "a.png", show_shapes=True, dpi=60)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_png_without_matplotlib(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(NotImplementedError, match="pip install matplotlib"):
        keras.utils.plot_model(branches(), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="built"):
        keras.utils.model_to_dot(keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match="TB"):
        keras.utils.model_to_dot(branches(), rankdir="up")
    with pytest.raises(ValueError, match="layer_range"):
        keras.utils.model_to_dot(branches(), layer_range=["a", "b"])
    with pytest.raises(ValueError, match="colour"):
        keras.utils.model_to_dot(branches(), colour="red")


def test_operations_and_subclassed_models() -> None:
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(1)(keras.ops.tanh(x)))
    assert any("(Tanh)" in title for title in keras.utils.model_to_dot(model).get_nodes())

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.dense = keras.layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

    net = Net()
    net.build((None, 3))
    assert keras.utils.model_to_dot(net).get_nodes() == ["net (Net)"]
