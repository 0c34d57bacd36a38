"""One HTML file that shows the scores of images and the images: the gallery of `score`.

The page needs no network and no server: styles, script and pictures are inside, and its content
security policy forbids everything else.  Without JavaScript everything is listed; the script
sorts, chooses and pages.  It repeats what it is given; only intervals of attribute groups are
computed here.
"""

import base64
import collections
import hashlib
import json
import math
import re
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

import numpy as np
from etils import epath

from fsketch import writers
from fsketch.gallery import charts, pictures, text

NUM_WORST = 10
FEW = 10  # a group of fewer images is flagged
MOST_GROUPS = 20  # of one attribute
NUM_RESAMPLES = 1000

Estimate = tuple[float, float, float]  # value, low, high
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
    set_scores: dict[str, Estimate]  # metric of a set -> (value, low, high), NaN = no interval


class Difference(NamedTuple):
    """`label` minus `other` over the images that both have."""

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


def write(
    path: str | epath.Path, report: Report, image: pictures.Source, *, max_pairs: int = 60
) -> None:
    """`render` into a file, written whole or not at all."""
    page = render(report, image, max_pairs=max_pairs)
    writers.write_whole(epath.Path(path), page.encode())


def render(report: Report, image: pictures.Source, *, max_pairs: int = 60) -> str:
    """The page.  `image(kind, id)` is asked for uint8[H, W, 1 or 3].

    Kinds are "photo" (None: there is no photo), "truth" and the labels of the outputs; an output
    without any score of an image is not asked for it.  The pairs that are shown hold the ten
    worst of each output by the first metric, and others spread evenly over the list up to
    `max_pairs` in all.  ValueError for a report that contradicts itself.
    """
    _check(report)
    store = pictures.Pictures(image)
    sections = [
        ("Summary", "summary", _summary(report)),
        ("Paired differences", "differences", _differences(report)),
        ("Distributions", "distributions", _distributions(report)),
        ("The worst ten", "worst", _worst(report, store)),
        ("Attributes", "attributes", _attributes(report)),
        ("Pairs", "pairs", _pairs(report, store, max_pairs)),
        ("Details", "details", _details(report)),
    ]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{name}">{title}</a>' for title, name, _ in sections)
    body = "".join(
        f'<section id="{name}"><h2>{title}</h2>\n{content}\n</section>\n'
        for title, name, content in sections
    )
    style, script = (_resource(f"page.{kind}") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text.escape(report.title)}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{text.escape(report.title)}</h1>
