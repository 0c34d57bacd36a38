"""Pictures of phones and the web come out as they look: upright, in sRGB, on white, in 8 bits."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from fsketch.core import image_files, pictures

Y, X = np.mgrid[:40, :60]
COLOUR = np.stack([4 * X, 6 * Y, 255 - 2 * X - 3 * Y], -1).astype(np.uint8)


def read(tmp_path, image, kind, **options):
    path = tmp_path / "picture"
    image.save(path, kind, **options)
    return pictures.read(path)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "WEBP", "HEIF", "AVIF", "JPEG"])
def test_pixels_of_every_format(tmp_path, kind):
    if kind not in image_files.formats_here():
        pytest.skip(f"{kind} is not decoded here")
    lossless = {"WEBP": {"lossless": True}, "HEIF": {"quality": -1, "chroma": 444}}
    made = read(tmp_path, Image.fromarray(COLOUR), kind, **lossless.get(kind, {"quality": 100}))
    assert made.notes == ()
    bound = {"JPEG": 3, "AVIF": 3, "HEIF": 3}.get(kind, 0)
    assert np.abs(made.pixels.astype(int) - COLOUR).mean() <= bound


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (2, COLOUR[:, ::-1]),
        (3, COLOUR[::-1, ::-1]),
        (4, COLOUR[::-1]),
        (5, COLOUR.transpose(1, 0, 2)),
        (6, np.rot90(COLOUR)),
        (7, COLOUR[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(COLOUR, -1)),
        (9, COLOUR),
    ],
)
def test_photos_are_turned_upright(tmp_path, orientation, stored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    np.testing.assert_array_equal(read(tmp_path, image, "PNG", exif=exif).pixels, COLOUR)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_on_white(tmp_path, mode):
    image = Image.fromarray(COLOUR).convert("L").convert("RGBA")
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:20], alpha[20:30] = 0, (255 if mode == "P" else 51)
    image.putalpha(Image.fromarray(alpha))
    options = {}
    if mode == "P":
        image, options = image.convert("L").convert("P"), {"transparency": 0}
        grey = np.asarray(image.convert("L"))
        wanted = np.where(np.asarray(image) == 0, 255, grey)
    else:
        image = image.convert(mode)
        grey = np.asarray(Image.fromarray(COLOUR).convert("L")).astype(float)
        wanted = 255 + (grey - 255) * alpha / 255
    made = read(tmp_path, image, "PNG", **options).pixels
    assert np.abs(made[..., 0] - wanted).max() <= 1


def test_sixteen_bits_are_rounded(tmp_path):
    deep = (np.arange(2400, dtype=np.uint16) * 27).reshape(40, 60)
    for kind in ("PNG", "TIFF"):
        made = read(tmp_path, Image.fromarray(deep), kind).pixels
        np.testing.assert_array_equal(made[..., 0], np.rint(deep / 65535 * 255))
    wide = Image.fromarray(deep.astype(np.int32) - 1)
    with pytest.raises(pictures.PictureError, match="expected up to 16 bits, got values -1 to"):
        read(tmp_path, wide, "TIFF")


def test_colours_are_those_of_the_profile(tmp_path):
    """A profile with the red and blue of sRGB exchanged shows them exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    profile = bytes(profile).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    made = read(tmp_path, Image.fromarray(COLOUR), "PNG", icc_profile=profile).pixels
    assert np.abs(made.astype(int) - COLOUR[..., ::-1]).mean() < 2
    for same in (b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        made = read(tmp_path, Image.fromarray(COLOUR), "PNG", icc_profile=same).pixels
        np.testing.assert_array_equal(made, COLOUR)


def test_cmyk_of_phones_and_printers_has_its_colours(tmp_path):
    made = read(tmp_path, Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=100).pixels
    assert np.abs(made.astype(int) - COLOUR).mean() < 3


def test_what_is_not_decoded_here_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    monkeypatch.setattr(image_files, "formats_here", lambda: image_files.FORMATS)
    reason = r"got a file of format HEIC: `pip install 'fsketch\[heic\]'`, or save it as JPEG"
    with pytest.raises(pictures.PictureError, match=reason):
        pictures.read(path)


def test_arrays_and_pil_images():
    grey = COLOUR[..., 0]
    for image in (grey, grey[..., None], Image.fromarray(grey)):
        np.testing.assert_array_equal(pictures.of(image), grey[..., None].repeat(3, 2))
    file = io.BytesIO()
    Image.fromarray(COLOUR).save(file, "PNG")
    np.testing.assert_array_equal(pictures.of(Image.open(file)), COLOUR)
    for bad in (grey / 255, COLOUR[..., :2], COLOUR[:0], "a.png"):
        with pytest.raises(ValueError, match="image: expected a PIL image or uint8"):
            pictures.of(bad)
