"""Checkpoints know their bytes: damage is named, what is whole is found when it is asked for."""

import numpy as np
import pytest

from fsketch.convert import files
from fsketch.core import checkpoint, checksums


def save(workdir, kind, *steps):
    places = checkpoint.open_workdir(workdir, keep=3)
    for step in steps:
        tree = {"net": {"kernel": np.full((40, 30), step, np.float32), "count": np.int32(step)}}
        checkpoint.save(getattr(places, kind), step, tree, {"step": step, "score": 0.5})
    places.wait()
    places.close()


def flip(path, place=None):
    """Another bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 4
    path.write_bytes(content)


def damage(workdir, name):
    folder = workdir / "checkpoints" / name
    flip(max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size))


def test_a_damaged_newest_is_named_with_the_one_that_is_whole_and_what_to_add(tmp_path):
    save(tmp_path, "latest", 2, 4, 6)
    damage(tmp_path, "latest/6")
    with pytest.raises(checkpoint.DamagedError) as caught:
        checkpoint.read(tmp_path, kind="latest")
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/checkpoints/latest/6: expected the checkpoint that was")
    assert told.endswith("the one before it, of step 4, is whole: add --checkpoint=previous")
    assert len(told) < 500 and "\n" not in told
    damage(tmp_path, "latest/4")
    arrays, meta = checkpoint.read(tmp_path, kind="previous")
    assert meta["step"] == 2 and (arrays["net/kernel"] == 2).all() and arrays["net/count"] == 2
    assert checkpoint.set_aside(tmp_path) == ["latest/6", "latest/4"]
    assert checkpoint.read(tmp_path, kind="latest")[1]["step"] == 2
    assert {p.name for p in (tmp_path / "checkpoints/damaged").iterdir()} == {
        "latest-6",
        "latest-4",
    }
    assert checkpoint.set_aside(tmp_path) == []
    damage(tmp_path, "latest/2")
    with pytest.raises(checkpoint.DamagedError, match="none before it is whole"):
        checkpoint.read(tmp_path, kind="latest")


@pytest.mark.parametrize("kind", ["best", "frozen"])
def test_damage_of_what_has_no_older_one_says_what_helps(tmp_path, kind):
    save(tmp_path, kind, 2)
    damage(tmp_path, f"{kind}/2")
    with pytest.raises(checkpoint.DamagedError, match="`fsketch train --checkpoint=previous`"):
        checkpoint.read(tmp_path, kind=kind)
    assert checkpoint.set_aside(tmp_path) == [f"{kind}/2"]
    with pytest.raises(FileNotFoundError):
        checkpoint.read(tmp_path, kind=kind)


def test_numbers_and_meta_data_that_decode_but_were_not_saved_are_refused(tmp_path, monkeypatch):
    """What no layer below notices."""
    save(tmp_path, "latest", 2)
    real = checksums.of_arrays
    with monkeypatch.context() as patch:
        patch.setattr(checksums, "of_arrays", lambda arrays: {**real(arrays), "net/count": 1})
        with pytest.raises(checkpoint.DamagedError, match="other numbers in net/count;"):
            checkpoint.read(tmp_path, kind="latest")
    (meta,) = (tmp_path / "checkpoints").glob("latest/2/meta/metadata")
    meta.write_text(meta.read_text().replace('"step": 2', '"step": 3'))
    with pytest.raises(checkpoint.DamagedError, match="got other meta data"):
        checkpoint.read(tmp_path, kind="latest")


def test_every_single_bit_of_an_array_counts():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    sums = checksums.of_arrays({"a": array})
    for bit in range(array.nbytes * 8):
        other = array.copy()
        other.view(np.uint8)[np.unravel_index(bit // 8, (2, 12))] ^= 1 << bit % 8
        assert checksums.changed({"a": other}, sums) == ["a"]
    assert checksums.changed({"a": array.T.copy().T}, sums) == []  # the order in memory does not
    assert checksums.changed({"a": array.reshape(3, 2)}, sums) == ["a"]
    assert checksums.changed({"b": array}, sums) == ["a", "b"]


def test_a_flipped_bit_anywhere_in_converted_weights_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    tree = {"conv": {"kernel": np.ones((3, 3), np.float32)}}
    files.write(str(path), tree, net="vgg19", source="drawn by a program", sha256="0" * 64)
    assert files.read(str(path))[0] == "vgg19"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole)
        flip(path, place)
        with pytest.raises(ValueError, match=r"w\.safetensors: "):
            print(place, files.read(str(path)))
