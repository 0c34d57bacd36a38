"""fsketch report seeds LABEL=WORKDIR [LABEL=WORKDIR ...] [--json=FILE]

Experiments that were run several times: workdirs of one LABEL differ in their seed alone.  Prints
mean and 95 % interval of every metric over seeds, then the differences of each experiment to the
one named before it, seed by seed.  It tells whether an ordering is more than the luck of a seed;
how sure a score is on its test images is what `fsketch report` says.

Intervals are Student's t, for runs drawn independently from a normal distribution.  Exit code 1,
with every problem listed, for runs that are not evaluated or do not belong together.
"""

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etils import epath

from fsketch.core import arguments, checkpoint, paths, writers
from fsketch.gallery import text

# Student's t that 95 % stay within, for 1, 2, 3, ... degrees of freedom, and the normal's.
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL_95 = 1.95996
# Where a run lies and is read from, which no experiment depends on.
PLACES = ("data.data_dir", "data.manual_dir")
FIXED = ("data", "split", "protocol", "num_images")  # of evaluation.json, equal in all runs


class Mean(NamedTuple):
    """Mean over seeds with its 95 % interval; `half` is infinite for a single one."""

    value: float
    half: float
    count: int

    def __str__(self) -> str:
        if math.isinf(self.half):
            return f"{self.value:.4f}"
        return f"{self.value:.4f} ± {self.half:.4f}"


class Seeds(NamedTuple):
    """One experiment: metrics by seed, by the name of the metric."""

    label: str
    scores: dict[int, dict[str, float]]


def mean(values: Sequence[float]) -> Mean:
    """Mean and half the width of Student's 95 % interval."""
    count = len(values)
    if count == 1:
        return Mean(values[0], math.inf, 1)
    half = _t_95(count - 1) * statistics.stdev(values) / math.sqrt(count)
    return Mean(statistics.fmean(values), half, count)


def _t_95(freedom: int) -> float:
    """Beyond the table Fisher's expansion about the normal's quantile, right to 0.003."""
    if freedom <= len(T_95):
        return T_95[freedom - 1]
    z = NORMAL_95
    first, second = z**3 + z, 5 * z**5 + 16 * z**3 + 3 * z
    return z + first / (4 * freedom) + second / (96 * freedom**2)


def read(arguments: Sequence[str]) -> list[Seeds]:
    """The experiments of "LABEL=WORKDIR" arguments, in order; ValueError with all problems."""
    found: dict[str, Seeds] = {}
    experiments: dict[str, dict[str, Any]] = {}
    fixed: dict[str, Any] = {}
    problems = []
    for argument in arguments:
        label, _, workdir = argument.partition("=")
        path = Path(workdir) / "evaluation.json"
        if not (label and workdir) or not path.is_file():
            problems.append(f"{argument}: no evaluated run; admitted is LABEL=WORKDIR")
            continue
        evaluation = json.loads(path.read_text())
        fields = _flat(checkpoint.read(workdir, kind="latest")[1]["config"])
        seed = fields.pop("seed")
        for name in PLACES:
            fields.pop(name)
        here = {name: evaluation[name] for name in FIXED}
        fixed = fixed or here
        for name, value in here.items():
            if value != fixed[name]:
                problems.append(f"{workdir}: {name} is {value!r}, elsewhere {fixed[name]!r}")
        known = experiments.setdefault(label, fields)
        changed = [name for name in known | fields if known.get(name) != fields.get(name)]
        if changed:
            problems.append(f"{workdir}: {', '.join(changed)} of {label} differ; only the seed may")
        group = found.setdefault(label, Seeds(label, {}))
        if seed in group.scores:
            problems.append(f"{workdir}: seed {seed} of {label} is there already")
        group.scores[seed] = evaluation["metrics"]
    if problems:
        raise ValueError("\n".join(problems))
    return list(found.values())


def summary(groups: Sequence[Seeds]) -> dict[str, Any]:
    """Means of each metric by label, and of differences to the label before, for JSON.

    A label has the metrics that all of its runs have: not every method has both directions.
    """
    names = {group.label: _shared(group.scores.values()) for group in groups}
    means = {
        group.label: {
            name: mean([scores[name] for scores in group.scores.values()])
            for name in names[group.label]
        }
        for group in groups
    }
    differences = {}
    for before, after in itertools.pairwise(groups):
        both = sorted(before.scores.keys() & after.scores.keys())
        if both:
            differences[f"{after.label} - {before.label}"] = {
                name: mean([after.scores[s][name] - before.scores[s][name] for s in both])
                for name in names[before.label]
                if name in names[after.label]
            }
    return {"means": means, "differences": differences}


def _shared(scores: Iterable[Mapping[str, float]]) -> list[str]:
    """The names that all of these have, in the order of the first."""
    first, *others = scores
    return [name for name in first if all(name in other for other in others)]


def terminal(content: Mapping[str, Mapping[str, Mapping[str, Mean]]]) -> str:
    """The tables as text, one metric a block."""
    lines = []
    for name in dict.fromkeys(name for its in content["means"].values() for name in its):
        lines += ["", name]
        rows = [
            (label, scores[name])
            for kind in ("means", "differences")
            for label, scores in content[kind].items()
            if name in scores
        ]
        width = max(len(label) for label, _ in rows)
        lines += [
            f"  {label.ljust(width)}  {score}  ({text.count(score.count, 'seed')})"
            for label, score in rows
        ]
    return "\n".join(lines[1:])


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises ValueError and FileNotFoundError for runs that do not fit."""
    parser = arguments.Parser("report seeds", description="Experiments over several seeds.")
    parser.add_argument("runs", nargs="+", type=paths.labelled, metavar="LABEL=WORKDIR")
    parser.path("--json", metavar="FILE", help="write everything")
    given = parser.parse_args(words)
    writers.check_file("--json", given.json)
    content = summary(read(given.runs))
    print(terminal(content))
    if given.json:
        writers.write_whole(epath.Path(given.json), _to_json(content).encode())
    return 0


def _to_json(content: Mapping[str, Any]) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, Mean):
            half = None if math.isinf(value.half) else value.half
            return {"mean": value.value, "half_width": half, "seeds": value.count}
        return {name: plain(inner) for name, inner in value.items()}

    return json.dumps(plain(content), indent=1) + "\n"


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """{"data": {"name": ...}} -> {"data.name": ...}."""
    result: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            result |= {f"{name}.{inner}": leaf for inner, leaf in _flat(value).items()}
        else:
            result[name] = value
    return result
