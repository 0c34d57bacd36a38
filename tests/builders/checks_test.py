import io
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors
from fsketch.data import checks


def _found(report):
    """{file: (got, expected)}"""
    return {place: key for key, places in report.problems.items() for place in sorted(places)}


def test_each_kind_of_bad_image_is_named_with_what_is_expected(tmp_path, draw_face):
    image = Image.fromarray(draw_face(0, size=(20, 25), eyes=()))
    whole = io.BytesIO()
    image.save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:-60])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    image.save(tmp_path / "motion.png", "GIF")
    Image.fromarray(np.zeros((25, 20), np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.zeros((25, 20), np.uint16)).save(tmp_path / "deep.tif")
    # 16-bit RGB, which Pillow cannot write: the same file with another header.
    deep = bytearray(_png16())
    (tmp_path / "deeprgb.png").write_bytes(bytes(deep))
    (tmp_path / "deep.ppm").write_bytes(b"P6 1 1 65535\n" + b"\1" * 6)
    image.convert("CMYK").save(tmp_path / "print.jpg")
    image.save(tmp_path / "two.tif", save_all=True, append_images=[image])
    glass = image.convert("RGBA")
    glass.putpixel((3, 3), (1, 2, 3, 100))
    glass.save(tmp_path / "glass.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)

    report = checks.Report(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert checks.inspect(path, report) is None, path.name
    found = _found(report)
    for name in ("cut.png", "text.jpg", "empty.png"):
        assert found[name][0].startswith("unreadable"), found[name]
        assert found[name][1] == "a whole image file"
    assert "format GIF: save it as JPEG or PNG" in found["motion.png"][0]
    for name in ("deep.png", "deep.tif", "deeprgb.png", "deep.ppm"):
        assert found[name] == ("16 bits a channel", "8 bits a channel")
    assert "CMYK" in found["print.jpg"][0] and "RGB" in found["print.jpg"][1]
    assert found["two.tif"] == ("2 images in one file", "one image a file")
    assert "alpha down to 100" in found["glass.png"][0] and "opaque" in found["glass.png"][1]
    assert found["turned.jpg"] == ("EXIF orientation 6", "upright pixels (orientation 1)")


def _png16() -> bytes:
    """A 16-bit RGB PNG of 20 x 25 px, by hand: Pillow writes none."""
    import struct
    import zlib

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = b"".join(b"\0" + bytes(20 * 6) for _ in range(25))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 25, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_palette_and_opaque_alpha_become_the_same_pixels(tmp_path, draw_face):
    pixels = draw_face(7, size=(20, 25), eyes=((8, 9),))
    image = Image.fromarray(pixels)
    image.save(tmp_path / "rgb.png")
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    image.convert("RGBA").save(tmp_path / "alpha.png")
    report = checks.Report(tmp_path)
    for name in ("rgb", "palette", "alpha"):
        path = tmp_path / f"{name}.png"
        assert checks.inspect(path, report) is not None
        stored = Image.open(checks.png(path, mode="RGB"))
        assert stored.format == "PNG" and stored.mode == "RGB" and not stored.info
        np.testing.assert_array_equal(np.asarray(stored), pixels)
        assert Image.open(checks.png(path, mode="L")).mode == "L"
    report.close()


def test_images_that_are_equal_are_found_within_photos_and_within_sketches(tmp_path, draw_pair):
    for number, id in enumerate("abc"):
        draw_pair(tmp_path, id, number, size=(20, 25), eyes=())
    shutil.copy(tmp_path / "photos/a.png", tmp_path / "photos/b.png")
    # Equal pixels in another file are the same image, too.
    Image.open(tmp_path / "sketches/a.png").save(tmp_path / "sketches/c.png", compress_level=9)
    report = checks.Report(tmp_path)
    checks.check_images(checks.rows_in(tmp_path, report), report)
    found = _found(report)
    assert found["photos/b.png"] == ("the same image as photos/a.png", "each photo once")
    assert found["sketches/c.png"] == ("the same image as sketches/a.png", "each sketch once")
    assert len(found) == 2


def test_grey_photos_are_noted_and_swapped_folders_refused(tmp_path, draw_pair):
    for number, id in enumerate("abc"):
        draw_pair(tmp_path / "good", id, number, size=(20, 25), eyes=())
    (tmp_path / "swapped").mkdir()
    shutil.copytree(tmp_path / "good/photos", tmp_path / "swapped/sketches")
    shutil.copytree(tmp_path / "good/sketches", tmp_path / "swapped/photos")
    report = checks.Report(tmp_path / "swapped")
    checks.check_images(checks.rows_in(tmp_path / "swapped", report), report)
    assert "3 of 3 photos grey, 3 of 3 sketches in colour: swapped?" in str(report.problems)

    Image.open(tmp_path / "good/photos/a.png").convert("L").save(tmp_path / "good/photos/a.png")
    report = checks.Report(tmp_path / "good")
    checks.check_images(checks.rows_in(tmp_path / "good", report), report)
    assert not report.problems
    assert report.notes == ["1 of 3 photos are grey; kept as three equal channels"]


@pytest.mark.parametrize("shift, off", [((0, 0), False), ((3, -2), False), ((0, 6), True)])
def test_eyes(tmp_path, draw_face, shift, off):
    eyes = [(x + shift[0], y + shift[1]) for x, y in checks.EYES]
    report = checks.Report(tmp_path)
    checks.check_eyes(draw_face(0, eyes=eyes).mean(-1), report, where="photos")
    assert bool(report.problems) == off
    if off:
        assert "(75, 131)" in str(report.problems) and "within 4 px of (75, 125)" in str(
            report.problems
        )


def test_eyes_beyond_the_window_say_so(tmp_path):
    report = checks.Report(tmp_path)
    slope = np.linspace(255.0, 0.0, 250)[:, None].repeat(200, 1)
    checks.check_eyes(slope, report, where="photos")
    assert "(63, 137) or beyond" in str(report.problems)


def test_the_report_survives_pickling_and_counts_every_place(tmp_path):
    report = checks.Report(tmp_path)
    report.problem("a.png", got="1x1 px", expected="2x2 px")
    report.problem("b.png", got="1x1 px", expected="2x2 px")
    report.problem("c.png", got="missing", expected="all")
    report.note("by the way")
    with pytest.raises(errors.DataError) as caught:
        report.close()
    text = str(caught.value)
    assert text.startswith(f"3 problems in {tmp_path}; nothing written")
    assert "- 2 places: expected 2x2 px, got 1x1 px\n    a.png\n    b.png" in text
    assert "- c.png: expected all, got missing\nnote: by the way" in text
    assert str(pickle.loads(pickle.dumps(caught.value))) == text
    assert isinstance(caught.value, ValueError)
