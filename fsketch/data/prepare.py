"""fsketch prepare NAME --manual_dir=DIR [--data_dir=DIR] [--check] [--json=FILE]

Builds a data set (once) and prints how many pairs each split has.  With --check it builds
nothing and prints the same checks of the folder, with notes (EXIF data, black borders, nearly equal
photos), against what is known of the data set.  NAME is a data set with its config, e.g. cufs/cuhk;
a check also takes cufs, cufsf, fs2k, chooses the config by the folder and prints it (so 267
training pairs of CUFS are cufs/all_267).

Exit code 1, with every problem listed, if the folder's content does not fit.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fsketch.core import arguments, errors, names, writers
from fsketch.data import checks, sources

LISTED = 5  # files named for each finding without --all; of findings, `errors.LISTED` a section


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser(
        "prepare",
        description="Build a data set once, or check its folder.",
        epilog=f"Names: {', '.join(sources.names())}.  With --config=FILE in place of NAME: the "
        "stages before a training, see fsketch train --help.",
    )
    add = result.add_argument
    add("name", metavar="NAME", help="cufs/cuhk, paired_folder, ...")
    result.path("--manual_dir", default="", metavar="DIR", help="the folder with your images")
    result.path(
        "--data_dir", default="", metavar="DIR", help="where prepared data lies (TFDS' default)"
    )
    add("--check", action="store_true", help="build nothing, print what the checks find")
    result.path("--json", metavar="FILE", help="with --check: write the whole report")
    add("--all", action="store_true", help="with --check: name every file of every finding")
    return result


def main(given: Sequence[str]) -> int:
    """The exit code: 0 prepared, or no problems; 1 problems."""
    flags = parser().parse_args(given)
    if not flags.check:
        if flags.json or flags.all:
            raise errors.UsageError("--json, --all: expected with --check")
        builder = sources.prepare(flags.name, data_dir=flags.data_dir, manual_dir=flags.manual_dir)
        for split, info in builder.info.splits.items():
            print(f"{split:>12} {info.num_examples:6d} pairs")
        print(f"in {builder.data_dir}")
        return 0
    if not flags.manual_dir:
        raise errors.UsageError("--check: expected with --manual_dir=DIR")
    writers.check_file("--json", flags.json)
    try:
        name, report = sources.check(flags.name, manual_dir=flags.manual_dir)
    except errors.DataError as error:  # of the arguments: those of the folder are in the report
        raise errors.UsageError(str(error)) from error
    lines = render(name, report, limit=None if flags.all else LISTED)
    print("\n".join(map(names.shown, lines)))
    if flags.json:
        content = json.dumps(as_dict(name, report), indent=1, ensure_ascii=False) + "\n"
        writers.write_whole(flags.json, content.encode())
    return 1 if report.problems else 0


def render(name: str, report: checks.Report, *, limit: int | None) -> Iterator[str]:
    """The lines of a report: counts, geometry, images, pairs, notes.

    Args:
      name: of the data set.
      report: the findings of the checks.
      limit: largest number of files named for a finding; None for all.
    """
    num_problems = report.num_problems
    verdict = f"{num_problems} problem{'s' * (num_problems != 1)}" if num_problems else "ok"
    num_notes = len(report.notes)
    unread = f", {report.num_unread} files not read" if report.num_unread else ""
    yield f"{name}: {verdict}, {num_notes} note{'s' * (num_notes != 1)}{unread} ({report.root})"
    for section in checks.SECTIONS:
        lines = [f"  {text}" for where, text in report.facts if where == section]
        kinds = [kind for kind, its in report.sections.items() if its == section]
        most = len(kinds) if limit is None else errors.LISTED
        for got, expected in kinds[:most]:
            places = report.problems[got, expected]
            where = places[0] if len(places) == 1 else f"{len(places)} places"
            lines.append(f"  PROBLEM {errors.told(where, got=got, expected=expected)}")
            lines += _listed(places, limit) if len(places) > 1 else []
        rest = len(kinds) - most
        lines += [f"  and {rest} other kinds of problems (--all)"] * (rest > 0)
        yield ""
        yield section
        yield from lines or ["  nothing to report"]
    yield ""
    yield "notes"
    most = num_notes if limit is None else errors.LISTED
    for note in report.notes[:most]:
        yield f"  {note}"
        yield from _listed(report.places.get(note, []), limit)
    if num_notes > most:
        yield f"  and {num_notes - most} more (--all)"
    if not report.notes:
        yield "  none"


def _listed(places: Sequence[str], limit: int | None) -> list[str]:
    shown = places if limit is None else places[:limit]
    rest = len(places) - len(shown)
    return [f"      {p}" for p in shown] + [f"      and {rest} more (--all)"] * (rest > 0)


def as_dict(name: str, report: Any) -> dict[str, Any]:
    """The whole report for JSON: name, manual_dir, problems, facts, notes."""
    return {
        "name": name,
        "manual_dir": str(report.root),
        "problems": [
            {
                "section": report.sections[got, expected],
                "got": got,
                "expected": expected,
                "places": places,
            }
            for (got, expected), places in report.problems.items()
        ],
        "facts": [{"section": section, "text": text} for section, text in report.facts],
        "notes": [{"text": note, "places": report.places.get(note, [])} for note in report.notes],
    }
