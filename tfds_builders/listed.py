"""Code shared by CUFS and CUFSF: ids and splits from lists, faces aligned by the eyes.

A list is a text file of ids, one per line; its order is the data set's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fsketch.core import names
from fsketch.data import checks

SIZE_PX = (200, 250)  # width, height
SPLITS = ("train", "test")


def read_ids(path: Path) -> list[str]:
    """The ids of a list, in its order; ValueError for one that is not a plain file name."""
    ids = path.read_text(encoding="utf-8").split()
    for id in ids:
        names.check(id, path.name)
    return ids


def place(root: Path, name: str, report: checks.Report, *, alone: bool) -> Path | None:
    """The folder of a set: root/name, or root itself if it is the only set; None with a problem."""
    places = [root / name, root] if alone else [root / name]
    found = [p for p in places if (p / "photos").is_dir() or (p / "sketches").is_dir()]
    if len(found) == 1:
        return found[0]
    report.problem(
        name,
        got="photos/ and sketches/ in both" if found else "no photos/ and sketches/",
        expected=f"photos/ and sketches/ in {name}/"
        + (" or directly in the folder, not both" if alone else ""),
    )
    return None


def check(
    root: Path,
    name: str,
    splits: Mapping[str, Sequence[str]],
    report: checks.Report,
    *,
    lists: str,
    alone: bool,
    left_out: Mapping[str, str] | None = None,
    known_gap: tuple[str, str] | None = None,
) -> dict[str, checks.Row]:
    """Checks the folder of one set; its rows by id.

    Args:
      root: the folder under test.
      name: of the set, and of its folder in `root`.
      splits: {split: ids, in the order of the list}.
      report: takes the problems.
      lists: the ids' name in messages.
      alone: no other set is read from `root`, so the images may lie in it directly.
      left_out: {id: source}: ids that may be missing, and are noted if present.
      known_gap: (id, hint): the hint is added if only this id is missing.

    Returns:
      {id: row} of all pairs, listed or not; {} without a folder.
    """
    left_out = left_out or {}
    where = place(root, name, report, alone=alone)
    if where is None:
        return {}
    before = report.num_problems
    rows = checks.rows_in(where, report)
    if not rows and report.num_problems > before:
        return {}  # implies that all ids are missing
    checks.check_ids_unique(rows, report)
    _check_against_lists(
        rows,
        splits,
        report,
        place=report.name(where),
        lists=lists,
        left_out=left_out,
        known_gap=known_gap,
    )
    for split, ids in splits.items():
        wanted = {*ids} - left_out.keys()
        held = len(wanted & {row.id for row in rows})
        report.fact("counts", f"{name}: {split} {held} of {len(wanted)} ids")
    mean_photo = checks.check_images(rows, report, size_px=SIZE_PX)
    if mean_photo is not None:
        checks.check_eyes(mean_photo, report, where=f"{report.name(where)} (all photos)")
    else:
        report.note(f"{name}: fewer than {checks.EYE_PHOTOS} photos: eyes not checked")
    return {row.id: row for row in rows}


def _check_against_lists(
    rows: Sequence[checks.Row],
    splits: Mapping[str, Sequence[str]],
    report: checks.Report,
    *,
    place: str,
    lists: str,
    left_out: Mapping[str, str],
    known_gap: tuple[str, str] | None,
) -> None:
    """Checks that every listed id occurs once, in its split, and no other."""
    split_of = {id: split for split, ids in splits.items() for id in ids}
    for row in rows:
        if row.id not in split_of:
            path = row.photo or row.sketch
            report.problem(
                f"{report.name(path) if path else place} (id {row.id})",
                got="an unknown id",
                expected=lists,
            )
        elif row.id in left_out:
            report.note(f"{place} id {row.id} is left out, as {left_out[row.id]} says")
        elif row.split and row.split != split_of[row.id]:
            report.problem(
                f"{place} id {row.id}",
                got=f"split {row.split} in pairs.csv",
                expected=f"split {split_of[row.id]}, the official one",
            )
    missing = sorted(split_of.keys() - {row.id for row in rows} - left_out.keys())
    for id in missing:
        hint = known_gap[1] if known_gap and missing == [known_gap[0]] else ""
        report.problem(f"{place} id {id}", got="no pair", expected=lists + hint, section="counts")
