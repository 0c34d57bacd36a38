"""How numbers and names are written on the page."""

import html
import math
from collections.abc import Iterable

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def escape(value: object) -> str:
    """Text that is safe as HTML content and inside a quoted attribute."""
    return html.escape(str(value), quote=True)


def decimals(values: Iterable[float]) -> int:
    """Digits after the point for a column: 0.617, 0.0617, 6.170, 15.49, 85.31, 120.4, 1500."""
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


def shorten(name: str, length: int) -> str:
    """At most `length` characters, the last an ellipsis if some were cut."""
    return name if len(name) <= length else name[: length - 1] + "…"
