"""Matches outputs with truths: folders by file stem, a table, or the folders of a workdir.

Nothing is guessed or left out: every id must have one truth and one output in every folder, and
every file must belong to an id; otherwise `DataError` lists everything that does not fit.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath

from fsketch.core import errors, image_files, images, names
from fsketch.data import checks
from fsketch.data import fs2k as annotations
from fsketch.scoring import protocols

FLOOR = "input itself"  # label of inputs that are scored as if they were outputs
RESERVED = ("truth", "input", FLOOR)  # labels of a result's and its page's own images
_COLUMNS = ("id", "photo", "sketch", "split", "identity", "output")


class Matched(NamedTuple):
    """Files by id, in scoring order.

    outputs: label -> {id: file}; a partial output lacks ids.
    inputs: the images the outputs were made from, {} if unknown.
    attributes: name -> {id: value}, for breakdowns.
    """

    ids: list[str]
    truth: dict[str, Path]
    outputs: dict[str, dict[str, Path]]
    inputs: dict[str, Path]
    attributes: dict[str, dict[str, str]]


class Problems:
    """Collects the problems of several folders, in the form of `DataError`."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], list[str]] = {}
        self.notes: list[str] = []

    def add(self, place: str, *, got: str, expected: str) -> None:
        """Adds a place with this problem."""
        self.places.setdefault((got, expected), []).append(place)

    def take(self, report: checks.Report) -> None:
        """Adds everything that one folder's report collected."""
        self.notes += [f"{report.root}: {note}" for note in report.told()]
        for (got, expected), places in report.problems.items():
            for place in places:
                self.add(f"{report.root}/{place}", got=got, expected=expected)

    def merge(self, other: "Problems") -> None:
        """Adds everything that another collection holds."""
        for key, places in other.places.items():
            self.places.setdefault(key, []).extend(places)

    def close(self) -> None:
        """Raises `DataError` if there was a problem."""
        if self.places:
            raise errors.DataError("the images to score", problems=self.places)


def labels(folders: Sequence[str]) -> dict[str, Path]:
    """Folders by label: the shortest end of each path that tells it apart from the others.

    "LABEL=FOLDER" sets the label, unless a folder of that whole name exists.  Raises `DataError`
    for a label that is given twice or is one of `RESERVED`, and for "".
    """
    named = {f for f in folders if "=" in f and not Path(f).exists()}
    plain = {Path(folder).resolve() for folder in folders if folder not in named}

    def short(path: Path, depth: int) -> str:
        return "/".join(path.parts[-depth:])

    depth = 1
    while len({short(path, depth) for path in plain} - {*RESERVED}) < len(plain):
        depth += 1
    result: dict[str, Path] = {}
    problems = Problems()
    for folder in folders:
        label, _, place = folder.partition("=") if folder in named else ("", "", folder)
        if not place:
            problems.add(repr(folder), got="no folder", expected="FOLDER or LABEL=FOLDER")
            continue
        path = Path(place)
        label = label if folder in named else short(path.resolve(), depth)
        if label in result or label in RESERVED:
            problems.add(
                folder,
                got=f"label {label} {'twice' if label in result else '(reserved)'}",
                expected=f"LABEL=FOLDER, each label once and none of {', '.join(RESERVED)}",
            )
        elif got := names.inside(label):
            # A label may be the end of a path.
            problems.add(folder, got=f"a label with {got}", expected="LABEL=FOLDER")
        result[label] = path
    problems.close()
    return result


def by_folders(truth: Path, inputs: Path | None, problems: Problems) -> Matched:
    """Truth and inputs with equal stems, sorted by id."""
    files = _by_stem(truth, problems)
    given = _by_stem(inputs, problems) if inputs else {}
    ids = sorted(files)
    for id in ids if given else ():
        if id not in given:
            problems.add(
                f"{inputs}: {id}", got="no input of this id", expected="one for each truth"
            )
    return Matched(ids, files, {}, {id: given[id] for id in ids if id in given}, {})


def by_manifest(
    manifest: Path, split: str, direction: str, problems: Problems
) -> tuple[Matched, dict[str, str]]:
    """Truth, inputs and order by a table, and the stem of each id's outputs.

    Columns id, photo, sketch, split (paths relative to the table); the optional column `output`
    holds the stem of the outputs if it is not the id; all other columns are attributes.
    """
    report = checks.Report(manifest.parent)
    rows = checks.read_table(manifest, report, columns=("id", "photo", "sketch", "split"))
    if report.problems:  # stop here: further problems would follow from these
        problems.take(report)
        problems.close()
    given, made = images.DIRECTIONS[direction]
    chosen = [row for row in rows if not split or row["split"] == split]
    if rows and not chosen:
        got = f"no row of split {split!r}"
        expected = ", ".join(dict.fromkeys(row["split"] for row in rows))
        problems.add(str(manifest), got=got, expected=expected)
    files: dict[str, dict[str, Path]] = {given: {}, made: {}}
    stems: dict[str, str] = {}
    attributes: dict[str, dict[str, str]] = {}
    for row in chosen:
        id = row["id"]
        if id in stems:
            problems.add(f"{manifest} id {id}", got="a duplicate id", expected="an id once")
        stems[id] = row.get("output") or id
        for role in (given, made):
            path = manifest.parent / row[role]
            if not os.path.isfile(path):
                problems.add(str(path), got="no such file", expected="the files of the table")
            files[role][id] = path
        for name in row.keys() - {*_COLUMNS}:
            attributes.setdefault(name, {})[id] = row[name]
    return Matched(list(stems), files[made], {}, files[given], attributes), stems


