"""One HTML file that shows the scores of images and the images.

The page needs no network and no server: styles, script and pictures are inside, and its content
security policy forbids everything else.  Without JavaScript everything is listed; the script
sorts, chooses and pages.  It repeats what it is given; only the means and intervals of attribute
groups are computed here.
"""

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

from etils import epath

from fsketch.core import writers
from fsketch.gallery import charts, grids, pictures, tables, text
from fsketch.gallery.report import (
    Difference,
    Metric,
    Output,
    Report,
    check,
    image_metrics,
    scores_of,
)

__all__ = ["Difference", "Metric", "Output", "Report", "Section", "render", "write"]


class Section(NamedTuple):
    """A part of the page: its heading, its anchor, and markup; empty markup leaves it out."""

    title: str
    name: str
    content: str


def write(
    path: str | epath.Path,
    report: Report,
    image: pictures.Source,
    *,
    max_pairs: int = 60,
    before: Sequence[Section] = (),
) -> None:
    """`render` into a file, written whole or not at all."""
    page = render(report, image, max_pairs=max_pairs, before=before)
    writers.write_whole(epath.Path(path), page.encode())


def render(
    report: Report,
    image: pictures.Source,
    *,
    max_pairs: int = 60,
    before: Sequence[Section] = (),
) -> str:
    """The page.  `image(kind, id)` is asked for uint8[H, W, 1 or 3].

    Kinds are "input" (None: there is no input), "truth" and the labels of the outputs; an output
    without any score of an image is not asked for it.  The pairs that are shown hold the ten
    worst of each output by the first metric, and others spread evenly over the list up to
    `max_pairs` in all.  Sections `before` come first, as they are.  ValueError for a report that
    contradicts itself and for another image.
    """
    check(report)
    store = pictures.Pictures(image)
    sections = [
        *before,
        Section("Summary", "summary", tables.summary(report)),
        Section("Paired differences", "differences", tables.differences(report)),
        Section("Distributions", "distributions", charts.distributions(report)),
        Section("The worst ten", "worst", grids.worst(report, store)),
        Section("Attributes", "attributes", tables.attributes(report)),
        Section("Pairs", "pairs", grids.pairs(report, store, max_pairs)),
        Section("Details", "details", _details(report)),
    ]
    sections = [section for section in sections if section.content]
    links = "".join(f'<a href="#{name}">{title}</a>' for title, name, _ in sections)
    body = "".join(
        f'<section id="{name}"><h2>{title}</h2>\n{content}\n</section>\n'
        for title, name, content in sections
    )
    folder = resources.files(__name__)
    style, script = ((folder / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
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
<p>{text.count(len(report.ids), "pair")}, {text.count(len(report.outputs), "output")}.
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


def _details(report: Report) -> str:
    items = report.facts | {f"folder of {output.label}": output.path for output in report.outputs}
    rows = "".join(
        f"<dt>{text.escape(name)}</dt><dd>{text.escape(value)}</dd>\n"
        for name, value in items.items()
    )
    return (
        f"<details><summary>Facts and folders</summary><dl>{rows}</dl>"
        f"<p>Pictures are embedded as JPEG of quality {pictures.JPEG_QUALITY}, or as PNG where "
        "that is not larger; scores are of the images themselves. The scores of all images are "
        "in this file's element <code>scores</code> as JSON.</p></details>"
    )


def _scores_json(report: Report) -> str:
    """Scores by output and metric with five digits; NaN is null, infinity 1e999."""

    def value(score: float) -> str:
        if math.isnan(score):
            return "null"
        return f"{score:.5g}" if math.isfinite(score) else f"{'-' if score < 0 else ''}1e999"

    metrics = image_metrics(report)
    head = {
        "ids": report.ids,
        "outputs": [output.label for output in report.outputs],
        "metrics": [metric.name for metric in metrics],
        "higher_is_better": [metric.higher_is_better for metric in metrics],
    }
    rows = [
        [",".join(map(value, scores_of(report, output, metric).tolist())) for metric in metrics]
        for output in report.outputs
    ]
    table = ",".join(f"[{','.join(f'[{scores}]' for scores in row)}]" for row in rows)
    content = f'{json.dumps(head, separators=(",", ":"))[:-1]},"scores":[{table}]}}'
    # Inside a script element only markup could end it.
    return content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
