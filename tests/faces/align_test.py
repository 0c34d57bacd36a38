"""The frame of the data sets: exact places, what lies beyond a photo, and the way back."""

import numpy as np
import pytest
from skimage import data

from fsketch.faces import align

PHOTO = data.astronaut()  # NASA, public domain
EYES = np.array([[204.5, 101], [246, 103]])


def blobs(shape, points, radius):
    """uint8[H, W, 3]: the points (x, y) are centres of bright Gaussians, one in each channel."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    levels = [
        np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2))
        for px, py in (*points, points[0])
    ]
    return np.round(255 * np.stack(levels, -1)).astype(np.uint8)


def centre(channel):
    y, x = np.mgrid[: channel.shape[0], : channel.shape[1]] + 0.5
    weights = channel.astype(float)
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("degrees", [0, 30, -100])
@pytest.mark.parametrize("distance", [20, 57, 160])
def test_eyes_come_to_their_places(degrees, distance):
    half = distance / 2 * np.exp(1j * np.radians(degrees))
    eyes = np.add([[-half.real, -half.imag], [half.real, half.imag]], (390.3, 410.7))
    found = align.aligned(blobs((800, 800), eyes, distance / 12), eyes)
    assert found.shape == (*align.FRAME, 3) and found.dtype == np.uint8
    for channel, place in enumerate(align.EYES):
        np.testing.assert_allclose(centre(found[..., channel]), place, atol=0.15)


def test_a_frame_as_it_is_stays_and_comes_back():
    photo = PHOTO[:250, 100:300]
    frame = align.aligned(photo, align.EYES)
    np.testing.assert_array_equal(frame, photo)
    back = align.scene(photo, [(255 - frame, align.EYES)])
    np.testing.assert_array_equal(back[100:150, 80:120], 255 - photo[100:150, 80:120])
    np.testing.assert_array_equal(back[0, :5], photo[0, :5])  # the edge is soft


def test_a_turned_photo_gives_the_same_face():
    upright = align.aligned(PHOTO, EYES).astype(int)
    turned = align.aligned(PHOTO[::-1, ::-1], 512 - EYES)
    assert np.abs(turned - upright).max() <= 2


@pytest.mark.parametrize("distance", [8, 40, 300])
@pytest.mark.parametrize("corner", [(0, 0), (60, 89), (-90, 200)])
def test_beyond_the_photo_nothing_is_black(distance, corner):
    eyes = np.array([[0, 0], [distance, distance / 3]]) + corner
    photo = np.full((90, 120, 3), (210, 130, 170), np.uint8)
    np.testing.assert_array_equal(
        align.aligned(photo, eyes), np.broadcast_to((210, 130, 170), (*align.FRAME, 3))
    )


def test_beyond_the_photo_are_its_edge_s_colours_without_its_detail():
    photo = np.full((250, 200, 3), 200, np.uint8)
    photo[:, ::4] = 100
    photo[160:] = 0  # what a mirror image would show
    found = align.aligned(photo[100:], np.array(align.EYES) - (0, 100)).astype(int)
    np.testing.assert_array_equal(found[100:], photo[100:])
    contrast = np.ptp(found[:, 90:110, 0], axis=1)
    assert contrast[99] > 40 and contrast[60] < 3
    assert abs(found[:60].mean() - 175) < 3


def test_a_sketch_ends_where_the_photo_does():
    eyes = np.array([[20.0, 30.0], [70.0, 30.0]])  # the frame begins 95 px above and 55 px left
    paper = align.on_paper(np.full((250, 200, 1), 90, np.uint8), eyes, (120, 120))
    assert (paper[95:215, 55:175] == 90).all()
    assert (paper[:84] == 255).all() and (paper[:, :44] == 255).all()
    assert (np.diff(paper[84:96, 100, 0].astype(int)) <= 0).all()


def test_the_way_there_and_back():
    frame = align.aligned(PHOTO, EYES)
    back = align.scene(PHOTO, [(frame, EYES)]).astype(float)
    face = np.s_[75:140, 195:255]
    assert -10 * np.log10(np.mean((back[face] - PHOTO[face]) ** 2) / 255**2) > 35
    np.testing.assert_array_equal(back[:, 330:], PHOTO[:, 330:])


@pytest.mark.parametrize("background", align.BACKGROUNDS)
def test_a_drawing_lies_at_its_face_alone_and_leaves_no_box(background):
    photo, drawing = np.full((400, 500, 3), 120, np.uint8), np.zeros((*align.FRAME, 1), np.uint8)
    eyes = np.array([[200.0, 200.0], [250.0, 200.0]])
    sheet = align.scene(photo, [(drawing, eyes)], background=background).astype(int)
    assert sheet.shape == photo.shape and (sheet[125:275, 175:275] == 0).all()
    outside = np.ones((400, 500), bool)
    outside[76:324, 126:324] = False
    assert (sheet[outside] == (120 if background == "photo" else 255)).all()
    assert max(np.abs(np.diff(sheet, axis=axis)).max() for axis in (0, 1)) <= 16


def test_beyond_the_head_only_ink_is_laid_on_the_photo():
    photo = np.full((*align.FRAME, 3), 100, np.uint8)
    drawing = np.full((*align.FRAME, 1), 255, np.uint8)
    drawing[:40] = 51  # a fifth of the paper's light
    found = align.scene(photo, [(drawing, align.EYES)])
    assert (found[80:190, 75:125] == 255).all()
    assert (found[50:, :16] == 100).all() and (found[247:] == 100).all()
    assert (found[31:34, 54:57] == 20).all()


@pytest.mark.parametrize("distance", [6, 50, 110])
def test_a_drawing_comes_to_its_eyes(distance):
    eyes = np.array([[300, 300], [300, 300 + distance]])  # lies on its side
    drawing = 255 - blobs(align.FRAME, align.EYES, 8)
    photo = np.zeros((600, 600, 3), np.uint8)
    found = 255 - align.scene(photo, [(drawing, eyes)], background="paper")
    for channel, place in enumerate(eyes):
        np.testing.assert_allclose(centre(found[..., channel]), place, atol=0.1)


def test_of_two_drawings_each_keeps_its_face():
    drawn = [
        (np.full((*align.FRAME, 1), level, np.uint8), np.add(align.EYES, (x, 25)))
        for level, x in ((50, 20), (200, 140))
    ]
    photo = np.zeros((300, 400, 3), np.uint8)
    for order in (drawn, drawn[::-1]):
        row = align.scene(photo, order, background="paper")[150, :, 0].astype(int)
        assert (row[60:160] == 50).all() and (row[200:290] == 200).all()
        assert (np.diff(row[60:290]) >= 0).all()  # and nothing of the paper between them


def test_a_drawing_beyond_the_photo_leaves_it():
    found = align.scene(PHOTO, [(np.zeros((*align.FRAME, 1), np.uint8), EYES + 2000)])
    np.testing.assert_array_equal(found, PHOTO)


@pytest.mark.parametrize(
    ("image", "eyes", "message"),
    [
        (PHOTO, [[3, 4], [3, 4]], "eyes: expected two different points"),
        (PHOTO, [[3, 4], [3, np.nan]], "eyes: expected two different points"),
        (PHOTO, [[3, 4]], "eyes: expected two different points"),
        (PHOTO[..., 0], EYES, r"image: expected uint8\[H, W, 3\], got uint8\[512, 512\]"),
        (PHOTO / 255, EYES, r"image: expected uint8\[H, W, 3\], got float64"),
    ],
)
def test_what_cannot_be_aligned(image, eyes, message):
    with pytest.raises(ValueError, match=message):
        align.aligned(image, eyes)


def test_what_cannot_be_pasted():
    message = r"expected uint8\[250, 200, 1 or 3\], got uint8\[9, 9, 1\]"
    with pytest.raises(ValueError, match=message):
        align.scene(PHOTO, [(np.zeros((9, 9, 1), np.uint8), EYES)])
    with pytest.raises(ValueError, match="background: expected one of"):
        align.scene(PHOTO, [], background="wall")
