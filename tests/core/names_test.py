"""Names from data: the rule, and a refusal at each entrance, with nothing written elsewhere."""

import json
import time
import zipfile

import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
from PIL import Image

from fsketch import image_jobs, score, synthesize, translator, verify_faces
from fsketch.convert import files
from fsketch.core import checkpoint, errors, names
from fsketch.data import checks, faces, prepare, shards, sources
from fsketch.data import fs2k as annotations
from fsketch.data.synthetic import paintings
from fsketch.data.verification import face_pairs, face_sets, lists
from fsketch.scoring import matching
from fsketch.tfds_builders import listed

BAD = ("../../x", "/x/y", "sub/dir", "a\x1b[2Jb")


@pytest.mark.parametrize("name", ["a", "m1-041-01", "zoé", "a.2", "f@scream", "x y", "b" * 200])
def test_plain_names(name):
    assert names.problem(name) is None
    names.check(name, "id")


@pytest.mark.parametrize(
    "name",
    [
        *BAD, "", ".", "..", ".hidden", "a\\b", "a\0", "a\n", "a\x7f", "a\x85", "a\u202eb",
        "a\u2028", " a", "a ", "c:x", "nul", "COM1.x", "é" * 101, "a\udcff",
    ],
)  # fmt: skip
def test_other_names(name):
    assert names.problem(name)
    with pytest.raises(ValueError, match=r"^id: expected a plain file name, got '"):
        names.check(name, "id")


def test_paths_stay_inside():
    for path in ("a.png", "./a/b.png", "a/..b/c", "photos/zoé.png"):
        assert names.inside(path) is None, path
    for path in ("", "/a", "../a", "a/../../b", "a/..", "a\\b", "C:/a", "a\x1b/b"):
        assert names.inside(path), path


def test_control_characters_are_written_out():
    assert names.shown("zoé \x1b[2J\u202e\udcff\n") == "zoé \\x1b[2J\\u202e\\udcff\\n"
    assert names.quoted("a" * 100) == f"'{'a' * 80}'..."


