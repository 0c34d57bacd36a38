"""Tables of a comparison, for the terminal and for the page."""

import datetime
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from fsketch.core import images
from fsketch.losses import transfer
from fsketch.scoring import measures, text

WIDTH = 118  # of text on the terminal, characters
MARK = "*"  # marks runs that cannot be compared with the reference
TERMS = {"mimic": transfer.ENCODER, "transform": transfer.DECODER}
_NOTHING = text.Cell(text.DASH)


def tables(content: Mapping[str, Any], *, with_quality: bool = True) -> list[text.Table]:
    """All tables of a comparison; tables without rows are omitted."""
    found = [_size(content), _latency(content)]
    for part in ("quality", "differences") if with_quality else ():
        found += [_quality(content, part, direction) for direction in images.DIRECTIONS]
    found += [_features(content, term) for term in TERMS]
    found += [_training(content)]
    return [table for table in found if table.rows]


def terminal(content: Mapping[str, Any], *, is_markdown: bool = False) -> str:
    """The comparison as text; intervals stand below their values to fit a terminal."""
    lines = [
        f"{content['data']}, split {content['split']}, {content['num_images']} pairs, canvas "
        f"{content['canvas_px']} px",
        _wrapped(f"protocol {content['protocol']}: {content['convention']}", is_markdown),
        f"reference: {content['reference']}",
        f"versions: {', '.join(f'{name} {v}' for name, v in content['versions'].items())}",
    ]
    for label, run in content["runs"].items():
        lines += [f"{MARK} {label} cannot be compared: {line}" for line in run["different"]]
    for table in tables(content):
        title = f"### {table.title}" if is_markdown else table.title.upper()
        rows = [
            [name, *("\n".join(part for part in cell[:2] if part) for cell in cells)]
            for name, cells in table.rows
        ]
        body = text.table(["", *table.heads[1:]], rows, is_markdown=is_markdown)
        lines += ["", title, _wrapped(table.about, is_markdown), "", body]
    lines += ["", *(f"note: {note}" for note in content["notes"])] if content["notes"] else []
    return "\n".join(lines)


def _wrapped(about: str, is_markdown: bool) -> str:
    return about if is_markdown else textwrap.fill(about, WIDTH)


