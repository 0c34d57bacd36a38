import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors
from fsketch.data import checks, prepare, sources
from fsketch.tfds_builders.cufs import cufs_dataset_builder as cufs


def _write(folder: Path, id: str, seed: int, *, size=(40, 50), eyes=()) -> None:
    """A smooth random photo with dark spots for eyes, and its grey half as a sketch."""
    cells = np.random.default_rng(seed).integers(60, 256, (9, 8, 3), np.uint8)
    photo = Image.fromarray(cells).resize(size)
    for x, y in eyes:
        photo.paste((20, 20, 20), (x - 2, y - 2, x + 3, y + 3))
    for name, image in (("photos", photo), ("sketches", photo.convert("L"))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        image.save(folder / name / f"{id}.png")


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(8):
        _write(tmp_path / "in", f"p{number}", number)
    return tmp_path / "in"


def _run(capsys, *arguments) -> tuple[int, str]:
    code = errors.run(prepare.main, [*map(str, arguments), "--check"])
    return code, capsys.readouterr().out


def test_a_clean_folder_has_all_sections_and_exit_code_0(folder, capsys):
    code, out = _run(capsys, "paired_folder", f"--manual_dir={folder}")
    assert code == 0 and out.startswith(f"paired_folder: ok, 1 note ({folder})")
    lines = out.splitlines()
    headings = [line for line in lines[1:] if line and not line.startswith(" ")]
    assert headings == ["counts", "geometry", "images", "pairs", "notes"]
    for line in (
        "  train 8 pairs",
        "  photos: 8 of 40x50 px",
        "  sketches: 8 PNG L",
        "  nothing to report",
        "  no pairs.csv and no split folders: all 8 pairs are the split train",
    ):
        assert line in lines
    assert sorted(folder.parent.iterdir()) == [folder]  # nothing was built


def test_findings_stand_in_their_sections_and_long_lists_are_cut(folder, tmp_path, capsys):
    (folder / "sketches/p0.png").unlink()
    whole = (folder / "photos/p1.png").read_bytes()
    (folder / "photos/p1.png").write_bytes(whole[:-60])
    Image.fromarray(np.zeros((50, 41), np.uint8)).save(folder / "sketches/p2.png")
    for number in range(10, 17):
        (folder / f"photos/notes{number}.txt").write_text("?")
    arguments = ["paired_folder", f"--manual_dir={folder}", f"--json={tmp_path / 'report.json'}"]
    code, out = _run(capsys, *arguments)
    assert code == 1 and out.startswith("paired_folder: 10 problems, 1 note")
    sections = dict(zip(verify_sections(out)[::2], verify_sections(out)[1::2], strict=True))
    for section, problem in {
        "geometry": "id p2: expected equal sizes within a pair, got photo 40x50 px",
        "images": "photos/p1.png: expected a whole image file, got unreadable",
        "pairs": "photos/p0.png: expected a photo and a sketch for each id, got no sketch with",
    }.items():
        assert f"PROBLEM {problem}" in sections[section]
    assert "PROBLEM 7 places: expected image files" in sections["pairs"]
    assert "photos/notes14.txt" in out and "photos/notes15.txt" not in out
    assert "and 2 more (--all)" in out
    assert "photos/notes16.txt" in _run(capsys, *arguments, "--all")[1]

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["name"] == "paired_folder" and report["manual_dir"] == str(folder)
    [stray] = [p for p in report["problems"] if "no image" in p["got"]]
    assert stray["section"] == "pairs" and len(stray["places"]) == 7
    assert {"section": "images", "text": "sketches: 7 PNG L"} in report["facts"]
    assert report["notes"][0]["places"] == []


def verify_sections(out: str) -> list[str]:
    """[heading, body, heading, body, ...] of a printed report."""
    parts = []
    for block in out.split("\n\n")[1:]:
        heading, _, body = block.partition("\n")
        parts += [heading, body]
    return parts


def test_remarks_on_exif_and_photos_that_are_nearly_the_same(folder, capsys):
    photo = Image.open(folder / "photos/p3.png")
    brighter = Image.fromarray((np.asarray(photo) * 0.9).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0131] = "a program"
    brighter.save(folder / "photos/p4.png", exif=exif)
    code, out = _run(capsys, "paired_folder", f"--manual_dir={folder}")
    assert code == 0
    assert "1 of 8 photo files carry EXIF data; dropped\n      photos/p4.png" in out
    assert "photos that are nearly the same: 1 pairs\n      photos/p3.png ~ photos/p4.png (" in out


def test_unequal_photos_are_found_closest_first_and_equal_ones_left_to_the_digest():
    def look(bits: int, digest: str) -> checks.Look:
        pattern = np.packbits(np.arange(256) < bits)
        return checks.Look((1, 1), digest, 0.0, None, "PNG L", False, False, 0.0, pattern)

    looks = {
        Path("a"): look(0, "a"),
        Path("b"): look(checks.NEAR_BITS, "b"),
        Path("c"): look(100, "c"),
        Path("d"): look(101, "d"),
        Path("e"): look(100, "c"),
    }
    assert checks.near_duplicates(looks) == [
        (Path("c"), Path("d"), 1),
        (Path("d"), Path("e"), 1),
        (Path("a"), Path("b"), checks.NEAR_BITS),
    ]
    assert checks.near_duplicates({}) == []


@pytest.fixture
def short_lists(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, ids in {
        "cuhk_train": "f-005-01 f-006-01", "cuhk_test": "m1-001-01",
        "ar_train": "1 3", "ar_test": "2",
        "xm2vts_train": "2 266", "xm2vts_test": "1 4",
    }.items():  # fmt: skip
        (folder / f"{name}.txt").write_text(ids.replace(" ", "\n"))
    monkeypatch.setattr(cufs, "_LISTS", folder)


def test_the_config_is_chosen_by_the_folder_and_named(short_lists, tmp_path, capsys):
    def name_of(place: str) -> str:
        return sources.check("cufs", manual_dir=str(tmp_path / place))[0]

    for number, id in enumerate(["f-005-01", "f-006-01", "m1-001-01"]):
        _write(tmp_path / "all/cuhk", id, number, size=(200, 250))
        _write(tmp_path / "alone", id, number, size=(200, 250))
    for number, id in enumerate(["1", "2", "3"]):
        _write(tmp_path / "all/ar", id, 10 + number, size=(200, 250))
        _write(tmp_path / "ar", id, 10 + number, size=(200, 250))
    for number, id in enumerate(["1", "2", "4", "266"]):
        _write(tmp_path / "all/xm2vts", id, 20 + number, size=(200, 250))
        _write(tmp_path / "xm2vts", id, 20 + number, size=(200, 250))
    assert name_of("alone") == "cufs/cuhk" and name_of("ar") == "cufs/ar"
    assert name_of("all") == "cufs/all" and name_of("xm2vts") == "cufs/xm2vts"

    code, out = _run(capsys, "cufs", f"--manual_dir={tmp_path / 'all'}")
    assert code == 0 and "  xm2vts: train 2 of 2 ids\n  xm2vts: test 2 of 2 ids" in out
    for place in ("all/xm2vts", "xm2vts"):
        for name in ("photos", "sketches"):
            (tmp_path / place / name / "266.png").unlink()
    assert name_of("xm2vts") == "cufs/xm2vts_267"
    code, out = _run(capsys, "cufs", f"--manual_dir={tmp_path / 'all'}")
    assert code == 0 and out.startswith("cufs/all_267: ok")
    assert "  xm2vts: train 1 of 1 ids" in out
    code, out = _run(capsys, "cufs/all", f"--manual_dir={tmp_path / 'all'}")
    assert code == 1 and "a known public variant of the lists with 267 training pairs" in out
    assert "PROBLEM xm2vts id 266: expected the ids of splits/xm2vts_train.txt" in out

    # With a table, the ids are the table's.
    (tmp_path / "xm2vts/pairs.csv").write_text("id,photo,sketch,split\n266,a,b,train\n")
    assert name_of("xm2vts") == "cufs/xm2vts"


def test_geometry_reports_the_mean_photo_s_eyes_and_black_borders(short_lists, tmp_path, capsys):
    ids = [str(number) for number in range(1, checks.EYE_PHOTOS + 1)]
    (tmp_path / "lists/ar_test.txt").write_text("\n".join(id for id in ids if id not in {"1", "3"}))
    for number, id in enumerate(ids):
        _write(tmp_path / "in", id, number, size=(200, 250), eyes=((75, 133), (125, 125)))
    path = tmp_path / "in/photos/3.png"
    tilted = np.array(Image.open(path))
    tilted[:3, 20:] = 0
    Image.fromarray(tilted).save(path)
    code, out = _run(capsys, "cufs/ar", f"--manual_dir={tmp_path / 'in'}")
    assert code == 1 and out.startswith("cufs/ar: 1 problem, ")
    assert "the mean photo's eye at (75, 133), expected at (75, 125)" in out
    assert "PROBLEM . (all photos): expected within 4 px of (75, 125)" in out
    assert "1 of 20 photos have black borders of rotation; kept\n      photos/3.png" in out


@pytest.mark.parametrize(
    "name, place, message",
    [
        ("cufs/none", "in", "expected cufs, cufsf, fs2k, identity_folder, paired_folder"),
        ("procedural_faces/small", "in", "got 'procedural_faces/small'"),
        ("paired_folder", "none", "expected the folder to read, got"),
    ],
)
def test_arguments_that_do_not_fit_are_exit_code_2(folder, capsys, name, place, message):
    assert errors.run(prepare.main, [name, f"--manual_dir={folder.parent / place}", "--check"]) == 2
    assert message in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_exit_code_2(folder, capsys):
    arguments = ["paired_folder", f"--manual_dir={folder}", f"--json={folder / 'no/report.json'}"]
    assert errors.run(prepare.main, [*arguments, "--check"]) == 2
    assert "--json: " in capsys.readouterr().err
    for wrong in (["paired_folder", "--check"], arguments):
        assert errors.run(prepare.main, wrong) == 2
        assert ": expected with --" in capsys.readouterr().err


def test_the_real_cuhk_student_set(shared_data, capsys):
    code, out = _run(capsys, "cufs", f"--manual_dir={shared_data / 'cuhk_student'}")
    assert code == 0 and out.startswith("cufs/cuhk: ok, 1 note")
    assert "cuhk: train 88 of 88 ids" in out and "cuhk: test 100 of 100 ids" in out
    assert "the mean photo's eye at (74, 125), expected at (75, 125)" in out
    assert "sketches: 146 JPEG L, 42 JPEG RGB" in out
    assert "70 of 188 photos have black borders of rotation" in out


def test_the_real_training_half_of_fs2k(shared_data, capsys):
    code, out = _run(capsys, "fs2k", f"--manual_dir={shared_data / 'fs2k_train'}")
    assert code == 0 and out.startswith("fs2k/train_only: ok, 3 notes")
    for line in (
        "train: 1058 of 1058 photos",
        "train, style: 1 357, 2 350, 3 351",
        "train, hair_color: brown 288, black 423, red 60, none 48, golden 239",
        "photos: 707 of 250x250 px, 253 of 475x340 px, 97 of 223x318 px, 1 of 205x292 px",
        "points of skin outside their image, kept: 1",
        "348 of 1058 photo files carry EXIF data",
        "photos that are nearly the same: 5 pairs",
    ):
        assert line in out, line
