"""How names, numbers and controls are written on the page."""

import html
import math
from collections.abc import Iterable, Sequence

from fsketch.gallery.report import Metric

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def escape(value: object) -> str:
    """Text that is safe as HTML content and inside a quoted attribute."""
    return html.escape(str(value), quote=True)


def shorten(name: str, length: int) -> str:
    """At most `length` characters, the last an ellipsis if some were cut."""
    return name if len(name) <= length else name[: length - 1] + "…"


def decimals(values: Iterable[float]) -> int:
    """Digits after the point for a column: 0.0617, 0.617, 6.170, 15.49, 120.4, 1500."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest == 0.0:
        return 3
    exponent = math.floor(math.log10(largest))
    return min(8, max(0, 3 - exponent if exponent >= 0 else 2 - exponent))


def number(value: float, digits: int) -> str:
    """Fixed digits after the point with a true minus; a dash for NaN."""
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def interval(low: float, high: float, digits: int) -> str:
    """[low, high], or nothing where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def count(number: int, noun: str) -> str:
    """1 pair, 2 pairs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def with_unit(metric: Metric) -> str:
    """PSNR (dB); not escaped."""
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


def better(metric: Metric) -> str:
    """The direction in words."""
    return f"{'higher' if metric.higher_is_better else 'lower'} is better"


def heading(metric: Metric) -> str:
    """Markup of title, unit and an arrow to the better side."""
    return (
        f'{escape(with_unit(metric))} <span aria-hidden="true">'
        f"{'↑' if metric.higher_is_better else '↓'}</span>"
        f'<span class="spoken">, {better(metric)}</span>'
    )


def select(label: str, attributes: str, options: Iterable[str]) -> str:
    """Markup of a labelled choice; the values are 0, 1, 2."""
    choices = "".join(
        f'<option value="{i}">{escape(option)}</option>' for i, option in enumerate(options)
    )
    return f"<label>{label} <select {attributes}>{choices}</select></label>"


def controls(parts: Sequence[str]) -> str:
    """Markup of controls, hidden until the script runs, as only it can serve them."""
    return f'<div class="controls" hidden>{"".join(parts)}</div>'


def picks(selects: Sequence[str], panels: Sequence[str]) -> str:
    """Panels of which the script shows the one that the selects name; all without a script."""
    return f'<div class="picks">{controls(selects)}{"".join(panels)}</div>'


def pick(key: str, options: Iterable[str]) -> str:
    """A select of `picks`: chooses by the panels' data-KEY."""
    return select(key.capitalize(), f'data-key="{key}"', options)
