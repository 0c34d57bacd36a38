"""Pair lists of one's own, from any folder with a folder of images for each person.

`draw` makes a list by LFW's rules: the persons are dealt to folds, so no person is in two; each
fold has as many pairs of one person as of two, and all folds have the same numbers; no pair comes
twice.  A list depends on the names of the files, the seed and numpy's random stream, which may
change between versions of numpy; so what is shared and cited is the file, not the seed:

    fold,file_a,file_b,same
    1,s12/10.pgm,s12/3.pgm,1

UTF-8, comma-separated, folds from 1 in order, files relative to the folder of persons with "/".
"""

import collections
import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from etils import epath

from fsketch.core import names, writers
from fsketch.data import checks
from fsketch.data.verification import face_sets, lfw

COLUMNS = ("fold", "file_a", "file_b", "same")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm")
MAX_PAIRS = 300  # of each kind in a fold, as in LFW
IMAGES_A_PERSON = 64  # looked at, drawn at random; 2016 pairs

Item = TypeVar("Item")


def draw(
    folder: str | Path,
    *,
    seed: int,
    num_folds: int = face_sets.NUM_FOLDS,
    max_pairs: int = MAX_PAIRS,
) -> list[list[lfw.Pair]]:
    """Pairs by fold from a folder with a folder of images for each person; see `pair_up`.

    Files beside the persons' folders are not looked at.  DataError: a file in a person's folder is
    no image; ValueError: as `pair_up`.
    """
    people = _people(Path(folder))
    folds = pair_up(people, seed=seed, num_folds=num_folds, max_pairs=max_pairs)
    return [[lfw.Pair(*pair) for pair in fold] for fold in folds]


def from_arrays(
    name: str,
    faces: np.ndarray,
    person: np.ndarray,
    *,
    seed: int,
    num_folds: int = face_sets.NUM_FOLDS,
    max_pairs: int = MAX_PAIRS,
) -> face_sets.PairSet:
    """A set of drawn pairs of faces uint8[M, 112, 112, 3], of the persons int[M]; see `pair_up`."""
    people = [np.flatnonzero(person == label).tolist() for label in np.unique(person)]
    folds = pair_up(people, seed=seed, num_folds=num_folds, max_pairs=max_pairs)
    first, second, is_same = zip(*(pair for fold in folds for pair in fold), strict=True)
    return face_sets.PairSet(
        name=name,
        faces=faces,
        first=np.asarray(first, np.int32),
        second=np.asarray(second, np.int32),
        is_same=np.asarray(is_same, bool),
        person=np.asarray(person, np.int32),
        num_folds=num_folds,
        source=f"pairs drawn with seed {seed}",
        notes=(),
    )


