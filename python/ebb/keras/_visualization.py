"""``plot_model`` and ``model_to_dot``: a drawing of a model's graph, laid out here.

Neither pydot nor Graphviz is needed: SVG is written as text, PNG and PDF by matplotlib where it is
installed, DOT for who has Graphviz. Nodes stand in ranks by their longest way from the inputs, in
each rank ordered by the middle of what they come from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ebb._errors import ArgumentError, UnsupportedError
from ebb._plot import Drawing
from ebb.keras import _summary, _tree

_CHAR, _LINE, _PAD = 7.2, 20.0, 10.0
_GAP_RANK, _GAP_NODE, _MARGIN = 44.0, 24.0, 16.0


@dataclass
class Box:
    """A layer in the drawing: a title on black, rows of cells below it."""

    key: int
    title: str
    rows: list[list[tuple[str, str]]]  # (text, kind), kind is "", "yes" or "no"
    group: tuple[str, ...] = ()
    rank: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0

    def __post_init__(self) -> None:
        """As large as its texts."""
        widest = _CHAR * 1.15 * len(self.title) + 2 * _PAD
        for row in self.rows:
            widest = max(widest, sum(_CHAR * len(text) + 2 * _PAD for text, _ in row))
        self.width = max(widest, 60.0)
        self.height = _LINE * (1 + len(self.rows)) + 4.0


@dataclass
class Graph:
    """Boxes and the lines between them, by key."""

    name: str
    rankdir: str = "TB"
    boxes: dict[int, Box] = field(default_factory=dict)
    edges: dict[tuple[int, int], None] = field(default_factory=dict)  # in order
    groups: list[tuple[str, ...]] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def connect(self, source: int, target: int) -> None:
        """A line, once."""
        if source != target:
            self.edges[source, target] = None


# -- what is drawn --------------------------------------------------------------------------------


def _activation_name(activation: Any) -> str:
    """``relu``"""
    if isinstance(activation, str):
        return activation
    name = getattr(activation, "name", None) or getattr(activation, "__name__", None)
    return str(name or type(activation).__name__)


def _shapes_text(tensors: Any) -> str:
    """``(None, 10)``, several separated by commas."""
    shapes = [str(tuple(tensor.shape)) for tensor in _tree.leaves(tensors)]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _tensors(layer: Any, what: str) -> Any:
    """``layer.input`` or ``layer.output``; None where it has none."""
    try:
        return getattr(layer, what)
    except (AttributeError, ValueError):
        return None


def make_box(layer: Any, group: tuple[str, ...], show: dict[str, bool]) -> Box:
    """A layer with what the options ask for."""
    name = _summary.class_of(layer)
    title = f"{layer.name} ({name})" if show["layer_names"] else name
    rows: list[list[tuple[str, str]]] = []
    activation = getattr(layer, "activation", None)
    if show["layer_activations"] and activation is not None:
        rows.append([(f"Activation: {_activation_name(activation)}", "")])
    cells = []
    outputs = _tensors(layer, "output")
    if show["shapes"]:
        inputs = _tensors(layer, "input")
        if name != "InputLayer":
            cells.append(
                (f"Input shape: {_shapes_text(inputs) if inputs is not None else '?'}", "")
            )
        cells.append((f"Output shape: {_shapes_text(outputs) if outputs is not None else '?'}", ""))
    if show["dtype"]:
        types = [tensor.dtype for tensor in _tree.leaves(outputs)] if outputs is not None else ["?"]
        cells.append((f"Output dtype: {', '.join(types)}", ""))
    if show["trainable"] and getattr(layer, "weights", None):
        cells.append(("Trainable", "yes") if layer.trainable else ("Non-trainable", "no"))
    if cells:
        rows.append(cells)
    return Box(id(layer), title, rows, group)


def _is_model(layer: Any) -> bool:
    """Can it be opened?"""
    return _summary.is_functional(layer) or _summary.is_sequential(layer)


def _add_layers(
    graph: Graph, model: Any, group: tuple[str, ...], expand: bool, show: dict[str, bool]
) -> None:
    """Boxes of a model and, where they are opened, of the models in it."""
    for layer in _summary.layers_of(model):
        if expand and _is_model(layer):
            inner = (*group, layer.name)
            graph.groups.append(inner)
            _add_layers(graph, layer, inner, expand, show)
        elif id(layer) not in graph.boxes:
            graph.boxes[id(layer)] = make_box(layer, group, show)


def _ends(layer: Any, index: int, expand: bool, is_source: bool) -> int:
    """The box that a line from or to a layer ends at: inside models that are opened."""
    while expand and _is_model(layer):
        if _summary.is_sequential(layer):
            layer, index = layer.layers[-1 if is_source else 0], 0
            continue
        tensors = list(_tree.leaves(layer.outputs if is_source else layer.inputs))
        history = tensors[min(index, len(tensors) - 1)]._keras_history
        layer, index = history[0], history[2]
    return id(layer)


def _add_edges(graph: Graph, model: Any, expand: bool) -> None:
    """Lines of a model and, where they are opened, of the models in it."""
    if _summary.is_sequential(model):
        for source, target in zip(model.layers, model.layers[1:]):
            graph.connect(_ends(source, 0, expand, True), _ends(target, 0, expand, False))
    else:
        for node in _summary.graph_nodes(model):
            for index, tensor in enumerate(node.parents):
                history = tensor._keras_history
                if history[0] is not None:
                    source = _ends(history[0], history[2], expand, True)
                    graph.connect(source, _ends(node.operation, index, expand, False))
    for layer in _summary.layers_of(model) if expand else ():
        if _is_model(layer):
            _add_edges(graph, layer, expand)


def graph_of(model: Any, rankdir: str, expand_nested: bool, show: dict[str, bool]) -> Graph:
    """Boxes and lines of a model, in their places."""
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ArgumentError(f"expected TB, LR, BT or RL, got {rankdir!r}", "rankdir")
    if not getattr(model, "built", False):
        raise ValueError(
            "This model has not yet been built. Build the model first by calling `build()` or by "
            "calling the model on a batch of data."
        )
    graph = Graph(str(model.name), rankdir)
    if _is_model(model):
        _add_layers(graph, model, (), expand_nested, show)
        _add_edges(graph, model, expand_nested)
        known = graph.boxes
        graph.edges = {(a, b): None for a, b in graph.edges if a in known and b in known}
    else:
        graph.boxes[id(model)] = make_box(model, (), show)
    _place(graph)
    return graph


# -- where it goes --------------------------------------------------------------------------------


def _forward(graph: Graph) -> list[tuple[int, int]]:
    """Lines without those that lead back: a model that is opened may feed itself."""
    below: dict[int, list[int]] = {key: [] for key in graph.boxes}
    for source, target in graph.edges:
        below[source].append(target)
    kept: list[tuple[int, int]] = []
    done: set[int] = set()
    for start in graph.boxes:
        open_now: dict[int, Iterator[int]] = {} if start in done else {start: iter(below[start])}
        while open_now:
            key = next(reversed(open_now))
            following = next(open_now[key], None)
            if following is None:
                done.add(key)
                del open_now[key]
                continue
            if following not in open_now:
                kept.append((key, following))
                if following not in done:
                    open_now[following] = iter(below[following])
    return kept


def _rank(graph: Graph) -> list[list[Box]]:
    """Boxes by their longest way from a box that nothing leads to."""
    edges, changed = _forward(graph), True
    while changed:
        changed = False
        for source, target in edges:
            least = graph.boxes[source].rank + 1
            if graph.boxes[target].rank < least:
                graph.boxes[target].rank, changed = least, True
    ranks: list[list[Box]] = [[] for _ in range(1 + max(b.rank for b in graph.boxes.values()))]
    for box in graph.boxes.values():
        ranks[box.rank].append(box)
    return [rank for rank in ranks if rank]


def _order(graph: Graph, ranks: list[list[Box]]) -> None:
    """Each rank by the middle of its neighbours, down and up again."""
    above: dict[int, list[int]] = {key: [] for key in graph.boxes}
    below: dict[int, list[int]] = {key: [] for key in graph.boxes}
    for source, target in graph.edges:
        above[target].append(source)
        below[source].append(target)
    for sweep in range(4):
        near = above if sweep % 2 == 0 else below
        place = {box.key: i for rank in ranks for i, box in enumerate(rank)}
        for rank in ranks if sweep % 2 == 0 else reversed(ranks):
            rank.sort(
                key=lambda box, near=near, place=place: (  # type: ignore[misc]
                    sum(place[key] for key in near[box.key]) / len(near[box.key])
                    if near[box.key]
                    else place[box.key]
                )
            )
            place.update((box.key, i) for i, box in enumerate(rank))


def _place(graph: Graph) -> None:
    """Coordinates of every box, ranks from the top, or from the left."""
    ranks = _rank(graph)
    _order(graph, ranks)
    across = graph.rankdir in ("LR", "RL")
    sizes = [sum((b.height if across else b.width) + _GAP_NODE for b in rank) for rank in ranks]
    middle = max(sizes) / 2
    along = _MARGIN
    for rank, size in zip(ranks, sizes):
        thick = max(box.width if across else box.height for box in rank)
        at = middle - size / 2 + _GAP_NODE / 2 + _MARGIN
        for box in rank:
            if across:
                box.x, box.y = along + (thick - box.width) / 2, at
            else:
                box.x, box.y = at, along + (thick - box.height) / 2
            at += (box.height if across else box.width) + _GAP_NODE
        along += thick + _GAP_RANK
    graph.width = max(box.x + box.width for box in graph.boxes.values()) + _MARGIN
    graph.height = max(box.y + box.height for box in graph.boxes.values()) + _MARGIN
    for box in graph.boxes.values():
        if graph.rankdir == "BT":
            box.y = graph.height - box.y - box.height
        elif graph.rankdir == "RL":
            box.x = graph.width - box.x - box.width


def _line(graph: Graph, source: Box, target: Box) -> list[tuple[float, float]]:
    """A line with right angles from one box to the next."""
    if graph.rankdir in ("LR", "RL"):
        ahead = target.x >= source.x
        start = (source.x + source.width if ahead else source.x, source.y + source.height / 2)
        end = (target.x if ahead else target.x + target.width, target.y + target.height / 2)
        half = end[0] - _GAP_RANK / 2 if ahead else end[0] + _GAP_RANK / 2
        return [start, (half, start[1]), (half, end[1]), end]
    ahead = target.y >= source.y
    start = (source.x + source.width / 2, source.y + source.height if ahead else source.y)
    end = (target.x + target.width / 2, target.y if ahead else target.y + target.height)
    half = end[1] - _GAP_RANK / 2 if ahead else end[1] + _GAP_RANK / 2
    return [start, (start[0], half), (end[0], half), end]


def _frames(graph: Graph) -> Iterator[tuple[str, float, float, float, float]]:
    """Name and rectangle of every model that is opened."""
    for group in graph.groups:
        inside = [b for b in graph.boxes.values() if b.group[: len(group)] == group]
        if inside:
            left, top = min(b.x for b in inside) - 8, min(b.y for b in inside) - 18
            right = max(b.x + b.width for b in inside) + 8
            bottom = max(b.y + b.height for b in inside) + 8
            yield group[-1], left, top, right - left, bottom - top


# -- how it is written ----------------------------------------------------------------------------

_FILL = {"": ("white", "black"), "yes": ("forestgreen", "white"), "no": ("firebrick", "white")}


def _cells(box: Box) -> Iterator[tuple[float, float, float, str, str]]:
    """Left, top, width, text and kind of every cell below the title."""
    for i, row in enumerate(box.rows):
        wanted = [_CHAR * len(text) + 2 * _PAD for text, _ in row]
        spare = (box.width - sum(wanted)) / len(row)
        at = box.x
        for (text, kind), width in zip(row, wanted):
            yield at, box.y + 2 + _LINE * (i + 1), width + spare, text, kind
            at += width + spare


def svg_text(graph: Graph) -> Drawing:
    """The drawing as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{graph.width:.0f}" '
        f'height="{graph.height:.0f}" viewBox="0 0 {graph.width:.0f} {graph.height:.0f}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        f"<title>{escape(graph.name)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for name, x, y, width, height in _frames(graph):
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="none" '
            f'stroke="gray" stroke-dasharray="5 3"/><text x="{x + 5:.1f}" y="{y + 13:.1f}" '
            f'fill="gray">{escape(name)}</text>'
        )
    for source, target in graph.edges:
        points = _line(graph, graph.boxes[source], graph.boxes[target])
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="black" marker-end="url(#arrow)"/>'
        )
    for box in graph.boxes.values():
        parts += _box_svg(box)
    return Drawing("\n".join([*parts, "</svg>"]) + "\n")


