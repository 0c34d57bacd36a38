"""fsketch report WORKDIR [WORKDIR ...] [--json=FILE] [--plot=FILE] [--html=FILE]

`fsketch report seeds ...` and `fsketch report ifrp ...` are seeds.py and ifrp_tables.py.

Shows teacher, students and ablations side by side: parameters, FLOP, latency, size, quality with
paired differences, feature distances to the teacher, cost of training; ratios to a reference.
Workdirs are evaluated runs.  For runs that are not evaluated or cannot be compared, it lists every
problem, writes nothing and exits with code 1.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import figure

from fsketch.core import arguments, errors, paths, writers
from fsketch.report import comparison, ifrp_tables, plots, seeds, tables
from fsketch.scoring import matching, page
from fsketch.scoring.page import charts

SUFFIXES = (".svg", ".png", ".pdf")  # of plots

# Words that replace the first workdir.
OTHERS = {"seeds": seeds.main, "ifrp": ifrp_tables.main}


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser(
        "report",
        description="Compare distilled students, their ablations and their teacher.",
    )
    add = result.add_argument
    add(
        "workdirs", nargs="+", type=paths.labelled, metavar="[LABEL=]WORKDIR",
        help="evaluated runs; or the word seeds or ifrp, see fsketch report seeds -h",
    )  # fmt: skip
    add("--reference", default="", metavar="LABEL", help="run for ratios (default: the first)")
    add("--metric", default="", metavar="DIRECTION/NAME", help="for the plot, e.g. to_sketch/fsim")
    add("--cost", default="parameters", choices=plots.COSTS, help="the plot's horizontal axis")
    result.path(
        "--teacher", default="", metavar="PATH",
        help="a run of configs/teacher.py or a *.safetensors file: runs without a teacher of "
        "their own are compared with its features",
    )  # fmt: skip
    add("--rounds", type=int, default=7, help="largest number of timing rounds; 0: no timings")
    add(
        "--pairs", type=int, default=16,
        help="test pairs for the feature distances, spread over the split; 0: no distances",
    )  # fmt: skip
    add("--allow_different", action="store_true", help="accept runs that differ, with a mark")
    add("--seed", type=int, default=0, help="for resampling")
    result.path(
        "--data_dir", default="", help="prepared data sets, for a --teacher that no run has"
    )
    result.path(
        "--manual_dir", default="", help="images of the data set, for a --teacher that no run has"
    )
    add("--markdown", action="store_true", help="print tables as Markdown")
    result.path("--json", metavar="FILE", help="write everything, with versions and device")
    result.path(
        "--plot", metavar="FILE", help="write quality against cost as *.svg, *.png or *.pdf"
    )
    result.path("--html", metavar="FILE", help="write a page with tables, plot and images")
    return result


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises ValueError and FileNotFoundError for runs that do not fit."""
    if words and words[0] in OTHERS:
        return OTHERS[words[0]](words[1:])
    given = parser().parse_args(words)
    options = comparison.Options(
        reference=given.reference,
        metric=given.metric,
        teacher=given.teacher,
        num_rounds=given.rounds,
        num_pairs=given.pairs,
        is_different_allowed=given.allow_different,
        seed=given.seed,
        data_dir=given.data_dir,
        manual_dir=given.manual_dir,
    )
    for flag in ("json", "plot", "html"):
        writers.check_file(f"--{flag}", getattr(given, flag))
    if given.plot and Path(given.plot).suffix not in SUFFIXES:
        raise errors.UsageError(f"--plot: expected *{', *'.join(SUFFIXES)}, got {given.plot}")
    if given.rounds < 0 or (given.cost == "latency" and not given.rounds):
        raise errors.UsageError(
            f"--rounds: expected 0 or more, and 1 or more for --cost=latency, got {given.rounds}"
        )
    if given.pairs < 0:
        raise errors.UsageError(f"--pairs: expected 0 or more, got {given.pairs}")
    compared = comparison.compare(matching.labels(given.workdirs), options)
    plot = plots.quality_against(given.cost, compared.content)
    print(tables.terminal(compared.content, is_markdown=given.markdown))
    if given.json:
        writers.write_json(given.json, compared.content)
    if given.plot:
        writers.write_whole(given.plot, charts.save(plot, Path(given.plot)))
    if given.html:
        _write_page(given.html, compared, plot)
    return 0


def _write_page(path: str, compared: comparison.Comparison, plot: figure.Figure) -> None:
    """Writes a page with pictures of both directions, the plot, the scores and other tables."""
    content = compared.content
    device, runs = content["device"], content["runs"]
    facts = {f"workdir of {label}": run["workdir"] for label, run in runs.items()}
    facts["device of the timings"] = f"{device['kind']}, {device['num_cpu_cores']} CPU cores"
    # Scores of runs that cannot be compared appear only in these tables.
    is_mixed = any(run["different"] for run in runs.values())
    page.write(
        path,
        "Distillation report",
        compared.scores,
        facts=facts,
        plot=charts.inline(plot, "cost", "Quality against cost; the numbers are in the tables"),
        tables=tables.tables(content, with_quality=is_mixed),
    )
