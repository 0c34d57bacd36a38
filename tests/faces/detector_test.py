"""Faces of the NASA portrait in every position; pictures without a face; weights that changed."""

import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures

from fsketch.faces import boxes, detector

EYES = np.array([[203.5, 100.5], [247.0, 102.5]])  # of the portrait, set by hand, to 2 px


def eyes_of(image):
    return detector.load().find(np.ascontiguousarray(image))[0].eyes


def test_the_portrait_is_found():
    faces = detector.load().find(pictures.astronaut())
    assert faces[0].score > 0.95 and faces[0].notes == () and abs(faces[0].roll) < 6
    np.testing.assert_allclose(faces[0].eyes, EYES, atol=3)
    left, top, right, bottom = faces[0].box
    assert (
        left < EYES[0, 0] < EYES[1, 0] < right and top < EYES[0, 1] < faces[0].points[3, 1] < bottom
    )


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_by_quarters(quarters):
    photo = pictures.astronaut()
    side = len(photo)
    expected = EYES
    for _ in range(quarters):  # np.rot90 turns (x, y) to (y, side - x)
        expected = np.stack([expected[:, 1], side - expected[:, 0]], 1)
    np.testing.assert_allclose(eyes_of(np.rot90(photo, quarters)), expected, atol=3)


def test_rolled_and_enlarged():
    photo = Image.fromarray(pictures.astronaut()[:256, 96:352])
    angle, middle = np.radians(40), 128
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = (EYES - (96, 0) - middle) @ turn.T + middle
    np.testing.assert_allclose(eyes_of(photo.rotate(40)), expected, atol=4)
    large = photo.resize((1500, 1500), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(eyes_of(large), (EYES - (96, 0)) * 1500 / 256, atol=16)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((300, 200, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8),
        pictures.coffee(),
    ],
    ids=["pixel", "white", "noise", "coffee"],
)
def test_no_face_is_no_face(image):
    assert detector.load().find(image) == []


def test_what_spoils_a_drawing_is_noted():
    photo = pictures.astronaut()
    assert "cut by the frame" in detector.load().find(photo[:, 205:].copy())[0].notes
    small = np.asarray(Image.fromarray(photo).resize((200, 200)))
    assert any(note.startswith("tiny") for note in detector.load().find(small)[0].notes)


def test_overlapping_boxes_are_suppressed_as_by_hand():
    box = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [2, 2, 6, 6]], float)
    score = np.array([0.8, 0.9, 0.7, 0.95])
    assert boxes.suppressed(box, score, 0.5).tolist() == [3, 1, 2]  # 90 of 110 in common
    assert boxes.suppressed(box, score, 0.9).tolist() == [3, 1, 0, 2]
    assert boxes.suppressed(box, score, 0.5, of_smaller=True).tolist() == [3, 2]


def test_other_weights_are_refused(tmp_path, monkeypatch):
    changed = bytearray(detector.WEIGHTS.read_bytes())
    changed[-1] ^= 1
    path = tmp_path / "mtcnn.safetensors"
    path.write_bytes(changed)
    monkeypatch.setattr(detector, "WEIGHTS", path)
    with pytest.raises(ValueError, match=r"mtcnn.safetensors: expected the SHA-256"):
        detector.load.__wrapped__()
