"""Quality against cost: points with intervals over a logarithmic axis, as SVG.

In the page the classes of page.css colour it; `standalone` brings its own.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fsketch.gallery import charts, text

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 44, 58  # margins
ASIDE = 14  # between points of one cost, which stand side by side
RADIUS = 6
CHARACTER, LINE = 7.0, 15  # width and height of a label's text, generously
STYLE = """
svg { background: #ffffff; font: 12px system-ui, sans-serif; }
text { fill: #1b1d20; font-variant-numeric: tabular-nums; }
.label { font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }
.grid { stroke: #d5d9de; fill: none; }
.base { stroke: #5a6067; fill: none; }
.joined { stroke: #5a6067; fill: none; stroke-dasharray: 2 4; stroke-width: 1.5; }
.leader { stroke: #5a6067; fill: none; stroke-width: 0.8; }
.whiskers { stroke: var(--colour); stroke-width: 2; fill: none; }
.point { fill: var(--colour); stroke: var(--colour); stroke-width: 2; }
.point.open { fill: #ffffff; }
.c0 { --colour: #0072b2; }
.c5 { --colour: #d55e00; }
"""


class Point(NamedTuple):
    """A system: cost x > 0, quality y with its interval, NaN where there is none.

    `group` joins points of one size; `is_open` marks those of the second kind.
    """

    label: str
    x: float
    y: float
    low: float
    high: float
    group: str
    is_open: bool


class Box(NamedTuple):
    """A rectangle in px."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Area that two rectangles share, px^2."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)


def scatter(points: Sequence[Point], *, x_title: str, y_title: str, kinds: tuple[str, str]) -> str:
    """The chart; kinds: what filled circles and open squares are.  ValueError without points."""
    if not points:
        raise ValueError("scatter: no point was given")
    xs = [math.log10(point.x) for point in points]
    pad = max(0.12, 0.12 * (max(xs) - min(xs)))
    x_low, x_high = min(xs) - pad, max(xs) + pad
    ys = [v for p in points for v in (p.y, p.low, p.high) if math.isfinite(v)]
    pad = 0.08 * (max(ys) - min(ys)) or 0.1 * (abs(ys[0]) or 1.0)
    y_low, y_high = min(ys) - pad, max(ys) + pad

    def to_x(log: float) -> float:
        return LEFT + (log - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def to_y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    places = _side_by_side([(to_x(x), to_y(p.y)) for x, p in zip(xs, points, strict=True)])
    bars = [
        (to_y(p.low), to_y(p.high)) if math.isfinite(p.low) and math.isfinite(p.high) else (y, y)
        for p, (_, y) in zip(points, places, strict=True)
    ]
    parts = [*_axes(x_low, x_high, y_low, y_high, to_x, to_y), *_titles(x_title, y_title, kinds)]
    for group in dict.fromkeys(point.group for point in points):
        its = sorted(places[i] for i, point in enumerate(points) if point.group == group)
        if len(its) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in its)
            parts.append(f'<path class="joined" d="M{path}"/>')
    for point, (x, y), (bottom, top) in zip(points, places, bars, strict=True):
        colour = "c5" if point.is_open else "c0"
        if bottom > top:
            ends = f"M{x - 4:.1f} {top:.1f}h8M{x - 4:.1f} {bottom:.1f}h8"
            parts.append(
                f'<path class="whiskers {colour}" d="M{x:.1f} {top:.1f}V{bottom:.1f}{ends}"/>'
            )
        parts.append(_marker(x, y, is_open=point.is_open))
    parts += _labels(points, places, bars)
    alt = f"{y_title} against {x_title}. " + "; ".join(
        f"{p.label}: {p.y:.4g} at {p.x:.4g}" for p in points
    )
    return (
        f'<svg class="chart wide" role="img" aria-label="{text.escape(alt)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'
    )


def standalone(svg: str) -> str:
    """The same as a file of its own."""
    head, body = svg.split(">", 1)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns="http://www.w3.org/2000/svg">'
        f"<style>{STYLE}</style>{body}\n"
    )


def _marker(x: float, y: float, *, is_open: bool) -> str:
    if is_open:
        side = 2 * RADIUS - 1
        return (
            f'<rect class="point open c5" x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" '
            f'width="{side}" height="{side}"/>'
        )
    return f'<circle class="point c0" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'


def _side_by_side(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places moved apart in x where points would cover each other's intervals."""
    result = list(places)
    order = sorted(range(len(places)), key=lambda i: places[i])
    clusters: list[list[int]] = []
    for i in order:
        if clusters and places[i][0] - places[clusters[-1][-1]][0] < ASIDE / 2:
            clusters[-1].append(i)
        else:
            clusters.append([i])
    for cluster in clusters:
        middle = sum(places[i][0] for i in cluster) / len(cluster)
        for k, i in enumerate(cluster):
            if len(cluster) > 1:
                result[i] = (middle + (k - (len(cluster) - 1) / 2) * ASIDE, places[i][1])
    return result


def _axes(
    x_low: float,
    x_high: float,
    y_low: float,
    y_high: float,
    to_x: Callable[[float], float],
    to_y: Callable[[float], float],
) -> list[str]:
    bottom, parts = HEIGHT - BOTTOM, []
    for value in _log_ticks(x_low, x_high):
        x = to_x(math.log10(value))
        parts.append(
            f'<path class="grid" d="M{x:.1f} {TOP}V{bottom + 5}"/>'
            f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="middle">{_short(value)}</text>'
        )
    for value, name in charts.ticks(y_low, y_high):
        y = to_y(value)
        parts.append(
            f'<path class="grid" d="M{LEFT - 5} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 9}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
        )
    parts.append(f'<path class="base" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>')
    return parts


def _titles(x_title: str, y_title: str, kinds: tuple[str, str]) -> list[str]:
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        f'<text x="{middle_x:.0f}" y="{HEIGHT - 14}" text-anchor="middle">'
        f"{text.escape(x_title)}</text>",
        f'<text transform="translate(16 {middle_y:.0f}) rotate(-90)" text-anchor="middle">'
        f"{text.escape(y_title)}</text>",
    ]
    x = float(LEFT)
    for kind, is_open in zip(kinds, (False, True), strict=True):
        parts.append(_marker(x + RADIUS, 20, is_open=is_open))
        parts.append(f'<text x="{x + 18:.0f}" y="24">{text.escape(kind)}</text>')
        x += 36 + CHARACTER * len(kind)
    parts.append(
        f'<path class="joined" d="M{x:.0f} 20h26"/><text x="{x + 32:.0f}" y="24">one size</text>'
    )
    x += 110
    parts.append(
        f'<path class="base" d="M{x:.0f} 13v14M{x - 4:.0f} 13h8M{x - 4:.0f} 27h8"/>'
        f'<text x="{x + 12:.0f}" y="24">95 % interval</text>'
    )
    return parts


def _labels(
    points: Sequence[Point],
    places: Sequence[tuple[float, float]],
    bars: Sequence[tuple[float, float]],
) -> list[str]:
    """Names where they cover nothing, near their points, with a line to those farther away."""
    taken = [Box(x - 8, y - 8, x + 8, y + 8) for x, y in places]
    taken += [
        Box(x - 5, top, x + 5, bottom) for (x, _), (bottom, top) in zip(places, bars, strict=True)
    ]
    parts = []
    for i in sorted(range(len(points)), key=lambda i: places[i][1]):
        (x, y), label = places[i], text.shorten(points[i].label, 48)
        box = place_label(x, y, CHARACTER * len(label) + 4, taken)
        taken.append(box)
        middle = (box.top + box.bottom) / 2
        end = min(max(x, box.left), box.right)
        if math.hypot(end - x, middle - y) > 2.5 * LINE:
            to_y = box.bottom if box.bottom < y else box.top if box.top > y else middle
            parts.append(f'<path class="leader" d="M{x:.1f} {y:.1f}L{end:.1f} {to_y:.1f}"/>')
        parts.append(
            f'<text class="label" x="{(box.left + box.right) / 2:.1f}" y="{middle + 4:.1f}" '
            f'text-anchor="middle">{text.escape(label)}</text>'
        )
    return parts


def place_label(x: float, y: float, width: float, taken: Sequence[Box]) -> Box:
    """The nearest place within the axes for a label of this width that covers nothing `taken`.

    Where there is none, the place that covers the least.
    """
    best, least = None, math.inf
    for distance in range(0, 260, 6):
        gap = 10 + distance
        for dx, dy in (
            (gap, 0), (-gap - width, 0), (gap, -gap), (gap, gap), (-gap - width, -gap),
            (-gap - width, gap), (-width / 2, -gap - LINE / 2), (-width / 2, gap + LINE / 2),
        ):  # fmt: skip
            left, middle = x + dx, y + dy
            box = Box(left, middle - LINE / 2, left + width, middle + LINE / 2)
            if box.left < LEFT + 2 or box.right > WIDTH - 2:
                continue
            if box.top < TOP or box.bottom > HEIGHT - BOTTOM - 2:
                continue
            covered = sum(box.overlap(other) for other in taken)
            if covered == 0:
                return box
            if covered < least:
                best, least = box, covered
    return best or Box(LEFT + 2, y - LINE / 2, LEFT + 2 + width, y + LINE / 2)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers within 10^low .. 10^high: evenly spaced over less than a decade, else 1-2-5."""
    if high - low < 1:
        return [value for value, _ in charts.ticks(10**low, 10**high)]
    factors = (1,) if high - low > 4 else (1, 2, 5)
    return [
        factor * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in factors
        if low <= math.log10(factor) + power <= high
    ]


def _short(value: float) -> str:
    """0.5, 200, 5 k, 1.2 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.4g} {letter}"
    return f"{value:.4g}"
