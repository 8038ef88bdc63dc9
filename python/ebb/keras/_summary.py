"""``Model.summary()``: the table that Keras prints, to the character.

Keras lays its table out with the library rich; its rules for widths and line breaks are repeated
here. Source: keras/src/utils/summary_utils.py of Keras 3.15; rich 13.
"""

from __future__ import annotations

import math
import re
import shutil
import unicodedata
from collections.abc import Sequence
from typing import Any, Callable

from ebb.keras import _tree

_WORD = re.compile(r"\s*\S+\s*")
_BITS = {"bool": 1, "int4": 4, "uint4": 4, "bfloat16": 16}

# Left, line, between columns, right: above the head, below it, between rows, at the end.
_RULES = {"top": "┏━┳┓", "head": "┡━╇┩", "row": "├─┼┤", "bottom": "└─┴┘"}


# -- text in columns ------------------------------------------------------------------------------


def _cells(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    none = sum(unicodedata.combining(letter) != 0 for letter in text)
    return len(text) + wide - none


def _cut(text: str, width: int) -> str:
    """Ends with an ellipsis where it does not fit."""
    if _cells(text) <= width:
        return text
    kept = text
    while kept and _cells(kept) > max(width - 1, 0):
        kept = kept[:-1]
    return kept + " " * (width - 1 - _cells(kept)) + "…"


def _wrap(text: str, width: int) -> list[str]:
    """Lines of a cell: broken between words, a word that is too long is cut."""
    breaks, used, at = [], 0, 0
    while True:
        word = _WORD.match(text, at)
        if word is None:
            break
        length = _cells(word.group().rstrip())
        if width - used >= length:
            used += _cells(word.group())
        elif at:
            breaks.append(at)
            used = _cells(word.group())
        else:
            used = _cells(word.group())
        at = word.end()
    places = [0, *breaks, len(text)]
    return [text[first:last] for first, last in zip(places, places[1:])]


def _justify(text: str, width: int, how: str) -> str:
    """A line as wide as its column."""
    if how == "left":
        text = _cut(_end_cut(text, width), width)
        return text + " " * (width - _cells(text))
    text = _cut(text.rstrip(), width)
    space = width - _cells(text)
    before = space if how == "right" else space // 2
    return " " * before + text + " " * (space - before)


def _end_cut(text: str, width: int) -> str:
    """Without those blanks at the end that do not fit."""
    spare = min(len(text) - len(text.rstrip()), max(_cells(text) - width, 0))
    return text[: len(text) - spare]


def _column_widths(wanted: Sequence[int], width: int) -> list[int]:
    """Columns with their padding, so that all of them and the lines between make ``width``."""
    widths = [value + 2 for value in wanted]
    room = width - len(widths) - 1
    left, ratio = sum(widths) - room, len(widths)
    if left > 0:
        for i, value in enumerate(widths):
            taken = min(value, round(left / ratio)) if ratio else 0
            widths[i] = value - taken
            left, ratio = left - taken, ratio - 1
    total, spare = sum(widths), room - sum(widths)
    for i, value in enumerate(widths):
        if spare <= 0:
            break
        added = math.ceil(value * spare / total) if total > 0 else spare
        widths[i], total, spare = value + added, total - value, spare - added
    return widths


class Table:
    """Rows of cells between lines.

    Parameters
    ----------
    head : list of str
    justify : list of {"left", "right", "center"}
    widths : list of int
        Wanted; they are fitted to ``width``.
    width : int
        Of the whole table.
    """

    def __init__(
        self, head: list[str], justify: list[str], widths: Sequence[int], width: int
    ) -> None:
        self.head, self.justify = head, justify
        self.widths = _column_widths(widths, width)
        self.rows: list[list[str]] = []

    def _rule(self, name: str) -> str:
        """A horizontal line."""
        left, line, cross, right = tuple(_RULES[name])
        return left + cross.join(line * width for width in self.widths) + right

    def _lines(self, cells: list[str], bar: str) -> list[str]:
        """A row, as high as its highest cell."""
        inner = [max(width - 2, 0) for width in self.widths]
        blocks = [_wrap(cell, width) for cell, width in zip(cells, inner)]
        lines = []
        for i in range(max(len(block) for block in blocks)):
            parts = []
            for block, width, how in zip(blocks, inner, self.justify):
                text = block[i] if i < len(block) else ""
                parts.append(f" {_justify(text, width, how)} ")
            lines.append(bar + bar.join(parts) + bar)
        return lines

    def text(self) -> list[str]:
        """All of it, line by line."""
        lines = [self._rule("top"), *self._lines(self.head, "┃")]
        lines.append(self._rule("head"))
        for i, row in enumerate(self.rows):
            lines += [self._rule("row")] if i else []
            lines += self._lines(row, "│")
        return [*lines, self._rule("bottom")]


# -- figures --------------------------------------------------------------------------------------


def count_params(weights: Sequence[Any]) -> int:
    """Elements of all weights.

    Parameters
    ----------
    weights : list of Variable

    Returns
    -------
    int
    """
    return sum(math.prod(int(length) for length in weight.shape) for weight in weights)


def weight_memory_size(weights: Sequence[Any]) -> float:
    """Bytes of the weights in their types, each counted once."""
    total = 0
    for weight in {id(weight): weight for weight in weights}.values():
        name = str(getattr(weight.dtype, "name", weight.dtype))
        bits = _BITS.get(name) or int(re.sub(r"\D", "", name) or 32)
        total += bits * math.prod(int(length) for length in weight.shape)
    return total / 8


def readable_memory_size(size: float) -> str:
    """``"484.00 B"``, ``"1.28 KB"`` ..."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


# -- the graph ------------------------------------------------------------------------------------


def graph_nodes(model: Any) -> list[Any]:
    """The calls that lead from a model's inputs to its outputs, each before those it feeds."""
    found: dict[int, Any] = {}
    ends = {id(tensor._node) for tensor in _inputs(model)}

    for start in _tree.leaves(getattr(model, "outputs", None) or []):
        waiting = [(start._node, False)]
        while waiting:
            node, is_ready = waiting.pop()
            if node is None or id(node) in found:
                continue
            if is_ready:
                found[id(node)] = node
                continue
            waiting.append((node, True))
            if id(node) in ends:
                continue
            waiting += [(tensor._node, False) for tensor in reversed(node.parents)]
    for tensor in _inputs(model):
        found.setdefault(id(tensor._node), tensor._node)
    return list(found.values())


def _inputs(model: Any) -> list[Any]:
    """The symbolic inputs of a model."""
    return list(_tree.leaves(getattr(model, "inputs", None) or []))


def is_chain(nodes: Sequence[Any]) -> bool:
    """Does each call feed the next, and no layer run twice?"""
    depths = {id(node): 0 for node in nodes}
    for node in reversed(nodes):
        for tensor in node.parents:
            if id(tensor._node) in depths:
                below = depths[id(node)] + 1
                depths[id(tensor._node)] = max(depths[id(tensor._node)], below)
    layers = [id(node.operation) for node in nodes]
    return (
        all(len(node.parents) <= 1 for node in nodes)
        and len(set(depths.values())) == len(nodes)
        and len(set(layers)) == len(layers)
    )


def class_of(layer: Any) -> str:
    """``"Dense"``; for functions of keras.ops the name of their class in Keras."""
    told = getattr(layer, "class_name", None)
    return told if isinstance(told, str) else type(layer).__name__


def is_sequential(model: Any) -> bool:
    """Is it a Sequential?"""
    return any(kind.__name__ == "Sequential" for kind in type(model).__mro__)


def is_functional(model: Any) -> bool:
    """Is it a graph of layers?"""
    return not is_sequential(model) and any(
        kind.__name__ == "Functional" for kind in type(model).__mro__
    )


def layers_of(model: Any) -> list[Any]:
    """The rows of a model's table: its layers, and the functions between them."""
    operations = getattr(model, "_operations", None) if is_functional(model) else None
    return list(operations if operations is not None else model.layers)


def _shape_text(shape: Any) -> str:
    """``(None, 10)``"""
    return f"({', '.join(str(length) for length in shape)})"


def _structure_text(structure: Any) -> str:
    """Shapes as Python shows what holds them, without quotes."""
    flat = _tree.leaves(structure)
    if len(flat) == 1:
        return str(flat[0])
    return str(structure).replace("'", "")


def output_shape_text(layer: Any) -> str:
    """The column "Output Shape"."""
    nodes = getattr(layer, "_inbound_nodes", None) or []
    if nodes:
        return _structure_text([_shape_text(tensor.shape) for tensor in nodes[-1].output_tensors])
    shapes = getattr(layer, "_build_shapes_dict", None)
    if not shapes:
        return "?"
    try:
        told = layer.compute_output_shape(**shapes)
    except (NotImplementedError, AttributeError, TypeError, ValueError):
        return "?"
    if isinstance(told, (list, tuple)) and told and isinstance(told[0], (list, tuple)):
        return _structure_text([_shape_text(shape) for shape in told])
    return _shape_text(told)


def _connections(layer: Any, known: set[int]) -> str:
    """The column "Connected to"; ``known`` are the ids of the calls in the model."""
    parts = []
    for node in getattr(layer, "_inbound_nodes", ()):
        if id(node) not in known:
            continue
        for tensor in node.parents:
            history = tensor._keras_history
            parts.append(f"{history[0].name}[{history[1]}][{history[2]}]")
    return ", ".join(parts) or "-"


def _params_text(layer: Any) -> str:
    """The column "Param #"."""
    if not hasattr(layer, "built"):
        return "0"
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _trainable_text(layer: Any) -> str:
    """The column "Trainable"."""
    if not getattr(layer, "weights", None):
        return "-"
    return "Y" if layer.trainable else "N"


def layer_bounds(layers: Sequence[Any], layer_range: Any) -> tuple[int, int]:
    """First and last+1 of the rows between two names, which may be regular expressions.

    Raises
    ------
    ValueError
        Not two texts; no layer has such a name.
    """
    if layer_range is None:
        return 0, len(layers)
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(
            "layer_range must be a list or tuple of two strings, the first and the last layer. "
            f"Received: {layer_range}"
        )
    first = [i for i, layer in enumerate(layers) if re.match(layer_range[0], layer.name)]
    last = [i for i, layer in enumerate(layers) if re.match(layer_range[1], layer.name)]
    if not first or not last:
        raise ValueError(
            f"Passed layer_names do not match the layer names in the model. Received: {layer_range}"
        )
    if min(first) > max(last):
        return min(last), max(first) + 1
    return min(first), max(last) + 1


# -- the summary ----------------------------------------------------------------------------------


def _layout(
    is_simple: bool, line_length: int | None, positions: Any, show_trainable: bool
) -> tuple[int, list[int], list[str], list[str]]:
    """Length of a line, widths of columns, their heads, how they are justified."""
    length = 88 if is_simple else 108
    places = list(positions or ([0.45, 0.80, 1.0] if is_simple else [0.3, 0.56, 0.74, 1.0]))
    head = ["Layer (type)", "Output Shape", "Param #"]
    justify = ["left", "left", "right"]
    if not is_simple:
        head.append("Connected to")
        justify.append("left")
    if show_trainable:
        length += 12
        places = [place * 0.90 for place in places] + [1.0]
        head.append("Trainable")
        justify.append("center")
    if len(places) != len(head):
        raise ValueError(
            f"positions must have {len(head) - show_trainable} numbers, one for each column of "
            f"this model's table. Received: {positions}"
        )
    length = line_length or min(length, shutil.get_terminal_size().columns - 4)
    widths, current = [], 0
    for place in places:
        width = int(place * length) - current
        if width < 4:
            raise ValueError("Insufficient console width to print summary.")
        widths.append(width)
        current += width
    return length, widths, head, justify


def _rows(
    layer: Any, known: set[int] | None, expand: bool, trainable: bool, level: int
) -> list[list[str]]:
    """A layer's row, and those of the layers inside it."""
    prefix = "   " * level + "└ " if level else ""
    row = [
        f"{prefix}{layer.name} ({class_of(layer)})",
        output_shape_text(layer),
        _params_text(layer),
    ]
    if known is not None:
        row.append(_connections(layer, known))
    if trainable:
        row.append(_trainable_text(layer))
    rows = [row]
    for inner in (getattr(layer, "layers", None) or []) if expand else []:
        rows += _rows(inner, known, expand, trainable, level + 1)
    return rows


def _totals(model: Any) -> list[str]:
    """The lines below the table."""
    collected = getattr(model, "_collected_trainable_weights", None)
    trainable = model.trainable_weights if collected is None else collected
    fixed = model.non_trainable_weights
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    state = list(optimizer.variables) if optimizer is not None and optimizer.built else None
    groups = [("Trainable", trainable), ("Non-trainable", fixed)]
    groups += [("Optimizer", state)] if state is not None else []
    counts = [count_params(weights) for _, weights in groups]
    sizes = [weight_memory_size(weights) for _, weights in groups]
    lines = [f" Total params: {sum(counts):,} ({readable_memory_size(sum(sizes))})"]
    for (name, _), count, size in zip(groups, counts, sizes):
        lines.append(f" {name} params: {count:,} ({readable_memory_size(size)})")
    return lines


def summary_text(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> str:
    """The table as a text that ends with a line feed; arguments are those of ``print_summary``."""
    layers = layers_of(model)
    nodes = graph_nodes(model) if is_functional(model) else None
    if nodes is not None and is_chain(nodes):
        nodes = None
    length, widths, head, justify = _layout(nodes is None, line_length, positions, show_trainable)
    table = Table(head, justify, widths, length)
    first, last = layer_bounds(layers, layer_range)
    known = None if nodes is None else {id(node) for node in nodes}
    for layer in layers[first:last]:
        table.rows += _rows(layer, known, expand_nested, show_trainable, 0)
    lines = [f'Model: "{model.name}"', *table.text(), *_totals(model)]
    return "\n".join(lines) + "\n"


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table of a model's layers.

    Parameters
    ----------
    model : Model
    line_length : int, optional
        Of a line; 88, or 108 with a column "Connected to", or what the terminal has room for.
    positions : list of float, optional
        Where columns end, as parts of a line.
    print_fn : callable, optional
        Given the whole table as one text; ``print`` if left out.
    expand_nested : bool
        Layers of models inside the model get rows too.
    show_trainable : bool
        A column that says Y or N.
    layer_range : two str, optional
        Names, or regular expressions, of the first and the last layer to show.

    Raises
    ------
    ValueError
        Columns too narrow; no layer of such a name.
    """
    text = summary_text(model, line_length, positions, expand_nested, show_trainable, layer_range)
    if print_fn is not None:
        print_fn(text)
    else:
        print(text, end="")
