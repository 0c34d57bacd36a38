"""Aligned real faces from any source: identities, splits and square crops.

    source                     layout                             splits
    a name of sources.names()  a set of pairs; its photos, and    the set's own test split,
                               its drawn sketches                 the others by person
    folders                    PERSON/IMAGE, as ORL is laid out   by person
    celeba                     img_align_celeba/NNNNNN.jpg,       the first of the official
                               list_eval_partition.txt,           partitions 0, 1, 2, in the
                               identity_CelebA.txt                order of the list

By person: persons in the order of the SHA-256 of their names; the first `test_share` of them are
test, the next `validation_share` validation, the others train.  No person is in two splits, and a
person's split does not depend on the other persons, except at the two borders.

IFRP trains on 110 000 faces of CelebA and tests on 2 000 [paper]; which ones is not published:
the first so many of the official training and test partitions [inferred].
"""

import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fsketch.core import errors
from fsketch.data import checks, digests, records, shards, sources

FOLDERS, CELEBA = "folders", "celeba"
CELEBA_IMAGES = "img_align_celeba"
CELEBA_LISTS = ("list_eval_partition.txt", "identity_CelebA.txt")


class Face(NamedTuple):
    """One face; `identity` is a name, the same for all faces of a person."""

    id: str
    identity: str
    split: str


class Faces(NamedTuple):
    """Faces in the order of the splits, and functions that read them.

    digest: of the source's content.  photo: index -> uint8[H, W, 3].  sketch: index -> the drawn
    sketch, uint8[H, W, 1]; None for a source without sketches.
    """

    rows: list[Face]
    digest: str
    photo: Callable[[int], np.ndarray]
    sketch: Callable[[int], np.ndarray] | None


def find(
    source: str,
    *,
    manual_dir: str,
    data_dir: str,
    prefix: str,
    test_share: float,
    validation_share: float,
    limits: Sequence[int],
) -> Faces:
    """The faces of a source.

    Args:
      source: see the module's docstring.
      manual_dir: the folder to read.
      data_dir: of prepared sets of pairs, as in `sources.prepare`.
      prefix: take only ids that begin so; "" = all.
      test_share, validation_share: of the persons, where splits are made by person.
      limits: at most so many faces of train, validation, test, the first ones; 0 = all.

    Raises:
      DataError: the folder or the arguments are wrong.
    """
    if source in (FOLDERS, CELEBA) and not Path(manual_dir or "?").is_dir():
        raise errors.refusal(
            "portraits.manual_dir", got=repr(manual_dir), expected=f"the folder of {source!r}"
        )
    if source == FOLDERS:
        rows, see = _folders(Path(manual_dir))
        found = Faces(rows, digests.folder_digest(Path(manual_dir)), see, None)
    elif source == CELEBA:
        rows, see = _celeba(Path(manual_dir), limits)
        found = Faces(rows, digests.folder_digest(Path(manual_dir)), see, None)
    else:
        found = _pairs(source, data_dir=data_dir, manual_dir=manual_dir)
    shares = (test_share, validation_share)
    return _chosen(found, prefix=prefix, shares=shares, limits=limits)


def subset(found: Faces, places: Sequence[int]) -> Faces:
    """The faces at these places, in this order."""
    return Faces(
        [found.rows[place] for place in places],
        found.digest,
        lambda i: found.photo(places[i]),
        None if found.sketch is None else lambda i: found.sketch(places[i]),
    )


def by_person(
    identities: Sequence[str], *, test_share: float, validation_share: float
) -> dict[str, str]:
    """{person: split}; see the module's docstring.  At least one person of each wanted split."""
    persons = sorted(set(identities), key=lambda p: hashlib.sha256(p.encode()).hexdigest())
    num_test, num_validation = (
        max(1, round(share * len(persons))) if share else 0
        for share in (test_share, validation_share)
    )
    if num_test + num_validation >= len(persons):
        raise errors.DataError(
            "the faces",
            problems={
                (f"{len(persons)} persons", "more than those of test and validation"): ["persons"]
            },
        )
    num_train = len(persons) - num_test - num_validation
    order = ["test"] * num_test + ["validation"] * num_validation + ["train"] * num_train
    return dict(zip(persons, order, strict=True))