def _box_svg(box: Box) -> list[str]:
    """One layer."""
    parts = [
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" fill="black" stroke="black"/>',
        f'<text x="{box.x + box.width / 2:.1f}" y="{box.y + 15:.1f}" fill="white" '
        f'text-anchor="middle" font-weight="bold">{escape(box.title)}</text>',
    ]
    for x, y, width, text, kind in _cells(box):
        fill, ink = _FILL[kind]
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_LINE}" fill="{fill}" '
            f'stroke="black"/><text x="{x + width / 2:.1f}" y="{y + 14:.1f}" fill="{ink}" '
            f'text-anchor="middle">{escape(text)}</text>'
        )
    return parts


def _quoted(text: str) -> str:
    """A text for DOT."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot_text(graph: Graph, dpi: int, splines: str) -> str:
    """The drawing for Graphviz: records with a cell for each text."""
    lines = [
        "digraph G {",
        f"rankdir={graph.rankdir};",
        "concentrate=True;",
        f"dpi={dpi};",
        f"splines={splines};",
        'node [shape=record, fontname="Helvetica"];',
    ]
    numbers = {key: i for i, key in enumerate(graph.boxes)}
    for box in graph.boxes.values():
        rows = [box.title, *("{" + "|".join(text for text, _ in row) + "}" for row in box.rows)]
        label = _quoted("{" + "|".join(rows) + "}")
        lines.append(f"node_{numbers[box.key]} [label={label}];")
    for i, group in enumerate(graph.groups):
        inside = [b for b in graph.boxes.values() if b.group[: len(group)] == group]
        members = " ".join(f"node_{numbers[box.key]};" for box in inside)
        label = f"label={_quoted(group[-1])}; style=dashed; labeljust=l;"
        lines.append(f"subgraph cluster_{i} {{ {label} {members} }}")
    for source, target in graph.edges:
        lines.append(f"node_{numbers[source]} -> node_{numbers[target]} [penwidth=2];")
    return "\n".join([*lines, "}"]) + "\n"


def _draw_matplotlib(graph: Graph, path: str, dpi: int) -> None:
    """The drawing in any format that matplotlib writes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    except ImportError:
        raise UnsupportedError(
            "only .svg and .dot can be written without matplotlib; name the file so, or "
            "`pip install matplotlib`",
            path,
        ) from None
    figure = Figure(figsize=(graph.width / 72, graph.height / 72), dpi=dpi)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, graph.width)
    ax.set_ylim(graph.height, 0)
    ax.axis("off")
    for name, x, y, width, height in _frames(graph):
        ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="gray", linestyle="--"))
        ax.text(x + 5, y + 9, name, color="gray", fontsize=9, va="center")
    for source, target in graph.edges:
        points = _line(graph, graph.boxes[source], graph.boxes[target])
        ax.plot(*zip(*points), color="black", linewidth=1)
        ax.annotate("", points[-1], points[-2], arrowprops={"arrowstyle": "-|>", "color": "black"})
    for box in graph.boxes.values():
        ax.add_patch(Rectangle((box.x, box.y), box.width, box.height, color="black"))
        x, y = box.x + box.width / 2, box.y + 11
        ax.text(
            x, y, box.title, color="white", fontsize=10, weight="bold", ha="center", va="center"
        )
        for left, top, width, text, kind in _cells(box):
            fill, ink = _FILL[kind]
            ax.add_patch(Rectangle((left, top), width, _LINE, facecolor=fill, edgecolor="black"))
            x, y = left + width / 2, top + _LINE / 2
            ax.text(x, y, text, color=ink, fontsize=9, ha="center", va="center")
    figure.savefig(path, dpi=dpi)


