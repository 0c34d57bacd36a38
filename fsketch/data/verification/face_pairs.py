"""A user's own pair lists, from any folder with a folder of images for each person.

`draw` makes a list by LFW's rules: the persons are dealt to folds, so no person is in two; each
fold has as many pairs of one person as of two, and all folds have the same numbers; no pair occurs
twice.  A list depends on the names of the files, the seed and numpy's random stream, which may
change between versions of numpy; so share and cite the file (`lists`), not the seed.
"""

import collections
import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from fsketch.core import writers
from fsketch.data import checks
from fsketch.data.verification import face_sets, lists

MAX_PAIRS = 300  # of each kind in a fold, as in LFW
IMAGES_A_PERSON = 64  # considered, drawn at random; 2016 pairs


def draw(
    folder: str | Path,
    *,
    seed: int,
    num_folds: int = lists.NUM_FOLDS,
    max_pairs: int = MAX_PAIRS,
) -> list[lists.Pair]:
    """Pairs fold by fold from a folder with a folder of images for each person; see `pair_up`.

    Ignores files beside the persons' folders.  DataError: a file in a person's folder is not an
    image; ValueError: as `pair_up`.
    """
    report = checks.Report(Path(folder))
    people = [
        [f"{person}/{path.name}" for path in files.values()]
        for person, files in checks.persons(Path(folder), report).items()
        if files
    ]
    report.close()
    folds = pair_up(people, seed=seed, num_folds=num_folds, max_pairs=max_pairs)
    return [lists.Pair(*pair, number) for number, fold in enumerate(folds, 1) for pair in fold]


def pair_up(
    people: Sequence[Sequence[str]], *, seed: int, num_folds: int, max_pairs: int
) -> list[list[tuple[str, str, bool]]]:
    """(image, image, of one person?) by fold: the pairs of one person, then as many of two.

    people: the images of each person.
    max_pairs: of each kind in a fold; fewer where the smallest fold has no more.  Persons, and
    couples of persons, take turns, so nobody's many images fill the list.  ValueError: fewer
    than two persons a fold, or a fold without a person of two images.
    """
    if not 2 <= num_folds <= len(people) // 2:
        raise ValueError(
            f"num_folds: expected 2 to {len(people) // 2} for {len(people)} persons (two persons a "
            f"fold), got {num_folds}"
        )
    if max_pairs < 1:
        raise ValueError(f"max_pairs: expected at least 1, got {max_pairs}")
    rng = np.random.default_rng(seed)
    dealt = [people[i] for i in rng.permutation(len(people))]
    groups = [
        [list(_shuffled(person, rng))[:IMAGES_A_PERSON] for person in dealt[fold::num_folds]]
        for fold in range(num_folds)
    ]
    # A person: all pairs of their images.  A couple: any image of one with any of the other.
    num_same = [sum(len(p) * (len(p) - 1) // 2 for p in group) for group in groups]
    num_different = [
        sum(len(p) * len(q) for p, q in itertools.combinations(group, 2)) for group in groups
    ]
    if 0 in num_same:
        raise ValueError(
            f"fold {num_same.index(0) + 1}: expected a person with two images, got none (fewer "
            "folds or another seed may do)"
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


def write(path: str | Path, pairs: Sequence[lists.Pair]) -> None:
    """Writes the list to a file; FileExistsError if it exists, since lists are to be kept."""
    if Path(path).exists():
        raise FileExistsError(
            f"{path}: expected a new file, got an existing one; a list is drawn once and then kept"
        )
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(lists.COLUMNS)
    table.writerows((pair.fold, pair.file_a, pair.file_b, int(pair.is_same)) for pair in pairs)
    writers.write_whole(path, text.getvalue().encode())


def read(path: str | Path) -> list[lists.Pair]:
    """The pairs of a list, fold by fold.

    DataError names every row that does not fit: other columns; folds out of order, of unequal
    sizes or without one of the kinds; a person in two folds; a pair twice, or of one file; `same`
    other than the folders of the two files say.
    """
    path = Path(path)
    report = checks.Report(path.parent)
    pairs = lists.table(path, report)
    report.close()
    fold_of: dict[str, int] = {}
    seen: set[frozenset[str]] = set()
    for row, pair in enumerate(pairs, 2):
        people = [face_sets.person_of(file) for file in pair[:2]]
        if pair.is_same != (people[0] == people[1]):
            got, expected = f"same {pair.is_same:d}", "1 for files of one folder, 0 for two folders"
        elif any(fold_of.setdefault(person, pair.fold) != pair.fold for person in people):
            got, expected = f"a person of another fold: {', '.join(people)}", "a person in one fold"
        elif pair.file_a == pair.file_b or frozenset(pair[:2]) in seen:
            got, expected = "a file with itself, or a pair twice", "each pair of two files once"
        else:
            seen.add(frozenset(pair[:2]))
            continue
        report.problem(f"{path.name} row {row}", got=got, expected=expected)
    sizes = collections.Counter(pair.fold for pair in pairs)
    same = collections.Counter(pair.fold for pair in pairs if pair.is_same)
    both = all(0 < same[fold] < size for fold, size in sizes.items())
    if not report.problems and not (len(sizes) > 1 == len({*sizes.values()}) and both):
        report.problem(
            path.name,
            got=", ".join(f"{same[i]} + {sizes[i] - same[i]}" for i in sizes) or "no row",
            expected="two folds or more, of equal sizes, with pairs of both kinds",
        )
    report.close()
    return pairs


def load(
    path: str | Path, folder: str | Path, *, align: face_sets.Align | None = None
) -> face_sets.PairSet:
    """A list and the faces it names: of each image in `folder` the largest central square.

    align: see `face_sets.from_pairs`.
    """
    report = checks.Report(Path(folder))
    name, source = Path(path).stem, Path(path).name
    return face_sets.from_pairs(
        read(path), Path(folder), report, name=name, source=source, align=align
    )


def _shuffled(items: Iterable[str], rng: np.random.Generator) -> Iterator[str]:
    """The items in random order, drawn when the first is asked for."""
    items = list(items)
    for i in rng.permutation(len(items)):
        yield items[i]


def _in_turn(pools: list[Iterable[str]], number: int, rng: np.random.Generator) -> list[str]:
    """`number` items, one at random of each pool in turn; pools that are empty drop out."""
    queue = collections.deque(_shuffled(pool, rng) for pool in _shuffled(pools, rng))
    taken: list[str] = []
    while len(taken) < number:
        pool = queue.popleft()
        for item in itertools.islice(pool, 1):
            taken.append(item)
            queue.append(pool)
    return taken
