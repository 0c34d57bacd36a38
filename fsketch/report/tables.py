"""A comparison as tables, for the terminal and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fsketch.gallery import tables as markup
from fsketch.gallery import text
from fsketch.losses import transfer
from fsketch.scoring import matching, measures

WIDTH = 118  # of the terminal's tables, characters
MARK = "*"  # of runs that do not compare with the reference
NONE = text.DASH
TERMS = {"mimic": transfer.ENCODER, "transform": transfer.DECODER}


class Table(NamedTuple):
    """Cells are (text, small print, number to sort by or None); the first column names the row."""

    title: str
    about: str
    heads: list[str]
    rows: list[tuple[str, list[markup.Cell]]]


def tables(content: Mapping[str, Any]) -> list[Table]:
    """All tables of a comparison; those without rows are left out."""
    found = [_size(content), _latency(content)]
    found += [_quality(content, direction) for direction in matching.DIRECTIONS]
    found += [_differences(content, direction) for direction in matching.DIRECTIONS]
    found += [_features(content, term) for term in TERMS]
    found += [_training(content)]
    return [table for table in found if table.rows]


def terminal(content: Mapping[str, Any]) -> str:
    """Everything as text of at most `WIDTH` columns; wide tables continue below themselves."""
    versions = content["versions"]
    lines = [
        f"{content['data']}, split {content['split']}, {content['num_images']} pairs, canvas "
        f"{content['canvas_px']} px",
        *_wrapped(f"protocol {content['protocol']}: {content['convention']}"),
        f"reference: {content['reference']}",
        f"versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
    ]
    for label, run in content["runs"].items():
        lines += [f"{MARK} {label} does not compare: {line}" for line in run["different"]]
    for table in tables(content):
        lines += ["", table.title.upper(), *_wrapped(table.about)]
        rows = [["", *table.heads]]
        for name, cells in table.rows:
            rows.append([name, *(" ".join(part for part in cell[:2] if part) for cell in cells)])
        lines += _blocks(rows)
    lines += ["", *(f"note: {note}" for note in content["notes"])] if content["notes"] else []
    return "\n".join(lines)


def page(content: Mapping[str, Any]) -> str:
    """The tables as markup, without those of the plotted direction, which the gallery shows.

    They are there too if some run does not compare, since the gallery leaves it out.
    """
    shown = f"Quality {content['metric'].split('/')[0]}"
    if any(run["different"] for run in content["runs"].values()):
        shown = ""
    return "".join(
        f"<h3>{text.escape(table.title)}</h3><p>{text.escape(table.about)}</p>"
        f"{markup.of_cells(table.title, ['Model', *table.heads], table.rows)}"
        for table in tables(content)
        if not (shown and table.title.startswith(shown))
    )


def row_name(content: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """A model's name with its direction, marked where it does not compare."""
    name = f"{row['name']} {row['direction']}".strip()
    return (
        f"{name} {MARK}"
        if any(content["runs"][label]["different"] for label in row["runs"])
        else name
    )


def _size(content: Mapping[str, Any]) -> Table:
    rows = []
    for row in content["models"]:
        ratios = row["ratios"]
        left_out = sum(row["training_only"].values())
        flop = row["flop_per_image"]
        rows.append(
            (
                row_name(content, row),
                [
                    (f"{row['parameters']:,}", "", row["parameters"]),
                    _ratio(ratios["parameters"]),
                    (f"{left_out:,}", "", left_out),
                    (f"{row['bytes'] / 1e3:,.1f}", "", row["bytes"]),
                    (NONE, "", None) if flop is None else (f"{flop / 1e6:,.1f}", "", flop),
                    _ratio(ratios["flop_per_image"]),
                ],
            )
        )
    heads = ["parameters", "ratio", "left out", "kB", "MFLOP / image", "ratio"]
    about = f"{content['counted']} Ratios are to the reference's translator of that direction."
    return Table("Size", about, heads, rows)


def _latency(content: Mapping[str, Any]) -> Table:
    rows, heads = [], []
    for row in content["models"]:
        cells = []
        for size, its in row["latency"].items():
            low, high = (_milliseconds(its[k]) for k in ("low_sec", "high_sec"))
            median = its["median_sec"]
            cells += [
                (_milliseconds(median), f"[{low}, {high}]", median),
                (f"{int(size) / median:,.1f}", "", int(size) / median),
                _ratio(its["ratio"]),
            ]
        if cells:
            heads = [h for s in row["latency"] for h in (f"batch {s}, ms", "images/s", "ratio")]
            rows.append((row_name(content, row), cells))
    device = content["device"]
    counts = [str(its["num_rounds"]) for its in content["models"][0]["latency"].values()]
    rounds = " and ".join(dict.fromkeys(counts))
    about = (
        f"Median [quartiles] of {rounds} rounds, in each of which all models were timed in turn; "
        f"ratios are medians of the ratios within a round. Device: {device['kind']} "
        f"({device['platform']}), with {device['num_cpu_cores']} CPU cores, load average "
        f"{device['load_average']:.1f}."
    )
    return Table("Latency", about, heads, rows)


def _quality(content: Mapping[str, Any], direction: str) -> Table:
    chosen = [row for row in content["models"] if row["direction"] == direction]
    names = list(dict.fromkeys(name for row in chosen for name in row["quality"]))
    found = {name: [row["quality"].get(name) for row in chosen] for name in names}
    columns = [[_estimate(value, found[name]) for value in found[name]] for name in names]
    rows = [(row_name(content, row), [c[i] for c in columns]) for i, row in enumerate(chosen)]
    about = f"Mean over the images [{content['interval']}]."
    return Table(f"Quality {direction}", about, [_heading(name) for name in names], rows)


