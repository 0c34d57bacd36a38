"""The sections that are tables: summary, paired differences, attributes."""

import math
import re
from collections.abc import Sequence

import numpy as np

from fsketch.gallery import charts, text
from fsketch.gallery.report import (
    UNKNOWN,
    Difference,
    Estimate,
    Metric,
    Report,
    has_image,
    image_metrics,
    scores_of,
)

FEW = 10  # a group of fewer images is flagged
MOST_GROUPS = 20  # of one attribute
NUM_RESAMPLES = 1000
Cell = tuple[str, str, float | None]  # text, small print, the number to sort by
STAR = '<span aria-hidden="true">★ </span><span class="spoken">best </span>'


def summary(report: Report) -> str:
    """Outputs by metrics, the best marked."""
    if not report.outputs:
        return "<p>No outputs were scored.</p>"
    images = [has_image(report, output) for output in report.outputs]
    head = _head("Output") + _head("N", classes="number")
    columns, are_marked = [], False
    for metric in report.metrics:
        first = "descending" if metric.higher_is_better else "ascending"
        head += _head(text.heading(metric), classes="number", first=first)
        estimates, scored = [], []  # of each output; bool[N] of the images behind them
        for output, has in zip(report.outputs, images, strict=True):
            if metric.name in output.set_scores:
                estimates.append(output.set_scores[metric.name])
                scored.append(has)
            else:
                estimates.append(output.summary.get(metric.name, UNKNOWN))
                scored.append(~np.isnan(scores_of(report, output, metric)))
        best = _best(metric, estimates, scored)
        are_marked |= bool(best)
        digits = text.decimals(estimate[0] for estimate in estimates)
        cells = []
        for i, (estimate, own, has) in enumerate(zip(estimates, scored, images, strict=True)):
            is_best = i in best
            is_partial = (own != has).any() and not math.isnan(estimate[0])
            cells.append(
                _cell(
                    estimate, digits,
                    classes="best" if is_best else "",
                    mark=STAR if is_best else "",
                    note=f"N {own.sum()}" if is_partial else "",
                )
            )  # fmt: skip
        columns.append(cells)
    rows = []
    for i, output in enumerate(report.outputs):
        num, of = int(images[i].sum()), len(report.ids)
        part = f" <small>of {of}</small>" if num < of else ""
        rows.append(
            f"{_row_head(output.label, colour=i % charts.NUM_COLOURS)}"
            f'<td class="number" data-value="{num}">{num}{part}</td>'
            f"{''.join(column[i] for column in columns)}"
        )
    note = "Mean over images with its 95 % interval."
    if are_marked:
        note += " ★: best of the outputs that were scored on the most images."
    if any((has != images[0]).any() for has in images):
        note += " Outputs that have different images (see N) do not compare by their means"
        note += "; the paired differences do." if report.differences else "."
    return f"<p>{note}</p>{_table('Summary', head, rows)}"


def _best(metric: Metric, estimates: Sequence[Estimate], scored: Sequence[np.ndarray]) -> set[int]:
    """The best of the outputs scored on the most images, if these are the same and several."""
    most = max(int(own.sum()) for own in scored)
    rivals = {
        i: estimate[0]
        for i, (estimate, own) in enumerate(zip(estimates, scored, strict=True))
        if own.sum() == most and not math.isnan(estimate[0])
    }
    if len(rivals) < 2 or len({scored[i].tobytes() for i in rivals}) > 1:
        return set()
    best = (max if metric.higher_is_better else min)(rivals.values())
    return {i for i, value in rivals.items() if value == best}


