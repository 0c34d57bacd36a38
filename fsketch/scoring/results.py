"""The result of scoring, as tables and as JSON; as a page: scoring/page."""

import hashlib
import math
from collections.abc import Sequence
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from fsketch.metrics import statistics
from fsketch.scoring import matching, measures, protocols, text

PACKAGES = ("fsketch", "jax", "jaxlib", "numpy", "pillow")


INTERVAL = "95 %, percentiles of 2000 bootstrap resamples of the images"


class Difference(NamedTuple):
    """Mean of `label` minus `other` over the images that both have; p: for "no difference"."""

    metric: str
    label: str
    other: str
    value: float
    low: float
    high: float
    p: float

    def turned(self) -> "Difference":
        """`other` minus `label`."""
        return Difference(
            self.metric, self.other, self.label, -self.value, -self.high, -self.low, self.p
        )


class Column(NamedTuple):
    """A metric as shown; `is_set`: it scores whole sets instead of single images."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    is_set: bool

    @property
    def heading(self) -> str:
        """PSNR ↑ (dB)."""
        return text.heading(self.title, self.unit, self.higher_is_better)


class Result(NamedTuple):
    """Scores of all outputs.

    images: label -> metric -> float64[N], NaN where a partial output has no image.
    sets: label -> name -> value with interval; origins: name -> its key in `measures.SET`.
    shifts: label -> convention -> metric -> shift of the mean, with --why.
    notes: metrics that were not computed, and why.
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


def difference(result: Result, metric: str, label: str, other: str) -> Difference | None:
    """The difference of two outputs over the images that both have; None for fewer than two."""
    one, two = result.images[label][metric], result.images[other][metric]
    both = np.isfinite(one) & np.isfinite(two)
    if both.sum() < 2:
        return None
    values = statistics.paired_difference(one[both], two[both], seed=result.options.seed)
    return Difference(metric, label, other, *values)


def differences(result: Result) -> list[Difference]:
    """Each output against the first, by metric."""
    first, *others = result.images
    found = [difference(result, m.name, label, first) for label in others for m in result.metrics]
    return [one for one in found if one]


def columns(result: Result) -> list[Column]:
    """The metrics in display order: image metrics, then set metrics."""
    of_images = [(metric.name, measures.IMAGE[metric.name]) for metric in result.metrics]
    return [
        *(Column(name, m.title, m.unit, m.higher_is_better, False) for name, m in of_images),
        *(
            Column(name, name, "", measures.SET[origin].higher_is_better, True)
            for name, origin in result.origins.items()
        ),
    ]


def table(result: Result, *, is_markdown: bool = False) -> str:
    """The text for the terminal: convention, a row per output, notes on metrics left out."""
    chosen = protocols.get(result.protocol)
    sizes = ", ".join(f"{name} {count}" for name, count in chosen.num_pairs.items())
    lines = [
        f"protocol {result.protocol}: {chosen.about}",
        f"{len(result.matched.ids)} pairs" + (f" (whole test sets: {sizes})" if sizes else ""),
        "mean over images [95 % bootstrap interval]",
    ]

    def add(heads: Sequence[str], rows: Sequence[Sequence[str]], *title: str) -> None:
        gap = [""] if is_markdown and title else []  # Markdown's tables need a line above
        lines.extend(["", *title, *gap, text.table(heads, rows, is_markdown=is_markdown)])

    shown, names = columns(result), [metric.name for metric in result.metrics]
    add(
        ["", "N", *(column.heading for column in shown if not column.is_set)],
        [
            [label, str(len(files)), *(_cell(summary(result, label, name)) for name in names)]
            for label, files in result.matched.outputs.items()
        ],
    )
    if of_sets := list(result.origins):
        add(
            ["", *of_sets],
            [
                [label, *(_cell(values[name]) if name in values else "-" for name in of_sets)]
                for label, values in result.sets.items()
            ],
        )
    titles = ["", *(column.title for column in shown if not column.is_set)]
    if compared := differences(result):
        cells = {(d.label, d.metric): f"{d.value:+.4f} ({d.p:.4f})" for d in compared}
        add(
            titles,
            [
                [label, *(cells.get((label, name), "-") for name in names)]
                for label in dict.fromkeys(d.label for d in compared)
            ],
            f"mean difference from {text.clean(compared[0].other)} on the same images (p)",
        )
    for label, shifts in result.shifts.items():
        add(
            titles,
            [
                [title, *(f"{its[name]:+.4f}" if name in its else "" for name in names)]
                for title, its in shifts.items()
            ],
            f"{text.clean(label)}: shift of the mean under other conventions",
        )
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines)


def _cell(interval: measures.Interval) -> str:
    value = f"{interval.value:.4f}"
    if math.isfinite(interval.low):
        value += f" [{interval.low:.4f}, {interval.high:.4f}]"
    return value


def to_json(result: Result) -> dict[str, Any]:
    """The whole result, with every choice recorded."""
    chosen = protocols.get(result.protocol)
    ids = result.matched.ids
    return {
        "protocol": {"name": result.protocol, **chosen._asdict()},
        "options": result.options._asdict(),
        "num_pairs": len(ids),
        "ids_sha256": ids_digest(result),
        "sha256": result.hashes,
        "weights_sha256": result.weights,
        "versions": versions(),
        "interval": INTERVAL,
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


def versions() -> dict[str, str]:
    """Versions of the packages that a score depends on."""
    return {name: metadata.version(name) for name in PACKAGES}


def ids_digest(result: Result) -> str:
    """SHA-256 of the list of ids."""
    return hashlib.sha256("\n".join(result.matched.ids).encode()).hexdigest()
