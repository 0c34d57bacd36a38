"""What the gallery is given, and the views of it that several sections share."""

import collections
import math
from typing import NamedTuple

import numpy as np

Estimate = tuple[float, float, float]  # value, low, high; NaN where unknown
UNKNOWN: Estimate = (math.nan, math.nan, math.nan)


class Metric(NamedTuple):
    """What a number means; `unit` may be empty."""

    name: str
    title: str
    unit: str
    higher_is_better: bool


class Output(NamedTuple):
    """One folder of outputs and its scores."""

    label: str
    path: str
    scores: dict[str, np.ndarray]  # metric -> float[N] in the order of ids, NaN = not scored
    summary: dict[str, Estimate]  # metric -> (mean, low, high)
    set_scores: dict[str, Estimate]  # metric of a whole set -> (value, low, high)


class Difference(NamedTuple):
    """`label` minus `other`: of means over the images that both have, or of set scores."""

    metric: str
    label: str
    other: str
    value: float
    low: float
    high: float
    p: float


class Report(NamedTuple):
    """Everything on the page but the images."""

    title: str
    protocol: str
    convention: str
    ids: list[str]
    metrics: list[Metric]
    outputs: list[Output]
    differences: list[Difference]
    attributes: dict[str, dict[str, str]]  # attribute -> {id: value}
    facts: dict[str, str]


def check(report: Report) -> None:
    """ValueError for what would make the page wrong: unknown or repeated names, wrong lengths."""
    for what, names in (
        ("an id", report.ids),
        ("a metric", [metric.name for metric in report.metrics]),
        ("a kind of image", ["input", "truth", *(output.label for output in report.outputs)]),
    ):
        name, times = collections.Counter(names).most_common(1)[0] if names else ("", 0)
        if times > 1:
            raise ValueError(f"report: {name!r} occurs {times} times as {what}, once is admitted")
    metrics = {metric.name for metric in report.metrics}
    labels = {output.label for output in report.outputs}
    for output in report.outputs:
        for field in ("scores", "summary", "set_scores"):
            for name in getattr(output, field):
                _known(name, metrics, f"output {output.label!r}, {field}")
        for name, scores in output.scores.items():
            if np.shape(scores) != (len(report.ids),):
                raise ValueError(
                    f"output {output.label!r}, scores[{name!r}]: shape {np.shape(scores)}, "
                    f"not one score for each of {len(report.ids)} ids"
                )
    for difference in report.differences:
        _known(difference.metric, metrics, "difference, metric")
        _known(difference.label, labels, "difference, label")
        _known(difference.other, labels, "difference, other")
    ids = set(report.ids)
    for attribute, values in report.attributes.items():
        for id in values:
            if id not in ids:
                raise ValueError(f"attribute {attribute!r}: id {id!r} is not in the report")


def _known(name: str, admitted: set[str], where: str) -> None:
    if name not in admitted:
        raise ValueError(f"{where}: {name!r} is none of {sorted(admitted)}")


def image_metrics(report: Report) -> list[Metric]:
    """The metrics that score single images."""
    return [m for m in report.metrics if any(m.name in o.scores for o in report.outputs)]


def scores_of(report: Report, output: Output, metric: Metric) -> np.ndarray:
    """float64[N] of one metric, all NaN for an output that lacks it."""
    missing = np.full(len(report.ids), np.nan)
    return np.asarray(output.scores.get(metric.name, missing), np.float64)


def has_image(report: Report, output: Output) -> np.ndarray:
    """bool[N]: the images with any score; all, for an output with scores of the set only."""
    if not output.scores:
        return np.full(len(report.ids), bool(output.set_scores))
    return ~np.all([np.isnan(scores) for scores in output.scores.values()], axis=0)


def worst_first(metric: Metric, scores: np.ndarray) -> np.ndarray:
    """Indices of the scored images, the worst first, equal ones in the order of the list."""
    order = np.argsort(scores if metric.higher_is_better else -scores, kind="stable")
    return order[~np.isnan(scores[order])]