<p>{_count(len(report.ids), "pair")}, {_count(len(report.outputs), "output")}.
<strong>Protocol {text.escape(report.protocol)}.</strong> {text.escape(report.convention)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>
{body}</main>
<script type="application/json" id="scores">{_scores_json(report)}</script>
<script>{script}</script>
{store.definitions()}
</body>
</html>
"""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _resource(name: str) -> str:
    return (resources.files(__name__) / name).read_text("utf-8")


def _check(report: Report) -> None:
    """Refuses what would make the page wrong."""
    for what, names in (
        ("id", report.ids),
        ("metric", [metric.name for metric in report.metrics]),
        (
            "label (photo and truth are taken)",
            ["photo", "truth", *(o.label for o in report.outputs)],
        ),
    ):
        name, times = collections.Counter(names).most_common(1)[0] if names else ("", 0)
        if times > 1:
            raise ValueError(f"report: {name!r} occurs {times} times as {what}, once is admitted")
    known = {metric.name for metric in report.metrics}
    labels = {output.label for output in report.outputs}
    for output in report.outputs:
        for field in ("scores", "summary", "set_scores"):
            for name in getattr(output, field):
                if name not in known:
                    raise ValueError(
                        f"output {output.label!r}, {field}: {name!r} is none of {sorted(known)}"
                    )
        for name, scores in output.scores.items():
            if np.shape(scores) != (len(report.ids),):
                raise ValueError(
                    f"output {output.label!r}, scores[{name!r}]: shape {np.shape(scores)}, "
                    f"not one score for each of {len(report.ids)} ids"
                )
    for difference in report.differences:
        for name, admitted in (
            (difference.metric, known),
            (difference.label, labels),
            (difference.other, labels),
        ):
            if name not in admitted:
                raise ValueError(f"difference: {name!r} is none of {sorted(admitted)}")
    ids = set(report.ids)
    for attribute, values in report.attributes.items():
        for id in values:
            if id not in ids:
                raise ValueError(f"attribute {attribute!r}: id {id!r} is not in the report")


def _image_metrics(report: Report) -> list[Metric]:
    """The metrics that score single images."""
    return [m for m in report.metrics if any(m.name in o.scores for o in report.outputs)]


def _scores(output: Output, metric: str, count: int) -> np.ndarray:
    """float64[N] of one metric, all NaN for an output that lacks it."""
    return np.asarray(output.scores.get(metric, np.full(count, np.nan)), np.float64)


def _is_scored(output: Output, count: int) -> np.ndarray:
    """bool[N]: the images that an output has; all, where it has scores of the set only."""
    if not output.scores:
        return np.full(count, bool(output.set_scores))
    return ~np.all([np.isnan(scores) for scores in output.scores.values()], axis=0)


def _worst_first(metric: Metric, scores: np.ndarray) -> np.ndarray:
    """Indices of the scored images, the worst first, equal ones in the order of the list."""
    order = np.argsort(scores if metric.higher_is_better else -scores, kind="stable")
    return order[~np.isnan(scores[order])]


def _heading(metric: Metric) -> str:
    """Title, unit and the direction that is better."""
    unit = f" ({text.escape(metric.unit)})" if metric.unit else ""
    arrow, words = ("↑", "higher") if metric.higher_is_better else ("↓", "lower")
    return (
        f'{text.escape(metric.title)}{unit} <span aria-hidden="true">{arrow}</span>'
        f'<span class="spoken">, {words} is better</span>'
    )


def _cell(
    estimate: Estimate, digits: int, *, classes: str = "", mark: str = "", note: str = ""
) -> str:
    """A number with its interval below; `mark` stands before the number."""
    value, low, high = estimate
    key = "" if math.isnan(value) else f"{value!r}".replace("inf", "Infinity")
    small = [part for part in (text.interval(low, high, digits), note) if part]
    return (
        f'<td class="number {classes}" data-value="{key}">{mark}{text.number(value, digits)}'
        + "".join(f" <small>{part}</small>" for part in small)
        + "</td>"
    )


def _head(content: str, *, classes: str = "", first: str = "") -> str:
    """A column's heading; `first` is the order of a first click."""
    order = f' data-first="{first}"' if first else ""
    return f'<th scope="col" class="{classes}"{order}><span class="head">{content}</span></th>'


def _row_head(name: str, *, colour: int | None = None) -> str:
    swatch = "" if colour is None else f'<i class="swatch c{colour}"></i>'
    return (
        f'<th scope="row"><span class="name">{swatch}<span>{text.escape(name)}</span></span></th>'
    )


def _table(name: str, head: str, rows: list[str], *, is_sortable: bool = False) -> str:
    """A table that scrolls by itself where the page is narrow."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text.escape(name)}">'
        f"<table{' class=sortable' if is_sortable else ''}><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _colours(report: Report) -> dict[str, int]:
    return {o.label: i % charts.NUM_COLOURS for i, o in enumerate(report.outputs)}


class _Column(NamedTuple):
    """One metric of the summary table."""

    metric: Metric
    estimates: list[Estimate]  # one an output
    counts: list[int]  # images behind each

    @property
    def best(self) -> set[int]:
        """Outputs with the best value among those scored on the most images, if several are."""
        most = max(self.counts)
        rivals = {
            i: estimate[0]
            for i, (estimate, count) in enumerate(zip(self.estimates, self.counts, strict=True))
            if count == most and not math.isnan(estimate[0])
        }
        if len(rivals) < 2:
            return set()
        best = (max if self.metric.higher_is_better else min)(rivals.values())
        return {i for i, value in rivals.items() if value == best}


def _columns(report: Report) -> Iterator[_Column]:
    count = len(report.ids)
    for metric in report.metrics:
        estimates, counts = [], []
        for output in report.outputs:
            if metric.name in output.set_scores:
                estimates.append(output.set_scores[metric.name])
                counts.append(int(_is_scored(output, count).sum()))
            else:
                estimates.append(output.summary.get(metric.name, UNKNOWN))
                scores = _scores(output, metric.name, count)
                counts.append(int(np.count_nonzero(~np.isnan(scores))))
        yield _Column(metric, estimates, counts)


def _summary(report: Report) -> str:
    if not report.outputs:
        return "<p>No outputs were scored.</p>"
    count = len(report.ids)
    columns, colours = list(_columns(report)), _colours(report)
    totals = [int(_is_scored(output, count).sum()) for output in report.outputs]
    head = _head("Output") + _head("N", classes="number")
    for metric in report.metrics:
        first = "descending" if metric.higher_is_better else "ascending"
        head += _head(_heading(metric), classes="number", first=first)
    rows = []
    for i, output in enumerate(report.outputs):
        cells = []
        for column in columns:
            is_best = i in column.best
            digits = text.decimals(estimate[0] for estimate in column.estimates)
            differs = column.counts[i] != totals[i] and not math.isnan(column.estimates[i][0])
            cells.append(
                _cell(
                    column.estimates[i], digits,
                    classes="best" if is_best else "",
                    mark='<span aria-hidden="true">★ </span><span class="spoken">best </span>'
                    if is_best else "",
                    note=f"N {column.counts[i]}" if differs else "",
                )
            )  # fmt: skip
        part = f"<small>of {count}</small>" if totals[i] < count else ""
        rows.append(
            f"<tr>{_row_head(output.label, colour=colours[output.label])}"
            f'<td class="number" data-value="{totals[i]}">{totals[i]}{part}</td>{"".join(cells)}'
            "</tr>\n"
        )
    note = "Mean over images with its 95 % interval."
    if any(column.best for column in columns):
        note += " ★: best of the outputs that were scored on the most images."
    if min(totals) < count:
        note += (
            f" An output with N below {count} is averaged over fewer images than the rest: compare "
            "it by the paired differences only."
        )
    return f"<p>{note}</p>" + _table("Summary", head, rows, is_sortable=True)


def _controls(*parts: str) -> str:
    """Shown by the script, since only it can serve them."""
    return f'<div class="controls" hidden>{"".join(parts)}</div>'


def _select(label: str, attributes: str, options: list[str]) -> str:
    choices = "".join(
        f'<option value="{i}">{text.escape(option)}</option>' for i, option in enumerate(options)
    )
    return f"<label>{label} <select {attributes}>{choices}</select></label>"


def _differences(report: Report) -> str:
    if not report.differences:
        return ""
    metrics = [
        metric
        for metric in report.metrics
        if any(difference.metric == metric.name for difference in report.differences)
    ]
    outputs = {output.label: output for output in report.outputs}
    panels = []
    for i, metric in enumerate(metrics):
        chosen = [d for d in report.differences if d.metric == metric.name]
        finite = [v for d in chosen for v in (d.value, d.low, d.high) if math.isfinite(v)]
        digits = text.decimals(d.value for d in chosen)
        limit = max(map(abs, finite), default=0.0) or 1.0
        head = _head("First") + _head("Second")
        head += _head(f"First {text.MINUS} second", classes="number") + "<td></td>"
        head += _head("Better") + _head("p", classes="number") + _head("N", classes="number")
        rows = []
        for d in chosen:
            one, other = (
                _scores(outputs[label], metric.name, len(report.ids))
                for label in (d.label, d.other)
            )
            both = int(np.count_nonzero(~np.isnan(one) & ~np.isnan(other)))
            rows.append(
                f'<tr>{_row_head(d.label)}<td class="name">{text.escape(d.other)}</td>'
                f"{_cell((d.value, d.low, d.high), digits)}"
                f'<td class="drawn" aria-hidden="true">'
                f"{charts.difference(d.value, d.low, d.high, limit)}</td>"
                f'<td class="name">{text.escape(_verdict(metric, d))}</td>'
                f'<td class="number" data-value="{"" if math.isnan(d.p) else d.p}">'
                f"{'&lt; 0.001' if d.p < 0.001 else text.number(d.p, 3)}</td>"
                f'<td class="number" data-value="{both or ""}">{both or text.DASH}</td></tr>\n'
            )
        panels.append(
            f'<div class="panel" data-metric="{i}"><h3>{_heading(metric)}</h3>'
            + _table(f"Paired differences, {metric.title}", head, rows, is_sortable=True)
            + "</div>"
        )
    return (
        "<p>First minus second over the N images that both outputs have, with its 95 % interval. "
        "No output is called better where the interval holds zero.</p>"
        '<div class="picks">'
        + _controls(_select("Metric", 'data-key="metric"', [m.title for m in metrics]))
        + "".join(panels)
        + "</div>"
    )


def _verdict(metric: Metric, difference: Difference) -> str:
    """The better output, or that the interval does not tell them apart."""
    if math.isnan(difference.low) or math.isnan(difference.high):
        return text.DASH
    if difference.low <= 0 <= difference.high:
        return "not told apart"
    is_first = (difference.low > 0) == metric.higher_is_better
    return difference.label if is_first else difference.other


def _distributions(report: Report) -> str:
    metrics = _image_metrics(report)
    if not metrics:
        return ""
    colours = _colours(report)
    figures = []
    for metric in metrics:
        rows = [
            charts.Row(
                output.label,
                colours[output.label],
                _scores(output, metric.name, len(report.ids)),
                output.summary.get(metric.name, UNKNOWN),
            )
            for output in report.outputs
        ]
        axis = metric.title + (f" ({metric.unit})" if metric.unit else "")
        better = "higher" if metric.higher_is_better else "lower"
        figures.append(f"<figure>{charts.histogram(f'{axis}, {better} is better', rows)}</figure>")
    return (
        f"<p>All {len(report.ids)} images. Height: share of an output's images, on one scale "
        "within a chart. The dot is the mean, the bar through it the 95 % interval.</p>"
        f'<div class="charts">{"".join(figures)}</div>'
    )


def _score_digits(report: Report) -> dict[str, int]:
    return {
        metric.name: text.decimals(
            np.concatenate([_scores(o, metric.name, len(report.ids)) for o in report.outputs])
        )
        for metric in _image_metrics(report)
    }


def _worst(report: Report, store: pictures.Pictures) -> str:
    metrics, digits = _image_metrics(report), _score_digits(report)
    if not metrics:
        return ""
    panels = []
    for i, output in enumerate(report.outputs):
        for k, metric in enumerate(metrics):
            scores = _scores(output, metric.name, len(report.ids))
            order = _worst_first(metric, scores)
            cases = []
            for rank, index in enumerate(order[:NUM_WORST], 1):
                id = report.ids[index]
                score = text.number(scores[index], digits[metric.name])
                cases.append(
                    f'<li><p><span>{rank}.</span> <span class="id">{text.escape(id)}</span> '
                    f"<b>{score}</b></p>"
                    f"{_figure(store, 'truth', id, '')}{_figure(store, output.label, id, '')}</li>"
                )
            shown = f"{len(cases)} of {len(order)} images" if cases else "no image was scored"
            panels.append(
                f'<div class="panel" data-output="{i}" data-metric="{k}">'
                f"<h3>{text.escape(output.label)}, {_heading(metric)}: {shown}</h3>"
                f'<ol class="worst">{"".join(cases)}</ol></div>'
            )
    return (
        '<p>Beside each output the truth.</p><div class="picks">'
        + _controls(
            _select("Output", 'data-key="output"', [o.label for o in report.outputs]),
            _select("Metric", 'data-key="metric"', [m.title for m in metrics]),
        )
        + "".join(panels)
        + "</div>"
    )


def _figure(store: pictures.Pictures, kind: str, id: str, scores: str) -> str:
    """A picture with its name and scores, or nothing where there is no photo."""
    picture = store.draw(kind, id, alt=f"{kind} of {id}")
    if picture is None:
        return ""
    return (
        f'<figure>{picture}<figcaption><span class="kind">{text.escape(kind)}</span>{scores}'
        "</figcaption></figure>"
    )


def _attributes(report: Report) -> str:
    metrics = _image_metrics(report)
    if not report.attributes or not metrics:
        return ""
    count = len(report.ids)
    scores = np.stack(
        [[_scores(o, m.name, count) for o in report.outputs] for m in metrics]
    )  # [M, O, N]
    parts = []
    for attribute, values in report.attributes.items():
        groups: dict[str, list[int]] = {}
        for i, id in enumerate(report.ids):
            groups.setdefault(values.get(id, "(not given)"), []).append(i)
        names = sorted(groups, key=lambda name: (-len(groups[name]), name))[:MOST_GROUPS]
        names.sort(key=lambda name: re.sub(r"\d+", lambda digits: digits[0].zfill(12), name))
        estimates = {name: _group_means(scores[..., groups[name]]) for name in names}
        some = (
            f" ({len(names)} largest of {len(groups)} groups)" if len(names) < len(groups) else ""
        )
        parts.append(f"<h3>{text.escape(attribute)}{some}</h3>")
        for k, metric in enumerate(metrics):
            digits = text.decimals(
                e[0, k, j] for e in estimates.values() for j in range(e.shape[2])
            )
            head = _head("Value") + _head("N", classes="number")
            for output in report.outputs:
                head += _head(text.escape(output.label), classes="number")
            rows = []
            for name in names:
                size = len(groups[name])
                cells = []
                for j in range(len(report.outputs)):
                    scored = int(np.count_nonzero(~np.isnan(scores[k, j, groups[name]])))
                    few = 0 < scored < FEW
                    cells.append(
                        _cell(
                            tuple(map(float, estimates[name][:, k, j])), digits,
                            classes="few" if few else "",
                            mark="† " if few else "",
                            note=f"N {scored}" if 0 < scored != size else "",
                        )
                    )  # fmt: skip
                rows.append(
                    f"<tr>{_row_head(name)}"
                    f'<td class="number" data-value="{size}">{size}</td>{"".join(cells)}</tr>\n'
                )
            table = _table(f"{attribute}, {metric.title}", head, rows, is_sortable=True)
            parts.append(
                f'<div class="panel" data-metric="{k}"><h4>{_heading(metric)}</h4>{table}</div>'
            )
    return (
        f"<p>Mean within a group with a 95 % interval (bootstrap over the group's images, "
        f"{NUM_RESAMPLES} resamples). †: fewer than {FEW} images.</p>"
        '<div class="picks">'
        + _controls(_select("Metric", 'data-key="metric"', [m.title for m in metrics]))
        + "".join(parts)
        + "</div>"
    )


def _group_means(scores: np.ndarray) -> np.ndarray:
    """float[M, O, N] of a group -> (mean, low, high) as float[3, M, O].

    Percentile bootstrap over images from a fixed seed, NaN left out.  No interval for one image
    or where a score is infinite.
    """
    metrics, outputs, size = scores.shape
    flat = scores.reshape(-1, size).T  # [N, M * O]
    is_scored = ~np.isnan(flat)
    values = np.where(np.isfinite(flat), flat, 0.0)
    rng = np.random.default_rng(0)
    sums, counts = [], []
    for start in range(0, NUM_RESAMPLES, 100):
        num = min(100, NUM_RESAMPLES - start)
        drawn = rng.integers(size, size=(num, size)) + size * np.arange(num)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=num * size).reshape(num, size)
        sums.append(weights @ values)
        counts.append(weights @ is_scored)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = np.concatenate(sums) / np.concatenate(counts)  # NaN: none was drawn
    result = np.full((3, metrics * outputs), np.nan)
    for column in np.flatnonzero(is_scored.any(0)):
        own = flat[is_scored[:, column], column]
        result[0, column] = own.mean()
        if len(own) > 1 and np.isfinite(own).all():
            result[1:, column] = np.nanpercentile(resampled[:, column], (2.5, 97.5))
    return result.reshape(3, metrics, outputs)


def _shown(report: Report, max_pairs: int) -> list[int]:
    """Indices of the pairs in the grid, in the order of the list."""
    count, chosen = len(report.ids), set()
    for metric in _image_metrics(report)[:1]:
        for output in report.outputs:
            order = _worst_first(metric, _scores(output, metric.name, count))
            chosen.update(map(int, order[:NUM_WORST]))
    rest = [i for i in range(count) if i not in chosen]
    room = min(max(0, max_pairs - len(chosen)), len(rest))
    spread = np.linspace(0, len(rest) - 1, room).round().astype(int)
    return sorted(chosen | {rest[i] for i in spread})


def _pairs(report: Report, store: pictures.Pictures, max_pairs: int) -> str:
    count = len(report.ids)
    metrics, digits = _image_metrics(report), _score_digits(report)
    all_scores = {
        (o.label, m.name): _scores(o, m.name, count) for o in report.outputs for m in metrics
    }
    scored = {output.label: _is_scored(output, count) for output in report.outputs}
    shown = _shown(report, max_pairs)
    rows = []
    for i in shown:
        id = report.ids[i]
        cells = [_figure(store, kind, id, "") for kind in ("photo", "truth")]
        best = {
            m.name: _best_of([all_scores[o.label, m.name][i] for o in report.outputs], m)
            for m in metrics
        }
        for output in report.outputs:
            if not scored[output.label][i]:
                width, height = store.size("truth", id)
                cells.append(
                    f'<figure><div class="absent" style="aspect-ratio:{width}/{height}">not scored'
                    f'</div><figcaption><span class="kind">{text.escape(output.label)}</span>'
                    "</figcaption></figure>"
                )
                continue
            lines = []
            for metric in metrics:
                value = all_scores[output.label, metric.name][i]
                tag = "b" if value == best[metric.name] else "span"
                lines.append(
                    f"<span>{text.escape(metric.title)}</span>"
                    f"<{tag}>{text.number(value, digits[metric.name])}</{tag}>"
                )
            cells.append(
                _figure(store, output.label, id, f'<span class="scores">{"".join(lines)}</span>')
            )
        rows.append(
            f'<article class="pair" data-index="{i}"><h3 class="id">{text.escape(id)}</h3>'
            f'<div class="row">{"".join(cells)}</div></article>\n'
        )
    note = f"{len(shown)} of {count} pairs are shown"
    if len(shown) < count and metrics:
        note += (
            f": the worst ten of each output by {text.escape(metrics[0].title)}, the others spread "
            "evenly over the list; scores above are of all"
        )
    note += ". Bold: best of the pair." if len(report.outputs) > 1 and metrics else "."
    width = _select(
        "Picture width", 'id="width"', ["fitting", "100 px", "200 px", "300 px", "400 px"]
    )
    controls = _controls(
        *(
            (
                _select(
                    "Order", 'id="order"', ["as listed", "worst score first", "best score first"]
                ),
                _select("Metric", 'id="metric"', [m.title for m in metrics]),
                _select("Output", 'id="output"', [o.label for o in report.outputs]),
            )
            if metrics
            else ()
        ),
        width,
    )
    columns = 2 + len(report.outputs)
    return (
        f"<p>{note}</p>{controls}"
        f'<div id="grid" style="--columns:{columns}">\n{"".join(rows)}</div>'
        '<p class="controls" hidden><span id="position" role="status"></span>'
        '<button type="button" id="more">Show more</button>'
        '<button type="button" id="all">Show all</button></p>'
    )


def _best_of(values: list[float], metric: Metric) -> float:
    """The best of a pair's scores; NaN, equal to none, where fewer than two are scored."""
    scored = [value for value in values if not math.isnan(value)]
    if len(scored) < 2:
        return math.nan
    return max(scored) if metric.higher_is_better else min(scored)


def _details(report: Report) -> str:
    def rows(items: dict[str, str]) -> str:
        return "".join(
            f"<dt>{text.escape(name)}</dt><dd>{text.escape(value)}</dd>\n"
            for name, value in items.items()
        )

    return (
        f"<details><summary>Facts and folders</summary><dl>{rows(report.facts)}"
        f"{rows({f'folder of {o.label}': o.path for o in report.outputs})}</dl>"
        f"<p>Pictures are embedded as JPEG of quality {pictures.JPEG_QUALITY}, or as PNG where "
        "that is not larger; scores are of the images themselves.</p></details>"
    )


def _scores_json(report: Report) -> str:
    """Scores of all images with five digits, for the script; NaN is null, infinite is 1e999."""

    def value(score: float) -> str:
        if math.isnan(score):
            return "null"
        return f"{score:.5g}" if math.isfinite(score) else f"{'-' if score < 0 else ''}1e999"

    def scores(output: Output, metric: Metric) -> str:
        row = _scores(output, metric.name, len(report.ids)).tolist()
        return f"[{','.join(map(value, row))}]"

    metrics = _image_metrics(report)
    head = {
        "ids": report.ids,
        "labels": [output.label for output in report.outputs],
        "metrics": [metric.name for metric in metrics],
        "higher_is_better": [metric.higher_is_better for metric in metrics],
    }
    table = ",".join(
        f"[{','.join(scores(output, metric) for metric in metrics)}]" for output in report.outputs
    )
    content = f'{json.dumps(head, separators=(",", ":"))[:-1]},"scores":[{table}]}}'
    return content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
