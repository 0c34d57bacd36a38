import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from fsketch import tfds_builders
from fsketch.core import errors
from fsketch.data import sources
from fsketch.tfds_builders.cufs import cufs_dataset_builder as cufs


def _draw(folder: Path, subset: str, draw_pair, *, without=()) -> None:
    for number, id in enumerate(cufs.split_ids(subset, "train") + cufs.split_ids(subset, "test")):
        if id not in without:
            draw_pair(folder, id, number)


@pytest.fixture(scope="session")
def drawn_cuhk(tmp_path_factory, draw_pair) -> Path:
    folder = tmp_path_factory.mktemp("cuhk")
    _draw(folder, "cuhk", draw_pair)
    return folder


@pytest.fixture
def cuhk(drawn_cuhk, tmp_path) -> Path:
    """A copy by hard links: replace files, do not write into them."""
    return Path(shutil.copytree(drawn_cuhk, tmp_path / "in", copy_function=os.link))


@pytest.fixture
def short_lists(tmp_path, monkeypatch) -> dict[str, list[str]]:
    """Lists short enough for quick tests; AR and XM2VTS share their numbers."""
    lists = {
        "cuhk_train": ["f-005-01", "f-006-01"],
        "cuhk_test": ["m1-001-01"],
        "ar_train": ["1", "3"],
        "ar_test": ["2"],
        "xm2vts_train": ["2", "266"],
        "xm2vts_test": ["1"],
    }
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, ids in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(ids) + "\n")
    monkeypatch.setattr(cufs, "_LISTS", folder)
    return lists


def _error(name: str, manual_dir: Path, tmp_path: Path) -> str:
    with pytest.raises(errors.DataError) as caught:
        sources.prepare(name, data_dir=str(tmp_path / "out"), manual_dir=str(manual_dir))
    assert not list((tmp_path / "out").rglob("*.array_record*"))
    assert not list((tmp_path / "out").rglob("dataset_info.json"))
    return str(caught.value)


def test_the_shipped_lists_have_the_published_counts_and_no_id_twice():
    counts = {}
    for subset in cufs.SUBSETS:
        train, test = cufs.split_ids(subset, "train"), cufs.split_ids(subset, "test")
        assert len({*train, *test}) == len(train) + len(test)
        counts[subset] = (len(train), len(test))
    assert counts == {"cuhk": (88, 100), "ar": (80, 43), "xm2vts": (100, 195)}


def test_cuhk_in_list_order_by_name_and_by_directory(cuhk, tmp_path, draw_face):
    builder = sources.prepare("cufs/cuhk", data_dir=str(tmp_path / "out"), manual_dir=str(cuhk))
    pairs = sources.load("cufs/cuhk", "test", data_dir=str(tmp_path / "out"), manual_dir=str(cuhk))
    assert pairs.id == cufs.split_ids("cuhk", "test")
    np.testing.assert_array_equal(pairs.identity, np.arange(88, 188))
    np.testing.assert_array_equal(pairs.photo[0], draw_face(88))
    assert pairs.sketch[0].shape == (250, 200, 1) and pairs.sketch[0].dtype == np.uint8

    root = builder.data_dir.split("/cufs/cuhk/")[0]
    for other in (
        tfds.builder("cufs/cuhk", data_dir=root),
        tfds.builder_from_directory(builder.data_dir),
    ):
        example = other.as_data_source("train")[0]
        assert example["id"] == b"f-005-01" and example["identity"] == 0 and example["source"] == 0
        assert example["photo"].shape == (250, 200, 3) and example["sketch"].shape == (250, 200, 1)
    assert "SC_Lmser" in builder.info.description and "wang2009face" in builder.info.citation
    assert tfds_builders.Cufs.name == "cufs"