class Dot:
    """What ``model_to_dot`` gives: the graph, to be written or shown."""

    def __init__(self, graph: Graph, dpi: int, splines: str) -> None:
        self._graph, self._dpi, self._splines = graph, dpi, splines

    def to_string(self) -> str:
        """Give the text for Graphviz.

        Returns
        -------
        str
        """
        return dot_text(self._graph, self._dpi, self._splines)

    __str__ = to_string

    def svg(self) -> Drawing:
        """Give the drawing as SVG.

        Returns
        -------
        Drawing
        """
        return svg_text(self._graph)

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return str(self.svg())

    def get_nodes(self) -> list[str]:
        """Give the titles of the boxes.

        Returns
        -------
        list of str
        """
        return [box.title for box in self._graph.boxes.values()]

    def get_edges(self) -> list[tuple[str, str]]:
        """Give the lines, by titles.

        Returns
        -------
        list of (str, str)
        """
        boxes = self._graph.boxes
        return [(boxes[source].title, boxes[target].title) for source, target in self._graph.edges]

    def write(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write the drawing to a file.

        Parameters
        ----------
        path : path
        format : str, optional
            ``"svg"``, ``"dot"``, ``"png"`` ...; by the ending of the name if left out.

        Raises
        ------
        UnsupportedError
            Neither SVG nor DOT, and matplotlib is not installed.
        """
        name = os.fspath(path)
        kind = (format or os.path.splitext(name)[1].lstrip(".") or "png").lower()
        if kind in ("svg", "dot", "gv"):
            text = str(self.svg()) if kind == "svg" else self.to_string()
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)
            return
        _draw_matplotlib(self._graph, name, self._dpi)


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Dot:
    """Give a model as a graph that can be drawn.

    Parameters
    ----------
    model : Model
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : bool
        What stands in the boxes.
    rankdir : {"TB", "LR", "BT", "RL"}
        Where the graph goes: from the top to the bottom, from the left to the right ...
    expand_nested : bool
        Opens models inside the model.
    dpi : int
        Of PNG files.
    subgraph : bool
        Not looked at.
    splines : str
        How Graphviz draws lines; only in DOT.

    Returns
    -------
    Dot

    Raises
    ------
    ValueError
        The model is not built.
    """
    del subgraph
    if kwargs.pop("layer_range", None) is not None:
        raise ValueError("Argument `layer_range` is no longer supported.")
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
    show = {
        "shapes": show_shapes,
        "dtype": show_dtype,
        "layer_names": show_layer_names,
        "layer_activations": show_layer_activations,
        "trainable": show_trainable,
    }
    return Dot(graph_of(model, rankdir, expand_nested, show), dpi, splines)


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Dot:
    """Draw a model into a file.

    Parameters
    ----------
    model : Model
    to_file : path
        ``.svg`` and ``.dot`` are always possible; ``.png``, ``.pdf`` ... with matplotlib.
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : bool
        What stands in the boxes.
    rankdir : {"TB", "LR", "BT", "RL"}
        Where the graph goes.
    expand_nested : bool
        Opens models inside the model.
    dpi : int
        Of PNG files.
    splines : str
        How Graphviz draws lines; only in DOT.

    Returns
    -------
    Dot
        Notebooks show it.

    Raises
    ------
    ValueError
        The model is not built.
    UnsupportedError
        Neither SVG nor DOT, and matplotlib is not installed.
    """
    dot = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        splines=splines,
        **kwargs,
    )
    path = os.fspath(to_file)
    dot.write(path, None if os.path.splitext(path)[1] else "png")
    return dot
