"""fsketch report seeds LABEL=WORKDIR [LABEL=WORKDIR ...] [--json=FILE]

Compares experiments over several seeds: workdirs of one LABEL differ only in their seed.  Prints
mean and 95 % interval of every metric over seeds, then the differences of each experiment from the
one before it, seed by seed.  So it shows whether an ordering is more than the luck of a seed;
`fsketch report` shows how certain a score is on its test images.

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
from flax import traverse_util
from scipy import special

from fsketch.core import arguments, checkpoint, paths, writers
from fsketch.scoring import text

# Locations of data, on which no experiment depends.
PLACES = ("data.data_dir", "data.manual_dir")
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
            fields.pop(name)
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
    given = parser.parse_args(words)
    writers.check_file("--json", given.json)
    content = summary(read(given.runs))
    print(terminal(content))
    if given.json:
        writers.write_json(given.json, _plain(content))
    return 0


def _plain(value: Any) -> Any:
    """The value for JSON, which has no infinity."""
    if isinstance(value, Mean):
        half = None if math.isinf(value.half) else value.half
        return {"mean": value.value, "half_width": half, "seeds": value.count}
    return {name: _plain(inner) for name, inner in value.items()}
