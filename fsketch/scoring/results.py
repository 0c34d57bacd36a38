"""What scoring found, as a table on the terminal, as JSON and as the report page."""

import hashlib
import math
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from fsketch import gallery
from fsketch.metrics import statistics
from fsketch.scoring import matching, measures, protocols

PACKAGES = ("fsketch", "jax", "jaxlib", "numpy", "pillow")


class Result(NamedTuple):
    """Scores of all outputs.

    images: label -> metric -> float64[N], NaN where a partial output has no image.
    sets: label -> name -> value with interval; origins: name -> the key of `measures.SET`.
    shifts: label -> convention -> metric -> shift of the mean, with --why.
    notes: what was not scored, and why.
    hashes: "truth" and each label -> SHA-256 over the file's SHA-256 of each id, in order.
    """

    protocol: str
    matched: matching.Matched
    metrics: list[measures.Ready]
    images: dict[str, dict[str, np.ndarray]]
    sets: dict[str, dict[str, measures.Interval]]
    origins: dict[str, str]
    shifts: dict[str, dict[str, dict[str, float]]]
    notes: list[str]
    hashes: dict[str, str]
    weights: dict[str, str]
    options: measures.Options


def summary(result: Result, label: str, metric: str) -> measures.Interval:
    """Mean over the images of an output, with its 95 % bootstrap interval."""
    values = result.images[label][metric]
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return measures.Interval(float(values[0]))
    return measures.Interval(*statistics.bootstrap_mean(values, seed=result.options.seed))


def differences(result: Result) -> list[gallery.Difference]:
    """Each output against the first, by metric, over the images that both have."""
    found = []
    first, *others = result.images
    for label in others:
        for metric in result.metrics:
            one, other = result.images[label][metric.name], result.images[first][metric.name]
            both = np.isfinite(one) & np.isfinite(other)
            if both.sum() >= 2:
                values = statistics.paired_difference(
                    one[both], other[both], seed=result.options.seed
                )
                found.append(gallery.Difference(metric.name, label, first, *values))
    return found


def table(result: Result) -> str:
    """The terminal's table: convention, a row per output, what was not scored."""
    chosen = protocols.get(result.protocol)
    sizes = ", ".join(f"{name} {count}" for name, count in chosen.num_pairs.items())
    lines = [
        f"protocol {result.protocol}: {chosen.about}",
        f"{len(result.matched.ids)} pairs" + (f" (whole test sets: {sizes})" if sizes else ""),
        "mean over images [95 % bootstrap interval]",
        "",
    ]
    header = ["", "N"]
    for metric in result.metrics:
        entry = measures.IMAGE[metric.name]
        arrow = "\u2191" if entry.higher_is_better else "\u2193"
        header.append(f"{entry.title} {arrow}" + (f" ({entry.unit})" if entry.unit else ""))
    rows = [header]
    for label, files in result.matched.outputs.items():
        cells = [_cell(summary(result, label, m.name)) for m in result.metrics]
        rows.append([label, str(len(files)), *cells])
    lines += _aligned(rows)
    if any(result.sets.values()):
        names = list(dict.fromkeys(name for values in result.sets.values() for name in values))
        rows = [["", *names]]
        for label, values in result.sets.items():
            rows.append([label, *(_cell(values[n]) if n in values else "-" for n in names)])
        lines += ["", *_aligned(rows)]
    if compared := differences(result):
        lines += ["", f"mean difference from {compared[0].other} on the same images (p)"]
        rows = [["", *(measures.IMAGE[metric.name].title for metric in result.metrics)]]
        for label in dict.fromkeys(d.label for d in compared):
            cells = {d.metric: f"{d.value:+.4f} ({d.p:.4f})" for d in compared if d.label == label}
            rows.append([label, *(cells.get(metric.name, "-") for metric in result.metrics)])
        lines += _aligned(rows)
    for label, shifts in result.shifts.items():
        lines += ["", f"{label}: shift of the mean under other conventions"]
        names = [metric.name for metric in result.metrics]
        rows = [["", *(measures.IMAGE[name].title for name in names)]]
        for title, values in shifts.items():
            rows.append([title, *(f"{values[n]:+.4f}" if n in values else "" for n in names)])
        lines += _aligned(rows)
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines)


def _cell(interval: measures.Interval) -> str:
    text = f"{interval.value:.4f}"
    if math.isfinite(interval.low):
        text += f" [{interval.low:.4f}, {interval.high:.4f}]"
    return text


def _aligned(rows: list[list[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def to_json(result: Result) -> dict[str, Any]:
    """Everything, with all choices that were made."""
    chosen = protocols.get(result.protocol)
    ids = result.matched.ids
    return {
        "protocol": {"name": result.protocol, **chosen._asdict()},
        "options": result.options._asdict(),
        "num_pairs": len(ids),
        "ids_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        "sha256": result.hashes,
        "weights_sha256": result.weights,
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "interval": "95 %, percentiles of 2000 bootstrap resamples of the images",
        "outputs": {
            label: {
                "num_images": len(files),
                "mean": {m.name: _finite(summary(result, label, m.name)) for m in result.metrics},
                "sets": {name: _finite(value) for name, value in result.sets[label].items()},
                "shifts": result.shifts.get(label, {}),
                "images": {
                    id: {m.name: result.images[label][m.name][i] for m in result.metrics}
                    for i, id in enumerate(ids)
                    if id in files
                },
            }
            for label, files in result.matched.outputs.items()
        },
        "differences": [d._asdict() for d in differences(result)],
        "notes": result.notes,
    }


def _finite(interval: measures.Interval) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {k: v if math.isfinite(v) else None for k, v in interval._asdict().items()}


def page(result: Result) -> tuple[gallery.Report, gallery.pictures.Source]:
    """The report page's content, and where it gets its images."""
    chosen = protocols.get(result.protocol)
    entries = {metric.name: measures.IMAGE[metric.name] for metric in result.metrics}
    content = to_json(result)
    versions = content["versions"].items()
    facts = {
        "pairs": str(content["num_pairs"]),
        "SHA-256 of the list of ids": content["ids_sha256"],
        **{f"SHA-256 of {label}": digest for label, digest in result.hashes.items()},
        **{f"weights {name}": digest for name, digest in result.weights.items()},
        "versions": ", ".join(f"{name} {version}" for name, version in versions),
        "intervals": content["interval"],
        **{f"note {i}": note for i, note in enumerate(result.notes, 1)},
    }
    report = gallery.Report(
        title=f"Scores, protocol {result.protocol}",
        protocol=result.protocol,
        convention=chosen.about,
        ids=result.matched.ids,
        metrics=[
            *(
                gallery.Metric(name, entry.title, entry.unit, entry.higher_is_better)
                for name, entry in entries.items()
            ),
            *(
                gallery.Metric(name, name, "", measures.SET[origin].higher_is_better)
                for name, origin in result.origins.items()
            ),
        ],
        outputs=[
            gallery.Output(
                label,
                str(next(iter(files.values())).parent),
                result.images[label],
                {name: tuple(summary(result, label, name)) for name in entries},
                {name: tuple(value) for name, value in result.sets[label].items()},
            )
            for label, files in result.matched.outputs.items()
        ],
        differences=differences(result),
        attributes=result.matched.attributes,
        facts=facts,
    )
    places = {
        "input": result.matched.inputs,
        "truth": result.matched.truth,
        **result.matched.outputs,
    }

    def image(kind: str, id: str) -> np.ndarray | None:
        path = places[kind].get(id)
        return None if path is None else matching.decode(path, matching.Problems())

    return report, image