def by_annotation(manifest: Path, direction: str, problems: Problems) -> Matched:
    """Truth, inputs, order and attributes by FS2K's anno_train.json or anno_test.json.

    Ids are those of the fs2k builder, "photo1_image0110"; they are the stems of the outputs.
    """
    if not manifest.is_file():
        problems.add(str(manifest), got="no such file", expected="anno_train or anno_test.json")
        problems.close()
    split = manifest.stem.removeprefix("anno_")
    if split not in annotations.SIZES:
        names = ", ".join(f"anno_{name}.json" for name in annotations.SIZES)
        problems.add(str(manifest), got="another name", expected=f"{names}, or a table *.csv")
        problems.close()
    report = checks.Report(manifest.parent)
    records, _ = annotations.read(manifest, split, report)
    files: dict[str, dict[str, Path]] = {}
    for role, prefix in (("photo", "image"), ("sketch", "sketch")):
        files[role] = {}
        for number in sorted({record.folder.removeprefix("photo") for record in records}):
            stems = checks.files_by_stem(manifest.parent / role / f"{role}{number}", report)
            for stem, path in stems.items():
                files[role][f"photo{number}_image{stem.removeprefix(prefix)}"] = path
    ids = [f"{record.folder}_image{record.number}" for record in records]
    for role, found in files.items():
        for id in ids:
            if id not in found:
                report.problem(id, got=f"no {role}", expected=f"the files of {manifest.name}")
    problems.take(report)
    given, made = ({id: files[role].get(id) for id in ids} for role in images.DIRECTIONS[direction])
    attributes = {
        name: {id: meanings[record.codes[name]] for id, record in zip(ids, records, strict=True)}
        for name, meanings in annotations.ATTRIBUTES.items()
    }
    return Matched(ids, made, {}, given, attributes)


def outputs_of(workdir: str | epath.Path, name: str) -> epath.Path:
    """WORKDIR/outputs/NAME: "photo" and "sketch" are inputs, "to_photo" and "to_sketch" outputs."""
    return epath.Path(workdir) / "outputs" / name


def made_by(workdir: Path, direction: str, problems: Problems) -> epath.Path:
    """`outputs_of` a workdir in this direction; a problem if the run has only the other one."""
    folder = outputs_of(workdir, direction)
    if not folder.is_dir():
        there = [name for name in images.DIRECTIONS if outputs_of(workdir, name).is_dir()]
        problems.add(
            str(workdir),
            got=f"no outputs of direction {direction}",
            expected=f"a direction of the run: {', '.join(there) or 'none'}",
        )
        problems.close()
    return folder


def split_of(workdir: str | epath.Path, split: str) -> epath.Path:
    """WORKDIR/splits/SPLIT: evaluation and outputs of a split other than the run's test split."""
    return epath.Path(workdir) / "splits" / split


def is_workdir(folder: str | epath.Path) -> bool:
    """Whether a folder is a workdir with the images of an evaluation."""
    return (epath.Path(folder) / "outputs").is_dir()


def attach(
    matched: Matched,
    folders: Mapping[str, Path],
    stems: Mapping[str, str],
    problems: Problems,
    *,
    partial: bool = False,
) -> Matched:
    """`matched` with the files of the output folders.

    stems: the stem of each id's output.  With `partial`, an output may lack some ids but not all.
    """
    ids = {stem: id for id, stem in stems.items()}
    outputs = {}
    for label, folder in folders.items():
        files = _by_stem(folder, problems)
        found = {ids[stem]: path for stem, path in files.items() if stem in ids}
        for stem in sorted(files.keys() - ids.keys()) if ids else ():
            problems.add(
                str(files[stem]),
                got="an output without a truth",
                expected=f"outputs of the {len(ids)} truths",
            )
        missing = [id for id in matched.ids if id not in found]
        if files and missing and (not partial or not found):
            for id in missing:
                problems.add(
                    f"{folder}/{stems[id]}.*",
                    got="no such output",
                    expected=f"an output for each of the {len(ids)} truths",
                )
        outputs[label] = {id: found[id] for id in matched.ids if id in found}
    return matched._replace(outputs=outputs)


def check_sizes(matched: Matched, chosen: protocols.Protocol, problems: Problems) -> None:
    """Reads the headers of all files; a size other than the protocol's is a problem."""
    truths = {id: _size(path) for id, path in matched.truth.items()}
    groups = [matched.truth] + [o for o in matched.outputs.values() if not chosen.resize_output]
    for files in groups:
        for id, path in files.items():
            size, wanted = _size(path), chosen.size_px or truths[id]
            if size and wanted and (problem := protocols.size_problem(size, wanted)):
                problems.add(str(path), got=problem[0], expected=problem[1])


def decode(path: Path, problems: Problems) -> np.ndarray | None:
    """uint8[H, W, 1 or 3]; None, with a problem, for an image that cannot be used unchanged."""
    report = checks.Report(path.parent)
    decoded = checks.decode(path, report)
    problems.take(report)
    return None if decoded is None else checks.pixels(decoded)


def _by_stem(folder: Path, problems: Problems) -> dict[str, Path]:
    """Image files of a folder by stem; other files, duplicates and an empty folder are problems."""
    report = checks.Report(folder)
    files = checks.files_by_stem(folder, report)
    if not files and not report.problems:
        report.problem(".", got="no image", expected="at least one image")
    problems.take(report)
    return files


def _size(path: Path) -> tuple[int, int] | None:
    """(width, height) by the header; None if it is unreadable, which `decode` reports."""
    try:
        with image_files.open_image(path) as image:
            return image.size
    except image_files.ImageFileError:
        return None
