"""fsketch report seeds LABEL=WORKDIR [LABEL=WORKDIR ...] [--json=FILE] [--plot=FILE]

Compares experiments over several seeds: workdirs of one LABEL differ only in their seed.  Prints
mean and 95 % interval of every metric over seeds, then the differences of each experiment from the
one before it, seed by seed.  So it shows whether an ordering is more than the luck of a seed;
`fsketch report` shows how certain a score is on its test images.  Labels NAME@NUMBER are points of
the line NAME at that number, of training pairs for instance, in the plot.

Intervals are Student's t, for runs drawn independently from a normal distribution.  For runs that
are not evaluated or do not belong together, it lists every problem and exits with code 1.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from flax import traverse_util
from matplotlib import figure, ticker
from scipy import special

from fsketch.core import arguments, checkpoint, paths, writers
from fsketch.scoring import text
from fsketch.scoring.page import charts

# Locations, on which no experiment depends, or of what a run of the same seed made.
PLACES = (
    "data.data_dir", "data.manual_dir",
    *(f"unlabelled.{name}" for name in ("folder", "teacher", "pairs")),
)  # fmt: skip
FIXED = ("data", "split", "protocol", "num_images")  # in evaluation.json, equal in all runs


class Mean(NamedTuple):
    """Mean over seeds with its 95 % interval; `half` is infinite for a single seed."""

    value: float
    half: float
    count: int

    def __str__(self) -> str:
        if math.isinf(self.half):
            return f"{self.value:.4f}"
        return f"{self.value:.4f} ± {self.half:.4f}"


Scores = dict[int, dict[str, float]]  # of one experiment: metrics by seed and name


def mean(values: Sequence[float]) -> Mean:
    """Mean and half-width of Student's 95 % interval."""
    half = math.inf
    if len(values) > 1:
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        half = float(special.stdtrit(len(values) - 1, 0.975) * error)
    return Mean(float(np.mean(values)), half, len(values))


def read(arguments: Sequence[str]) -> dict[str, Scores]:
    """The experiments of "LABEL=WORKDIR" arguments, in order; ValueError lists all problems."""
    found: dict[str, Scores] = {}
    experiments: dict[str, dict[str, Any]] = {}
    fixed: dict[str, Any] = {}
    problems = []
    for argument in arguments:
        label, _, workdir = argument.partition("=")
        path = Path(workdir) / "evaluation.json"
        if not (label and workdir) or not path.is_file():
            problems.append(f"{argument}: expected LABEL=WORKDIR of an evaluated run")
            continue
        evaluation = json.loads(path.read_text())
        config = checkpoint.read(workdir, kind="latest")[1]["config"]
        fields = traverse_util.flatten_dict(config, sep=".")
        seed = fields.pop("seed")
        for name in PLACES:
            fields.pop(name, None)
        here = {name: evaluation[name] for name in FIXED}
        fixed = fixed or here
        for name, value in here.items():
            if value != fixed[name]:
                problems.append(
                    f"{workdir}: {name}: expected {fixed[name]!r} as in the others, got {value!r}"
                )
        known = experiments.setdefault(label, fields)
        changed = [name for name in known | fields if known.get(name) != fields.get(name)]
        if changed:
            problems.append(
                f"{workdir}: expected runs of {label} that differ only in the seed, got other "
                f"{', '.join(changed)}"
            )
        if seed in found.setdefault(label, {}):
            problems.append(f"{workdir}: expected each seed of {label} once, got {seed} twice")
        found[label][seed] = evaluation["metrics"]
    if problems:
        raise ValueError("\n".join(problems))
    return found


def summary(found: Mapping[str, Scores]) -> dict[str, dict[str, dict[str, Mean]]]:
    """Means of each metric by label, and of differences from the label before, for JSON.

    A label has the metrics that all of its runs have, since not every method has both directions.
    """
    values: dict[str, dict[str, dict[int, float]]] = {}  # label -> metric -> seed -> score
    for label, scores in found.items():
        first, *others = scores.values()
        names = [name for name in first if all(name in other for other in others)]
        values[label] = {name: {s: its[name] for s, its in scores.items()} for name in names}
    differences = {}
    for before, after in itertools.pairwise(values):
        if both := sorted(found[before].keys() & found[after].keys()):
            differences[f"{after} - {before}"] = {
                name: mean([values[after][name][s] - values[before][name][s] for s in both])
                for name in values[before]
                if name in values[after]
            }
    means = {
        label: {name: mean(list(its.values())) for name, its in metrics.items()}
        for label, metrics in values.items()
    }
    return {"means": means, "differences": differences}


