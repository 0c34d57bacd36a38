"""The sections that show pictures: the worst ten, and pairs."""

import math
from collections.abc import Sequence

import numpy as np

from fsketch.gallery import pictures, text
from fsketch.gallery.report import Metric, Report, has_image, image_metrics, scores_of, worst_first

NUM_WORST = 10


def worst(report: Report, store: pictures.Pictures) -> str:
    """The worst images of each output by each metric, beside the truth."""
    metrics = image_metrics(report)
    if not metrics:
        return ""
    digits, panels = _digits(report), []
    for i, output in enumerate(report.outputs):
        for k, metric in enumerate(metrics):
            scores = scores_of(report, output, metric)
            order = worst_first(metric, scores)
            cases = []
            for rank, index in enumerate(order[:NUM_WORST], 1):
                id = report.ids[index]
                cases.append(
                    f'<li><p><span>{rank}.</span> <span class="id">{text.escape(id)}</span> '
                    f"<b>{text.number(scores[index], digits[metric.name])}</b></p>"
                    f"{_figure(store, 'truth', id)}{_figure(store, output.label, id)}</li>\n"
                )
            shown = f"{len(cases)} of {text.count(len(order), 'image')}"
            panels.append(
                f'<div class="panel" data-output="{i}" data-metric="{k}">'
                f"<h3>{text.escape(output.label)}, {text.heading(metric)}: {shown}</h3>"
                f'<ol class="worst">{"".join(cases)}</ol></div>'
            )
    selects = [
        text.pick("output", [output.label for output in report.outputs]),
        text.pick("metric", [metric.title for metric in metrics]),
    ]
    return f"<p>Beside each output the truth.</p>{text.picks(selects, panels)}"


def chosen_pairs(report: Report, max_pairs: int) -> list[int]:
    """Indices of the pairs to show, in the order of the list.

    The worst ten of each output by the first metric, and others spread evenly over the list, up
    to `max_pairs` in all.
    """
    chosen: set[int] = set()
    for metric in image_metrics(report)[:1]:
        for output in report.outputs:
            order = worst_first(metric, scores_of(report, output, metric))
            chosen.update(order[:NUM_WORST].tolist())
    rest = [i for i in range(len(report.ids)) if i not in chosen]
    room = min(max(0, max_pairs - len(chosen)), len(rest))
    spread = np.linspace(0, len(rest) - 1, room).round().astype(int)
    return sorted(chosen | {rest[i] for i in spread})


def pairs(report: Report, store: pictures.Pictures, max_pairs: int) -> str:
    """Photo, truth and outputs of pairs, with the scores of each output."""
    metrics, digits = image_metrics(report), _digits(report)
    scores = [[scores_of(report, o, m) for m in metrics] for o in report.outputs]
    has = [has_image(report, output) for output in report.outputs]
    shown, rows = chosen_pairs(report, max_pairs), []
    for i in shown:
        id = report.ids[i]
        cells = [_figure(store, kind, id) for kind in ("input", "truth")]
        best = [_best([own[k][i] for own in scores], metric) for k, metric in enumerate(metrics)]
        for j, output in enumerate(report.outputs):
            if not has[j][i]:
                cells.append(_absent(output.label, store.size("truth", id)))
                continue
            lines = []
            for k, metric in enumerate(metrics):
                value = scores[j][k][i]
                tag = "b" if value == best[k] else "span"
                lines.append(
                    f"<span>{text.escape(text.with_unit(metric))}</span>"
                    f"<{tag}>{text.number(value, digits[metric.name])}</{tag}>"
                )
            cells.append(_figure(store, output.label, id, lines=lines))
        rows.append(
            f'<article class="pair" data-index="{i}"><h3 class="id">{text.escape(id)}</h3>'
            f'<div class="row">{"".join(cells)}</div></article>\n'
        )
    note = f"{len(shown)} of {text.count(len(report.ids), 'pair')} are shown"
    if len(shown) < len(report.ids) and metrics:
        note += (
            f": the worst ten of each output by {text.escape(metrics[0].title)}, the others spread "
            "evenly over the list; scores above are of all"
        )
    note += ". Bold: best of the pair." if len(report.outputs) > 1 and metrics else "."
    controls = []
    if metrics:
        orders = ("as listed", "worst score first", "best score first")
        controls = [
            text.select("Order", 'id="order"', orders),
            text.select("Metric", 'id="metric"', [metric.title for metric in metrics]),
            text.select("Output", 'id="output"', [output.label for output in report.outputs]),
        ]
    widths = ("fitting", "100 px", "200 px", "300 px", "400 px")
    controls.append(text.select("Picture width", 'id="width"', widths))
    more = [
        '<span id="position" role="status"></span>',
        '<button type="button" id="more">Show more</button>',
        '<button type="button" id="all">Show all</button>',
    ]
    return (
        f"<p>{note}</p>{text.controls(controls)}"
        f'<div id="grid" style="--columns:{2 + len(report.outputs)}">\n{"".join(rows)}</div>'
        f"{text.controls(more)}"
    )


def _digits(report: Report) -> dict[str, int]:
    """Decimals of each metric's scores."""
    return {
        metric.name: text.decimals(
            np.concatenate([scores_of(report, output, metric) for output in report.outputs])
        )
        for metric in image_metrics(report)
    }


def _best(values: Sequence[float], metric: Metric) -> float:
    """The best of a pair's scores; NaN, equal to none, where fewer than two are scored."""
    scored = [value for value in values if not math.isnan(value)]
    if len(scored) < 2:
        return math.nan
    return max(scored) if metric.higher_is_better else min(scored)


def _figure(store: pictures.Pictures, kind: str, id: str, *, lines: Sequence[str] = ()) -> str:
    """A picture with its name and scores, or nothing where there is no input."""
    picture = store.draw(kind, id, alt=f"{kind} of {id}")
    if picture is None:
        return ""
    scores = f'<span class="scores">{"".join(lines)}</span>' if lines else ""
    return (
        f'<figure>{picture}<figcaption><span class="kind">{text.escape(kind)}</span>{scores}'
        "</figcaption></figure>"
    )


def _absent(label: str, size: tuple[int, int]) -> str:
    """The place of a picture that an output lacks."""
    return (
        f'<figure><div class="absent" style="aspect-ratio:{size[0]}/{size[1]}">not scored</div>'
        f'<figcaption><span class="kind">{text.escape(label)}</span></figcaption></figure>'
    )
