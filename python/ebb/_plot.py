"""``ebb.plot_memory()``: the timeline of a memory profile, drawn by matplotlib or as SVG."""

from __future__ import annotations

import json
import os
from html import escape
from typing import Any

from ebb._errors import ArgumentError, NotFoundError

# Of the ten colours that matplotlib begins with, so that both drawings look alike.
_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))


class Drawing(str):
    """A drawing as SVG text; notebooks show it."""

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return str(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file.

        Parameters
        ----------
        path : path
        """
        with open(path, "w", encoding="utf-8") as file:
            file.write(self)


def read_profile(profile: Any) -> dict[str, Any]:
    """The profile as the dictionary that ``profile.json`` holds.

    Parameters
    ----------
    profile : profiler, dict or path
        What ``ebb.profile()`` gave; its dictionary; a ``.json`` file; a folder with profile.json.
    """
    if isinstance(profile, dict):
        return profile
    for name in ("json", "to_json"):
        method = getattr(profile, name, None)
        if callable(method):
            told = method()
            return told if isinstance(told, dict) else dict(json.loads(told))
    path = os.fspath(profile)
    if os.path.isdir(path):
        path = os.path.join(path, "profile.json")
    if not os.path.exists(path):
        raise NotFoundError("there is no such profile; profilers write profile.json", path)
    with open(path, encoding="utf-8") as file:
        return dict(json.load(file))


def bands(data: dict[str, Any], by: str) -> list[tuple[str, list[int]]]:
    """Name and bytes at each moment of every owner or class that ever had any."""
    moments = data["moments"]
    if by == "owner":
        names = [owner["name"] for owner in data["owners"]]
        rows = [moment["owners"] for moment in moments]
    elif by == "class":
        names = list(data["classes"])
        rows = [moment["classes"] for moment in moments]
    else:
        raise ArgumentError(f'expected by="owner" or by="class", got {by!r}', "plot_memory")
    columns = [(name, [row[i] for row in rows]) for i, name in enumerate(names)]
    return [(name, values) for name, values in columns if any(values)]


def scale_of(peak: int) -> tuple[int, str]:
    """The unit that suits so many bytes: (2**20, "MiB")."""
    return next((size, name) for size, name in _UNITS if peak >= size or size == 1)


def plot_memory(profile: Any = None, by: str = "owner", ax: Any = None) -> Any:
    """Draw live bytes over time: stacked areas, the peak, marks, a legend.

    Parameters
    ----------
    profile : profiler, dict or path, optional
        A profiler of ebb, running or stopped; the ``.json`` it wrote, or the folder that has it;
        what ``json.load`` made of it. Left out: what is live at this moment, as bars.
    by : {"owner", "class"}
        Areas are models, sessions ... or weights, activations ...
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.

    Returns
    -------
    matplotlib.axes.Axes or Drawing
        Without matplotlib an SVG drawing: text that notebooks show and ``save(path)`` writes.

    Raises
    ------
    ArgumentError
        ``by`` is something else.
    NotFoundError
        There is no such file.
    """
    data = _present(by) if profile is None else read_profile(profile)
    layers = bands(data, by)
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            return _without_matplotlib(profile, data, layers, by)
        _, ax = pyplot.subplots(figsize=(9, 4))
    _draw(ax, data, layers, by)
    return ax


def _present(by: str) -> dict[str, Any]:
    """A profile of one moment: what is live now."""
    from ebb._runtime import memory

    now = memory()
    by_class = dict(now.by_class)
    by_model = {str(name): int(size) for name, size in dict(now.by_model).items()}
    rest = now.live - sum(by_model.values())
    owners = {**by_model, "runtime": rest} if rest > 0 else by_model
    moment = {
        "bytes": now.live,
        "owners": list(owners.values()),
        "classes": [int(value) for value in by_class.values()],
    }
    return {
        "time_ns": 1,
        "peak": now.live,
        "peak_ns": 0,
        "owners": [{"name": name} for name in owners],
        "classes": list(by_class),
        "moments": [{**moment, "time_ns": 0}],
        "marks": [],
    }


def _times(data: dict[str, Any]) -> list[float]:
    """Milliseconds of every moment, and of the end."""
    return [moment["time_ns"] / 1e6 for moment in data["moments"]] + [data["time_ns"] / 1e6]


def _draw(ax: Any, data: dict[str, Any], layers: list[tuple[str, list[int]]], by: str) -> None:
    """With matplotlib."""
    size, unit = scale_of(data["peak"])
    times = _times(data)
    stacks = [[value / size for value in [*values, values[-1]]] for _, values in layers]
    if stacks:
        ax.stackplot(times, stacks, labels=[name for name, _ in layers], step="post", alpha=0.85)
    peak = data["peak"] / size
    ax.axhline(peak, color="black", linestyle="--", linewidth=0.8)
    ax.annotate(
        f"peak {peak:,.1f} {unit}",
        (data["peak_ns"] / 1e6, peak),
        textcoords="offset points",
        xytext=(4, 3),
        fontsize="small",
    )
    for mark in data.get("marks", ()):
        ax.axvline(mark["time_ns"] / 1e6, color="gray", linewidth=0.6)
        ax.annotate(
            mark["label"],
            (mark["time_ns"] / 1e6, 0),
            rotation=90,
            textcoords="offset points",
            xytext=(2, 3),
            fontsize="x-small",
            color="gray",
        )
    ax.set_xlim(times[0], max(times[-1], times[0] + 1e-6))
    ax.set_ylim(0, max(peak * 1.12, 1e-9))
    ax.set_xlabel("milliseconds")
    ax.set_ylabel(unit)
    ax.set_title(f"live memory by {by}")
    if stacks:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small", frameon=False)


# -- without matplotlib ---------------------------------------------------------------------------

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 900, 360, 70, 30, 190, 40


def _without_matplotlib(
    profile: Any, data: dict[str, Any], layers: list[tuple[str, list[int]]], by: str
) -> Drawing:
    """The drawing that the library writes, where it has the profile; else one made here."""
    method = getattr(profile, "svg", None)
    if by == "owner" and callable(method):
        return Drawing(method())
    return svg_of(data, layers, by)


def _place(data: dict[str, Any]) -> Any:
    """A function from milliseconds and bytes to a point of the drawing."""
    times = _times(data)
    span = max(times[-1] - times[0], 1e-9)
    top = max(data["peak"] * 1.12, 1)

    def point(time: float, value: float) -> str:
        x = _LEFT + (time - times[0]) / span * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    return point


def _area(point: Any, times: list[float], low: list[int], high: list[int], colour: str) -> str:
    """One band of the stack; values hold until the next moment."""
    upper, lower = [], []
    for i, (under, over) in enumerate(zip(low, high)):
        upper += [point(times[i], over), point(times[i + 1], over)]
        lower += [point(times[i], under), point(times[i + 1], under)]
    points = " ".join([*upper, *reversed(lower)])
    return f'<polygon points="{points}" fill="{colour}" fill-opacity="0.85"/>'


def svg_of(data: dict[str, Any], layers: list[tuple[str, list[int]]], by: str) -> Drawing:
    """The same picture as text."""
    size, unit = scale_of(data["peak"])
    point, times = _place(data), _times(data)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="18" font-size="14">live memory by {by}, {unit}</text>',
    ]
    low = [0] * len(data["moments"])
    for i, (name, values) in enumerate(layers):
        high = [under + value for under, value in zip(low, values)]
        colour = _COLOURS[i % len(_COLOURS)]
        parts.append(_area(point, times, low, high, colour))
        y = _TOP + 16 * i
        parts.append(
            f'<rect x="{_WIDTH - _RIGHT + 12}" y="{y}" width="11" height="11" fill="{colour}"/>'
            f'<text x="{_WIDTH - _RIGHT + 28}" y="{y + 10}">{escape(name)}</text>'
        )
        low = high
    left, right = point(times[0], data["peak"]), point(times[-1], data["peak"])
    (x1, y1), (x2, y2) = left.split(","), right.split(",")
    parts.append(
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="black" stroke-dasharray="5 3"/>'
        f'<text x="{x1}" y="{float(y1) - 4:.1f}" dx="4">peak {data["peak"] / size:,.1f}</text>'
    )
    for mark in data.get("marks", ()):
        x = point(mark["time_ns"] / 1e6, 0).split(",")[0]
        parts.append(
            f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{_HEIGHT - _BOTTOM}" stroke="gray"/>'
            f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 14}" fill="gray">{escape(mark["label"])}</text>'
        )
    parts.append(
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{times[-1] - times[0]:,.1f} milliseconds</text></svg>'
    )
    return Drawing("\n".join(parts))
