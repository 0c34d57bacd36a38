import tempfile
from pathlib import Path

import numpy as np
import pytest

from fsketch.core import errors
from fsketch.data import records, sources

SMALL = {"size": (12, 15), "eyes": ()}


def _load(tmp_path: Path, split: str) -> records.Pairs:
    return sources.load(
        "paired_folder", split, data_dir=str(tmp_path / "out"), manual_dir=str(tmp_path / "in")
    )


def _error(tmp_path: Path) -> str:
    with pytest.raises(errors.DataError) as caught:
        _load(tmp_path, "train")
    assert not list((tmp_path / "out").rglob("*.array_record*"))
    return str(caught.value)


def test_two_folders_are_all_train_and_say_so(tmp_path, draw_pair, capsys):
    for number, id in enumerate(["b", "a.2", "zoé"]):
        draw_pair(tmp_path / "in", id, number, size=(12 + number, 15), eyes=())
    pairs = _load(tmp_path, "train")
    assert pairs.id == ["a.2", "b", "zoé"] and pairs.identity.tolist() == [0, 1, 2]
    assert [p.shape for p in pairs.photo] == [(15, 13, 3), (15, 12, 3), (15, 14, 3)]
    assert [s.shape[:2] for s in pairs.sketch] == [p.shape[:2] for p in pairs.photo]
    assert "no split folders: all 3 pairs are the split train" in capsys.readouterr().err