def pair_up(
    people: Sequence[Sequence[Item]], *, seed: int, num_folds: int, max_pairs: int
) -> list[list[tuple[Item, Item, bool]]]:
    """(image, image, of one person?) by fold: the pairs of one person, then as many of two.

    people: the images of each person, by name or number.
    max_pairs: of each kind in a fold; fewer where the smallest fold has no more.  Persons, and
    couples of persons, take turns, so that nobody's many images fill the list.  ValueError: fewer
    than two persons a fold, or a fold without a person of two images.
    """
    if not 2 <= num_folds <= len(people) // 2:
        raise ValueError(
            f"num_folds: found {num_folds}, admitted 2 to {len(people) // 2} for {len(people)} "
            "persons (two persons a fold)"
        )
    if max_pairs < 1:
        raise ValueError(f"max_pairs: found {max_pairs}, admitted at least 1")
    rng = np.random.default_rng(seed)
    dealt = [people[i] for i in rng.permutation(len(people))]
    groups = [
        [list(_shuffled(person, rng))[:IMAGES_A_PERSON] for person in dealt[fold::num_folds]]
        for fold in range(num_folds)
    ]
    # A person: all pairs of his images.  A couple: any image of the one with any of the other.
    num_same = [sum(len(p) * (len(p) - 1) // 2 for p in group) for group in groups]
    num_different = [
        sum(len(p) * len(q) for p, q in itertools.combinations(group, 2)) for group in groups
    ]
    if 0 in num_same:
        raise ValueError(
            f"fold {num_same.index(0) + 1} has no person with two images; admitted is at least "
            "one in each fold (fewer folds, or another seed)"
        )
    number = min(*num_same, *num_different, max_pairs)
    folds = []
    for group in groups:
        persons = [itertools.combinations(person, 2) for person in group]
        couples = [itertools.product(*couple) for couple in itertools.combinations(group, 2)]
        folds.append([
            (*images, is_same)
            for pools, is_same in ((persons, True), (couples, False))
            for images in _in_turn(pools, number, rng)
        ])  # fmt: skip
    return folds


def write(path: str | Path, folds: Sequence[Sequence[lfw.Pair]]) -> None:
    """The list as a file; FileExistsError where there is one, since lists are to be kept."""
    if Path(path).exists():
        raise FileExistsError(f"{path} exists; a list is drawn once and then kept")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for number, fold in enumerate(folds, 1):
        table.writerows((number, pair.file_a, pair.file_b, int(pair.is_same)) for pair in fold)
    writers.write_whole(epath.Path(path), text.getvalue().encode())


def read(path: str | Path) -> list[list[lfw.Pair]]:
    """The pairs of a list by fold.

    DataError names every row that does not fit: other columns; folds out of order, of unequal
    sizes or without one of the kinds; a person in two folds; a pair twice, or of one file; `same`
    other than the folders of the two files say.
    """
    path = Path(path)
    report = checks.Report(path.parent)
    folds: list[list[lfw.Pair]] = []
    fold_of: dict[str, int] = {}
    seen: set[frozenset[str]] = set()
    rows = checks.read_table(path, report, columns=COLUMNS)
    report.close()
    for line, row in enumerate(rows, 2):
        pair = lfw.Pair(row["file_a"], row["file_b"], row["same"] == "1")
        people = [face_sets.person_of(file) for file in pair[:2]]
        if row["fold"] == str(len(folds) + 1):
            folds.append([])
        number = len(folds)
        if row["fold"] != str(number):
            problem = f"fold {row['fold']}", "folds from 1, in order"
        elif row["same"] != str(int(people[0] == people[1])):
            problem = f"same {row['same']}", "1 for files of one folder, 0 for files of two"
        elif any(fold_of.setdefault(person, number) != number for person in people):
            problem = f"a person of another fold: {', '.join(people)}", "each person in one fold"
        elif pair.file_a == pair.file_b or frozenset(pair[:2]) in seen:
            problem = "a file with itself, or a pair twice", "each pair of two files once"
        else:
            seen.add(frozenset(pair[:2]))
            folds[-1].append(pair)
            continue
        report.problem(f"{path.name} row {line}", got=problem[0], expected=problem[1])
    kinds = [(sum(pair.is_same for pair in fold), len(fold)) for fold in folds]
    one_size = len({size for _, size in kinds}) == 1
    both = all(0 < same < size for same, size in kinds)
    if not report.problems and not (len(folds) > 1 and one_size and both):
        report.problem(
            path.name,
            got=", ".join(f"{same} + {size - same}" for same, size in kinds) or "no row",
            expected="two folds or more, of equal sizes, with pairs of both kinds",
        )
    report.close()
    return folds


def load(path: str | Path, folder: str | Path) -> face_sets.PairSet:
    """A list and the faces it names: of each image in `folder` the largest central square."""
    folds = read(path)
    return face_sets.from_pairs(
        [pair for fold in folds for pair in fold],
        Path(folder),
        checks.Report(Path(folder)),
        name=Path(path).stem,
        source=Path(path).name,
        crop=face_sets.LARGEST,
        num_folds=len(folds),
    )


def _people(folder: Path) -> list[list[str]]:
    """Files of each person, relative to the folder; persons and files in the order of names."""
    report = checks.Report(folder)
    if not folder.is_dir():
        report.problem(".", got="no such folder", expected="a folder with one for each person")
        report.close()
    people = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [
            path
            for path in sorted(place.iterdir())
            if not path.name.startswith(".") and path.name.lower() not in checks.DEBRIS
        ]
        for path in files:
            if path.suffix.lower() not in SUFFIXES or not path.is_file():
                report.problem(
                    report.name(path),
                    got="not an image file by its name",
                    expected=f"image files ({' '.join(SUFFIXES)})",
                )
            elif found := names.inside(f"{place.name}/{path.name}"):
                report.problem(report.name(path), got=found, expected=names.INSIDE)
        people += [[f"{place.name}/{path.name}" for path in files]] if files else []
    report.close()
    return people


def _shuffled(items: Iterable[Item], rng: np.random.Generator) -> Iterator[Item]:
    """The items in random order, drawn when the first is asked for."""
    items = list(items)
    for i in rng.permutation(len(items)):
        yield items[i]


def _in_turn(pools: list[Iterable[Item]], number: int, rng: np.random.Generator) -> list[Item]:
    """`number` items, one at random of each pool in turn; pools that are empty drop out."""
    queue = collections.deque(_shuffled(pool, rng) for pool in _shuffled(pools, rng))
    taken: list[Item] = []
    while len(taken) < number:
        pool = queue.popleft()
        for item in itertools.islice(pool, 1):
            taken.append(item)
            queue.append(pool)
    return taken