def draw(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (15, 12, 3), np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


def tree(folder):
    return sorted(path for path in folder.rglob("*") if "prepared" not in path.parts)


def refused(tmp_path, capsys, name="paired_folder"):
    """What `prepare` and `verify` say of tmp_path/a/b/in; nothing else is written."""
    before, where = tree(tmp_path), f"--manual_dir={tmp_path / 'a/b/in'}"
    words = [name, where, f"--data_dir={tmp_path / 'prepared'}"]
    assert errors.run(prepare.main, words) == 1
    said = capsys.readouterr().err
    assert prepare.main([*words, "--check"]) == 1
    assert "PROBLEM" in (found := capsys.readouterr().out)
    assert "\x1b" not in said + found
    assert tree(tmp_path) == before
    assert not list((tmp_path / "prepared").rglob("*.array_record*"))
    return said


def pairs(folder, id="x", photo="photos/x.png"):
    draw(folder / "photos/x.png", 0)
    draw(folder / "sketches/x.png", 1)
    table = f"id,photo,sketch,split\n{id},{photo},sketches/x.png,train\n"
    (folder / "pairs.csv").write_text(table)


@pytest.mark.parametrize("id", BAD)
def test_ids_of_a_table(tmp_path, capsys, id):
    pairs(tmp_path / "a/b/in", id)
    said = refused(tmp_path, capsys)
    assert f"- pairs.csv line 2 id {names.quoted(id)}: expected " in said
    assert "expected a plain file name" in said
    assert said.count("\n- ") == 1


@pytest.mark.parametrize("photo", ["../../x.png", "/x/y.png", "a\x1b[2Jb.png"])
def test_paths_of_a_table(tmp_path, capsys, photo):
    draw(tmp_path / "a/x.png")
    pairs(tmp_path / "a/b/in", photo=photo)
    said = refused(tmp_path, capsys)
    assert f"- pairs.csv line 2 photo {names.quoted(photo)}: expected " in said


def test_stems_of_files(tmp_path, capsys):
    for kind in ("photos", "sketches"):
        draw(tmp_path / "a/b/in" / kind / "a\x1b[2Jb.png")
    said = refused(tmp_path, capsys)
    assert "    photos/a\\x1b[2Jb.png\n" in said
    assert "expected a plain file name, got a control character" in said


@pytest.mark.parametrize("stem", ["x" * 190, "x\x1b[2J"])
def test_persons(tmp_path, capsys, stem):
    draw(tmp_path / "a/b/in" / stem.replace("x", "p") / f"{stem}.png")
    said = refused(tmp_path, capsys, "identity_folder")
    assert "expected a plain file name" in said
    options = {"prefix": "", "test_share": 0, "validation_share": 0, "limits": (0, 0, 0)}
    with pytest.raises(errors.DataError, match="expected a plain file name"):
        faces.find("folders", manual_dir=str(tmp_path / "a/b/in"), data_dir="", **options)


def test_two_files_of_one_person_s_id(tmp_path, capsys):
    draw(tmp_path / "a/b/in/al_b/c.png")
    draw(tmp_path / "a/b/in/al/b_c.png")
    said = refused(tmp_path, capsys, "identity_folder")
    assert "- al_b/c.png: expected PERSON_STEM once, got the id al_b_c of al/b_c.png" in said


@pytest.mark.parametrize("name", BAD)
def test_celeba_s_lists(tmp_path, name):
    (tmp_path / "list_eval_partition.txt").write_text(f"{name}.jpg 0\n")
    (tmp_path / "identity_CelebA.txt").write_text("")
    options = {"prefix": "", "test_share": 0, "validation_share": 0, "limits": (0, 0, 0)}
    with pytest.raises(errors.DataError, match=r"list_eval_partition.txt line 1: expected a plain"):
        faces.find("celeba", manual_dir=str(tmp_path), data_dir="", **options)


@pytest.mark.parametrize("name", BAD)
def test_lists_of_cufs_and_cufsf(tmp_path, name):
    (tmp_path / "train.txt").write_text(f"f-005-01\n{name}\n")
    with pytest.raises(ValueError, match=r"^train.txt: expected a plain file name, got '"):
        listed.read_ids(tmp_path / "train.txt")


@pytest.mark.parametrize("name", [*BAD, "photo1/../image1", "photo1/image1\n"])
def test_annotations_of_fs2k(tmp_path, name):
    (tmp_path / "anno_train.json").write_text(json.dumps([{"image_name": name}]))
    report = checks.Report(tmp_path)
    assert annotations.read(tmp_path / "anno_train.json", "train", report) == ([], set())
    with pytest.raises(errors.DataError, match=r"entry 0: .*, got image_name '") as caught:
        report.close()
    assert "\x1b" not in str(caught.value)


def test_ids_of_what_is_prepared_already(tmp_path, monkeypatch):
    """Also by an older version, or by others."""
    pairs(tmp_path / "in", "../../../x")
    where = {"data_dir": str(tmp_path / "out"), "manual_dir": str(tmp_path / "in")}
    with monkeypatch.context() as without:
        without.setattr(names, "problem", lambda name: None)
        sources.prepare("paired_folder", **where)
    with pytest.raises(
        errors.DataError,
        match=r"id '../../../x': expected a plain file name, got a path",
    ):
        sources.load("paired_folder", "train", **where)


@pytest.mark.parametrize("style", ["..", "a\x1b[2Jb.png", "art/.png"])
def test_styles(style):
    with pytest.raises(ValueError, match=r"^style: expected a plain file name, got '"):
        paintings.name_of(style)


def manifest(id="f", style="scream"):
    return {
        "version": shards.VERSION, "styles": [style], "seen": [style], "drawn": False,
        "faces": [[id, 0, "train"]], "faces_per_shard": 1,
    }  # fmt: skip


def portraits(folder, content, members):
    (folder / shards.MANIFEST).write_text(json.dumps(content))
    with zipfile.ZipFile(folder / "shard-00000-of-00001.zip", "w") as archive:
        for member in members:
            archive.writestr(member, b"")
    report = checks.Report(folder)
    return shards.read(folder, report), list(report.problems)


MEMBERS = ["photo/f.png", "scream/f.png", "poses.json"]


@pytest.mark.parametrize("bad", [*BAD, "x" * 199])
def test_manifests_of_portraits(tmp_path, bad):
    assert portraits(tmp_path, manifest(), MEMBERS) == (manifest(), [])
    for content in (manifest(id=bad), manifest(style=bad)):
        found, problems = portraits(tmp_path, content, MEMBERS)
        assert found is None and [expected for _, expected in problems] == [names.PLAIN]
    assert portraits(tmp_path, manifest(id=1), MEMBERS)[0] is None


@pytest.mark.parametrize("members", [[*MEMBERS, "../x"], [*MEMBERS, "/x"], MEMBERS[1:]])
def test_members_of_shards(tmp_path, members):
    found, problems = portraits(tmp_path, manifest(), members)
    assert found is None and "other members" in problems[0][0]


@pytest.mark.parametrize("bad", ["..", "a\x1b[2Jb"])
def test_names_in_checkpoints_and_weights(tmp_path, bad):
    with ocp.CheckpointManager(tmp_path / "checkpoints/latest") as manager:
        checkpoint.save(manager, 0, {"players": {bad: np.zeros(1)}}, {})
    with ocp.CheckpointManager(tmp_path / "checkpoints/frozen") as manager:
        checkpoint.save(manager, 0, {"face": np.zeros(1)}, {"specs": {bad: ""}})
    for read in (
        lambda: checkpoint.read(tmp_path, kind="latest"),
        lambda: checkpoint.read(tmp_path, kind="frozen"),
        lambda: checkpoint.frozen_specs(tmp_path),
    ):
        with pytest.raises(ValueError, match="expected a plain file name, got '"):
            read()
    path = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({f"conv/{bad}": np.zeros(1)}, path, metadata={"net": "x"})
    with pytest.raises(ValueError, match="expected a plain file name, got '"):
        files.read(str(path))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("column", ["id", "output", "photo", "sketch"])
def test_tables_that_are_scored(tmp_path, capsys, column, bad):
    (tmp_path / "made").mkdir()
    row = {"id": "x", "photo": "x.png", "sketch": "x.png", "split": "test", "output": "x"}
    row[column] = bad
    table = tmp_path / "table.csv"
    table.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    arguments = ["--protocol=plain", f"--manifest={table}", f"--output={tmp_path / 'made'}"]
    assert errors.run(score.main, arguments) == 1
    said = capsys.readouterr().err
    if (column, bad) in (("photo", "sub/dir"), ("sketch", "sub/dir")):
        assert "no such file" in said
    else:
        assert f"table.csv line 2 {column} {names.quoted(bad)}: expected " in said
    assert "\x1b" not in said


@pytest.mark.parametrize("label", ["../x", "/x", "a\x1b[2Jb"])
def test_labels(tmp_path, label):
    with pytest.raises(errors.DataError, match="expected LABEL=FOLDER"):
        matching.labels([f"{label}={tmp_path}"])


@pytest.mark.parametrize("file", ["../../x.png", "/x/y.png", "a\x1b[2Jb/c.png"])
def test_pairs_that_are_verified(tmp_path, capsys, file):
    (tmp_path / "faces").mkdir()
    table = tmp_path / "mine.csv"
    table.write_text(f"fold,file_a,file_b,same\n1,{file},a/1.png,0\n")
    assert (
        errors.run(verify_faces.main, [f"--folder={tmp_path / 'faces'}", f"--pairs={table}"]) == 1
    )
    said = capsys.readouterr().err
    assert f"mine.csv line 2 file_a {names.quoted(file)}: expected " in said and "\x1b" not in said
    with pytest.raises(errors.DataError, match="expected a path below the folder"):
        face_sets.from_pairs(
            [lists.Pair(file, "a/1.png", False, 1)], tmp_path, checks.Report(tmp_path),
            name="x", source="x",
        )  # fmt: skip


def test_files_that_pairs_are_drawn_from(tmp_path):
    draw(tmp_path / "al/a\x1b[2Jb.png")
    with pytest.raises(errors.DataError, match=r"al/a\\x1b\[2Jb\.png: .*, got a control char"):
        face_pairs.draw(tmp_path, seed=0)


def test_synthesize_prints_no_control_characters(tmp_path, capsys, monkeypatch):
    draw(tmp_path / "in/a\x1b[2Jb.png")
    (tmp_path / "in/c\x1b[2Jd.txt").write_text("")
    monkeypatch.setattr(translator, "load_translator", lambda *args, **more: None)
    monkeypatch.setattr(
        synthesize, "run",
        lambda translate, jobs, reading, **more: [image_jobs.Failure(jobs[0].given, "why")],
    )  # fmt: skip
    arguments = ["--workdir=run", "--direction=to_sketch", str(tmp_path / "in"), str(tmp_path)]
    assert errors.run(synthesize.main, arguments) == 1
    said = capsys.readouterr().err
    assert "a\\x1b[2Jb.png: why" in said and "c\\x1b[2Jd.txt" in said and "\x1b" not in said


@pytest.mark.parametrize("row", ["../{0},{0},{0},{0}", "x{0},{0}.png,{0}.jpg,train", "x{0}"])
def test_many_bad_rows_cost_little_and_are_counted(tmp_path, capsys, row):
    folder = tmp_path / "in"
    folder.mkdir()
    rows = "".join(f"{row.format(i)}\n" for i in range(30_000))
    (folder / "pairs.csv").write_text(f"id,photo,sketch,split\n{rows}")
    start_sec = time.process_time()
    report = sources.check("paired_folder", manual_dir=str(folder))[1]
    with pytest.raises(errors.DataError) as caught:
        report.close()
    assert time.process_time() - start_sec < 1.5
    lines = str(caught.value).splitlines()
    assert len(lines) < 50 and lines[0].startswith(("30,000 problems", "60,000 problems"))
    assert any(line.strip() in ("and 29,980 more", "and 59,980 more") for line in lines)


def test_one_fault_of_a_table_or_a_folder_is_one_line(tmp_path, capsys):
    folder = tmp_path / "a/b/in"
    for number in range(3):
        draw(folder / f"photos/f-00{number}-01.png", number)
        draw(folder / f"sketches/f-00{number}-01.png", 10 + number)
    (folder / "pairs.csv").write_text("id;photo;sketch;split\n")
    for name in ("paired_folder", "cufs/cuhk"):
        assert refused(tmp_path, capsys, name).count("\n- ") == 1
    (folder / "pairs.csv").unlink()
    (folder / "sketches").rename(folder / "sketch")
    assert "sketches: expected a folder of images, got no such folder" in (
        said := refused(tmp_path, capsys, "cufs/cuhk")
    )
    assert said.count("\n- ") == 1
