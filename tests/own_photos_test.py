"""fsketch sketch and fsketch photo: any file in, a face in the frame out, or one plain sentence."""

import errno
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fsketch import __main__ as front_door
from fsketch import own_photos, studio
from fsketch.core import errors, image_files, images, writers
from fsketch.faces import align, detector
from fsketch.nets import convolution
from fsketch.zoo import cards

SIZE = (120, 160)  # height, width of the drawn photos


def smooth(*, size=SIZE, seed=0):
    """A smooth picture uint8[H, W, 3]."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC))


def save(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(smooth()) if image is None else image
    image.save(path, **options)
    return path


def face(centre, *, distance=20.0, notes=()):
    """A found face with its eyes beside a point (x, y)."""
    eyes = np.add(centre, [[-distance / 2, 0], [distance / 2, 0]])
    box = np.array([*(eyes[0] - distance), *(eyes[1] + distance)])
    return detector.Face(0.9, box, np.concatenate([eyes, np.zeros((3, 2))]), notes)


class Translate:
    """Stands for a translator: the grey picture, inverted."""

    origin = "fsketch to_sketch by model, weights 1"

    def __call__(self, image):
        return 255 - images.grey_uint8(image)

    def problem(self, size):
        return ""


@pytest.fixture
def found(monkeypatch):
    """The list of faces that the detector finds in pictures above 20 px that are not even."""
    faces = [face((80, 60))]

    def find(self, image):
        assert image.dtype == np.uint8 and image.shape[2] == 3
        return list(faces) if min(image.shape[:2]) > 20 and image.std() > 1 else []

    monkeypatch.setattr(detector.Detector, "find", find)
    return faces


@pytest.fixture
def quick(found, monkeypatch):
    """Neither detector nor net."""
    monkeypatch.setattr(
        studio, "load", lambda *_, **__: studio.Studio(lambda *_: Translate(), style="")
    )
    return found


def run(*words, program=own_photos.sketch):
    return errors.run(program, [str(word) for word in words])


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def pixels(path):
    return np.asarray(Image.open(path))


# Odd files: each makes one in the folder it gets, and returns it.


def plain(**options):
    """A function that saves the picture as a.SUFFIX in a mode."""
    mode, suffix = options.pop("mode", "RGB"), options.pop("suffix", "png")

    def make(folder):
        return save(folder / f"a.{suffix}", Image.fromarray(smooth()).convert(mode), **options)

    return make


def content(name, data):
    def make(folder):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data() if callable(data) else data)
        return folder / name

    return make


def array(values, *, suffix="png"):
    return lambda folder: save(folder / f"a.{suffix}", Image.fromarray(values))


def whole(kind, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(smooth()).convert(mode).save(file, kind, **options)
    return file.getvalue()


def header_says(width, height):
    """A PNG whose header claims another size."""
    made = bytearray(whole("PNG"))
    made[16:24] = struct.pack(">II", width, height)
    made[29:33] = struct.pack(">I", zlib.crc32(made[12:29]))
    return bytes(made)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return plain(suffix="jpg", exif=exif)


def flipped(kind, where):
    """A file with bytes changed in its middle."""
    made = bytearray(whole(kind))
    start = int(len(made) * where)
    made[start : start + 40] = bytes(255 - byte for byte in made[start : start + 40])
    return bytes(made)


def pipe(folder):
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def dangling(folder):
    folder.mkdir(exist_ok=True)
    (folder / "a.png").symlink_to(folder / "absent.png")
    return folder / "a.png"


def secret(folder):
    path = save(folder / "a.png")
    path.chmod(0)
    return path


def frames(suffix):
    several = [Image.fromarray(smooth(seed=i)) for i in range(3)]
    return lambda folder: save(
        folder / f"a.{suffix}", several[0], save_all=True, append_images=several[1:]
    )


deep = (smooth()[..., 0].astype(np.uint16)) * 257
WRITTEN, FAILED, REFUSED = 0, 1, 2
# name: (maker, exit code, what is said)
ODD = {
    **{f"EXIF {i}": (turned(i), WRITTEN, "") for i in range(9)},
    **{f"JPEG {m}": (plain(mode=m, suffix="jpg"), WRITTEN, "") for m in ("L", "CMYK", "YCbCr")},
    **{f"PNG {m}": (plain(mode=m), WRITTEN, "") for m in ("1", "L", "LA", "P", "RGB", "RGBA")},
    **{
        f"TIFF {m}": (plain(mode=m, suffix="tif"), WRITTEN, "")
        for m in ("1", "L", "P", "RGBA", "CMYK", "YCbCr", "LAB")
    },
    **{s: (plain(suffix=s), WRITTEN, "") for s in ("bmp", "gif", "jpeg", "jfif", "ppm", "webp")},
    "pgm": (plain(mode="L", suffix="pgm"), WRITTEN, ""),
    "a JPEG named png": (content("a.png", lambda: whole("JPEG")), WRITTEN, ""),
    "a PNG without suffix": (content("a", lambda: whole("PNG")), WRITTEN, ""),
    "progressive": (plain(suffix="jpg", progressive=True), WRITTEN, ""),
    "interlaced palette with transparency": (plain(mode="P", transparency=3), WRITTEN, ""),
    "WebP RGBA": (plain(mode="RGBA", suffix="webp"), WRITTEN, ""),
    "16 bit": (array(deep), WRITTEN, ""),
    "16 bit TIFF": (array(deep, suffix="tif"), WRITTEN, ""),
    "16 bit in 32": (array(deep.astype(np.int32), suffix="tif"), WRITTEN, ""),
    "floats": (array(deep / np.float32(65535), suffix="tif"), FAILED, "got floats"),
    "a damaged profile": (plain(icc_profile=b"profile"), WRITTEN, ""),
    "a phone's JPEG": (
        plain(suffix="jpg", format="MPO", save_all=True, append_images=[Image.new("L", (9, 9))]),
        WRITTEN, "",
    ),
    "animated GIF": (frames("gif"), WRITTEN, "the first of 3 images in the file"),
    "animated WebP": (frames("webp"), WRITTEN, "the first of 3 images in the file"),
    "pages": (frames("tif"), WRITTEN, "the first of 3 images in the file"),
    "1 px": (array(np.zeros((1, 1, 3), np.uint8)), FAILED, "no face found"),
    "1 px wide": (array(np.zeros((900, 1, 3), np.uint8)), FAILED, "no face found"),
    "even": (array(np.full((90, 90, 3), 128, np.uint8)), FAILED, "no face found"),
    "an even frame": (array(np.full((250, 200, 3), 9, np.uint8)), FAILED, "--aligned looks for"),
    "huge": (array(np.zeros((11_000, 12_000), bool)), FAILED, "up to 120 megapixels, got 132"),
    "a bomb": (content("a.png", header_says(60_000, 60_000)), FAILED, "exceeds limit"),
    "a long header": (content("a.png", header_says(160, 400)), FAILED, "bytes of pixels"),
    "a cut JPEG": (content("a.jpg", lambda: whole("JPEG")[:-300]), FAILED, "truncated"),
    "a cut PNG": (content("a.png", lambda: whole("PNG")[:200]), FAILED, "whole picture"),
    "a cut WebP": (content("a.webp", lambda: whole("WEBP")[:-90]), FAILED, "whole picture"),
    "a cut TIFF": (content("a.tif", lambda: whole("TIFF")[:300]), FAILED, "whole picture"),
    "a changed PNG": (content("a.png", flipped("PNG", 0.5)), FAILED, "whole picture"),
    "empty": (content("a.jpg", b""), FAILED, "no image by its first bytes"),
    "text": (content("notes.txt", b"no picture"), FAILED, "no image by its first bytes"),
    "text named jpg": (content("a.jpg", b"no picture"), FAILED, "no image by its first bytes"),
    "HTML named jpg": (content("a.jpg", b"<!DOCTYPE html>"), FAILED, "no image by its first"),
    "PDF": (content("a.pdf", b"%PDF-1.7"), FAILED, "a file of format PDF: save it as"),
    "PSD": (content("a.psd", b"8BPS" + bytes(40)), FAILED, "a file of format PSD"),
    "EPS": (content("a.eps", lambda: whole("EPS")), FAILED, "a file of format EPS"),
    "JPEG 2000": (plain(suffix="jp2"), FAILED, "a file of format JPEG 2000: save it as"),
    "a pipe": (pipe, REFUSED, "no such file or folder"),
    "a dangling link": (dangling, REFUSED, "no such file or folder"),
    "not there": (lambda folder: folder / "absent.png", REFUSED, "no such file or folder"),
    "a pattern without match": (lambda folder: folder / "*.png", REFUSED, "no such file"),
    "an empty folder": (lambda folder: folder.mkdir() or folder, REFUSED, "no image in it"),
    "a folder of text": (
        lambda folder: content("notes.txt", b"")(folder).parent, REFUSED, "no image in it",
    ),
    "a folder of folders": (
        lambda folder: save(folder / "sub" / "a.png").parents[1], REFUSED, "no image in it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "code", "said"), ODD.values(), ids=ODD)
def test_odd_inputs(quick, tmp_path, capsys, eps, make, code, said):
    given, out = make(tmp_path / "in"), tmp_path / "out"
    assert run(given, out) == code
    captured = capsys.readouterr()
    assert said in captured.err and "Traceback" not in captured.err
    lines = [line for line in captured.err.splitlines() if str(given) in line]
    assert len(lines) == bool(said)  # one line a file
    if code == WRITTEN:
        assert names(out) == [f"{given.stem}.png"]
        assert pixels(out / f"{given.stem}.png").shape == (250, 200)
        assert captured.out == f"1 written with 1 face, 0 already there, 0 failed: {out}\n"
    else:
        assert not out.exists()
        faceless = ", 1 of them without a face" if "face" in said or "aligned" in said else ""
        counted = f"0 written with 0 faces, 0 already there, 1 failed{faceless}: {out}\n"
        assert captured.out == (counted if code == FAILED else "")


def test_there_are_sixty_odd_inputs():
    assert len(ODD) >= 60


def test_a_file_that_may_not_be_read_is_one_line(quick, tmp_path, capsys, monkeypatch):
    def forbidden(source):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = save(tmp_path / "a.png")
    monkeypatch.setattr(image_files, "_file", forbidden)
    assert run(path, tmp_path / "out") == 1
    assert capsys.readouterr().err == f"{path}: expected a whole picture, got Permission denied\n"


def test_the_astronaut_is_found_drawn_and_pasted_back(zoo, tmp_path, monkeypatch, capsys):
    """The real detector and a tiny net, through the front door."""
    photo = Image.fromarray(data.astronaut())
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "in/a.png", photo)
    save(tmp_path / "in/b.png", photo.transpose(Image.Transpose.ROTATE_90), exif=exif)
    save(tmp_path / "in/c.png", photo.transpose(Image.Transpose.ROTATE_180))
    monkeypatch.setenv(cards.VARIABLE, str(zoo))
    monkeypatch.setenv("FSKETCH_STARTUP", "0")
    out = tmp_path / "out"
    with convolution.plain():
        words = ["sketch", str(tmp_path / "in"), str(out), "--output=both"]
        assert front_door.main([*words, "--faces=largest", "--model=tiny-sketch"]) == 0
        assert capsys.readouterr().out.startswith("3 written with 3 faces, ")
        wanted = [f"{name}{end}.png" for name in "abc" for end in ("-scene", "")]
        assert names(out) == wanted
        made = [pixels(out / f"{name}.png").astype(float) for name in "abc"]
        assert made[0].shape == (250, 200) and made[0].std() > 5
        np.testing.assert_array_equal(made[1], made[0])
        scenes = [pixels(out / f"{name}-scene.png") for name in "abc"]
        assert [scene.shape for scene in scenes] == [(512, 512, 3)] * 3
        np.testing.assert_array_equal(scenes[0][:, 350:], data.astronaut()[:, 350:])
        face_of = (slice(60, 170), slice(180, 270))
        assert np.abs(scenes[0][face_of].astype(int) - data.astronaut()[face_of]).mean() > 20
        assert front_door.main(["photo", str(tmp_path / "in/a.png"), str(tmp_path / "photos")]) == 0
    assert pixels(tmp_path / "photos/a.png").shape == (250, 200, 3)
    assert writers.about(out / "a.png").endswith(", faces largest")


@pytest.mark.parametrize("output", own_photos.OUTPUTS)
def test_each_face_has_a_file_and_a_scene_has_all(quick, tmp_path, capsys, output):
    image = smooth()
    save(tmp_path / "in/p.png")
    quick[:] = [face((40, 60)), face((120, 60), notes=("turned aside", "tiny (20 px)"))]
    flags = [tmp_path / "in/p.png", tmp_path / "out", f"--output={output}"]
    assert run(*flags) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("1 written with 2 faces, 0 already there, 0 failed")
    assert f"note: {tmp_path}/in/p.png: face 2 is turned aside\n" in captured.err
    kinds = {"aligned": ["p-face2.png", "p.png"], "scene": ["p-scene.png"]}
    made = names(tmp_path / "out")
    assert made == sorted(file for kind in own_photos.OUTPUTS[output] for file in kinds[kind])
    drawn = []
    for found in quick:
        sketch = 255 - images.grey_uint8(align.aligned(image, found.eyes))
        drawn.append((sketch, found.eyes))
    for file, (sketch, _) in zip(("p.png", "p-face2.png"), drawn, strict=True):
        if file in made:
            np.testing.assert_array_equal(pixels(tmp_path / "out" / file), sketch[..., 0])
    if "p-scene.png" in made:
        np.testing.assert_array_equal(
            pixels(tmp_path / "out/p-scene.png"), align.scene(image, drawn)
        )

    assert run(*flags) == 0
    assert capsys.readouterr().out.startswith("0 written with 0 faces, 1 already there, 0 failed")
    for other in ("--faces=largest", "--strict"):
        assert run(*flags, other) == 2
        assert "OUT: expected results of fsketch to_sketch by model" in capsys.readouterr().err
    if output != "aligned":
        assert run(*flags, "--background=paper", "--format=png") == 2
    assert run(*flags, "--strict", "--overwrite") == 0
    assert capsys.readouterr().out.startswith("1 written with 1 face, 0 already there, 0 failed")


def test_strict_skips_faces_that_will_suffer(quick, tmp_path, capsys):
    path = save(tmp_path / "a.png")
    quick[:] = [
        face((40, 60), notes=("turned aside",)),
        face((80, 60), notes=("cut by the frame",)),
    ]
    assert run(path, tmp_path / "out", "--strict") == 1
    captured = capsys.readouterr()
    reason = "no face found but those that --strict skips: cut by the frame, turned aside"
    assert captured.err == f"{path}: {reason}\n"
    assert captured.out.startswith("0 written with 0 faces, 0 already there, 1 failed, 1 of them")


def test_aligned_pictures_go_round_the_detector(quick, tmp_path, capsys, monkeypatch):
    image = smooth(size=align.FRAME)
    monkeypatch.delattr(detector.Detector, "find")
    good, other = save(tmp_path / "in/a.png", Image.fromarray(image)), save(tmp_path / "in/b.png")
    assert run(good, other, tmp_path / "out", "--aligned", "--output=both") == 1
    reason = "expected a face of 200x250 px (--aligned), got 160x120 px"
    assert capsys.readouterr().err == f"{other}: {reason}\n"
    wanted = 255 - images.grey_uint8(image)
    np.testing.assert_array_equal(pixels(tmp_path / "out/a.png"), wanted[..., 0])
    scene = pixels(tmp_path / "out/a-scene.png")
    np.testing.assert_array_equal(scene[120:150, 60:140], wanted.repeat(3, 2)[120:150, 60:140])


def test_no_result_takes_the_place_of_another_or_of_an_input(quick, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "a-face2.jpg", "b.png", "b-scene.png", "c-face9.png"):
        save(folder / name)
    assert run(folder, out) == 2
    captured = capsys.readouterr().err
    assert f"a-face2.jpg: expected another name, got the name of a further result of {folder}/a.png"
    assert "b-scene.png: expected another name" in captured and "c-face9" not in captured
    assert run(folder / "b.png", folder / "b-scene.png", folder / "a.png", folder) == 2
    assert "an output that is an input" in capsys.readouterr().err
    assert not out.exists()

    quick.append(face((120, 60)))
    mine = save(out / "a-face2.png").read_bytes()
    assert run(folder / "a.png", folder / "c-face9.png", out) == 1
    assert f"cannot write {out}/a-face2.png: another file is there" in capsys.readouterr().err
    assert names(out) == ["a-face2.png", "c-face9-face2.png", "c-face9.png"]
    assert (out / "a-face2.png").read_bytes() == mine
    assert run(folder / "a.png", out, "--overwrite") == 0
    assert (out / "a-face2.png").read_bytes() != mine


def test_folders_patterns_trees_and_what_is_there(quick, tmp_path, capsys, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.jpg", "b.png", "sub/c.webp", "sub/.d.png"):
        save(folder / name)
    (folder / "notes.txt").write_text("")
    assert run(folder, out, "--recursive") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("3 written with 3 faces, 0 already there, 0 failed, 2 not read")
    assert "their first bytes are no image: notes.txt, sub/.d.png" in captured.err
    assert names(out) == ["a.png", "b.png", "sub/c.png"]
    (out / "b.png").unlink()
    assert run(folder / "*.[jp][pn]g", folder / "**/c.webp", out, "--recursive") == 0
    assert capsys.readouterr().out.startswith("2 written with 2 faces, 1 already there, 0 failed")
    assert names(out) == ["a.png", "b.png", "c.png", "sub/c.png"]

    find, calls = detector.Detector.find, []

    def interrupted(self, image):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return find(self, image)

    with monkeypatch.context() as patched:
        patched.setattr(detector.Detector, "find", interrupted)
        assert run(folder, tmp_path / "again", "--format=jpg") == 130
    assert names(tmp_path / "again") == ["a.jpg"]
    assert run(folder, tmp_path / "again", "--format=jpg") == 0
    assert names(tmp_path / "again") == ["a.jpg", "b.jpg"]


def test_what_the_device_cannot_do_is_a_failure_and_the_rest_is_done(
    quick, tmp_path, capsys, monkeypatch
):
    first, second = (save(tmp_path / f"in/{name}.png") for name in "ab")
    call, calls = Translate.__call__, []

    def broken(self, image):
        calls.append(image)
        if len(calls) == 1:
            raise FloatingPointError("sketch: expected finite values, got NaN or infinity")
        return call(self, image)

    monkeypatch.setattr(Translate, "__call__", broken)
    assert run(first, second, tmp_path / "out") == 1
    assert f"{first}: sketch: expected finite values" in capsys.readouterr().err
    assert names(tmp_path / "out") == ["b.png"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model=tiny-photo"], "model: expected one of direction to_sketch, got tiny-photo"),
        (["--model=tiny"], "model: expected one of tiny-photo, tiny-sketch, "),
        (["--style=ink"], "style: expected none, it has one style (tiny-sketch), got 'ink'"),
        (["--workdir=absent"], "absent: no checkpoint"),
        (["--zoo=absent"], "expected a folder of models, got absent"),
    ],
)
def test_models_that_do_not_fit_are_refused(found, zoo, tmp_path, capsys, monkeypatch, flags, said):
    monkeypatch.setenv(cards.VARIABLE, str(zoo))
    assert run(save(tmp_path / "a.png"), tmp_path / "out", *flags) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_that_takes_other_sizes_is_refused(quick, tmp_path, capsys, monkeypatch):
    problem = "expected 24x30 px, the size of the run's own images (data.image_px), got 200x250 px"
    monkeypatch.setattr(Translate, "problem", lambda *_: problem)
    assert run(save(tmp_path / "a.png"), tmp_path / "out") == 2
    assert capsys.readouterr().err == f"--workdir: {problem}\n"


def test_flags_that_exclude_each_other(tmp_path):
    with pytest.raises(SystemExit) as usage:
        run("a.png", tmp_path / "out", "--model=m", "--workdir=w")
    assert usage.value.code == 2
