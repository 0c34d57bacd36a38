"""Findings of checks: problems, which refuse a folder, notes, which do not, and facts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsketch.core import errors, names

SECTIONS = ("counts", "geometry", "images", "pairs")
UNREAD = "not read, left behind by other programs"
_PLACES = 3  # named in a note


class Report:
    """Collects problems, notes and facts about one folder.

    Attributes:
      problems: {(got, expected): [file or field, ...]}
      sections: {(got, expected): one of `SECTIONS`}
      notes: remarks, in order.
      places: {note: its files}, for notes that have any.
      facts: [(one of `SECTIONS`, what was counted or measured), ...]
      looks: {"photo" or "sketch": {file: `Look` without luma}}, of all images that could be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: dict[tuple[str, str], list[str]] = {}
        self.sections: dict[tuple[str, str], str] = {}
        self.notes: list[str] = []
        self.places: dict[str, list[str]] = {}
        self.facts: list[tuple[str, str]] = []
        self.looks: dict[str, dict[Path, Any]] = {"photo": {}, "sketch": {}}

    @property
    def num_problems(self) -> int:
        """Number of places with a problem."""
        return sum(map(len, self.problems.values()))

    @property
    def num_unread(self) -> int:
        """Number of skipped files."""
        return len(self.places.get(UNREAD, ()))

    def name(self, path: Path) -> str:
        """The path as messages write it: relative to the folder under test, see `names.shown`."""
        return names.shown(path.relative_to(self.root).as_posix()) if path != self.root else "."

    def problem(self, where: str, *, got: str, expected: str, section: str = "pairs") -> None:
        self.problems.setdefault((got, expected), []).append(where)
        self.sections.setdefault((got, expected), section)

    def note(self, text: str, *, places: Sequence[str] = ()) -> None:
        """Adds a note; equal notes share a list of places."""
        if text not in self.notes:
            self.notes.append(text)
        if places:
            self.places.setdefault(text, []).extend(places)

    def pass_over(self, path: Path) -> bool:
        """Whether a file or folder is debris (`names.is_debris`), which is noted and not read."""
        if is_debris := names.is_debris(path.name):
            self.note(UNREAD, places=[self.name(path)])
        return is_debris

    def fact(self, section: str, text: str) -> None:
        self.facts.append((section, text))

    def told(self) -> list[str]:
        """The notes, each with the number of its places and the first of them."""
        return [
            f"{note} ({len(its)}: {', '.join(its[:_PLACES])}{', ...' * (len(its) > _PLACES)})"
            if (its := self.places.get(note))
            else note
            for note in self.notes
        ]

    def close(self) -> None:
        """Prints the notes; raises `DataError` if there was a problem."""
        if self.problems:
            raise errors.DataError(str(self.root), problems=self.problems, notes=self.told())
        for line in errors.noted(self.told()):
            print(line, file=sys.stderr, flush=True)


def check_name(name: str, where: str, report: Report) -> bool:
    """Whether a name is plain (`names.problem`); a problem at `where` if it is not."""
    if got := names.problem(name):
        report.problem(where, got=got, expected=names.PLAIN)
    return not got
