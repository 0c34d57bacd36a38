"""The frame and back: places by hand, what lies beyond the photo, pasted drawings."""

import numpy as np
import pytest
from skimage import data as pictures

from fsketch.faces import align


def test_eyes_come_to_their_places():
    photo = np.zeros((300, 300, 3), np.uint8)
    eyes = np.array([[120.0, 90.0], [180.0, 170.0]])  # rolled, twice as far apart as in the frame
    for x, y in eyes.astype(int):
        photo[y - 3 : y + 3, x - 3 : x + 3] = 255
    frame = align.aligned(photo, eyes)
    assert frame.shape == (250, 200, 3)
    bright = np.argwhere(frame[..., 0] > 60) + 0.5
    for x, y in align.EYES:
        near = bright[np.abs(bright - (y, x)).max(1) < 8]
        np.testing.assert_allclose(near.mean(0), (y, x), atol=0.6)
    assert len(bright) == sum((np.abs(bright - (y, x)).max(1) < 8).sum() for x, y in align.EYES)


def test_a_frame_as_it_is_stays_and_comes_back():
    photo = pictures.astronaut()[:250, 100:300]
    frame = align.aligned(photo, np.array(align.EYES))
    np.testing.assert_array_equal(frame, photo)
    back = align.scene(photo, [(255 - frame, np.array(align.EYES))], background="photo")
    np.testing.assert_array_equal(back[100:150, 80:120], 255 - photo[100:150, 80:120])
    np.testing.assert_array_equal(back[0, :5], photo[0, :5])  # the edge is soft


def test_beyond_a_bright_photo_nothing_is_dark_and_a_sketch_ends():
    photo = np.full((120, 120, 3), 200, np.uint8)
    eyes = np.array([[20.0, 30.0], [70.0, 30.0]])  # the frame begins 95 px above and 55 px left
    assert (align.aligned(photo, eyes) > 190).all()
    drawing = np.full((250, 200, 1), 90, np.uint8)
    paper = align.on_paper(drawing, eyes, photo.shape[:2])
    assert (paper[95:215, 55:175] == 90).all()
    assert (paper[:84] == 255).all() and (paper[:, :44] == 255).all()
    assert (np.diff(paper[84:96, 100, 0].astype(int)) <= 0).all()


@pytest.mark.parametrize("background", align.BACKGROUNDS)
def test_a_drawing_lies_at_its_face_alone(background):
    photo = np.full((400, 500, 3), 120, np.uint8)
    eyes = np.array([[200.0, 200.0], [250.0, 200.0]])
    sheet = align.scene(photo, [(np.zeros((250, 200, 1), np.uint8), eyes)], background=background)
    assert sheet.shape == photo.shape
    assert (sheet[190:210, 215:235] == 0).all()
    outside = np.ones((400, 500), bool)
    outside[75:325, 125:325] = False
    assert (sheet[outside] == (120 if background == "photo" else 255)).all()


def test_wrong_inputs_are_refused():
    photo = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="eyes: expected two different points"):
        align.aligned(photo, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="background: expected one of"):
        align.scene(photo, [], background="wall")
