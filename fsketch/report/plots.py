"""The plot of a comparison: quality against cost in both directions, a point for each run."""

import math
from collections.abc import Mapping
from typing import Any

from matplotlib import axes, figure, lines, ticker, transforms

from fsketch.report import tables
from fsketch.scoring.page import charts

# name -> (title of the axis, value of a row)
COSTS = {
    "parameters": ("parameters", lambda row: row["parameters"]),
    "flop": ("FLOP per image", lambda row: row["flop_per_image"]),
    "latency": (
        "latency of one image, ms",
        lambda row: 1e3 * row["latency"]["1"]["median_sec"] if row["latency"] else None,
    ),
}
MARKERS = {True: "o", False: "s"}  # with a teacher, without
STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
PLACES = [(9 * far * x, 9 * far * y) for far in (1, 2, 3, 4) for x, y in STEPS]  # of labels, points


def quality_against(cost: str, content: Mapping[str, Any]) -> figure.Figure:
    """The comparison's metric against "parameters", "flop" or "latency"; its direction comes first.

    Raises ValueError if the cost was not measured.
    """
    first, metric = content["metric"].split("/")
    rows = [row for row in content["models"] if metric in (row["quality"] or ())]
    directions = sorted({row["direction"] for row in rows}, key=lambda name: name != first)
    title, value_of = COSTS[cost]
    if any(value_of(row) is None for row in rows):
        raise ValueError(f"--cost: expected a cost that was measured, got {cost}")
    with charts.styled():
        plot = figure.Figure((560 * len(directions) * charts.PX, 360 * charts.PX))
        for k, direction in enumerate(directions):
            ax = plot.add_subplot(1, len(directions), k + 1, xscale="log")
            its = [row for row in rows if row["direction"] == direction]
            ax.set_title(direction, loc="left")
            ax.set_xlabel(f"{title} (logarithmic)")
            ax.set_ylabel(tables.heading(metric))
            _points(ax, content, its, [value_of(row) for row in its], metric)
        kinds = [
            lines.Line2D([], [], color=charts.INK, linestyle="", marker=marker, label=name,
                         markerfacecolor=charts.INK if marker == "o" else charts.PAPER)
            for marker, name in zip("os", ("with a teacher", "without a teacher"), strict=True)
        ]  # fmt: skip
        plot.axes[0].legend(handles=kinds, loc="lower right", fontsize="small", frameon=False)
    return plot


def _points(
    ax: axes.Axes, content: Mapping[str, Any], rows: list, costs: list[float], metric: str
) -> None:
    """Points with intervals and labels; points of equal cost stand side by side."""
    logs = [math.log10(cost) for cost in costs]
    pad = max(0.1, 0.15 * (max(logs) - min(logs)))
    span = max(logs) - min(logs) + 2 * pad
    ax.set_xlim(10 ** (min(logs) - pad), 10 ** (max(logs) + pad))
    spacing = ticker.MaxNLocator(5) if span < 1 else ticker.LogLocator(subs=(1, 2, 5))
    ax.xaxis.set_major_locator(spacing)
    ax.xaxis.set_major_formatter(ticker.EngFormatter())
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.margins(y=0.15)
    names, points = _in_order(content), []
    for i, (row, log) in enumerate(zip(rows, logs, strict=True)):
        near = [k for k, other in enumerate(logs) if abs(other - log) < 0.01 * span]
        x = 10 ** (log + 0.03 * span * (near.index(i) - (len(near) - 1) / 2))
        run, its = content["runs"][row["name"]], row["quality"][metric]
        colour = charts.COLOURS[names.index(row["name"]) % len(charts.COLOURS)]
        ends = [0.0 if its[k] is None else abs(its[k] - its["value"]) for k in ("low", "high")]
        marker = MARKERS[bool(run["teachers"])]
        ax.errorbar(
            x, its["value"], [[end] for end in ends], fmt=marker, color=colour, capsize=4,
            markersize=9, markerfacecolor=colour if marker == "o" else charts.PAPER, linewidth=2,
        )  # fmt: skip
        label = f"{row['name']} {tables.MARK if run['different'] else ''}".strip()
        points.append((x, its["value"] - ends[0], its["value"], its["value"] + ends[1], label))
    ax.figure.draw_without_rendering()  # places the axes, so that labels can be measured
    taken = [
        transforms.Bbox(ax.transData.transform([(x, low), (x, high)])).padded(9)
        for x, low, _, high, _ in points
    ]
    for x, _, y, _, label in points:
        note = ax.annotate(
            charts.short(label, 32), (x, y), (0, 0), textcoords="offset points", weight="bold",
            in_layout=False,
        )  # fmt: skip

        def covered(place: tuple[int, int], note: Any = note) -> float:
            _put(note, place)
            box = note.get_window_extent()
            inside = transforms.Bbox.intersection(box, ax.bbox)
            return box.count_overlaps(taken) + (inside is None or inside.width < box.width)

        _put(note, min(PLACES, key=covered))  # the first place with the least overlap
        taken.append(note.get_window_extent())


def _in_order(content: Mapping[str, Any]) -> list[str]:
    """The runs in the page's colour order: comparable runs by direction, then the others."""
    rows = sorted(content["models"], key=lambda row: row["direction"] == "to_photo")
    names = dict.fromkeys(row["name"] for row in rows if row["direction"])
    return sorted(names, key=lambda name: bool(content["runs"][name]["different"]))


def _put(note: Any, place: tuple[int, int]) -> None:
    x, y = place
    note.set_position(place)
    note.set_ha("left" if x > 0 else "right" if x < 0 else "center")
    note.set_va("bottom" if y > 0 else "top" if y < 0 else "center")
