import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors, locks
from fsketch.data import digests, prepare, sources
from fsketch.tfds_builders.cufs import cufs_dataset_builder as cufs

ROOT = Path(__file__).parents[2]
CUHK = ROOT.parent / "shared" / "data" / "cuhk_student"


def _write(folder: Path, id: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (10, 8, 3), np.uint8)
    for name, image in (("photos", pixels), ("sketches", pixels[..., 0])):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name / f"{id}.png")


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(6):
        _write(tmp_path / "in", f"p{number}", number)
    return tmp_path / "in"


def _folders(folder: Path) -> dict[str, str]:
    return {"data_dir": str(folder.parent / "out"), "manual_dir": str(folder)}


def _start(code: str, folder: Path) -> subprocess.Popen:
    """A process that runs `code` with `sources` and `folders` at hand."""
    head = f"from fsketch.data import sources\nfolders = {_folders(folder)!r}\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_built_once_then_reused(folder, capsys):
    pairs = sources.load("paired_folder", "train[1:3]", **_folders(folder))
    assert pairs.id == ["p1", "p2"] and pairs.identity.dtype == np.int32
    assert pairs.photo[0].shape == (10, 8, 3) and pairs.sketch[0].shape == (10, 8, 1)
    np.testing.assert_array_equal(pairs.photo[0], np.asarray(Image.open(folder / "photos/p1.png")))
    assert "paired_folder: train 6 pairs in" in capsys.readouterr().err
    sources.prepare("paired_folder", **_folders(folder))
    out = capsys.readouterr().err
    assert "preparing" not in out


def test_a_changed_folder_is_never_served_from_old_data(folder):
    first = sources.load("paired_folder", "train", **_folders(folder))
    shutil.copytree(folder / "photos", folder.parent / "kept")
    _write(folder, "p0", 100)
    second = sources.load("paired_folder", "train", **_folders(folder))
    assert (first.photo[0] != second.photo[0]).any()
    _write(folder, "p6", 101)
    assert len(sources.load("paired_folder", "train", **_folders(folder)).id) == 7
    assert len(list((folder.parent / "out").glob("paired_folder-*"))) == 3


