"""python -m fsketch.data.verify NAME --manual_dir=DIR [--json=FILE] [--all]

Checks a data set's folder against what is known of the data set, and builds nothing: the checks
are those of `fsketch.data.prepare`, with remarks (EXIF data, black borders, photos nearly the same)
beyond them.  NAME is a data set with its config, as cufs/cuhk, or without: cufs, cufsf, fs2k
choose the config by the folder and say which (so 267 training pairs of CUFS are cufs/all_267).

Exit code 0: nothing to refuse; 1: problems; 2: the arguments do not fit.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from fsketch.core import errors, names
from fsketch.data import checks, sources

LISTED = 5  # files named for each finding without --all; of findings, `errors.LISTED` a section


def render(name: str, report: checks.Report, *, limit: int | None) -> Iterator[str]:
    """The lines of a report: counts, geometry, images, pairs, notes.

    Args:
      name: of the data set.
      report: what the checks found.
      limit: at most so many files are named for a finding; None for all.
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


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 nothing to refuse, 1 problems, 2 arguments that do not fit."""
    parser = argparse.ArgumentParser(
        prog="python -m fsketch.data.verify",
        description="Check a data set's folder without building.",
    )
    parser.add_argument("name", help="cufs, cufs/cuhk, cufsf, fs2k, paired_folder, ...")
    parser.add_argument("--manual_dir", required=True, help="the folder with your images")
    parser.add_argument("--json", default="", help="write the whole report to this file")
    parser.add_argument("--all", action="store_true", help="name every file of every finding")
    given = parser.parse_args(arguments)
    try:
        name, report = sources.check(given.name, manual_dir=given.manual_dir)
    except errors.DataError as error:
        print(error, file=sys.stderr)
        return 2
    lines = render(name, report, limit=None if given.all else LISTED)
    print("\n".join(map(names.shown, lines)))
    if given.json:
        try:
            with open(given.json, "w", encoding="utf-8") as file:
                json.dump(as_dict(name, report), file, indent=1, ensure_ascii=False)
        except OSError as error:
            print(f"--json: {error}", file=sys.stderr)
            return 2
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
