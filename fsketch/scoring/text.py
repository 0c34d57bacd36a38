"""Formats numbers, names and tables, for the terminal and for pages."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import tabulate

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


class Cell(NamedTuple):
    """The text of a table cell, small print below it, and the number to sort by.

    For pages: style, a CSS class, and bar, (low, value, high, zero) as shares of the column's axis.
    """

    text: str
    small: str = ""
    key: float | None = None
    style: str = ""
    bar: tuple[float, float, float, float] | None = None


class Table(NamedTuple):
    """A table for the terminal and for pages; the first head belongs to the row names."""

    title: str
    about: str
    heads: list[str]
    rows: list[tuple[str, list[Cell]]]


def clean(name: str) -> str:
    """The name with control characters, broken Unicode and the like escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def decimals(values: Iterable[float | None]) -> int:
    """Digits after the point for a column: 0.0617, 0.617, 6.170, 15.49, 120.4, 1500."""
    largest = max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)
    if largest == 0.0:
        return 3
    exponent = math.floor(math.log10(largest))
    return min(8, max(0, 3 - exponent if exponent >= 0 else 2 - exponent))


def number(value: float | None, digits: int, *, sign: str = "") -> str:
    """Fixed digits after the point with a true minus; a dash for None and NaN.  sign: "" or "+"."""
    if value is None or math.isnan(value):
        return DASH
    text = f"{value:{sign}.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def interval(low: float | None, high: float | None, digits: int, *, sign: str = "") -> str:
    """[low, high], or "" without an interval."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low, digits, sign=sign)}, {number(high, digits, sign=sign)}]"


def p_value(p: float) -> str:
    """p < 0.001, p 0.012."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def heading(title: str, unit: str, higher_is_better: bool) -> str:
    """PSNR ↑ (dB)."""
    arrow = "\N{UPWARDS ARROW}" if higher_is_better else "\N{DOWNWARDS ARROW}"
    return f"{title} {arrow}" + (f" ({unit})" if unit else "")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, is_markdown: bool = False) -> str:
    """A table with the first column left-aligned, the others right-aligned; "" is an empty cell."""
    cells = [[clean(row[0]), *row[1:]] for row in rows]
    if is_markdown:
        cells = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in row] for row in cells]
    align = ("left", *("right" for _ in heads[1:]))
    # Heads are passed as a row: as headers they would be two characters wider.
    given = {"headers": heads, "tablefmt": "github"} if is_markdown else {"tablefmt": "plain"}
    cells = cells if is_markdown else [heads, *cells]
    return tabulate.tabulate(cells, disable_numparse=True, colalign=align, **given)