def test_every_problem_is_in_one_report(cuhk, tmp_path, draw_face, draw_pair):
    (cuhk / "sketches/f-005-01.png").unlink()
    for name in ("photos", "sketches"):
        (cuhk / name / "f-006-01.png").unlink()
    draw_pair(cuhk, "f-999-01", 999)
    (cuhk / "photos/f-007-01.png").unlink()
    (cuhk / "photos/f-007-01.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (cuhk / "photos/f-008-01.png").unlink()
    Image.fromarray(draw_face(3, size=(250, 200))).save(cuhk / "photos/f-008-01.png")
    Image.fromarray(draw_face(600)).save(cuhk / "photos/f-009-01.jpg")
    (cuhk / "photos/f-010-01.png").unlink()
    shutil.copy(cuhk / "photos/f-011-01.png", cuhk / "photos/f-010-01.png")
    (cuhk / "sketches/list.txt").write_text("?")
    (cuhk / "sketches/.DS_Store").write_text("?")

    text = _error("cufs/cuhk", cuhk, tmp_path)
    assert text.startswith("8 problems in ")
    for line in (
        "- photos/f-005-01.png: expected a photo and a sketch for each id, got no sketch",
        "- . id f-006-01: expected the ids of splits/cuhk_train.txt and splits/cuhk",
        "- photos/f-999-01.png (id f-999-01): expected the ids of splits/cuhk_train.txt and",
        "- photos/f-007-01.png: expected a whole image file, got unreadable (",
        "- photos/f-008-01.png: expected 200x250 px (width x height), got 250x200 px",
        "- photos/f-009-01.png: expected one file for each id, got a duplicate id: photos/f-009",
        "- photos/f-011-01.png: expected each photo once, got the same image as photos/f-010",
        "- sketches/list.txt: expected image files, got no image",
        "note: not read, left behind by other programs (1: sketches/.DS_Store)",
    ):
        assert line in text, line


def test_faces_that_are_not_aligned_are_refused(tmp_path, draw_pair):
    for number, id in enumerate(cufs.split_ids("cuhk", "train") + cufs.split_ids("cuhk", "test")):
        draw_pair(tmp_path / "in/cuhk", id, number, eyes=((75, 117), (125, 117)))
    text = _error("cufs/cuhk", tmp_path / "in", tmp_path)
    assert text.startswith("2 problems")
    assert "cuhk (all photos): expected within 4 px of (75, 125): faces aligned" in text
    assert "got the mean photo's eye at (75, 117)" in text
    assert "expected within 4 px of (125, 125)" in text


def test_all_has_unique_ids_and_one_identity_in_every_config(
    short_lists, tmp_path, draw_pair, capsys
):
    for number, subset in enumerate(cufs.SUBSETS):
        for place, id in enumerate(short_lists[f"{subset}_train"] + short_lists[f"{subset}_test"]):
            draw_pair(tmp_path / "in" / subset, id, 10 * number + place)
    folders = {"data_dir": str(tmp_path / "out"), "manual_dir": str(tmp_path / "in")}
    train = sources.load("cufs/all", "train", **folders)
    test = sources.load("cufs/all", "test", **folders)
    assert train.id == ["f-005-01", "f-006-01", "ar-1", "ar-3", "xm2vts-2", "xm2vts-266"]
    assert train.identity.tolist() == [0, 1, 3, 4, 6, 7]
    assert test.id == ["m1-001-01", "ar-2", "xm2vts-1"] and test.identity.tolist() == [2, 5, 8]
    assert "ar: fewer than 20 photos: eyes not checked" in capsys.readouterr().err

    alone = sources.load("cufs/xm2vts", "train+test", **folders)
    assert alone.id == ["xm2vts-2", "xm2vts-266", "xm2vts-1"]
    assert alone.identity.tolist() == [6, 7, 8]
    shorter = sources.load("cufs/all_267", "train", **folders)
    assert shorter.id == train.id[:-1] and shorter.identity.tolist() == train.identity[:-1].tolist()
    assert "xm2vts id 266 is left out, as all_267 says" in capsys.readouterr().err


def test_no_hint_at_267_when_more_is_missing(short_lists, tmp_path, draw_pair):
    draw_pair(tmp_path / "in/xm2vts", "1", 1)
    text = _error("cufs/xm2vts", tmp_path / "in", tmp_path)
    assert "xm2vts id 2\n" in text and "xm2vts id 266" in text and "variant" not in text


def test_folders_missing_or_in_two_places(short_lists, tmp_path, draw_pair):
    draw_pair(tmp_path / "in", "1", 1)
    draw_pair(tmp_path / "in/ar", "1", 1)
    assert "not both, got photos/ and sketches/ in both" in _error(
        "cufs/ar", tmp_path / "in", tmp_path
    )
    text = _error("cufs/all", tmp_path / "in", tmp_path)
    assert "cuhk: expected photos/ and sketches/ in cuhk/, got no photos/ and sketches/" in text
    assert "ar id 2" in text


def test_pairs_csv_names_the_files_and_must_keep_the_official_split(
    short_lists, tmp_path, draw_pair
):
    folder = tmp_path / "in"
    table = ["id,photo,sketch,split"]
    for number, (id, split) in enumerate(
        [("f-005-01", "train"), ("f-006-01", "test"), ("m1-001-01", "test")]
    ):
        draw_pair(folder, f"image{number}", number)
        table.append(f"{id},photos/image{number}.png,sketches/image{number}.png,{split}")
    (folder / "pairs.csv").write_text("\n".join(table))
    text = _error("cufs/cuhk", folder, tmp_path)
    assert text.startswith("1 problem in ")
    assert "id f-006-01: expected split train, the official one, got split test in" in text
    table[2] = table[2].replace("test", "train")
    (folder / "pairs.csv").write_text("\n".join(table))
    pairs = sources.load(
        "cufs/cuhk", "train", data_dir=str(tmp_path / "out"), manual_dir=str(folder)
    )
    assert pairs.id == ["f-005-01", "f-006-01"]
