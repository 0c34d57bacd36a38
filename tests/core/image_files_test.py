"""Image files: formats that start no program, regular files only, whole PNGs, one error."""

import io
import os
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fsketch.core import image_files

SIZE = (5, 7)  # width, height


def content(kind, **options):
    file = io.BytesIO()
    Image.fromarray(np.arange(105, dtype=np.uint8).reshape(7, 5, 3)).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels, *, size, depth, colour, interlaced, pieces=1):
    """A PNG of these decompressed bytes, however many: its compressed stream ends as it should."""
    stream = zlib.compress(pixels)
    step = -(-len(stream) // pieces)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced))
        + (chunk(b"PLTE", bytes(3)) if colour == 3 else b"")
        + b"".join(chunk(b"IDAT", stream[i : i + step]) for i in range(0, len(stream), step))
        + chunk(b"IEND", b"")
    )


def load(source, **options):
    with image_files.open_image(source, **options) as image:
        image.load()
        return np.asarray(image)


@pytest.mark.parametrize("kind", image_files.FORMATS)
def test_listed_formats_open_from_files_and_from_their_content(kind, tmp_path):
    whole = content(kind)
    (tmp_path / "image").write_bytes(whole)
    expected = np.asarray(Image.open(io.BytesIO(whole)))
    np.testing.assert_array_equal(load(whole), expected)
    assert image_files.kind(whole) == kind
    np.testing.assert_array_equal(load(tmp_path / "image", formats=(kind,)), expected)


def test_another_format_is_refused_and_starts_no_program(eps, tmp_path):
    path = eps(tmp_path / "face.png")
    for source in (path, path.read_bytes()):
        with pytest.raises(image_files.ImageFileError, match=r"\(PNG, .*got a file of format EPS"):
            load(source)
    with pytest.raises(image_files.ImageFileError, match=r"\(PNG\), got a file of format GIF"):
        load(content("GIF"), formats=("PNG",))


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"\0\0\x02\0" + bytes(14), None),  # TGA has no first bytes of its own
        (b"BM is a text", None),
        (b"P6 is\n", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_format_and_names_do_not(tmp_path, start, kind):
    assert image_files.kind(start) == kind
    path = tmp_path / "image.txt"
    path.write_bytes(start)
    assert image_files.kind(path) == kind and image_files.is_image(path) == bool(kind)
    assert image_files.is_image(tmp_path / "none.JPE") and not image_files.is_image(tmp_path)
    if kind in ("HEIC", "AVIF"):
        with pytest.raises(image_files.ImageFileError, match=f"format {kind}: save it as PNG or"):
            load(path)


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(image_files.ImageFileError, match=f"{name}: .*got no regular file"):
            load(tmp_path / name)
    with pytest.raises(image_files.ImageFileError, match=r"none\.png: .*got No such file"):
        load(tmp_path / "none.png")


def test_damage_is_one_error_that_survives_pickling(tmp_path, monkeypatch):
    for kind in ("PNG", "JPEG", "BMP", "PPM", "TIFF"):
        with pytest.raises(image_files.ImageFileError):
            load(content(kind)[:-30])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(image_files.ImageFileError, match="decompression bomb") as caught:
        load(content("PNG"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.got == caught.value.got


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(
    ("depth", "colour", "bits"),
    [(1, 0, 1), (8, 0, 8), (16, 0, 16), (8, 2, 24), (16, 2, 48), (2, 3, 2), (8, 4, 16), (8, 6, 32)],
)
def test_a_png_holds_all_its_rows_to_the_byte(depth, colour, bits, interlaced):
    sizes = [(1, 1), (2, 3), (5, 7), (9, 2), (17, 19)] if interlaced else [SIZE]
    for width, height in sizes:
        # The pass of a pixel by its place: Adam7's table, as the standard prints it.
        table = ["16462646", "77777777", "56565656", "77777777"]
        table += ["36463646", "77777777", "56565656", "77777777"]
        passes = [[table[y % 8][x % 8] for x in range(width)] for y in range(height)]
        rows = (
            [row.count(k) for k in "1234567" for row in passes if k in row]
            if interlaced
            else [width] * height
        )
        sizes_of_rows = [1 + -(-n * bits // 8) for n in rows]
        pixels = bytes(sum(sizes_of_rows))
        about = {"size": (width, height), "depth": depth, "colour": colour}
        for pieces in (1, 3):
            whole = png(pixels, **about, interlaced=interlaced, pieces=pieces)
            assert load(whole).shape[:2] == (height, width)
        for missing in (1, sizes_of_rows[-1]):
            with pytest.raises(image_files.ImageFileError):
                load(png(pixels[:-missing], **about, interlaced=interlaced))


def test_only_decoded_pngs_are_counted():
    tenth = png(bytes(16), size=SIZE, depth=8, colour=2, interlaced=0)
    with image_files.open_image(tenth) as image:
        assert image.size == SIZE
    with (
        pytest.raises(image_files.ImageFileError, match="16 of 112 bytes of pixels"),
        image_files.open_image(tenth) as image,
    ):
        np.asarray(image)
