"""The part of a page that shows one result: its pictures, tables and charts."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from fsketch.core import progress
from fsketch.metrics import statistics
from fsketch.scoring import matching, measures, results, text
from fsketch.scoring.page import charts, pictures

NUM_WORST = 10
FEW, MOST_GROUPS = 10, 20  # images of a group that is flagged, groups of an attribute

# A part of the page that is shown for one selection: keys output, metric, baseline.
Panel = dict[str, Any]


class Board:
    """One result on a page; the scores of the input itself, the floor, stand below the input."""

    def __init__(
        self, name: str, result: results.Result, store: pictures.Pictures, max_pairs: int
    ) -> None:
        self.name, self.ids, self._result = name, result.matched.ids, result
        self._store, self._max_pairs = store, max_pairs
        self._files = result.matched.outputs  # by label
        self.outputs = [label for label in self._files if label != matching.FLOOR]
        self.columns = results.columns(result)
        self.metrics = [column for column in self.columns if not column.is_set]
        self._digits, self._best = {}, {}
        for metric in self.metrics:
            its = {label: scores[metric.name] for label, scores in result.images.items()}
            self._digits[metric.name] = text.decimals(np.concatenate([*its.values()]))
            rivals = np.stack([its[label] for label in self.outputs])  # [outputs, N]
            best = (np.fmax if metric.higher_is_better else np.fmin).reduce(rivals)
            is_contested = np.count_nonzero(~np.isnan(rivals), 0) > 1
            self._best[metric.name] = np.where(is_contested, best, np.nan)

    def _worst_first(self, label: str, metric: results.Column) -> np.ndarray:
        """Indices of the scored images, worst first; ties keep the order of the list."""
        scores = self._result.images[label][metric.name]
        order = np.argsort(scores if metric.higher_is_better else -scores, kind="stable")
        return order[: np.count_nonzero(~np.isnan(scores))]  # NaN is last

    def chosen(self) -> list[int]:
        """The worst ten of each output by the first metric, and others spread evenly over the list.

        Up to `max_pairs` in all, in the order of the list.
        """
        worst = {
            int(i)
            for metric, label in itertools.product(self.metrics[:1], self.outputs)
            for i in self._worst_first(label, metric)[:NUM_WORST]
        }
        rest = [i for i in range(len(self.ids)) if i not in worst]
        room = min(max(0, self._max_pairs - len(worst)), len(rest))
        spread = np.linspace(0, len(rest) - 1, room).round().astype(int)
        return sorted(worst | {rest[i] for i in spread})

    def pairs(self) -> Iterator[tuple[int, str, list]]:
        """(index, id, tiles) of the chosen pairs.

        A tile is (kind, picture or None if not scored, scores); a score is (metric, value, whether
        it is the pair's best).
        """
        matched = self._result.matched
        kinds = {"input": matched.inputs, "truth": matched.truth}
        kinds |= {label: self._files[label] for label in self.outputs}
        chosen = self.chosen()
        for i in progress.track(chosen, "embedding pictures of pairs", len(chosen)):
            id = self.ids[i]
            yield (
                i,
                id,
                [
                    (
                        kind,
                        self._store.add(files[id]) if id in files else None,
                        self._lines(kind, i),
                    )
                    for kind, files in kinds.items()
                    if files
                ],
            )

    def _lines(self, kind: str, i: int) -> list[tuple[str, str, bool]]:
        its = self._result.images.get(matching.FLOOR if kind == "input" else kind, {})
        return [
            (
                metric.title,
                text.number(its[metric.name][i], self._digits[metric.name]),
                its[metric.name][i] == self._best[metric.name][i] and kind != "input",
            )
            for metric in self.metrics
            if its
        ]

    def worst(self) -> Iterator[Panel]:
        """The worst images of each output by each metric: (id, score, truth, output) each."""
        truth = self._result.matched.truth
        for label, metric in itertools.product(self.outputs, self.metrics):
            order, cases = self._worst_first(label, metric), []
            for i in order[:NUM_WORST]:
                id, score = self.ids[i], self._result.images[label][metric.name][i]
                both = (self._store.add(files[id]) for files in (truth, self._files[label]))
                cases.append((id, text.number(score, self._digits[metric.name]), *both))
            title = f"{label}, {metric.heading}: {len(cases)} of {len(order)} images"
            yield {"title": title, "output": label, "metric": metric.name, "cases": cases}

    def _mean(self, label: str, column: results.Column) -> measures.Interval:
        if not column.is_set:
            return results.summary(self._result, label, column.name)
        return self._result.sets[label].get(column.name, measures.Interval(math.nan))

    def summary(self) -> text.Table:
        """Outputs by metrics; marks the best of the outputs scored on the most images."""
        counts = {label: len(files) for label, files in self._files.items()}
        rows = {label: [text.Cell(str(count), key=count)] for label, count in counts.items()}
        most = [label for label in counts if counts[label] == max(counts.values())]
        is_fair = len(most) > 1 and len({tuple(self._files[label]) for label in most}) == 1
        for column in self.columns:
            its = {label: self._mean(label, column) for label in rows}
            rivals = [its[label].value for label in most if not math.isnan(its[label].value)]
            best = (max if column.higher_is_better else min)(rivals, default=math.nan)
            digits = text.decimals(mean.value for mean in its.values())
            axis = _axis([v for mean in its.values() for v in mean])
            for label, mean in its.items():
                is_best = is_fair and label in most and len(rivals) > 1 and mean.value == best
                value = ("★ " if is_best else "") + text.number(mean.value, digits)
                small = text.interval(mean.low, mean.high, digits)
                style = "best" if is_best else ""
                rows[label].append(text.Cell(value, small, mean.value, style, _bar(axis, *mean)))
        about = "Mean over images with its 95 % interval."
        about += " ★: best of the outputs that have the most images." if is_fair else ""
        if len({*counts.values()}) > 1:
            about += " Means over different images (see N) do not compare; paired differences do."
        heads = ["Output", "N", *(column.heading for column in self.columns)]
        return text.Table("Summary", about, heads, [*rows.items()])

    def differences(self) -> Iterator[Panel]:
        """A table for each output as the baseline, over the images that both have."""
        found = {metric.name: {} for metric in self.metrics}  # metric -> (label, other) -> it
        for name, (other, label) in itertools.product(
            found, itertools.combinations(self._files, 2)
        ):
            if difference := results.difference(self._result, name, label, other):
                found[name][label, other] = difference
                found[name][other, label] = difference.turned()
        scales = {
            name: (
                text.decimals(d.value for d in its.values()),
                _axis([v for d in its.values() for v in (d.low, d.value, d.high, 0.0)]),
            )
            for name, its in found.items()
        }
        heads = ["Output", "N", *(metric.heading for metric in self.metrics)]
        for other in self._files:
            rows = []
            for label in (label for label in self._files if label != other):
                both = len(self._files[label].keys() & self._files[other].keys())
                cells = [
                    _difference(
                        metric, found[metric.name].get((label, other)), *scales[metric.name]
                    )
                    for metric in self.metrics
                ]
                rows.append((label, [text.Cell(str(both), key=both), *cells]))
            about = (
                f"Output minus {text.clean(other)} over the N images that both have, with its 95 % "
                "interval. None is called better or worse where the interval holds zero."
            )
            table = text.Table(f"Difference from {other}", about, heads, rows)
            yield {"table": table, "baseline": other}

    def distributions(self, colours: Mapping[str, str]) -> Iterator[Markup]:
        """A chart of histograms for each metric."""
        for k, metric in enumerate(self.metrics):
            rows = [
                (label, colours[label], its[metric.name], self._mean(label, metric))
                for label, its in self._result.images.items()
            ]
            alt = f"Histograms of {metric.title}: {', '.join(self._files)}"
            yield charts.inline(charts.histogram(metric.heading, rows), f"h{self.name}{k}", alt)

    def attributes(self) -> Iterator[Panel]:
        """A table for each attribute and metric: means within groups."""
        for attribute, values in self._result.matched.attributes.items():
            groups: dict[str, list[int]] = {}
            for i, id in enumerate(self.ids):
                groups.setdefault(values.get(id, "(not given)"), []).append(i)
            names = sorted(groups, key=lambda name: (-len(groups[name]), _natural(name)))
            shown = sorted(names[:MOST_GROUPS], key=_natural)
            some = f" (the {len(shown)} largest of {len(names)} groups)"
            title = attribute + (some if len(shown) < len(names) else "")
            for metric in self.metrics:
                rows = []
                for name in shown:
                    count, digits = len(groups[name]), self._digits[metric.name]
                    its = (s[metric.name][groups[name]] for s in self._result.images.values())
                    cells = [_group(scores, digits) for scores in its]
                    rows.append((name, [text.Cell(str(count), key=count), *cells]))
                table = text.Table(title, "", [metric.heading, "N", *self._files], rows)
                yield {"table": table, "metric": metric.name}


def _difference(
    metric: results.Column, d: results.Difference | None, digits: int, axis: tuple[float, float]
) -> text.Cell:
    if d is None:
        return text.Cell(text.DASH)
    verdict = ""
    if not d.low <= 0 <= d.high:
        verdict = "better" if (d.low > 0) == metric.higher_is_better else "worse"
    small = f"{text.interval(d.low, d.high, digits, sign='+')} {text.p_value(d.p)}"
    small += f", {verdict}" if verdict else ""
    bar = _bar(axis, d.value, d.low, d.high)
    return text.Cell(text.number(d.value, digits, sign="+"), small, d.value, verdict, bar)


def _group(scores: np.ndarray, digits: int) -> text.Cell:
    """The mean of a group's scores, flagged where they are few."""
    own = scores[~np.isnan(scores)]
    if not len(own):
        return text.Cell(text.DASH)
    small = f"N {len(own)}" if len(own) < len(scores) else ""
    if len(own) > 1:
        _, low, high = statistics.bootstrap_mean(own, seed=0)
        small = f"{text.interval(low, high, digits)} {small}".strip()
    mark = "† " if len(own) < FEW else ""
    return text.Cell(f"{mark}{text.number(own.mean(), digits)}", small, own.mean())


def _axis(values: Sequence[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)]
    return min(finite, default=0.0), max(finite, default=0.0)


def _bar(
    axis: tuple[float, float], value: float, low: float, high: float
) -> tuple[float, ...] | None:
    """(low, value, high) and zero as shares of the axis."""
    start, length = axis[0], axis[1] - axis[0]
    if math.isnan(value) or not length:
        return None
    low, high = (value, value) if math.isnan(low) else (low, high)
    return tuple((x - start) / length for x in (low, value, high, 0.0))


def _natural(name: str) -> str:
    """A key that sorts 2 before 10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), name)