def test_split_folders(tmp_path, draw_pair, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    draw_pair(tmp_path / "in/train", "a", 0, **SMALL)
    draw_pair(tmp_path / "in/train", "b", 1, **SMALL)
    draw_pair(tmp_path / "in/test", "c", 2, **SMALL)
    assert _load(tmp_path, "train").id == ["a", "b"]
    test = _load(tmp_path, "test")
    assert test.id == ["c"] and test.identity.tolist() == [2]
    with pytest.raises(ValueError, match="validation"):
        _load(tmp_path, "validation")
    assert not list((tmp_path / "temporary").iterdir())


def test_pairs_csv_gives_order_split_and_identity(tmp_path, draw_pair, draw_face):
    for number in range(4):
        draw_pair(tmp_path / "in", f"image{number}", number, **SMALL)
    (tmp_path / "in/pairs.csv").write_text(
        # With a byte order mark and other line ends, as spreadsheets write it.
        "\ufeffid,photo,sketch,split,identity\r\n"
        "x3,photos/image3.png,sketches/image3.png,train,Ann\r\n"
        "x0,photos/image0.png,./sketches/image0.png,validation,Bob\r\n"
        "x1,photos/image1.png,sketches/image1.png,train,Cid\r\n"
        "x2,photos/image2.png,sketches/image2.png,train,Ann\r\n",
        encoding="utf-8",
    )
    train = _load(tmp_path, "train")
    assert train.id == ["x3", "x1", "x2"] and train.identity.tolist() == [0, 2, 0]
    np.testing.assert_array_equal(train.photo[0], draw_face(3, **SMALL))
    assert _load(tmp_path, "validation").identity.tolist() == [1]


def test_every_problem_of_a_table_is_in_one_report(tmp_path, draw_pair):
    for number in range(5):
        draw_pair(tmp_path / "in", f"i{number}", number, **SMALL)
    draw_pair(tmp_path / "in", "i5", 5, size=(13, 15), eyes=())
    (tmp_path / "in/sketches/i5.png").write_bytes((tmp_path / "in/sketches/i0.png").read_bytes())
    (tmp_path / "in/pairs.csv").write_text(
        "id,photo,sketch,split\n"
        "a,photos/i0.png,sketches/i0.png,training\n"
        "b,photos/i1.png,sketches/none.png,train\n"
        "b,photos/i2.png,sketches/i2.png,test\n"
        "c,photos/i3.png,,train\n"
        "d,photos/i1.png,sketches/i4.png,train\n"
        "e,photos/i5.png,sketches/i5.png,train\n"
        "f,../../etc/photo.png,sketches/i1.png,train\n"
    )
    text = _error(tmp_path)
    for line in (
        "- pairs.csv id a: expected split train, validation, test, got split training",
        "- pairs.csv id b sketch sketches/none.png: expected one file of this folder",
        "- id b: expected an id once over all splits, got a duplicate id: in train and in test",
        "- pairs.csv line 5: expected one cell for each of id,photo,sketch,split",
        "- id e: expected equal sizes within a pair, got photo 13x15 px, sketch 12x15 px",
        "- pairs.csv line 8 photo '../../etc/photo.png': expected a path below the folder, got",
    ):
        assert line in text, f"{line}\n{text}"
    assert "in no row" not in text  # it would follow from the rows that are left out


def test_a_file_that_no_row_names_is_refused(tmp_path, draw_pair):
    for number in range(2):
        draw_pair(tmp_path / "in", f"i{number}", number, **SMALL)
    row = "a,photos/i0.png,sketches/i0.png,train\n"
    (tmp_path / "in/pairs.csv").write_text(f"id,photo,sketch,split\n{row}")
    text = _error(tmp_path)
    assert "- 2 places: expected files that the table names, got in no row of pairs.csv" in text
    assert "    photos/i1.png\n    sketches/i1.png" in text


def test_a_table_without_a_column_is_refused(tmp_path, draw_pair):
    draw_pair(tmp_path / "in", "a", 0, **SMALL)
    (tmp_path / "in/pairs.csv").write_text("id;photo;sketch;split\na;b;c;train\n")
    text = _error(tmp_path)
    assert text.startswith("1 problem in")
    assert (
        "expected a first line id,photo,sketch,split, got columns id;photo;sketch;split: id" in text
    )


def test_missing_partner_and_other_files(tmp_path, draw_pair):
    draw_pair(tmp_path / "in", "a", 0, **SMALL)
    draw_pair(tmp_path / "in", "b", 1, **SMALL)
    (tmp_path / "in/photos/b.png").unlink()
    (tmp_path / "in/photos/c.webp").write_text("?")
    (tmp_path / "in/photos/c.txt").write_text("?")
    text = _error(tmp_path)
    assert "- sketches/b.png: expected a photo and a sketch for each id, got no photo" in text
    assert "- photos/c.webp: expected a whole image file, got unreadable (no image" in text
    assert "- photos/c.txt: expected image files, got no image" in text


def test_one_id_in_two_splits_is_a_leak(tmp_path, draw_pair):
    draw_pair(tmp_path / "in/train", "a", 0, **SMALL)
    draw_pair(tmp_path / "in/test", "a", 1, **SMALL)
    assert (
        "- id a: expected an id once over all splits, got a duplicate id: in train and in test"
        in _error(tmp_path)
    )


@pytest.mark.parametrize("with_table", [False, True])
def test_several_sketches_of_a_photo_are_one_note(tmp_path, draw_pair, with_table, capsys):
    for number in range(4):
        draw_pair(tmp_path / "in", f"i{number}", number, **SMALL)
    photos = [tmp_path / f"in/photos/i{number}.png" for number in range(4)]
    photos[1].write_bytes(photos[0].read_bytes())
    if with_table:
        photos[1].unlink()
        rows = [
            f"{n},photos/i{max(n, 2) - 2 * (n < 2)}.png,sketches/i{n}.png,train" for n in range(4)
        ]
        rows[3] = rows[3].replace("i3.png,s", "i2.png,s").replace("train", "test")
        photos[3].unlink()
        (tmp_path / "in/pairs.csv").write_text("\n".join(["id,photo,sketch,split", *rows]))
    train = _load(tmp_path, "train")
    assert len(train.id) == 4 - with_table
    np.testing.assert_array_equal(train.photo[0], train.photo[1])
    said = capsys.readouterr().err
    assert "note: the same image twice, kept (1: photos/i" in said
    assert ("note: the same image in two splits, kept" in said) == with_table


def test_files_left_behind_change_nothing(tmp_path, draw_pair):
    draw_pair(tmp_path / "in", "a", 0, **SMALL)
    _load(tmp_path, "train")
    for name in ("ehthumbs.db", "Icon\r", "a.png~", "._a.png", "run.bat", ".DS_Store"):
        (tmp_path / "in/photos" / name).write_bytes(b"?")
    (tmp_path / "in/__MACOSX").mkdir()
    (tmp_path / "in/__MACOSX/a.png").write_bytes(b"?")
    _load(tmp_path, "train")
    assert len(list((tmp_path / "out").glob("paired_folder-*"))) == 1
    _, report = sources.check("paired_folder", manual_dir=str(tmp_path / "in"))
    assert not report.problems and report.num_unread == 6


def test_layouts_must_not_be_mixed_and_must_hold_something(tmp_path, draw_pair):
    draw_pair(tmp_path / "in", "a", 0, **SMALL)
    draw_pair(tmp_path / "in/test", "b", 1, **SMALL)
    assert "got photos/, sketches/, test/ side by side" in _error(tmp_path)


def test_folders_without_an_image(tmp_path):
    for name in ("photos", "sketches"):
        (tmp_path / "in" / name).mkdir(parents=True)
    assert "expected at least one pair, got no pair" in _error(tmp_path)