def name_of(content: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """A model's name with its direction, marked if it cannot be compared."""
    is_different = any(content["runs"][label]["different"] for label in row["runs"])
    return f"{row['name']} {row['direction']} {MARK if is_different else ''}".strip()


def _size(content: Mapping[str, Any]) -> text.Table:
    rows = []
    for row in content["models"]:
        ratios, flop = row["ratios"], row["flop_per_image"]
        cells = [
            _cell(row["parameters"], "{:,}"),
            _cell(ratios["parameters"], "x {:.3g}"),
            _cell(sum(row["training_only"].values()), "{:,}"),
            _cell(row["bytes"] / 1e3, "{:,.1f}"),
            _cell(flop and flop / 1e6, "{:,.1f}"),
            _cell(ratios["flop_per_image"], "x {:.3g}"),
        ]
        rows.append((name_of(content, row), cells))
    heads = ["Model", "parameters", "ratio", "left out", "kB", "MFLOP / image", "ratio"]
    about = f"{content['counted']} Ratios are to the reference's translator of that direction."
    return text.Table("Size", about, heads, rows)


def _latency(content: Mapping[str, Any]) -> text.Table:
    rows, heads = [], ["Model"]
    for size in content["models"][0]["latency"]:
        heads += [f"batch {size}, ms", "images/s", "ratio"]
    for row in content["models"]:
        cells = []
        for size, its in row["latency"].items():
            median, low, high = (1e3 * its[f"{k}_sec"] for k in ("median", "low", "high"))
            digits, rate = text.decimals([median]), 1e3 * int(size) / median
            spread = text.interval(low, high, digits)
            cells += [
                text.Cell(text.number(median, digits), spread, median),
                _cell(rate, "{:,.1f}"),
                _cell(its["ratio"], "x {:.3g}"),
            ]
        if cells:
            rows.append((name_of(content, row), cells))
    device = content["device"]
    counts = (str(its["num_rounds"]) for its in content["models"][0]["latency"].values())
    about = (
        f"Median [quartiles] of {' and '.join(dict.fromkeys(counts))} rounds; each round times all "
        "models in turn; ratios are medians of the ratios within a round. Device: "
        f"{device['kind']} ({device['platform']}), with {device['num_cpu_cores']} CPU cores, load "
        f"average {device['load_average']:.1f}."
    )
    return text.Table("Latency", about, heads, rows)


def _quality(content: Mapping[str, Any], part: str, direction: str) -> text.Table:
    """part: "quality" or "differences"."""
    chosen = [row for row in content["models"] if row["direction"] == direction and row[part]]
    names = list(dict.fromkeys(name for row in chosen for name in row[part]))
    sign = "+" if part == "differences" else ""
    columns = [_estimates([row[part].get(name) for row in chosen], sign) for name in names]
    rows = [(name_of(content, row), [c[i] for c in columns]) for i, row in enumerate(chosen)]
    heads = ["Model", *(heading(name) for name in names)]
    if part == "quality":
        about = f"Mean over the images [{content['interval']}]."
        return text.Table(f"Quality {direction}", about, heads, rows)
    about = f"Mean difference from {content['reference']} on the same images, its interval, and p."
    return text.Table(f"Quality {direction}, differences", about, heads, rows)


def _features(content: Mapping[str, Any], term: str) -> text.Table:
    taps = TERMS[term]
    rows = []
    for row in content["models"]:
        if row["distances"] is None:
            continue
        cells = []
        for key in ("distance", "fitted"):
            values = [row["distances"][term][tap][key] for tap in taps]
            total = None if None in values else sum(values)
            cells += [_cell(value, "{:.4f}") for value in (*values, total)]
        rows.append((name_of(content, row), cells))
    heads = ["Model", *taps, "sum", *(f"fitted {name}" for name in (*taps, "sum"))]
    place, image = {"mimic": ("encoder", "input"), "transform": ("decoder", "target")}[term]
    about = (
        f"On {content['num_pairs']} test pairs spread over the split: mean square distance of the "
        f"{place}'s maps to the teacher's maps of the {image}, which have unit mean square on "
        f"training pairs; the sum is the term {term} that training logs. A dash: the shapes differ "
        "and the run trained no adapters. Fitted: after the best affine 1x1 map of the student's "
        "channels on these pairs; use it for students whose channels no teacher put in order."
    )
    return text.Table(f"Feature distances to the teacher, {term}", about, heads, rows)


def _training(content: Mapping[str, Any]) -> text.Table:
    rows = []
    for label, run in content["runs"].items():
        its, seconds = run["training"], run["training"]["wall_sec"]
        duration = text.DASH if seconds is None else str(datetime.timedelta(seconds=round(seconds)))
        cells = [
            text.Cell(run["method"]),
            _cell(its["num_steps"], "{:,}"),
            _cell(run["evaluated_step"], "{:,}"),
            _cell(its["examples"], "{:,}"),
            text.Cell(duration, key=seconds),
            _cell(its["images_per_sec"], "{:.2f}"),
            text.Cell(its["devices"] or text.DASH),
            text.Cell(", ".join(sorted(run["teachers"])) or "none"),
            text.Cell(run["config"]["start_from"] or "none"),
        ]
        rows.append((f"{label} {MARK if run['different'] else ''}".strip(), cells))
    heads = [
        "Run", "method", "steps", "scored step", "examples", "wall time", "images/s", "devices",
        "teacher", "start from",
    ]  # fmt: skip
    about = (
        "Examples are training pairs. Wall time: the steps with compilation, without evaluations, "
        "the teacher's training and that of the run it starts from; images/s: median of the log "
        "lines."
    )
    return text.Table("Cost of training", about, heads, rows)


def _cell(value: float | None, form: str) -> text.Cell:
    return _NOTHING if value is None else text.Cell(form.format(value), key=value)


def _estimates(column: Sequence[Mapping[str, float | None] | None], sign: str) -> list[text.Cell]:
    """Values with interval and p, with the digits that the column needs."""
    digits = text.decimals(its["value"] for its in column if its)
    cells = []
    for its in column:
        if its is None:
            cells.append(_NOTHING)
            continue
        small = text.interval(its["low"], its["high"], digits, sign=sign)
        small += f"\n{text.p_value(its['p'])}" if "p" in its else ""
        value = text.number(its["value"], digits, sign=sign)
        cells.append(text.Cell(value, small.strip(), its["value"]))
    return cells


def heading(name: str) -> str:
    """PSNR ↑ (dB); a set metric by its name."""
    if name not in measures.IMAGE:
        return name
    entry = measures.IMAGE[name]
    return text.heading(entry.title, entry.unit, entry.higher_is_better)
