"""Pair lists of one's own: their rules, their file, and what is refused."""

import collections
import itertools

import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors
from fsketch.data.verification import face_pairs, face_sets

NUM_IMAGES = [5, 2, 3, 9, 1, 4, 2, 2, 6, 1, 3, 2]  # of 12 persons


@pytest.fixture
def folder(tmp_path):
    for person, count in enumerate(NUM_IMAGES):
        place = tmp_path / "faces" / f"p{person}"
        place.mkdir(parents=True)
        for number in range(count):
            image = np.full((30, 24), 20 * person + number, np.uint8)
            Image.fromarray(image).save(place / f"{number}.pgm")
    (tmp_path / "faces" / "README").write_text("not a person")
    return tmp_path / "faces"


def by_fold(pairs):
    return [[*fold] for _, fold in itertools.groupby(pairs, key=lambda pair: pair.fold)]


def test_folds_share_no_person_and_are_balanced(folder):
    drawn = face_pairs.draw(folder, seed=1, num_folds=3, max_pairs=6)
    folds = by_fold(drawn)
    people = [{face_sets.person_of(file) for pair in fold for file in pair[:2]} for fold in folds]
    assert len(folds) == 3 and not (people[0] & people[1] | people[0] & people[2])
    for fold in folds:
        assert [pair.is_same for pair in fold] == [True] * 6 + [False] * 6
        assert len({frozenset(pair[:2]) for pair in fold}) == 12
        for pair in fold:
            a, b = (face_sets.person_of(file) for file in pair[:2])
            assert (a == b) == pair.is_same and pair.file_a != pair.file_b
    assert drawn == face_pairs.draw(folder, seed=1, num_folds=3, max_pairs=6)
    assert drawn != face_pairs.draw(folder, seed=2, num_folds=3, max_pairs=6)


