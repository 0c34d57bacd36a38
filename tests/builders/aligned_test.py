"""FS2K aligned by the eyes that a detector finds, and the set of four styles that contains it."""

import json

import numpy as np
import pytest
from PIL import Image

from fsketch.data import fs2k as annotations
from fsketch.data import pipeline, sources
from fsketch.faces import detector
from fsketch.tfds_builders.cufs import cufs_dataset_builder as cufs
from fsketch.tfds_builders.fs2k import aligned

SIZE, EYES = (220, 280), ((85, 135), (135, 135))  # those of the frame, moved by 10 px
FACELESS, ASIDE = 3, 4
STYLES = [0] * 8 + [1, 1]


class Finder:
    """A detector that reads the number in the corner of a drawn face."""

    def find(self, image):
        number = int(image[0, 0, 0])
        notes = (aligned.ASIDE,) if number == ASIDE else ()
        points = np.float64([*EYES, (110, 160), (95, 185), (125, 185)])
        return [detector.Face(1.0, np.zeros(4), points, notes)] * (number != FACELESS)


@pytest.fixture
def folder(tmp_path, monkeypatch, draw_face, draw_pair):
    """in/fs2k: the training half, ten pairs in two styles; in/cuhk: seven and one."""
    monkeypatch.setattr(annotations, "SIZES", {"train": len(STYLES), "test": 1})
    monkeypatch.setattr(aligned.detector, "load", Finder)
    half, entries = tmp_path / "in" / "fs2k", []
    for role in ("photo", "sketch"):
        for source in (1, 2, 3):
            (half / role / f"{role}{source}").mkdir(parents=True)
    for number, style in enumerate(STYLES):
        image = draw_face(number, size=SIZE, eyes=EYES)
        for role, name, pixels in (("photo", "image", image), ("sketch", "sketch", image[..., 0])):
            place = half / role / f"{role}1"
            Image.fromarray(pixels).save(place / f"{name}{number:04d}.png")
        entries.append({
            "image_name": f"photo1/image{number:04d}", "skin_color": [50, 60] if number else [3, 4],
            "lip_color": [150.5, 80.25, 79.0], "eye_color": [118.0, 72.0, 69.0], "hair": 0,
            "hair_color": 1, "gender": 0, "earring": 1, "smile": 0, "frontal_face": 0,
            "style": style,
        })  # fmt: skip
    (half / "anno_train.json").write_text(json.dumps(entries))
    lists = {"cuhk_train": [f"f-00{i}-01" for i in range(1, 8)], "cuhk_test": ["m1-001-01"]}
    monkeypatch.setattr(cufs, "_LISTS", tmp_path)
    for name, ids in lists.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(ids) + "\n")
        for id in ids:
            draw_pair(tmp_path / "in" / "cuhk", id, int(id[4:5]) + 100 * id.startswith("m"))
    return tmp_path / "in"


def loaded(name, split, folder):
    where = {"data_dir": str(folder.parent / "out"), "manual_dir": str(folder)}
    return sources.load(name, split, **where)


def test_photo_and_sketch_are_moved_alike_and_who_has_no_face_is_counted(folder, draw_face, capsys):
    name, half = "fs2k/train_only_aligned", folder / "fs2k"
    train = loaded(name, "train", half)
    said = capsys.readouterr().err
    assert "photos are left out: no face is found (1: photo1_image0003)" in said
    assert "photos are left out: the face is turned aside (1: photo1_image0004)" in said
    # Places 1 and 5 of a style are held out; the others stay, but for the two without a face.
    assert train.id == [f"photo1_image{number:04d}" for number in (0, 2, 6, 7, 8)]
    assert list(train.style) == ["fs2k1"] * 4 + ["fs2k2"]
    assert loaded(name, "held_out", half).id == ["photo1_image0005"]
    validation = loaded(name, "validation", half)
    assert list(zip(validation.id, validation.style, strict=True)) == [
        ("photo1_image0001", "fs2k1"), ("photo1_image0009", "fs2k2"),
    ]  # fmt: skip
    inside = draw_face(2, size=SIZE, eyes=EYES)[10:260, 10:210].astype(int)
    assert np.abs(train.photo[1] - inside).max() <= 1
    assert np.abs(train.sketch[1][..., 0] - inside[..., 0])[20:-20, 20:-20].max() <= 1
    builder = sources.prepare(name, data_dir=str(folder.parent / "out"), manual_dir=str(half))
    points = [example["skin_point"].tolist() for example in builder.as_data_source("train")]
    assert points == [[-1, -1]] + [[40, 50]] * 4


def test_the_set_of_styles_names_that_of_each_sketch(folder):
    train = loaded("styles", "train", folder)
    assert list(train.style) == ["cuhk"] * 6 + ["fs2k1"] * 4 + ["fs2k2"]
    assert list(loaded("styles", "validation", folder).style) == ["cuhk", "fs2k1", "fs2k2"]
    assert loaded("styles", "test", folder).id == ["m1-001-01"]
    assert {photo.shape for photo in train.photo} == {(250, 200, 3)}
    options = {"canvas_px": 256, "fill_photo": 0, "fill_sketch": 255}
    canvases = pipeline.place(train, **options, styles=("cuhk", "fs2k1", "fs2k2", "fs2k3"))
    assert canvases.style.sum(0).tolist() == [6, 4, 1, 0]
    assert len(pipeline.epoch(canvases)) == 18
    with pytest.raises(ValueError, match="photo1_image0000: expected one of cuhk, got 'fs2k1'"):
        pipeline.place(train, **options, styles=("cuhk",))
