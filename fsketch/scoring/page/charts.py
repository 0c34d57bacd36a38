"""Plots by matplotlib, as SVG inside pages and as files.

Inside a page they use its colours and font, so they follow its dark mode.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib import figure

from fsketch.scoring import measures, text

# Okabe and Ito's colours, which colour-blind readers can tell apart; .c0 to .c6 in page.css.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
INK, QUIET, LINE, PAPER = "#1b1d20", "#5a6067", "#d5d9de", "#fffffe"
VARIABLES = {INK: "var(--ink)", QUIET: "var(--quiet)", LINE: "var(--line)", PAPER: "var(--paper)"}
STYLE = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 11, "text.color": INK,
    "axes.edgecolor": QUIET, "axes.labelcolor": INK, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.color": QUIET, "ytick.color": QUIET,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.grid": True, "grid.color": LINE,
    "axes.axisbelow": True, "axes.facecolor": "none", "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True, "axes.titlesize": 12, "axes.titleweight": "bold",
    "savefig.facecolor": PAPER,
}  # fmt: skip
PX = 1 / 72  # inches, as SVG's unit


def styled() -> matplotlib.RcParams:
    """The context in which figures are made and saved."""
    return matplotlib.rc_context(STYLE)


def inline(plot: figure.Figure, name: str, alt: str) -> Markup:
    """An svg element for a page; `name` makes its ids differ from those of other plots."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        plot.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    head, body = re.search(r"<svg ([^>]*)>(.*)", buffer.getvalue(), re.DOTALL).groups()
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # would apply to the whole page
    body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, variable)
    view = re.search(r'viewBox="[^"]*"', head)[0]
    return Markup('<svg class="chart" role="img" aria-label="{}" {}>{}').format(
        text.clean(alt), Markup(view), Markup(body)
    )


def save(plot: figure.Figure, path: Path) -> bytes:
    """The content of a file with this suffix: svg, png or pdf."""
    buffer, kind = io.BytesIO(), path.suffix[1:]
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "fsketch"}):
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        plot.savefig(buffer, format=kind, dpi=200, metadata=dates.get(kind))
    return buffer.getvalue()


def histogram(
    heading: str, rows: Sequence[tuple[str, str, np.ndarray, measures.Interval]]
) -> figure.Figure:
    """Histograms over a common axis, a row for each output, with mean and interval.

    rows: label, colour, scores float[N] (NaN: not scored), mean.  All rows share their bins and
    their scale: the same share of images has the same height.
    """
    kept = [scores[np.isfinite(scores)] for _, _, scores, _ in rows]
    edges = np.histogram_bin_edges(np.concatenate(kept), 28)
    shares = [np.histogram(scores, edges)[0] / len(scores) for scores in kept]
    tallest = max(share.max() for share in shares)
    digits = text.decimals(edges)
    with styled():
        plot = figure.Figure((400 * PX, (45 + 48 * len(rows)) * PX))
        ax = plot.subplots()
        for i, (label, colour, _, mean) in enumerate(rows):
            ax.stairs(
                0.6 * shares[i] / tallest - i, edges, baseline=-i, fill=True, color=colour,
                edgecolor=INK, linewidth=0.5,
            )  # fmt: skip
            ax.axhline(-i, color=QUIET, linewidth=0.8)
            ax.plot((mean.low, mean.high), (-i, -i), color=INK, linewidth=3)
            ax.plot(mean.value, -i, "o", color=INK, markerfacecolor=PAPER, markersize=5)
            place = {"transform": ax.get_yaxis_transform(), "va": "top"}
            ax.text(0, 0.92 - i, short(label, 24), weight="bold", **place)
            caption = f"N {len(kept[i])}, mean {text.number(mean.value, digits)}"
            ax.text(1, 0.92 - i, caption, ha="right", **place)
        ax.set(ylim=(0.8 - len(rows), 1), xlim=edges[[0, -1]], yticks=[], xlabel=heading)
        ax.spines[["left", "bottom"]].set_visible(False)
    return plot


def short(label: str, length: int) -> str:
    """A clean name of at most `length` characters; a longer one ends with an ellipsis."""
    label = text.clean(label)
    return label if len(label) <= length else label[: length - 1] + "…"
