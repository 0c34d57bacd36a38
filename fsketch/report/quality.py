"""Scores of runs and their differences from the reference, by the images in their workdirs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsketch import score
from fsketch.core import images
from fsketch.report import runs
from fsketch.scoring import matching, measures, results

TOLERANCE = 1e-5  # between scores here and in evaluation.json, relative and absolute


def measure(
    found: Sequence[runs.Run], different: Mapping[str, list[str]], *, seed: int
) -> tuple[dict[tuple[str, str], dict[str, Any]], dict[str, results.Result]]:
    """(label, direction) -> scores and differences; direction -> result of the comparable runs.

    Comparable runs are scored together, the reference first; every other run by itself.
    Raises ValueError for images that are not those of evaluation.json.
    """
    rows, shown = {}, {}
    for direction in images.DIRECTIONS:
        having = [run for run in found if direction in run.directions]
        equal = [run for run in having if not different[run.label]]
        for group in [equal, *([run] for run in having if different[run.label])]:
            if not group:
                continue
            result = _scored(group, direction, seed=seed)
            if group is equal:
                shown[direction] = result
            compared = results.differences(result)
            for run in group:
                means = {m.name: results.summary(result, run.label, m.name) for m in result.metrics}
                _check_evaluation(run, direction, len(result.matched.ids), means)
                values = {**means, **result.sets[run.label]}
                rows[run.label, direction] = {
                    "quality": {name: _plain(value) for name, value in values.items()},
                    "differences": {
                        d.metric: _plain(d, ("value", "low", "high", "p"))
                        for d in compared
                        if (d.label, d.other) == (run.label, found[0].label)
                    }
                    or None,
                }
    return rows, shown


def _plain(value: Any, fields: tuple[str, ...] = ("value", "low", "high")) -> dict:
    """The fields as a dict; NaN becomes None, since JSON has no NaN."""
    found = {field: getattr(value, field) for field in fields}
    return {field: v if math.isfinite(v) else None for field, v in found.items()}


def _scored(group: list[runs.Run], direction: str, *, seed: int) -> results.Result:
    """Scores the outputs of these runs, which share their truth, by their protocol."""
    problems = matching.Problems()
    first = group[0].workdir
    given, truth = (Path(matching.outputs_of(first, k)) for k in images.DIRECTIONS[direction])
    matched = matching.by_folders(truth, given if given.is_dir() else None, problems)
    outputs = {run.label: Path(matching.outputs_of(run.workdir, direction)) for run in group}
    matched = matching.attach(matched, outputs, {id: id for id in matched.ids}, problems)
    problems.close()
    options = measures.Options(seed=seed)
    return score.score(matched, group[0].evaluation["protocol"], options)


def _check_evaluation(
    run: runs.Run, direction: str, num_images: int, means: Mapping[str, measures.Interval]
) -> None:
    """ValueError unless outputs/ holds the images of evaluation.json."""
    there = run.evaluation["metrics"]
    pairs = {"number of images": (num_images, run.evaluation["num_images"])}
    for metric, mean in means.items():
        name = f"{direction}/{metric}"
        pairs[name] = (mean.value, there.get(name, math.nan))
    for name, (ours, theirs) in pairs.items():
        if not math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise ValueError(
                f"{run.workdir}: {name}: expected {theirs:.6g} as in evaluation.json, got "
                f"{ours:.6g} from outputs/, which is of another evaluation; evaluate again by\n"
                f"    {runs.evaluate_command(run.workdir)}"
            )