def test_the_digest_covers_names_and_contents_and_nothing_else(tmp_path):
    for name in ("a/x.png", "b/x.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"1")
    digest = digests.folder_digest(tmp_path / "a")
    assert digest == digests.folder_digest(tmp_path / "b") and len(digest) == 12
    os.utime(tmp_path / "b/x.png", (0, 0))
    assert digest == digests.folder_digest(tmp_path / "b")
    (tmp_path / "b/x.png").rename(tmp_path / "b/y.png")
    assert digest != digests.folder_digest(tmp_path / "b")
    (tmp_path / "a/circle").symlink_to(tmp_path / "a")
    (tmp_path / "a/broken").symlink_to(tmp_path / "nowhere")
    assert len(digests.folder_digest(tmp_path / "a")) == 12


def test_without_manual_dir_exactly_one_prepared_copy_is_taken(folder, tmp_path):
    out = str(tmp_path / "out")
    with pytest.raises(errors.DataError, match=r"holds 0 prepared copies(.|\n)*photos"):
        sources.load("paired_folder", "train", data_dir=out)
    sources.prepare("paired_folder", **_folders(folder))
    assert len(sources.load("paired_folder", "train", data_dir=out).id) == 6
    _write(folder, "p7", 7)
    sources.prepare("paired_folder", **_folders(folder))
    with pytest.raises(errors.DataError, match="holds 2 prepared copies of paired_folder"):
        sources.load("paired_folder", "train", data_dir=out)


@pytest.mark.parametrize(
    "name, data_dir, manual_dir, message",
    [
        ("cufs", "out", "in", "data set name: expected cufs/cuhk, cufs/ar, .*, got 'cufs'"),
        ("cufs/none", "out", "in", "procedural_faces/small"),
        ("paired_folder", "out", "none", "the folder to read, got .*none, which is no folder"),
        ("paired_folder", "out", "empty", "the folder to read, got .*empty, which is empty"),
        ("paired_folder", "in/out", "in", "a folder elsewhere, got .*in/out, inside manual_dir"),
        ("paired_folder", "gs://out", "in", "data_dir: expected a local folder .*, got gs://out"),
        ("procedural_faces/small", "out", "in", "since procedural_faces/small reads no folder"),
    ],
)
def test_arguments_that_do_not_fit(
    folder, tmp_path, monkeypatch, name, data_dir, manual_dir, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.DataError) as caught:
        sources.prepare(name, data_dir=data_dir, manual_dir=manual_dir)
    assert re.search(message, str(caught.value))


def test_relative_folders_and_unknown_split(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    pairs = sources.load("paired_folder", "train", data_dir="../out", manual_dir="../in/photos/..")
    assert len(pairs.id) == 6
    with pytest.raises(ValueError, match="validation"):
        sources.load("paired_folder", "validation", data_dir="../out", manual_dir=".")


def test_an_empty_data_dir_is_the_default_of_tfds(folder, tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "default"))
    builder = sources.prepare("paired_folder", data_dir="", manual_dir=str(folder))
    assert builder.data_dir.startswith(str(tmp_path / "default" / "paired_folder-"))


def test_two_processes_one_builds_and_the_other_waits(folder, tmp_path):
    """The lock is held until both stand before it; then exactly one may build."""
    digest = digests.folder_digest(folder)
    root = tmp_path / "out" / f"paired_folder-{digest}"
    root.mkdir(parents=True)
    with locks.turn(root / ".paired_folder.lock", "a test"):
        code = "print(len(sources.load('paired_folder', 'train', **folders).id))"
        processes = [_start(code, folder) for _ in range(2)]
        for process in processes:
            assert f"waiting for process {os.getpid()} on " in process.stdout.readline()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted("preparing" in output for output in outputs) == [False, True]
    assert all(output.strip().endswith("6") for output in outputs)


def test_threads_of_one_process_take_turns(folder, capsys):
    threads = [
        threading.Thread(target=sources.prepare, args=("paired_folder",), kwargs=_folders(folder))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().err.count("paired_folder: preparing") == 1


def test_a_killed_preparation_is_not_taken_as_finished(folder, tmp_path, capsys):
    code = """
import os, signal, itertools
from fsketch.data.checks import decoding
count, encode = itertools.count(), decoding.encode
def encode_some(pixels):
    if next(count) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(pixels)
decoding.encode = encode_some
sources.prepare('paired_folder', **folders)
"""
    process = _start(code, folder)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    left_over = list((tmp_path / "out").rglob("incomplete.*"))
    assert left_over
    assert len(sources.load("paired_folder", "train", **_folders(folder)).id) == 6
    assert "left by a killed preparation" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("incomplete.*"))


def test_the_program_prints_counts_or_the_report(folder, tmp_path, capsys):
    arguments = ["paired_folder", f"--manual_dir={folder}", f"--data_dir={tmp_path / 'out'}"]
    assert errors.run(prepare.main, arguments) == 0
    assert "train      6 pairs" in capsys.readouterr().out
    (folder / "photos/p1.png").unlink()
    assert errors.run(prepare.main, arguments) == 1
    assert (
        "sketches/p1.png: expected a photo and a sketch for each id, got no"
        in capsys.readouterr().err
    )
    assert errors.run(prepare.main, ["paired", "--manual_dir=."]) == 1
    assert "expected cufs/cuhk" in capsys.readouterr().err


def test_tensorflow_is_not_loaded(folder):
    code = """
import sys
sources.load('paired_folder', 'train', **folders)
print({'tensorflow', 'torch', 'apache_beam'} & set(sys.modules))
"""
    assert _start(code, folder).communicate(timeout=60)[0].endswith("set()\n")


@pytest.mark.skipif(not CUHK.is_dir(), reason="the CUHK student set is not at ../shared/data")
def test_the_real_cuhk_student_set(tmp_path):
    folders = {"data_dir": str(tmp_path), "manual_dir": str(CUHK)}
    for split, num in (("train", 88), ("test", 100)):
        pairs = sources.load("cufs/cuhk", split, **folders)
        assert len(pairs.id) == num and pairs.id == cufs.split_ids("cuhk", split)
        assert {p.shape for p in pairs.photo} == {(250, 200, 3)}
        assert {s.shape for s in pairs.sketch} == {(250, 200, 1)}
        assert {a.dtype for a in [*pairs.photo, *pairs.sketch]} == {np.dtype(np.uint8)}
        photo = Image.open(CUHK / "photos" / f"{pairs.id[3]}.png")
        np.testing.assert_array_equal(pairs.photo[3], np.asarray(photo))
        sketch = Image.open(CUHK / "sketches" / f"{pairs.id[3]}.jpg").convert("L")
        np.testing.assert_array_equal(pairs.sketch[3][..., 0], np.asarray(sketch))
