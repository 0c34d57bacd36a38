"""The content of a folder: images by stem, persons, tables, and pairs from either."""

import csv
import itertools
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fsketch.core import image_files, names
from fsketch.data.checks import report as _report

# Columns of all tables: names of files to write, and paths of existing files.
NAMES, PATHS = ("id", "output"), ("photo", "sketch", "file_a", "file_b")


class Row(NamedTuple):
    """One pair of a folder; a file that is missing is None."""

    id: str
    photo: Path | None
    sketch: Path | None
    split: str = ""
    identity: str = ""


def files_by_stem(folder: Path, report: _report.Report) -> dict[str, Path]:
    """The images of a folder by stem: files that begin or are named as an image, see `is_image`.

    Two files of one stem, stems that are not plain names, and other files are problems; debris is
    skipped.
    """
    stems: dict[str, Path] = {}
    if not folder.is_dir():
        report.problem(report.name(folder), got="no such folder", expected="a folder of images")
        return stems
    for path in sorted(folder.iterdir()):
        if report.pass_over(path):
            continue
        if not image_files.is_image(path):
            report.problem(report.name(path), got="no image", expected="image files")
        # Mac archives store accents decomposed, lists usually composed.
        elif (stem := unicodedata.normalize("NFC", path.stem)) in stems:
            report.problem(
                report.name(path),
                got=f"a duplicate id: {report.name(stems[stem])} has the same stem",
                expected="one file for each id",
            )
        elif _report.check_name(stem, report.name(path), report):
            stems[stem] = path
    return stems


def persons(folder: Path, report: _report.Report) -> dict[str, dict[str, Path]]:
    """{person: images by stem} of a folder with one folder per person, in the order of names.

    Ignores files beside the persons' folders.  It is a problem if there is no such folder.
    """
    if not folder.is_dir():
        expected = "a folder with one for each person"
        report.problem(report.name(folder), got="no such folder", expected=expected)
        return {}
    places = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    return {p.name: files_by_stem(p, report) for p in places if not report.pass_over(p)}


def person_ids(
    people: dict[str, dict[str, Path]], report: _report.Report
) -> dict[str, tuple[str, Path]]:
    """{PERSON_STEM: (person, file)}; duplicate ids, and ids that are not plain, are problems."""
    ids: dict[str, tuple[str, Path]] = {}
    for person, files in people.items():
        for stem, path in files.items():
            id, where = f"{person}_{stem}", report.name(path)
            if id in ids:
                got = f"the id {id} of {report.name(ids[id][1])}"
                report.problem(where, got=got, expected="PERSON_STEM once")
            elif _report.check_name(id, where, report):
                ids[id] = person, path
    return ids


