"""A user's own photos/ and sketches/.  See README.md beside this file for the layouts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from fsketch.data import checks
from fsketch.tfds_builders import base

SPLITS = ("train", "validation", "test")

_INSTRUCTIONS = """\
One of three layouts, looked for in this order:
1. <manual_dir>/pairs.csv with the columns id,photo,sketch,split (train, validation or test)
   and, if wanted, identity; photo and sketch are paths relative to manual_dir;
2. <manual_dir>/train/photos, <manual_dir>/train/sketches, and the same in validation/ and
   test/ where these splits exist; a photo and its sketch have the same stem;
3. <manual_dir>/photos and <manual_dir>/sketches: all of it is the split train.
Photo and sketch of a pair must have equal sizes."""


def check(root: Path, config: None, report: checks.Report) -> list[checks.Row]:
    """Checks a folder of any layout; its rows.  There are no configs."""
    rows = _rows(root, report)
    if not rows and not report.problems:
        report.problem(".", got="no pair", expected="at least one pair", section="counts")
    checks.check_ids_unique(rows, report)
    checks.check_images(rows, report, twins_allowed=True)
    for split in SPLITS:
        if count := sum(row.split == split for row in rows):
            report.fact("counts", f"{split} {count} pairs")
    return rows


class Builder(base.FacesBuilder):
    """Pairs in the order of pairs.csv, or without one of the sorted ids (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # the folder of README.md and CITATIONS.bib
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    check = staticmethod(check)

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        rows = self.checked(dl_manager)
        return {
            split: self._generate_examples(rows, split)
            for split in SPLITS
            if any(row.split == split for row in rows)
        }

    def _generate_examples(
        self, rows: list[checks.Row], split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Without an identity column each pair has its own identity."""
        numbers = checks.first_use(row.identity or f"id {row.id}" for row in rows)
        for key, row in enumerate(row for row in rows if row.split == split):
            yield key, base.pair(row, identity=numbers[row.identity or f"id {row.id}"])


def _rows(root: Path, report: checks.Report) -> list[checks.Row]:
    """The pairs of whichever layout the folder has, each with its split."""
    folders = [split for split in SPLITS if (root / split).is_dir()]
    flat = [name for name in ("photos", "sketches") if (root / name).is_dir()]
    if (root / "pairs.csv").is_file():
        rows = checks.rows_in(root, report, may_share=True)
        for row in rows:
            if row.split not in SPLITS:
                report.problem(
                    f"pairs.csv id {row.id}",
                    got=f"split {row.split}",
                    expected=f"split {', '.join(SPLITS)}",
                )
        return rows
    if folders and flat:
        report.problem(
            ".",
            got=f"{', '.join(f'{name}/' for name in flat + folders)} side by side",
            expected="photos/ and sketches/, or split folders holding them, or a pairs.csv",
        )
    if folders:
        return [
            row._replace(split=split)
            for split in folders
            for row in checks.rows_in(root / split, report, may_share=True)
        ]
    rows = [row._replace(split="train") for row in checks.rows_in(root, report, may_share=True)]
    report.note(f"no pairs.csv and no split folders: all {len(rows)} pairs are the split train")
    return rows