def differences(report: Report) -> str:
    """One table a metric; empty without differences."""
    outputs = {output.label: output for output in report.outputs}
    metrics, panels = [], []
    for metric in report.metrics:
        chosen = [d for d in report.differences if d.metric == metric.name]
        if not chosen:
            continue
        finite = [v for d in chosen for v in (d.value, d.low, d.high) if math.isfinite(v)]
        digits = text.decimals(d.value for d in chosen)
        limit = max(map(abs, finite), default=0.0) or 1.0
        head = _head("First") + _head("Second")
        head += _head(f"First {text.MINUS} second", classes="number") + '<td class="drawn"></td>'
        head += _head("Better") + _head("p", classes="number") + _head("N", classes="number")
        rows = []
        for d in chosen:
            one, other = (scores_of(report, outputs[label], metric) for label in (d.label, d.other))
            both = int(np.count_nonzero(~np.isnan(one) & ~np.isnan(other)))
            rows.append(
                f"{_row_head(d.label)}<td>{_name(d.other)}</td>"
                f"{_cell((d.value, d.low, d.high), digits)}"
                f'<td class="drawn" aria-hidden="true">'
                f"{charts.difference(d.value, d.low, d.high, limit)}</td>"
                f"<td>{_name(_verdict(metric, d))}</td>"
                f'<td class="number" data-value="{_key(d.p)}">'
                f"{'&lt; 0.001' if d.p < 0.001 else text.number(d.p, 3)}</td>"
                f'<td class="number" data-value="{both or ""}">{both or text.DASH}</td>'
            )
        panels.append(
            f'<div class="panel" data-metric="{len(metrics)}"><h3>{text.heading(metric)}</h3>'
            f"{_table(f'Paired differences, {metric.title}', head, rows)}</div>"
        )
        metrics.append(metric.title)
    if not panels:
        return ""
    return (
        "<p>First minus second over the N images that both outputs have, with its 95 % interval. "
        "No output is called better where the interval holds zero.</p>"
        f"{text.picks([text.pick('metric', metrics)], panels)}"
    )


def _verdict(metric: Metric, difference: Difference) -> str:
    """The better output, or that the interval does not tell them apart."""
    if math.isnan(difference.low) or math.isnan(difference.high):
        return text.DASH
    if difference.low <= 0 <= difference.high:
        return "not told apart"
    is_first = (difference.low > 0) == metric.higher_is_better
    return difference.label if is_first else difference.other


def attributes(report: Report) -> str:
    """One table for each attribute and metric; empty without attributes."""
    metrics = image_metrics(report)
    if not report.attributes or not metrics:
        return ""
    scores = np.stack(
        [[scores_of(report, output, metric) for output in report.outputs] for metric in metrics]
    )  # [M, O, N]
    head = _head("Value") + _head("N", classes="number")
    for output in report.outputs:
        head += _head(text.escape(output.label), classes="number")
    panels = []
    for attribute, values in report.attributes.items():
        groups: dict[str, list[int]] = {}
        for i, id in enumerate(report.ids):
            groups.setdefault(values.get(id, "(not given)"), []).append(i)
        names = sorted(groups, key=lambda name: (-len(groups[name]), _natural(name)))[:MOST_GROUPS]
        names.sort(key=_natural)
        means = {name: group_means(scores[..., groups[name]]) for name in names}
        are_all = len(names) == len(groups)
        some = "" if are_all else f" (the {len(names)} largest of {len(groups)} groups)"
        panels.append(f"<h3>{text.escape(attribute)}{some}</h3>")
        for k, metric in enumerate(metrics):
            digits = text.decimals(np.concatenate([mean[0, k] for mean in means.values()]))
            rows = []
            for name in names:
                size, cells = len(groups[name]), []
                for j in range(len(report.outputs)):
                    own = int(np.count_nonzero(~np.isnan(scores[k, j, groups[name]])))
                    is_few = 0 < own < FEW
                    cells.append(
                        _cell(
                            tuple(means[name][:, k, j]), digits,
                            classes="few" if is_few else "",
                            mark="† " if is_few else "",
                            note=f"N {own}" if 0 < own < size else "",
                        )
                    )  # fmt: skip
                rows.append(
                    f'{_row_head(name)}<td class="number" data-value="{size}">{size}</td>'
                    f"{''.join(cells)}"
                )
            panels.append(
                f'<div class="panel" data-metric="{k}"><h4>{text.heading(metric)}</h4>'
                f"{_table(f'{attribute}, {metric.title}', head, rows)}</div>"
            )
    return (
        "<p>Mean within a group with a 95 % interval (bootstrap over the group's images, "
        f"{NUM_RESAMPLES} resamples). †: fewer than {FEW} images.</p>"
        f"{text.picks([text.pick('metric', [m.title for m in metrics])], panels)}"
    )