def read_table(
    path: Path, report: _report.Report, *, columns: Sequence[str]
) -> list[dict[str, str]]:
    """The rows of a comma-separated table, UTF-8.

    Missing columns and cells are problems, and so are names in `NAMES` that are not plain, and
    paths in `PATHS` that lead out of the folder.  Rows with a problem are omitted.
    """
    name = report.name(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            header = [column.strip() for column in table.fieldnames or ()]
            table.fieldnames = header
            lines = [(table.line_num, line) for line in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        report.problem(name, got=f"unreadable: {why}", expected="a UTF-8 comma-separated table")
        return []
    if missing := [column for column in columns if column not in header]:
        report.problem(
            name,
            got=f"columns {','.join(header) or 'none'}: {', '.join(missing)} missing",
            expected=f"a first line {','.join(columns)}",
        )
        return []
    rows = []
    for number, line in lines:
        empty = [column for column in columns if not (line[column] or "").strip()]
        if empty or None in line:
            report.problem(
                f"{name} line {number}",
                got=f"no {', '.join(empty)}" if empty else "more cells than columns",
                expected=f"one cell for each of {','.join(header)}",
            )
            continue
        row = {column: (line[column] or "").strip() for column in header}
        checked = [(c, names.problem(row[c]), names.PLAIN) for c in NAMES if row.get(c)]
        checked += [(c, names.inside(row[c]), names.INSIDE) for c in PATHS if row.get(c)]
        faults = [fault for fault in checked if fault[1]]
        for column, why, expected in faults:
            where = f"{name} line {number} {column} {names.quoted(row[column])}"
            report.problem(where, got=why, expected=expected)
        if not faults:
            rows.append(row)
    return rows


def rows_in(folder: Path, report: _report.Report, *, may_share: bool = False) -> list[Row]:
    """The pairs of a folder, by its pairs.csv, or without one by stems in photos/ and sketches/.

    The order is that of the table, or without one that of the sorted ids.
    A row lacks a file (None) if the partner is missing, which is reported.  Mere consequences of a
    fault of the table or of a whole folder are not reported.

    may_share: a table may give one photo several sketches, or one sketch several photos.
    """
    if (folder / "pairs.csv").is_file():
        return _rows_of_table(folder, report, may_share=may_share)
    photos = files_by_stem(folder / "photos", report)
    sketches = files_by_stem(folder / "sketches", report)
    if not all((folder / name).is_dir() for name in ("photos", "sketches")):
        return []
    rows = [Row(id, photos.get(id), sketches.get(id)) for id in sorted({*photos, *sketches})]
    for row in rows:
        if row.photo is None or row.sketch is None:
            report.problem(
                report.name(row.photo or row.sketch),
                got=f"no {'photo' if row.photo is None else 'sketch'} with the same stem",
                expected="a photo and a sketch for each id",
            )
    return rows


def _rows_of_table(folder: Path, report: _report.Report, *, may_share: bool) -> list[Row]:
    table = folder / "pairs.csv"
    rows, seen, name, root = [], {}, report.name(table), str(folder)
    before = report.num_problems
    lines = read_table(table, report, columns=("id", "photo", "sketch", "split"))
    is_whole = report.num_problems == before
    for line in lines:
        files: dict[str, Path | None] = {}
        for role in ("photo", "sketch"):
            path = os.path.normpath(os.path.join(root, line[role]))  # text: a million rows
            id, owner = seen.setdefault(path, (line["id"], role))
            if (id, owner) != (line["id"], role) and not (may_share and owner == role):
                got = f"already the {owner} of id {id}"
            elif any(map(names.is_debris, path[len(root) + 1 :].split(os.sep))):
                got = "a file left behind by another program, by its name"
            elif not os.path.isfile(path):
                got = "no such file"
            else:
                files[role] = Path(path)
                continue
            report.problem(
                f"{name} id {line['id']} {role} {line[role]}",
                got=got,
                expected="one file of this folder for each photo and each sketch",
            )
        rows.append(
            Row(
                id=line["id"],
                photo=files.get("photo"),
                sketch=files.get("sketch"),
                split=line["split"],
                identity=line.get("identity", ""),
            )
        )
    for kind in ("photos", "sketches") if is_whole else ():
        if (folder / kind).is_dir():
            for path in files_by_stem(folder / kind, report).values():
                if os.path.normpath(path) not in seen:
                    report.problem(
                        report.name(path),
                        got=f"in no row of {name}",
                        expected="files that the table names",
                    )
    return rows


def check_ids_unique(rows: Iterable[Row], report: _report.Report) -> None:
    """An id may occur once, over all splits."""
    seen: dict[str, str] = {}
    for row in rows:
        if row.id in seen:
            report.problem(
                f"id {row.id}",
                got=f"a duplicate id: in {seen[row.id]} and in {row.split or 'train'}",
                expected="an id once over all splits",
            )
        seen.setdefault(row.id, row.split or "train")


def first_use(labels: Iterable[str]) -> dict[str, int]:
    """Numbers labels 0, 1, ... in the order in which they first occur."""
    number = itertools.count()
    return {label: next(number) for label in dict.fromkeys(labels)}