def test_all_pairs_of_the_smallest_fold_and_persons_in_turn(folder):
    folds = by_fold(face_pairs.draw(folder, seed=1, num_folds=2, max_pairs=10**6))
    same = [sum(pair.is_same for pair in fold) for fold in folds]
    people = [{face_sets.person_of(file) for pair in fold for file in pair[:2]} for fold in folds]
    possible = [
        sum(n * (n - 1) // 2 for i, n in enumerate(NUM_IMAGES) if f"p{i}" in fold)
        for fold in people
    ]
    assert same == [min(possible)] * 2
    assert [len(fold) for fold in folds] == [2 * min(possible)] * 2
    # Six pairs of 4 persons with two images or more: nobody has three, whoever has 36 to give.
    few = by_fold(face_pairs.draw(folder, seed=1, num_folds=2, max_pairs=6))
    counts = collections.Counter(face_sets.person_of(p.file_a) for p in few[0] if p.is_same)
    assert max(counts.values()) <= 2


def test_faces_that_are_found_are_aligned_and_the_others_cut(folder, tmp_path):
    face_pairs.write(tmp_path / "pairs.csv", face_pairs.draw(folder, seed=1, num_folds=2))
    dark = lambda image: np.full((112, 112, 3), 7, np.uint8) if image.max() < 100 else None  # noqa: E731
    pairs = face_pairs.load(tmp_path / "pairs.csv", folder, align=dark)
    brightness = pairs.faces.reshape(len(pairs.faces), -1).max(1)
    assert set(brightness) > {7} and not np.isin(np.arange(8, 100), brightness).any()
    count = (brightness == 7).sum()
    assert pairs.notes[0] == f"{count} faces found and aligned"
    assert f"{len(brightness) - count} images of 24x30 px" in pairs.notes[1]


def test_a_list_is_written_once_and_read_again(folder, tmp_path):
    drawn = face_pairs.draw(folder, seed=0, num_folds=3, max_pairs=4)
    path = tmp_path / "mine.csv"
    face_pairs.write(path, drawn)
    assert face_pairs.read(path) == drawn
    assert path.read_text().startswith("fold,file_a,file_b,same\n1,p")
    assert b"\r" not in path.read_bytes()
    with pytest.raises(FileExistsError, match="drawn once and then kept"):
        face_pairs.write(path, drawn)
    pairs = face_pairs.load(path, folder)
    assert (pairs.name, pairs.num_folds, len(pairs.is_same)) == ("mine", 3, 24)
    files = [file for pair in drawn for file in pair[:2]]
    for i, file in enumerate(files):
        row = (pairs.first, pairs.second)[i % 2][i // 2]
        person, number = file.removeprefix("p").removesuffix(".pgm").split("/")
        assert (pairs.faces[row] == 20 * int(person) + int(number)).all()
    same = pairs.person[pairs.first] == pairs.person[pairs.second]
    np.testing.assert_array_equal(same, pairs.is_same)
    count = len(pairs.faces)
    assert pairs.notes == (f"{count} images of 24x30 px: the central 24 px, not aligned",)
    (folder / files[0]).write_bytes(b"P5 24 30 255\n")
    (folder / files[2]).unlink()
    with pytest.raises(errors.DataError) as caught:
        face_pairs.load(path, folder)
    assert files[0] in str(caught.value) and f"{files[2]}: expected the files of the" in str(
        caught.value
    )


HEAD = "fold,file_a,file_b,same\n"
WHOLE = (
    HEAD + "1,a/1.png,a/2.png,1\n1,a/1.png,b/1.png,0\n2,c/1.png,c/2.png,1\n2,c/1.png,d/1.png,0\n"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fold,", "", "columns file_a,file_b,same: fold missing"),
        (
            "2,c/1.png,c/2.png",
            "3,c/1.png,c/2.png",
            "row 4: expected folds from 1, in order, got fold 3",
        ),
        (
            "2,c/1.png,c/2.png",
            "2,a/3.png,a/4.png",
            "row 4: expected a person in one fold, got a pers",
        ),
        ("a/2.png,1", "a/2.png,0", "row 2: expected 1 for files of one folder, 0 for two folders"),
        ("b/1.png,0", "b/1.png,no", "row 3: expected 1 for one person, 0 for two, got same no"),
        ("c/1.png,c/2.png", "c/2.png,c/2.png", "row 4: expected each pair of two files once"),
        (
            "1,a/1.png,b/1.png,0",
            "1,a/2.png,a/1.png,1",
            "row 3: expected each pair of two files once, got",
        ),
        (
            "2,c/1.png,d/1.png,0\n",
            "",
            r"of equal sizes, with pairs of both kinds, got 1 \+ 1, 1 \+ 0",
        ),
        (
            "2,c/1.png,c/2.png,1\n2,c/1.png,d/1.png,0\n",
            "",
            r"expected two folds or more, .*, got 1 \+ 1",
        ),
        ("1,c", "1,\xe9", "ok"),
    ],
)
def test_lists_that_break_a_rule_are_refused_by_row(tmp_path, old, new, message):
    path = tmp_path / "x.csv"
    path.write_text(WHOLE.replace(old, new))
    if message == "ok":
        assert len(face_pairs.read(path)) == 4
        return
    with pytest.raises(errors.DataError, match=message):
        face_pairs.read(path)


def test_folders_that_give_no_list(folder, tmp_path):
    with pytest.raises(ValueError, match=r"expected 2 to 6 for 12 persons .*, got 10"):
        face_pairs.draw(folder, seed=0)
    with pytest.raises(ValueError, match="max_pairs: expected at least 1, got 0"):
        face_pairs.draw(folder, seed=0, num_folds=2, max_pairs=0)
    with pytest.raises(errors.DataError, match="no such folder"):
        face_pairs.draw(tmp_path / "none", seed=0)
    for person in range(12):
        for path in sorted((folder / f"p{person}").iterdir())[1:]:
            path.unlink()
    with pytest.raises(ValueError, match="fold 1: expected a person with two images"):
        face_pairs.draw(folder, seed=0, num_folds=2)
    (folder / "p1" / "note.txt").write_text("")
    with pytest.raises(errors.DataError, match=r"p1/note.txt: expected image files"):
        face_pairs.draw(folder, seed=0, num_folds=2)
