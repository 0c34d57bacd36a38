"""A user's own faces, a folder for each person.  See README.md beside this file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from fsketch.data import checks
from fsketch.tfds_builders import base

SPLITS = ("train", "validation", "test")

_INSTRUCTIONS = """\
One of two layouts:
1. <manual_dir>/train/<person>/<image>, and the same in validation/ and test/ where these splits
   exist; a person is in one of them;
2. <manual_dir>/<person>/<image>: all of it is the split train."""


def check(root: Path, config: None, report: checks.Report) -> list[checks.Row]:
    """Checks a folder of either layout; its rows, without sketches.  There are no configs."""
    folders = [split for split in SPLITS if (root / split).is_dir()]
    rows = [row for split in folders for row in _rows(root / split, split, report)]
    beside = (p for p in sorted(root.iterdir()) if p.is_dir() and p.name not in folders)
    if folders and (others := [p.name for p in beside if not report.pass_over(p)]):
        report.problem(
            ".",
            got=f"{', '.join(others[:5])} beside {', '.join(folders)}",
            expected="splits, or persons, not both",
        )
    if not folders:
        rows = _rows(root, "train", report)
        report.note(f"no split folders: all {len(rows)} faces are the split train")
    split_of: dict[str, str] = {}
    for row in rows:
        if split_of.setdefault(row.identity, row.split) != row.split:
            report.problem(
                f"{row.split}/{row.identity}",
                got=f"a person of {split_of[row.identity]}, too",
                expected="a person in one split",
            )
    if not rows and not report.problems:
        report.problem(".", got="no face", expected="at least one face", section="counts")
    checks.check_images(rows, report, twins_allowed=True)
    for split in SPLITS:
        if persons := {row.identity for row in rows if row.split == split}:
            count = sum(row.split == split for row in rows)
            report.fact("counts", f"{split} {count} faces of {len(persons)} persons")
    return rows


def _rows(folder: Path, split: str, report: checks.Report) -> list[checks.Row]:
    ids = checks.person_ids(checks.persons(folder, report), report)
    return [checks.Row(id, path, None, split, person) for id, (person, path) in ids.items()]


class Builder(base.FacesBuilder):
    """Persons in the order of their names, the faces of one together (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # the folder of README.md and CITATIONS.bib
    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {  # noqa: RUF012, the form TFDS reads
        "1.0.0": "First release.",
        "1.1.0": "Ids PERSON_STEM in place of PERSON/STEM: names of files.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    check = staticmethod(check)

    def features(self) -> dict[str, Any]:
        """Those of a pair without its sketch."""
        return {name: one for name, one in super().features().items() if name != "sketch"}

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        rows = self.checked(dl_manager)
        numbers = checks.first_use(row.identity for row in rows)
        return {
            split: self._generate_examples([row for row in rows if row.split == split], numbers)
            for split in SPLITS
            if any(row.split == split for row in rows)
        }

    def _generate_examples(
        self, rows: list[checks.Row], numbers: dict[str, int]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """`identity` counts persons over train, validation and test."""
        for key, row in enumerate(rows):
            photo = checks.png(row.photo, mode="RGB")
            yield key, {"photo": photo, "id": row.id, "identity": numbers[row.identity]}