def terminal(content: Mapping[str, Mapping[str, Mapping[str, Mean]]]) -> str:
    """The tables as text, a block for each metric."""
    parts = {**content["means"], **content["differences"]}
    blocks = []
    for name in dict.fromkeys(name for scores in parts.values() for name in scores):
        rows = [
            [label, str(scores[name]), str(scores[name].count)]
            for label, scores in parts.items()
            if name in scores
        ]
        blocks.append(text.table([name, "mean ± 95 %", "seeds"], rows))
    return "\n\n".join(blocks)


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises ValueError and FileNotFoundError for runs that do not fit."""
    parser = arguments.Parser("report seeds", description="Compare experiments over several seeds.")
    parser.add_argument("runs", nargs="+", type=paths.labelled, metavar="LABEL=WORKDIR")
    parser.path("--json", metavar="FILE", help="write all numbers as JSON")
    parser.path("--plot", metavar="FILE", help="plot scores against the numbers of NAME@NUMBER")
    given = parser.parse_args(words)
    for flag in ("json", "plot"):
        writers.check_file(f"--{flag}", getattr(given, flag))
    content = summary(read(given.runs))
    plot = lines(content["means"]) if given.plot else None
    print(terminal(content))
    if given.json:
        writers.write_json(given.json, _plain(content))
    if plot:
        writers.write_whole(epath.Path(given.plot), charts.save(plot, Path(given.plot)))
    return 0


def lines(means: Mapping[str, Mapping[str, Mean]]) -> figure.Figure:
    """A panel for each metric with a line for each NAME of labels NAME@NUMBER, and intervals.

    Raises ValueError for other labels.
    """
    points: dict[str, dict[float, Mapping[str, Mean]]] = {}
    for label, scores in means.items():
        name, _, number = label.rpartition("@")
        if not (name and number.isdecimal() and int(number)):
            raise ValueError(f"--plot: expected labels NAME@NUMBER, such as kd@11, got {label}")
        points.setdefault(name, {})[int(number)] = scores
    metrics = list(dict.fromkeys(metric for scores in means.values() for metric in scores))
    columns = min(4, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    with charts.styled():
        size = (270 * columns * charts.PX, (40 + 220 * rows) * charts.PX)
        plot = figure.Figure(size, layout="constrained")
        panels = plot.subplots(rows, columns, squeeze=False).ravel()
        for panel, metric in itertools.zip_longest(panels, metrics):
            if metric is None:
                panel.set_visible(False)
                continue
            panel.set_title(metric, loc="left")
            panel.set_xscale("log", base=2)
            panel.xaxis.set_major_formatter(ticker.ScalarFormatter())
            panel.set_xticks(sorted({number for its in points.values() for number in its}))
            panel.xaxis.set_minor_locator(ticker.NullLocator())
            for k, (name, its) in enumerate(points.items()):
                numbers = sorted(number for number in its if metric in its[number])
                # Side by side, so that intervals do not hide each other.
                places = [number * 1.03 ** (k - len(points) / 2) for number in numbers]
                colour = charts.COLOURS[k % len(charts.COLOURS)]
                scores = [its[number][metric] for number in numbers]
                halves = [0.0 if math.isinf(score.half) else score.half for score in scores]
                panel.errorbar(
                    places, [score.value for score in scores], halves, color=colour, marker="o",
                    capsize=3, label=name,
                )  # fmt: skip
        handles, names = panels[0].get_legend_handles_labels()
        plot.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return plot


def _plain(value: Any) -> Any:
    """The value for JSON, which has no infinity."""
    if isinstance(value, Mean):
        half = None if math.isinf(value.half) else value.half
        return {"mean": value.value, "half_width": half, "seeds": value.count}
    return {name: _plain(inner) for name, inner in value.items()}
