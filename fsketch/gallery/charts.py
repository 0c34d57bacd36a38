"""Charts as inline SVG, in the colours of page.css; and the section of distributions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fsketch.gallery import text
from fsketch.gallery.report import UNKNOWN, Estimate, Report, image_metrics, scores_of

NUM_COLOURS = 7  # .c0 to .c6 in page.css
WIDTH, MARGIN = 340, 12  # of a histogram, px
ROW, BARS = 50, 28  # height of an output's row and of its tallest bar, px
LABEL_PX, NUMBERS_PX = 7.4, 6.6  # width of a character, generously


def distributions(report: Report) -> str:
    """The section: one histogram a metric; empty without scores of images."""
    figures = []
    for metric in image_metrics(report):
        rows = [
            Row(
                output.label,
                i % NUM_COLOURS,
                scores_of(report, output, metric),
                output.summary.get(metric.name, UNKNOWN),
            )
            for i, output in enumerate(report.outputs)
        ]
        axis = f"{text.with_unit(metric)}, {text.better(metric)}"
        figures.append(f"<figure>{histogram(axis, rows)}</figure>")
    if not figures:
        return ""
    return (
        "<p>All scored images. Height: share of an output's images, on one scale within a chart. "
        "The dot is the mean, the bar through it the 95 % interval.</p>"
        f'<div class="charts">{"".join(figures)}</div>'
    )


class Row(NamedTuple):
    """One output in a histogram; (mean, low, high) may hold NaN."""

    label: str
    colour: int
    scores: np.ndarray  # float[N], NaN where not scored
    summary: Estimate


def histogram(axis: str, rows: Sequence[Row]) -> str:
    """Shares of the images over a common axis, one row an output, with mean and interval.

    All rows have the same bins and the same height for the same share.  Infinite scores are
    counted in words.
    """
    finite = [row.scores[np.isfinite(row.scores)] for row in rows]
    edges = _edges(np.concatenate(finite))
    counts = [int(np.count_nonzero(~np.isnan(row.scores))) for row in rows]
    shares = [
        np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / max(1, count)
        for scores, count in zip(finite, counts, strict=True)
    ]
    tallest = max(share.max() for share in shares) or 1.0
    digits = text.decimals(np.concatenate(finite))

    def x(value: float) -> float:
        return MARGIN + (value - edges[0]) / (edges[-1] - edges[0]) * (WIDTH - 2 * MARGIN)

    bottom = len(rows) * ROW + 6
    parts, words = [], []
    for tick, name in ticks(edges[0], edges[-1]):
        parts.append(
            f'<path class="grid" d="M{x(tick):.1f} 0V{bottom + 4}"/>'
            f'<text x="{x(tick):.1f}" y="{bottom + 17}" text-anchor="middle">{name}</text>'
        )
    for i, (row, count, share) in enumerate(zip(rows, counts, shares, strict=True)):
        infinite = int(np.count_nonzero(np.isinf(row.scores)))
        mean, low, high = row.summary
        caption = f"N {count}, mean {text.number(mean, digits)}" if count else "not scored"
        caption += f", {infinite} infinite" if infinite else ""
        room = int((WIDTH - 2 * MARGIN - NUMBERS_PX * len(caption)) / LABEL_PX) - 1
        words.append(f"{row.label}: {caption}")
        top, base = i * ROW, i * ROW + ROW - 4
        parts.append(
            f'<text class="label" x="{MARGIN}" y="{top + 13}">'
            f"{text.escape(text.shorten(row.label, room))}</text>"
            f'<text x="{WIDTH - MARGIN}" y="{top + 13}" text-anchor="end">{caption}</text>'
        )
        if count:
            steps = "".join(
                f"V{base - share[k] / tallest * BARS:.1f}H{x(edges[k + 1]):.1f}"
                for k in range(len(share))
            )
            parts.append(
                f'<path class="bars c{row.colour}" d="M{x(edges[0]):.1f} {base}{steps}V{base}Z"/>'
            )
        parts.append(f'<path class="base" d="M{MARGIN} {base}H{WIDTH - MARGIN}"/>')
        if math.isfinite(low) and math.isfinite(high):
            parts.append(f'<path class="interval" d="M{x(low):.1f} {base}H{x(high):.1f}"/>')
        if math.isfinite(mean):
            parts.append(f'<circle class="mean" cx="{x(mean):.1f}" cy="{base}" r="3.5"/>')
    parts.append(
        f'<text x="{WIDTH / 2:.0f}" y="{bottom + 34}" text-anchor="middle">{text.escape(axis)}'
        "</text>"
    )
    alt = text.escape(f"Histograms of {axis}. " + "; ".join(words))
    return (
        f'<svg class="chart" role="img" aria-label="{alt}" viewBox="0 0 {WIDTH} {bottom + 40}" '
        f'width="{WIDTH}">{"".join(parts)}</svg>'
    )


def difference(value: float, low: float, high: float, limit: float) -> str:
    """A point with its interval on an axis from -limit to limit, with a line at zero."""

    def x(v: float) -> float:
        return 70 + 66 * v / limit

    parts = ['<path class="base" d="M70 0V16"/>']
    if math.isfinite(low) and math.isfinite(high):
        parts.append(f'<path class="interval" d="M{x(low):.1f} 8H{x(high):.1f}"/>')
    if math.isfinite(value):
        parts.append(f'<circle class="mean" cx="{x(value):.1f}" cy="8" r="3.5"/>')
    return (
        '<svg class="whisker" viewBox="0 0 140 16" width="140" height="16" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _nice(step: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def _edges(values: np.ndarray) -> np.ndarray:
    """13 to 32 bins with round edges around all values."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - 0.1 * (abs(low) or 1), high + 0.1 * (abs(high) or 1)
    step = _nice((high - low) / 32)
    return step * np.arange(math.floor(low / step), math.ceil(high / step) + 1)


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """At most nine round values within low .. high, and how they are written."""
    step = _nice((high - low) / 8)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [(k * step, text.number(k * step, digits)) for k in range(first, last + 1)]
