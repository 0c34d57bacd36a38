"""Faces in a folder for each person, and TFDS data sets that others prepared."""

import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from fsketch.core import errors
from fsketch.data import pipeline, sources


def draw(folder, *people, size=(12, 15)):
    """folder/PERSON/K.png, a picture of one grey each; people are (name, number of pictures)."""
    for name, count in people:
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = np.full((size[1], size[0], 3), ord(name[0]) + k, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")


def load(tmp_path, split="train"):
    return sources.load(
        "identity_folder", split, data_dir=str(tmp_path / "out"), manual_dir=str(tmp_path / "in")
    )


def test_persons_side_by_side_are_all_train(tmp_path, capsys):
    draw(tmp_path / "in", ("bo", 2), ("al", 3))
    faces = load(tmp_path)
    assert faces.id == ["al_0", "al_1", "al_2", "bo_0", "bo_1"]
    assert faces.identity.tolist() == [0, 0, 0, 1, 1]
    assert faces.kinds == ("photo",) and faces.photo[0].shape == (15, 12, 3)
    assert "all 5 faces are the split train" in capsys.readouterr().err
    canvases = pipeline.place(faces, canvas_px=16, fill_photo=0, fill_sketch=0)
    assert canvases.channels == {"photo": 3}
    batch = pipeline.training_batch(canvases, 0, batch_size=2, seed=0)
    assert set(batch) == {"photo", "identity"}


def test_splits_number_their_persons_on(tmp_path):
    draw(tmp_path / "in/train", ("al", 2), ("cy", 1))
    draw(tmp_path / "in/validation", ("bo", 2))
    assert load(tmp_path).identity.tolist() == [0, 0, 1]
    assert load(tmp_path, "validation").identity.tolist() == [2, 2]


def test_all_problems_are_named_at_once(tmp_path):
    draw(tmp_path / "in/train", ("al", 1), ("bo", 1))
    draw(tmp_path / "in/test", ("al", 1))
    (tmp_path / "in/zoe").mkdir()
    (tmp_path / "in/train/bo/notes.txt").write_text("-")
    (tmp_path / "in/train/bo/1.png").write_bytes(b"no image")
    with pytest.raises(errors.DataError) as caught:
        load(tmp_path)
    for text in ("a person of train, too", "zoe beside train, test", "notes.txt", "unreadable"):
        assert text in str(caught.value), text
    assert not list((tmp_path / "out").rglob("*.array_record*"))


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "in/nobody").mkdir(parents=True)
    (tmp_path / "in/file.txt").write_text("-")
    with pytest.raises(errors.DataError, match="no face"):
        load(tmp_path)


def test_a_tfds_data_set_that_somebody_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # TFDS leaves a folder there

    class Others(tfds.core.GeneratorBasedBuilder):
        """Of another's making."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "label": tfds.features.Text(),
                        "image": tfds.features.Image(encoding_format="png"),
                    }
                ),
                disable_shuffling=True,
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for key, name in enumerate(["zed", "amy", "zed"]):
                file = tmp_path / f"{key}.png"
                Image.fromarray(np.full((6, 5, 3), 40 * key, np.uint8)).save(file)
                yield key, {"label": name, "image": file.read_bytes()}

    builder = Others(data_dir=str(tmp_path), file_format="array_record")
    builder.download_and_prepare()
    faces = sources.load("tfds_folder", "train", data_dir="", manual_dir=builder.data_dir)
    assert faces.identity.tolist() == [1, 0, 1] and faces.kinds == ("photo",)
    assert [int(photo[0, 0, 0]) for photo in faces.photo] == [0, 40, 80]
    with pytest.raises(errors.DataError, match=r"without dataset_info.json"):
        sources.load("tfds_folder", "train", data_dir="", manual_dir=str(tmp_path))
