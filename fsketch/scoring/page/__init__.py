"""One HTML file that shows scores and the scored images.

The page needs no network and no server: it contains styles, script and pictures, and its content
security policy forbids everything else.  Without JavaScript it lists everything; the script sorts,
selects and pages.
"""

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from fsketch.core import writers
from fsketch.scoring import matching, protocols, results, text
from fsketch.scoring.page import board, charts, pictures

SIZES = [("", "fitting"), *((f"{px}px", f"{px} px") for px in (100, 200, 300, 400))]


def write(
    path: str | Path,
    title: str,
    found: Mapping[str, results.Result],
    *,
    max_pairs: int = 60,
    facts: Mapping[str, str] | None = None,
    plot: Markup | None = None,
    tables: Sequence[text.Table] = (),
) -> None:
    """Writes the page of these results, each with a distinct name ("" for a single one).

    It shows the ten worst pairs of each output by the first metric, and others spread evenly over
    the list, up to `max_pairs` in all.  plot: shown below the pictures; tables: below the tables of
    scores.  The file is written whole or not at all.
    """
    store = pictures.Pictures()
    boards = [board.Board(name, result, store, max_pairs) for name, result in found.items()]
    labels = list(dict.fromkeys(label for r in found.values() for label in r.matched.outputs))
    metrics = {metric.name: metric for its in boards for metric in its.metrics}
    first = next(iter(found.values()))
    sections = {
        "pictures": "Pictures",
        "cost": plot and "Quality against cost",
        "worst": metrics and "The worst ten",
        "summary": "Summary",
        "differences": metrics and len(labels) > 1 and "Paired differences",
        "distributions": metrics and "Distributions",
        "tables": tables and "Cost and features",
        "attributes": metrics
        and any(r.matched.attributes for r in found.values())
        and "Attributes",
        "details": "Details",
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: text.clean(value) if type(value) is str else value,
    )
    script, style = (
        Markup(environment.loader.get_source(environment, f"page.{kind}")[0])
        for kind in ("js", "css")
    )
    page = environment.get_template("page.html.j2").render(
        title=title,
        about=f"{len(first.matched.ids)} pairs. Protocol {first.protocol}: "
        f"{protocols.get(first.protocol).about}",
        sections={name: heading for name, heading in sections.items() if heading},
        choices=_choices(metrics.values(), labels),
        boards=boards,
        colours={label: i % len(charts.COLOURS) for i, label in enumerate(labels)},
        inks={label: charts.COLOURS[i % len(charts.COLOURS)] for i, label in enumerate(labels)},
        plot=plot,
        tables=tables,
        facts=_facts(found) | dict(facts or {}),
        pictures=store.known,
        quality=pictures.JPEG_QUALITY,
        script=script,
        style=style,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data={
            "higher": {metric.name: metric.higher_is_better for metric in metrics.values()},
            "boards": [_scores(result) for result in found.values()],
        },
    )
    writers.write_whole(path, page.encode())


def _choices(
    metrics: Iterable[results.Column], labels: Sequence[str]
) -> dict[str, list[tuple[str, str]]]:
    """The select boxes of the page: name -> [(value, text shown)]."""
    orders = [
        "as listed",
        "worst first",
        "best first",
        "most below baseline",
        "most above baseline",
    ]
    outputs = [label for label in labels if label != matching.FLOOR]
    result = {
        "order": [(name, name) for name in orders[: 5 if len(labels) > 1 else 3]],
        "metric": [(metric.name, metric.title) for metric in metrics],
        "output": [(label, label) for label in outputs],
        "baseline": [(label, label) for label in labels],
        "size": SIZES,
    }
    return {name: options for name, options in result.items() if options and result["metric"]}


def _scores(result: results.Result) -> dict:
    """The ids, and the scores by output and metric with five digits, null for no score."""
    scores = {
        text.clean(label): {
            name: [float(f"{v:.5g}") if math.isfinite(v) else None for v in values.tolist()]
            for name, values in its.items()
        }
        for label, its in result.images.items()
    }
    return {"ids": result.matched.ids, "scores": scores}


def _facts(found: Mapping[str, results.Result]) -> dict[str, str]:
    versions = (f"{name} {version}" for name, version in results.versions().items())
    facts = {"intervals": results.INTERVAL, "versions": ", ".join(versions)}
    for name, result in found.items():
        its = {
            "SHA-256 of the list of ids": results.ids_digest(result),
            **{f"SHA-256 of {label}": digest for label, digest in result.hashes.items()},
            **{f"weights {weights}": digest for weights, digest in result.weights.items()},
            **{
                f"folder of {label}": str(next(iter(files.values())).parent)
                for label, files in result.matched.outputs.items()
            },
            **{f"note {i}": note for i, note in enumerate(result.notes, 1)},
        }
        facts |= {f"{name} {fact}".strip(): value for fact, value in its.items()}
    return facts