def _chosen(
    found: Faces, *, prefix: str, shares: tuple[float, float], limits: Sequence[int]
) -> Faces:
    """The faces in the order of splits, cut to the limits."""
    kept = [i for i, row in enumerate(found.rows) if row.id.startswith(prefix)]
    if not kept:
        raise errors.refusal(
            "portraits.prefix",
            got=f"{prefix!r}, with which no id begins",
            expected=found.rows[0].id[:9],
        )
    undecided = [found.rows[i].identity for i in kept if not found.rows[i].split]
    given = {found.rows[i].split for i in kept}
    split_of = {}
    if undecided:
        split_of = by_person(
            undecided,
            test_share=0 if "test" in given else shares[0],
            validation_share=0 if "validation" in given else shares[1],
        )
    rows = [row._replace(split=row.split or split_of.get(row.identity, "")) for row in found.rows]
    order = []
    for split, limit in zip(shards.FACE_SPLITS, limits, strict=True):
        order += [i for i in kept if rows[i].split == split][: limit or None]
    return subset(found._replace(rows=rows), order)


def _pairs(name: str, *, data_dir: str, manual_dir: str) -> Faces:
    """A set of pairs.  Keeps its test and validation splits; the others are train or open."""
    builder = sources.prepare(name, data_dir=data_dir, manual_dir=manual_dir)
    splits = [split for split in shards.FACE_SPLITS if split in builder.info.splits]
    rows: list[Face] = []
    images: list[tuple[records.Pairs, int]] = []
    for split in splits:
        pairs = sources.load(name, split, data_dir=data_dir, manual_dir=manual_dir)
        fixed = "" if split == "train" else split
        rows += [
            Face(id, str(identity), fixed)
            for id, identity in zip(pairs.id, pairs.identity.tolist(), strict=True)
        ]
        images += [(pairs, place) for place in range(len(pairs))]

    def see(kind: str, i: int) -> np.ndarray:
        pairs, place = images[i]
        return pairs.images[place][kind]

    digest = "/".join(Path(builder.data_dir).parts[-4:])  # its folder's name holds one
    sketch = functools.partial(see, "sketch") if "sketch" in builder.info.features else None
    return Faces(rows, digest, functools.partial(see, "photo"), sketch)


def _folders(root: Path) -> tuple[list[Face], Callable[[int], np.ndarray]]:
    report = checks.Report(root)
    people = checks.persons(root, report)
    if not people:
        report.problem(".", got="no folder in it", expected="a folder of images for each person")
    ids = checks.person_ids(people, report)
    report.close()
    paths = [path for _, path in ids.values()]
    rows = [Face(id, person, "") for id, (person, _) in ids.items()]
    return rows, lambda i: _read(paths[i], root)


def _celeba(root: Path, limits: Sequence[int]) -> tuple[list[Face], Callable[[int], np.ndarray]]:
    report = checks.Report(root)
    partition: dict[str, str] = {}
    identity: dict[str, str] = {}
    for name, into in zip(CELEBA_LISTS, (partition, identity), strict=True):
        path = root / name
        if not path.is_file():
            report.problem(name, got="no such file", expected="the list of CelebA's archive")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            words = line.split()
            if len(words) != 2 or not words[1].isdecimal():
                report.problem(
                    f"{name} line {number}", got=repr(line), expected="'NNNNNN.jpg NUMBER'"
                )
            elif checks.check_name(words[0], f"{name} line {number}", report):
                into[words[0]] = words[1]
    rows = []
    for number, (split, limit) in enumerate(zip(shards.FACE_SPLITS, limits, strict=True)):
        names = [name for name, part in partition.items() if part == str(number)]
        for name in names[: limit or None]:
            if not (root / CELEBA_IMAGES / name).is_file():
                report.problem(
                    f"{CELEBA_IMAGES}/{name}", got="no such file", expected="all listed images"
                )
            if name not in identity:
                report.problem(name, got=f"not in {CELEBA_LISTS[1]}", expected="all images")
            rows.append(Face(os.path.splitext(name)[0], identity.get(name, ""), split))
    owner: dict[str, str] = {}
    for row in rows:
        if row.identity and owner.setdefault(row.identity, row.split) != row.split:
            report.problem(
                f"person {row.identity}",
                got=f"in {owner[row.identity]} and {row.split}",
                expected="a person in one partition",
            )
    if not rows:
        report.problem(".", got="no face", expected="images of partition 0, 1 or 2")
    report.close()
    return rows, lambda i: _read(root / CELEBA_IMAGES / f"{rows[i].id}.jpg", root)


def _read(path: Path, root: Path) -> np.ndarray:
    """uint8[H, W, 3]; DataError for a file that is not a whole 8-bit image."""
    report = checks.Report(root)
    decoded = checks.decode(path, report)
    report.close()
    return np.asarray(decoded.image.convert("RGB"))
