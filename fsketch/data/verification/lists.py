"""Lists of pairs of faces: our own table and the official lists of the published sets.

Our own, UTF-8 and comma-separated, in any order of columns; folds from 1 in order, files relative
to the folder of the images with "/":

    fold,file_a,file_b,same
    1,s12/10.pgm,s12/3.pgm,1

A reader takes a path and a report, and returns the pairs; lines that do not fit are problems.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fsketch.data import checks

NUM_FOLDS = 10  # of the published sets
Row = tuple[str, str, bool]  # file, file, of one person?
COLUMNS = ("fold", "file_a", "file_b", "same")


class Pair(NamedTuple):
    """Two images, relative to the folder of the set, as in "Zico/Zico_0001.jpg"."""

    file_a: str
    file_b: str
    is_same: bool
    fold: int  # from 1


def table(path: Path, report: checks.Report) -> list[Pair]:
    """Our own list."""
    pairs: list[Pair] = []
    for number, row in enumerate(checks.read_table(path, report, columns=COLUMNS), 2):
        last = pairs[-1].fold if pairs else 0
        if row["fold"] not in (str(last or 1), str(last + 1)):
            got, expected = f"fold {row['fold']}", "folds from 1, in order"
        elif row["same"] not in ("0", "1"):
            got, expected = f"same {row['same']}", "1 for one person, 0 for two"
        else:
            pairs.append(Pair(row["file_a"], row["file_b"], row["same"] == "1", int(row["fold"])))
            continue
        report.problem(f"{report.name(path)} row {number}", got=got, expected=expected)
    return pairs


def lfw(path: Path, report: checks.Report) -> list[Pair]:
    """pairs.txt of View 2 (Huang et al., TR 07-49, 2007): "10 300", then 6000 lines.

    "NAME I J" is a pair of one person, "NAME I OTHER J" of two.
    """

    def pair(a: str, i: str, *other: str) -> Row:
        b, j = other if len(other) == 2 else (a, *other)
        files = (f"{name}/{name}_{int(number):04d}.jpg" for name, number in ((a, i), (b, j)))
        return *files, len(other) == 1

    first, *rows = _lines(path, report) or [(0, [])]
    if first[1] != ["10", "300"]:
        report.problem(report.name(path), got=" ".join(first[1]), expected="'10 300' in line 1")
        return []
    return in_folds(_each(rows, pair, path, report, expected="'NAME I J' or 'NAME I OTHER J'"))


def two_lines(path: Path, report: checks.Report) -> list[Pair]:
    """pairs_CALFW.txt, pairs_CPLFW.txt: "FILE K" twice a pair; K is 0 for two persons [code]."""

    def pair(a: str, k: str, b: str, again: str) -> Row:
        if k != again or not 0 <= int(k) <= NUM_FOLDS:
            raise ValueError
        return a, b, k != "0"

    lines = _lines(path, report)
    halves = itertools.zip_longest(lines[::2], lines[1::2], fillvalue=(0, []))
    rows = [(number, one + other) for (number, one), (_, other) in halves]
    expected = "'FILE K' in this line and the next, with one K of 0 to 10"
    return in_folds(_each(rows, pair, path, report, expected=expected))


def cfp_fp(path: Path, report: checks.Report) -> list[Pair]:
    """Protocol/: Split/FP/01 ... 10/{same,diff}.txt, "I,J": I-th frontal and J-th profile image."""
    images: dict[tuple[str, str], str] = {}
    for letter in "FP":
        for _, words in _lines(path / f"Pair_list_{letter}.txt", report):
            images[letter, words[0]] = os.path.normpath(os.path.join(path.name, words[-1]))

    def pair(cell: str) -> Row:
        frontal, profile = cell.split(",")
        return images["F", frontal], images["P", profile], kind == "same"

    pairs: list[Pair] = []
    expected = "'I,J', numbers of Pair_list_F.txt and Pair_list_P.txt"
    for fold in range(1, NUM_FOLDS + 1):
        for kind in ("same", "diff"):
            place = path / "Split" / "FP" / f"{fold:02d}" / f"{kind}.txt"
            rows = _each(_lines(place, report), pair, place, report, expected=expected)
            pairs += [Pair(*row, fold) for row in rows]
    return pairs


def agedb_30(path: Path, report: checks.Report) -> list[Pair]:
    """04_FINAL_protocol_30_years.mat: `splits`, 10 structs of a cell [2, 600] of (file, age).

    A file is "PERSON_..." without its suffix, .jpg.
    """
    from scipy import io  # takes a second

    try:
        content = io.loadmat(str(path), squeeze_me=True, struct_as_record=False)["splits"]
        splits = [[[_first(item) for item in side] for side in _first(s)] for s in content]
        pairs = [
            (f"{a}.jpg", f"{b}.jpg", a.split("_")[0] == b.split("_")[0], fold)
            for fold, (left, right) in enumerate(splits, 1)
            for a, b in zip(left, right, strict=True)
        ]
    except Exception as error:  # a damaged file makes scipy raise anything
        got, expected = f"{type(error).__name__}: {error}", "the published list of AgeDB-30"
        report.problem(report.name(path), got=got, expected=expected)
        return []
    return [Pair(*pair) for pair in pairs]


def in_folds(rows: Sequence[Row]) -> list[Pair]:
    """Pairs in ten folds of as many pairs of one person as of two, the first of each kind first."""
    pairs = []
    for is_same in (True, False):
        kind = [row for row in rows if row[2] == is_same]
        size = -(-len(kind) // NUM_FOLDS)
        pairs += [Pair(*row, 1 + i // size) for i, row in enumerate(kind)]
    return sorted(pairs, key=lambda pair: pair.fold)


def _first(struct: Any) -> Any:
    return getattr(struct, struct._fieldnames[0])


def _lines(path: Path, report: checks.Report) -> list[tuple[int, list[str]]]:
    """(number, words) of each line that is not empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else error
        report.problem(report.name(path), got=f"unreadable: {text}", expected="a UTF-8 list")
        return []
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def _each(
    rows: Sequence[tuple[int, list[str]]],
    pair: Callable[..., Row],
    path: Path,
    report: checks.Report,
    *,
    expected: str,
) -> list[Row]:
    """`pair` of the words of each row; a row that it refuses is a problem."""
    pairs = []
    for number, words in rows:
        try:
            pairs.append(pair(*words))
        except (KeyError, TypeError, ValueError):
            where = f"{report.name(path)} line {number}"
            report.problem(where, got=repr(" ".join(words)), expected=expected)
    return pairs