def _differences(content: Mapping[str, Any], direction: str) -> Table:
    chosen = [
        row for row in content["models"] if row["direction"] == direction and row["differences"]
    ]
    names = list(dict.fromkeys(name for row in chosen for name in row["differences"]))
    found = {name: [row["differences"][name] for row in chosen] for name in names}
    columns = [[_estimate(value, found[name], sign="+") for value in found[name]] for name in names]
    rows = [(row_name(content, row), [c[i] for c in columns]) for i, row in enumerate(chosen)]
    about = f"Mean difference from {content['reference']} on the same images, its interval, and p."
    heads = [_heading(name) for name in names]
    return Table(f"Quality {direction}, differences", about, heads, rows)


def _features(content: Mapping[str, Any], term: str) -> Table:
    taps = TERMS[term]
    rows = []
    for row in content["models"]:
        if row["distances"] is None:
            continue
        cells: list[markup.Cell] = []
        for key in ("distance", "fitted"):
            values = [row["distances"][term][tap][key] for tap in taps]
            total = None if None in values else sum(values)
            cells += [(NONE if v is None else f"{v:.4f}", "", v) for v in (*values, total)]
        rows.append((row_name(content, row), cells))
    heads = [*taps, "sum", *(f"fitted {name}" for name in (*taps, "sum"))]
    image = "the input" if term == "mimic" else "the target"
    about = (
        f"On {content['num_pairs']} test pairs spread over the split: mean square distance of the "
        f"{'encoder' if term == 'mimic' else 'decoder'}'s maps to the "
        f"teacher's of {image}, which have unit mean square on training pairs; the sum is the term "
        f"{term} that training logs. A dash: the shapes differ and the run trained no adapters. "
        "Fitted: after the best affine 1x1 map of the student's channels on these pairs; this "
        "compares with students whose channels no teacher put in order."
    )
    return Table(f"Feature distances to the teacher, {term}", about, heads, rows)


def _training(content: Mapping[str, Any]) -> Table:
    rows = []
    for label, run in content["runs"].items():
        its = run["training"]
        seconds, rate = its["wall_sec"], its["images_per_sec"]
        mark = f" {MARK}" if run["different"] else ""
        rows.append(
            (
                f"{label}{mark}",
                [
                    (run["method"], "", None),
                    (f"{its['num_steps']:,}", "", its["num_steps"]),
                    (f"{run['evaluated_step']:,}", "", run["evaluated_step"]),
                    (f"{its['examples']:,}", "", its["examples"]),
                    (NONE, "", None) if seconds is None else (_duration(seconds), "", seconds),
                    (NONE, "", None) if rate is None else (f"{rate:.2f}", "", rate),
                    (its["devices"] or NONE, "", None),
                    (", ".join(sorted(run["teachers"])) or "none", "", None),
                    (run["config"]["start_from"] or "none", "", None),
                ],
            )
        )
    heads = [
        "method", "steps", "scored step", "examples", "wall time", "images/s", "devices", "teacher",
        "goes on from",
    ]  # fmt: skip
    about = (
        "Examples are training pairs. Wall time of the steps alone (compilation in; evaluations, "
        "the teacher's own training and that of the run it goes on from out); images/s: median of "
        "the log lines."
    )
    return Table("Cost of training", about, heads, rows)


def _ratio(value: float | None) -> markup.Cell:
    return (NONE, "", None) if value is None else (f"x {value:.3g}", "", value)


def _estimate(
    its: Mapping[str, float | None] | None,
    column: Sequence[Mapping[str, float | None] | None],
    *,
    sign: str = "",
) -> markup.Cell:
    """Value, interval and p, with as many digits as its column needs."""
    if its is None:
        return NONE, "", None
    digits = text.decimals(other["value"] for other in column if other)
    small = []
    if its["low"] is not None:
        small.append(f"[{its['low']:{sign}.{digits}f}, {its['high']:{sign}.{digits}f}]")
    if "p" in its:
        small.append("p < 0.001" if its["p"] < 0.001 else f"p {its['p']:.3f}")
    value, note = (
        part.replace("-", text.MINUS)
        for part in (f"{its['value']:{sign}.{digits}f}", " ".join(small))
    )
    return value, note, its["value"]


def _heading(name: str) -> str:
    if name not in measures.IMAGE:
        return name
    entry = measures.IMAGE[name]
    arrow = "\N{UPWARDS ARROW}" if entry.higher_is_better else "\N{DOWNWARDS ARROW}"
    return f"{entry.title} {arrow}" + (f" ({entry.unit})" if entry.unit else "")


def _milliseconds(seconds: float) -> str:
    return text.number(1e3 * seconds, text.decimals([1e3 * seconds]))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _wrapped(about: str) -> list[str]:
    lines, line = [], ""
    for word in about.split():
        if len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def _blocks(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows aligned; where they are too wide, the columns in blocks, names before each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    blocks: list[list[int]] = [[]]
    for i in range(1, len(widths)):
        used = widths[0] + sum(2 + widths[k] for k in blocks[-1])
        if blocks[-1] and used + 2 + widths[i] > WIDTH:
            blocks.append([])
        blocks[-1].append(i)
    lines = []
    for columns in blocks:
        lines += [""] if lines else []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in columns)]
            lines.append("  ".join(cells).rstrip())
    return lines