def of_cells(name: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    """A sortable table of texts: its name, headings, and for each row a name and its cells.

    A cell without a number is sorted by its text.
    """
    first, *others = heads
    lines = []
    for row_name, cells in rows:
        line = _row_head(row_name)
        for content, small, value in cells:
            key = "" if value is None else f' data-value="{_key(value)}"'
            note = f" <small>{text.escape(small)}</small>" if small else ""
            line += f'<td class="number"{key}>{text.escape(content)}{note}</td>'
        lines.append(line)
    head = _head(text.escape(first))
    head += "".join(_head(text.escape(other), classes="number") for other in others)
    return _table(name, head, lines)


def _natural(name: str) -> str:
    """A key that sorts 2 before 10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), name)


def group_means(scores: np.ndarray) -> np.ndarray:
    """float[M, O, N] of a group -> (mean, low, high) of each metric and output, float[3, M, O].

    Percentile bootstrap over images from a fixed seed, NaN left out.  NaN for a mean of no image
    and for the interval of one image or of an infinite score.
    """
    size = scores.shape[-1]
    flat = scores.reshape(-1, size).T  # [N, M * O]
    is_scored = ~np.isnan(flat)
    ones = is_scored.astype(np.float64)
    values = np.where(np.isfinite(flat), flat, 0.0)
    rng = np.random.default_rng(0)
    sums, counts = [], []
    for _ in range(NUM_RESAMPLES):
        weights = np.bincount(rng.integers(size, size=size), minlength=size).astype(np.float64)
        sums.append(weights @ values)
        counts.append(weights @ ones)
    with np.errstate(invalid="ignore"):
        resampled = np.stack(sums) / np.stack(counts)  # NaN: no scored image was drawn
    result = np.full((3, flat.shape[1]), np.nan)
    for column in np.flatnonzero(is_scored.any(0)):
        own = flat[is_scored[:, column], column]
        result[0, column] = own.mean()
        if len(own) > 1 and np.isfinite(own).all():
            result[1:, column] = np.nanpercentile(resampled[:, column], (2.5, 97.5))
    return result.reshape(3, *scores.shape[:2])


def _key(value: float) -> str:
    """A number for the script to sort by; empty for NaN."""
    return "" if math.isnan(value) else repr(float(value)).replace("inf", "Infinity")


def _cell(
    estimate: Estimate, digits: int, *, classes: str = "", mark: str = "", note: str = ""
) -> str:
    """A number after its `mark`, with interval and note in small print."""
    value, low, high = estimate
    small = [part for part in (text.interval(low, high, digits), note) if part]
    return (
        f'<td class="number {classes}" data-value="{_key(value)}">{mark}'
        f"{text.number(value, digits)}{''.join(f' <small>{part}</small>' for part in small)}</td>"
    )


def _head(content: str, *, classes: str = "", first: str = "") -> str:
    """A column's heading; `first` is the order that its first click gives."""
    order = f' data-first="{first}"' if first else ""
    return f'<th scope="col" class="{classes}"{order}><span class="head">{content}</span></th>'


def _name(name: str) -> str:
    return f'<span class="name">{text.escape(name)}</span>'


def _row_head(name: str, *, colour: int | None = None) -> str:
    swatch = "" if colour is None else f'<i class="swatch c{colour}"></i>'
    return f'<th scope="row"><span class="label">{swatch}{_name(name)}</span></th>'


def _table(name: str, head: str, rows: Sequence[str]) -> str:
    """A table that scrolls by itself where the page is narrow."""
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text.escape(name)}">'
        f'<table class="sortable"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'
        "</div>"
    )
