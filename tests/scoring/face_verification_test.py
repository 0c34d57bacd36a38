"""The table against the rule in plain steps, fitted embedders' blindness, PCA against the SVD."""

import json

import numpy as np
import pytest
from PIL import Image

from fsketch import verify_faces
from fsketch.core import errors, state
from fsketch.data.verification import face_pairs, face_sets
from fsketch.frozen import registry
from fsketch.metrics import verification
from fsketch.scoring import face_crops, face_verification

NUM_PERSONS = 12  # three in each of 4 folds


def make_set(*, noise=30, folds=4):
    """Two images of each person, a coarse pattern and noise."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(NUM_PERSONS), 2)
    pattern = rng.integers(40, 216, (NUM_PERSONS, 7, 7, 3)).repeat(16, 1).repeat(16, 2)
    faces = np.clip(pattern[person] + rng.normal(0, noise, (24, 112, 112, 3)), 0, 255)
    first, second = [], []
    for fold in range(folds):
        own = [2 * (3 * fold + i) for i in range(3)]  # first image of each person
        first += own + own
        second += [i + 1 for i in own] + [own[1] + 1, own[2] + 1, own[0] + 1]
    return face_sets.PairSet(
        name="drawn",
        faces=faces.astype(np.uint8),
        first=np.asarray(first, np.int32),
        second=np.asarray(second, np.int32),
        is_same=np.tile([True] * 3 + [False] * 3, folds),
        person=person.astype(np.int32),
        num_folds=folds,
        source="drawn.csv",
        notes=("drawn",),
    )


def cells(faces):
    """Mean red of an 8 x 8 grid of cells, less the mean: float[N, 64]."""
    means = faces[..., 0].reshape(len(faces), 8, 14, 8, 14).mean((2, 4)).reshape(len(faces), -1)
    return means - means.mean(1, keepdims=True)


@pytest.mark.parametrize("flip", [True, False])
def test_the_table_is_the_rule_in_plain_steps(flip):
    pairs = make_set()
    (row,) = face_verification.verification_table(cells, iter([pairs]), flip=flip, far=0.1)
    distance = []
    for a, b in zip(pairs.first, pairs.second, strict=True):
        units = []
        for face in (pairs.faces[a], pairs.faces[b]):
            vector = cells(face[None])[0]
            vector = vector + cells(face[None, :, ::-1])[0] if flip else vector
            units.append(vector / np.sqrt((vector**2).sum()))
        distance.append(((units[0] - units[1]) ** 2).sum())
    expected = verification.accuracy(np.asarray(distance), pairs.is_same, num_folds=4)
    assert row.accuracy.mean == expected.mean and row.accuracy.std == expected.std
    assert row.auc == pytest.approx(verification.auc(distance, pairs.is_same), abs=1e-12)
    assert row.eer == pytest.approx(verification.eer(distance, pairs.is_same), abs=1e-12)
    assert row.tar == verification.tar_at_far(distance, pairs.is_same, far=0.1, num_folds=4)
    assert (row.num_pairs, row.num_faces, row.num_folds) == (24, 24, 4)
    assert row.auc > 0.9


def test_a_fitted_embedder_never_sees_the_persons_it_judges():
    pairs = make_set()
    seen = []

    def fit(faces):
        seen.append({face.tobytes() for face in faces})
        return cells

    distance = face_verification.distances(face_verification.Fitted(fit), pairs, flip=True)
    np.testing.assert_array_equal(
        distance, face_verification.distances(cells, pairs, flip=True)
    )  # here the fit changes nothing
    for fold, faces in enumerate(seen):
        others = [i for i in range(24) if i // 6 != fold]
        assert faces == {pairs.faces[i].tobytes() for i in others}
    alone = pairs._replace(person=np.zeros(24, np.int32))
    with pytest.raises(ValueError, match="drawn: expected persons outside each fold"):
        face_verification.distances(face_verification.Fitted(fit), alone, flip=True)


@pytest.mark.parametrize("whiten", [False, True])
def test_pca_is_the_svd_s(monkeypatch, whiten):
    monkeypatch.setattr(face_verification, "PCA_DIMS", 5)
    faces = make_set().faces
    embedding = face_verification.pca(whiten=whiten).fit(faces[:12])(faces[12:])
    grey = ((faces @ np.array([299, 587, 114]) + 500) // 1000).reshape(24, -1)
    mean = grey[:12].mean(0)
    _, singular, axes = np.linalg.svd(grey[:12] - mean, full_matrices=False)
    expected = (grey[12:] - mean) @ axes[:5].T
    if whiten:
        expected /= singular[:5] / np.sqrt(12)
    np.testing.assert_allclose(embedding @ embedding.T, expected @ expected.T, rtol=1e-8)
    # As many axes as faces allow: 12 centred ones span 11 dimensions.
    monkeypatch.setattr(face_verification, "PCA_DIMS", 100)
    assert face_verification.pca().fit(faces[:12])(faces).shape == (24, 11)
    with pytest.raises(ValueError, match="got equal ones"):
        face_verification.pca().fit(np.zeros((3, 112, 112, 3), np.uint8))


def test_a_run_sees_faces_of_its_canvas_s_size(monkeypatch):
    net = state.Frozen({}, None, None, '{"side_px": 80}')
    monkeypatch.setattr(registry, "load", lambda kind, path: net)
    monkeypatch.setattr(face_crops, "on_pictures", lambda net: lambda batch: batch.reshape(3, -1))
    faces = make_set(noise=0).faces[:3]
    embedding = face_verification.embedder("runs/teacher")(faces).reshape(3, 80, 80, 3)
    # Cells of 16 px become cells of 80 / 7 px: the middle of the fourth keeps its colour.
    np.testing.assert_array_equal(embedding[:, 40, 40], faces[:, 56, 56])


def test_hog_floor():
    pytest.importorskip("skimage")
    embedding = face_verification.embedder("hog")(make_set().faces[:2])
    assert embedding.shape == (2, 6 * 6 * 2 * 2 * 9)


def test_what_is_no_embedding_is_refused():
    pairs = make_set()
    for embed, message in (
        (lambda faces: cells(faces)[:3], "expected shape"),
        (lambda faces: faces.astype(float), "expected shape"),
        (lambda faces: 0 * cells(faces), "got length 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            face_verification.verification_table(embed, [pairs])


def test_folds_of_one_kind_have_no_rate():
    pairs = make_set()
    order = np.argsort(~pairs.is_same, kind="stable")
    pairs = pairs._replace(
        first=pairs.first[order], second=pairs.second[order], is_same=pairs.is_same[order]
    )
    (row,) = face_verification.verification_table(cells, [pairs])
    assert row.tar is None
    assert (
        face_verification.text({"cells": [row]}, flip=True, far=1e-3).splitlines()[4].endswith("-")
    )


@pytest.fixture
def folder(tmp_path):
    pairs = make_set()
    for i, face in enumerate(pairs.faces):
        place = tmp_path / "faces" / f"p{pairs.person[i]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(place / f"{i}.png")
    return tmp_path / "faces"


def test_the_program_on_a_list_of_one_s_own(folder, tmp_path, capsys, monkeypatch):
    draw = face_pairs.draw
    monkeypatch.setattr(face_pairs, "draw", lambda *a, seed: draw(*a, seed=seed, num_folds=4))
    mine, result = str(tmp_path / "mine.csv"), tmp_path / "result.json"
    arguments = ["--folder", str(folder), "--embedder", "pixels", "pca", "--json", str(result)]
    assert errors.run(verify_faces.main, [*arguments, "--draw", mine]) == 0
    drawn = capsys.readouterr()
    assert "mine: 24 pairs in 4 folds, 24 faces, from mine.csv" in drawn.err
    assert [line.split()[:3] for line in drawn.out.splitlines()[4:6]] == [
        ["pixels", "mine", "24"],
        ["pca", "mine", "24"],
    ]
    content = json.loads(result.read_text())
    assert content["flip"] is True and content["far"] == 1e-3
    assert len(content["embedders"]["pixels"]["mine"]["accuracy_of_folds"]) == 4
    assert errors.run(verify_faces.main, [*arguments, "--pairs", mine]) == 0
    assert capsys.readouterr().out == drawn.out
    assert errors.run(verify_faces.main, [*arguments, "--draw", mine]) == 1
    assert "drawn once and then kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--sets HERE --embedder pixels", "expected one of the sets lfw, calfw"),
        ("--sets HERE --only lfw", "got none of them"),
        ("--sets BAD", "agedb_30.bin: expected a pickle of images and flags, got names posix"),
        # Before a list is drawn.
        ("--folder HERE --draw HERE/pairs.csv --embedder HERE/absent", "HERE/absent"),
        ("--folder HERE --pairs HERE/pairs.csv", "pairs.csv"),
    ],
)
def test_the_program_refuses(arguments, message, tmp_path, capsys):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "agedb_30.bin").write_bytes(b"cposix\nsystem\n.")
    there = lambda text: text.replace("BAD", "HERE/bad").replace("HERE", str(tmp_path))  # noqa: E731
    assert errors.run(verify_faces.main, there(arguments).split()) == 1
    assert there(message) in capsys.readouterr().err
    assert not (tmp_path / "pairs.csv").exists()
    for wrong in ([], ["--folder", "x"], ["--sets", "x", "--pairs", "y"]):
        assert errors.run(verify_faces.main, wrong) == 2
