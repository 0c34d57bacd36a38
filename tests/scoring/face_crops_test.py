"""What embedders see of pictures: the recognition crop of aligned images, squares as they are."""

import json

import numpy as np
import pytest

from fsketch.core import state
from fsketch.faces import template
from fsketch.scoring import face_crops

SPEC = {"side_px": 32, "frame": "face", "fill": 0, "path": "runs/embedder"}
NET = state.Frozen({}, None, None, json.dumps(SPEC))


def test_the_recognition_crop_of_aligned_images_by_hand():
    # Eyes 50 px apart become 35.2372: one pixel of the crop is 1.418955 px of the image.
    left, top, right, bottom = face_crops.face_box()
    assert right - left == pytest.approx(112 * 1.418955, rel=1e-5)
    assert left == pytest.approx(75 - 38.2946 * 1.418955, rel=1e-4)
    assert top == pytest.approx(125 - 51.6 * 1.418955, rel=1e-4)
    assert bottom - top == right - left


def test_a_face_is_cut_out_of_aligned_images_and_squares_are_taken_whole():
    aligned = np.zeros((250, 200, 3), np.uint8)
    aligned[123:127, 73:77] = aligned[123:127, 123:127] = 255  # the eyes
    (crop,) = face_crops.placed(NET, [aligned])
    rows, columns = np.nonzero(crop[..., 0] > 60)
    assert {round(r) for r in rows} <= {14, 15}  # 51.6 / 112 of 32, less half a pixel: 14.2
    assert set(columns) <= {10, 11, 20, 21}  # 38.3 and 73.5: 10.4 and 20.5
    square = np.full((112, 112, 1), 77, np.uint8)
    assert (face_crops.placed(NET, [square]) == 77).all()
    with pytest.raises(ValueError, match=r"expected a square .*got 30 x 20 px"):
        face_crops.placed(NET, [np.zeros((20, 30, 3), np.uint8)])


def test_a_face_that_is_found_is_seen_and_others_are_told(monkeypatch):
    found = {0: None, 1: np.full((32, 32, 3), 90, np.uint8)}
    monkeypatch.setattr(template, "found", lambda picture, side_px: found[int(picture.min())])
    monkeypatch.setattr(face_crops, "on_pictures", lambda net: lambda pictures: pictures)
    extract = face_crops.OnFaces(NET)
    unseen = np.zeros((250, 200, 1), np.uint8)
    assert [picture.max() for picture in extract([unseen, unseen + 1])] == [0, 90]
    assert extract.notes()[0].startswith("identity: no face found in 1 of 2 pictures")
