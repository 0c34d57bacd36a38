"""Synthesis as its users call it: files of any size and mode in, files of the same size out.

Convolutions are lax's own here, since they compile sooner.
"""

import io
import os
import shutil
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import ScopeParamShapeError
from PIL import Image

from fsketch import evaluate, image_jobs, restore, synthesize, translator
from fsketch.configs import cyclegan, ide, kd, kd_plus, kt, pix2pix, teacher
from fsketch.core import errors, images, mapping, writers
from fsketch.data import augment, sources
from fsketch.stages import coarse_images

pytestmark = pytest.mark.usefixtures("plain_convolutions")

EXPERIMENTS = {"kd": kd, "kt": kt, "kd_plus": kd_plus, "pix2pix": pix2pix, "cyclegan": cyclegan}
CROP = 32  # of tiny configurations


_WORKDIRS = {}


@pytest.fixture(autouse=True)
def predictions_as_in_programs(monkeypatch):
    """Compiles predictions, and nothing else, with all optimizations: some sums round by them."""
    predictor = mapping.predictor

    def fully_optimized(function):
        def bind(fixed):
            predict = predictor(function)(fixed)

            def call(batch):
                jax.config.update("jax_disable_most_optimizations", False)
                try:
                    return predict(batch)
                finally:
                    jax.config.update("jax_disable_most_optimizations", True)

            return call

        return bind

    monkeypatch.setattr(mapping, "predictor", fully_optimized)


@pytest.fixture
def workdir_of(tiny, leave, tmp_path_factory):
    """A function: name of a method -> its workdir, evaluated."""

    def make(name):
        if name not in _WORKDIRS:
            config = tiny(EXPERIMENTS[name])
            config.eval_batch_size = 16  # two a device, where synthesis takes one
            config.data.fill_photo, config.data.fill_sketch = 40, 200
            workdir = leave(config, tmp_path_factory.mktemp(name))
            evaluate.evaluate_workdir(workdir)
            _WORKDIRS[name] = workdir
        return _WORKDIRS[name]

    return make


@pytest.fixture
def workdir(workdir_of):
    return workdir_of("pix2pix")


def run(workdir, *arguments, direction="to_sketch"):
    flags = [f"--workdir={workdir}", f"--direction={direction}"]
    return errors.run(synthesize.main, [*flags, *(str(argument) for argument in arguments)])


def pixels(path):
    return np.asarray(Image.open(path))


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def draw(path, *, size=(24, 30), mode="RGB", seed=0, **options):
    """A smooth image of this (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    image.convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_test_pairs_come_out_as_the_evaluation_wrote_them(
    name, workdir_of, pairs_folder, tmp_path, monkeypatch
):
    # The checkpoints alone, elsewhere, and nothing may look for the data.
    shutil.copytree(workdir_of(name) / "checkpoints", tmp_path / "run" / "checkpoints")
    monkeypatch.setattr(sources, "load", None)
    outputs = workdir_of(name) / "outputs"
    offered = [d for d in images.DIRECTIONS if (outputs / d).is_dir()]
    assert offered == (["to_sketch"] if name == "pix2pix" else ["to_sketch", "to_photo"])
    for direction in offered:
        folder = pairs_folder / ("photos" if direction == "to_sketch" else "sketches")
        given = [folder / f"f{i}.png" for i in range(10, 14)]  # the test pairs
        out = tmp_path / direction
        assert run(tmp_path / "run", *given, out, direction=direction) == 0
        assert names(out) == names(outputs / direction) == [path.name for path in given]
        for file in names(out):
            made, wanted = pixels(out / file), pixels(outputs / direction / file)
            assert made.std() > 5
            np.testing.assert_array_equal(made, wanted, err_msg=file)


def test_a_photo_goes_through_both_stages(tiny, leave, pairs_folder, tmp_path, monkeypatch, capsys):
    """The first stage, a stand-in here, sees photos alone; the second what that made of them."""
    seen = []

    def load(workdir, config):
        assert (workdir, config.method) == (str(tmp_path / "run"), "ide")

        def draw_coarse(photos):
            seen.append(photos)
            return photos[..., :1] // 2 + 60

        return draw_coarse

    workdir = str(leave(tiny(ide), tmp_path / "run"))
    monkeypatch.setattr(coarse_images, "first_stage", load)
    given = [pairs_folder / "photos" / f"f{i}.png" for i in range(10, 13)]
    other = draw(tmp_path / "other.png", size=(32, 32))
    grey = Image.open(given[0]).convert("L")
    grey.save(tmp_path / "grey.png")
    assert run(workdir, *given, tmp_path / "grey.png", other, tmp_path / "out") == 1
    reason = "other.png: expected 24x30 px, the size of the run's own images"
    assert reason in capsys.readouterr().err
    assert names(tmp_path / "out") == ["f10.png", "f11.png", "f12.png", "grey.png"]
    photos = np.concatenate(seen)
    np.testing.assert_array_equal(photos[:3], [pixels(path) for path in given])
    np.testing.assert_array_equal(photos[3], np.asarray(grey)[..., None].repeat(3, -1))

    restored = restore.run(workdir, kind="best")
    canvas = np.full((4, CROP, CROP, 1), 255, np.uint8)
    canvas[:, 1:31, 4:28] = photos[..., :1] // 2 + 60
    batch = augment.scale({"coarse": jnp.asarray(canvas)})
    made = jax.jit(restored.method.predict)(restored.state, {}, batch)["sketch"]
    for file, wanted in zip(names(tmp_path / "out"), made[:, 1:31, 4:28, 0], strict=True):
        found = pixels(tmp_path / "out" / file).astype(float)
        assert found.std() > 5
        np.testing.assert_allclose(found, (wanted + 1) * 127.5, atol=0.51)

    translate = translator.load_translator(workdir, "to_sketch")
    np.testing.assert_array_equal(translate(photos[0])[..., 0], pixels(tmp_path / "out/f10.png"))
    with pytest.raises(ValueError, match=r"expected 24x30 px.*, got 24x29 px"):
        translate(photos[0][1:])


def test_a_direction_that_a_run_does_not_offer_is_refused(workdir, tiny, leave, tmp_path, capsys):
    photo = draw(tmp_path / "a.png")
    assert run(workdir, photo, tmp_path / "out", direction="to_photo") == 2
    assert "direction: expected to_sketch for" in capsys.readouterr().err
    embedder = leave(tiny(teacher), tmp_path / "teacher")
    assert run(embedder, photo, tmp_path / "out") == 2
    assert "direction: expected none for" in capsys.readouterr().err
    assert run(tmp_path, photo, tmp_path / "out") == 2
    assert "no checkpoint" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        run(workdir, photo, tmp_path / "out", direction="to_paint")
    assert usage.value.code == 2
    assert not (tmp_path / "out").exists()


def test_every_size_is_kept_and_no_result_depends_on_batches_or_neighbours(workdir, tmp_path):
    sizes = [(1, 1), (24, 30), (32, 32), (33, 20), (77, 300), (70, 40), (24, 31), (65, 65)]
    for i, size in enumerate(sizes):
        draw(tmp_path / "in" / f"{i}.png", size=size, seed=i)
    assert run(workdir, tmp_path / "in", tmp_path / "out") == 0
    assert run(workdir, tmp_path / "in", tmp_path / "again", "--batch_size=20") == 0
    translate = translator.load_translator(workdir, "to_sketch")
    for i, (width, height) in enumerate(sizes):
        made = pixels(tmp_path / "out" / f"{i}.png")
        assert made.shape == (height, width)
        np.testing.assert_array_equal(made, pixels(tmp_path / "again" / f"{i}.png"))
        alone = translate(pixels(tmp_path / "in" / f"{i}.png"))
        assert alone.dtype == np.uint8
        np.testing.assert_array_equal(made[..., None], alone)
    assert translate._program.cache_info().currsize <= translator.PROGRAMS


def test_canvases_are_the_run_s_or_few_and_fit_the_net(workdir, workdir_of):
    unet = translator.load_translator(workdir, "to_sketch")
    student = translator.load_translator(workdir_of("kd"), "to_photo")
    for translate, multiple in ((unet, 16), (student, 4)):
        assert translate.canvas((1, 32)) == (CROP, CROP)
        assert translate.canvas((33, 20)) == (32 + multiple, CROP)
        sides = {translate.canvas((px, px))[0] for px in range(33, 1025)}
        assert all(side % multiple == 0 for side in sides)
        assert len(sides) <= 8 * 5  # eight an octave, from 32 to 1024
    assert student.canvas((257, 1000)) == (288, 1024)
    assert student.canvas((513, 100)) == (576, 104)


@pytest.mark.parametrize("reason", [ValueError("size"), ScopeParamShapeError("k", "/", (1,), (2,))])
def test_a_net_of_one_size_says_so(reason):
    def predict(weights, batch):
        if batch["sketch"].shape[1:3] != (CROP, CROP):
            raise reason
        return {"photo": jnp.broadcast_to(batch["sketch"], (1, CROP, CROP, 3)) + weights}

    translate = translator.Translator(
        translator.Net(
            direction="to_photo",
            predict=predict,
            weights=jnp.zeros(()),
            channels={"photo": 3, "sketch": 1},
            fills={"sketch": 0},
            crop_px=CROP,
            image_px=(),
            origin="",
        )
    )
    image = np.random.default_rng(0).integers(0, 256, (CROP, 20, 1), np.uint8)
    np.testing.assert_array_equal(translate(image), image.repeat(3, 2))
    with pytest.raises(ValueError, match="expected up to 32 px a side for this net, got 20x40 px"):
        translate(np.zeros((40, 20, 1), np.uint8))


def test_stored_forms_of_one_image_give_one_result(workdir, tmp_path):
    folder = tmp_path / "in"
    draw(folder / "rgb.png", mode="L")
    grey = Image.open(folder / "rgb.png")
    grey.convert("RGB").save(folder / "rgb.png")
    for mode in ("L", "LA", "RGBA"):
        grey.convert(mode).save(folder / f"{mode}.png")
    grey.save(folder / "palette.bmp")
    grey.convert("P").save(folder / "P.png")
    grey.save(folder / "tagged.tif")
    assert run(workdir, folder, tmp_path / "out") == 0
    wanted = pixels(tmp_path / "out" / "rgb.png")
    assert wanted.std() > 5
    for file in names(tmp_path / "out"):
        np.testing.assert_array_equal(pixels(tmp_path / "out" / file), wanted, err_msg=file)
    translate = translator.load_translator(workdir, "to_sketch")
    np.testing.assert_array_equal(translate(np.asarray(grey)[..., None])[..., 0], wanted)


def test_coloured_sketches_are_taken_as_luma(workdir_of, tmp_path):
    draw(tmp_path / "in" / "colour.png")
    Image.open(tmp_path / "in" / "colour.png").convert("L").save(tmp_path / "in" / "luma.png")
    assert run(workdir_of("kd"), tmp_path / "in", tmp_path / "out", direction="to_photo") == 0
    made, wanted = (pixels(tmp_path / "out" / f"{name}.png") for name in ("colour", "luma"))
    assert made.shape == (30, 24, 3)
    np.testing.assert_array_equal(made, wanted)


def test_what_cannot_be_taken_is_listed_at_the_end_and_the_rest_is_done(workdir, tmp_path, capsys):
    folder = tmp_path / "in"
    draw(folder / "good.png")
    draw(folder / "zebra.jpg", seed=1)
    Image.fromarray(np.zeros((25, 20), np.uint16)).save(folder / "deep.png")
    draw(folder / "clear.png", mode="RGBA")
    clear = Image.open(folder / "clear.png")
    clear.putalpha(4)
    clear.save(folder / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(folder / "turned.jpg", exif=exif)
    (folder / "broken.png").write_bytes((folder / "good.png").read_bytes()[:200])
    (folder / "empty.jpg").write_bytes(b"")
    draw(folder / "cmyk.jpg", mode="CMYK")
    draw(folder / "vast.png", size=(200, 20))
    draw(folder / "other.webp")
    draw(folder / "blocked.jpg")
    (tmp_path / "out" / "blocked.png").mkdir(parents=True)
    flags = ("--max_px=150", "--overwrite")
    assert run(workdir, folder, tmp_path / "out", *flags) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("2 written, 0 already there, 9 failed")
    lines = captured.err.splitlines()[-9:]
    reasons = {
        "blocked.jpg": "cannot write",
        "broken.png": "unreadable",
        "clear.png": "expected opaque images (lay it on the background you want, or give "
        "--background), got transparency (alpha down to 4)",
        "cmyk.jpg": "colour mode CMYK",
        "deep.png": "expected 8 bits a channel, got 16 bits a channel",
        "empty.jpg": "unreadable",
        "other.webp": "unreadable (a file of format WEBP: save it as JPEG or PNG)",
        "turned.jpg": "expected upright pixels (orientation 1) (or give --apply_exif), got EXIF "
        "orientation 6",
        "vast.png": "expected up to 150 px a side, got 200x20 px",
    }
    for line, (file, reason) in zip(lines, reasons.items(), strict=True):
        assert line.startswith(str(folder / file))
        assert reason in line
    assert names(tmp_path / "out") == ["good.png", "zebra.png"]


def test_no_file_starts_a_program_blocks_or_ends_the_batch(workdir, tmp_path, capsys, eps):
    folder = tmp_path / "in"
    draw(folder / "good.png")
    eps(folder / "eps.png")
    os.mkfifo(folder / "pipe.png")
    tenth = Image.fromarray(np.zeros((3, 24, 3), np.uint8))
    tenth.save(folder / "tenth.png")
    content = bytearray((folder / "tenth.png").read_bytes())
    content[20:24] = (30).to_bytes(4, "big")  # the height
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (folder / "tenth.png").write_bytes(content)
    assert run(workdir, folder, tmp_path / "out", "--apply_exif") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("1 written, 0 already there, 3 failed")
    reasons = ("a file of format EPS", "no regular file", "219 of 2190 bytes of pixels")
    for line, name, reason in zip(
        captured.err.splitlines()[-3:], ("eps", "pipe", "tenth"), reasons, strict=True
    ):
        assert line.startswith(
            f"{folder / name}.png: expected a whole image file, got unreadable ({reason}"
        )
    assert names(tmp_path / "out") == ["good.png"]


def test_flags_turn_photos_upright_and_lay_transparent_ones_on_a_level(workdir, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    upright = Image.open(draw(tmp_path / "upright.png", size=(20, 40)))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "turned.png", exif=exif)
    assert run(workdir, tmp_path / "turned.png", tmp_path / "a", "--apply_exif") == 0
    translate = translator.load_translator(workdir, "to_sketch")
    np.testing.assert_array_equal(
        pixels(tmp_path / "a" / "turned.png"), translate(np.asarray(upright))[..., 0]
    )

    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    for level, grey in (("WHITE", 255), ("BLACK", 0), ("90", 90)):
        out = tmp_path / level
        assert run(workdir, tmp_path / "clear.png", out, f"--background={level}") == 0
        wanted = translate(np.full((20, 20, 3), grey, np.uint8))[..., 0]
        np.testing.assert_array_equal(pixels(out / "clear.png"), wanted)
    for level in ("256", "-1", "PINK"):
        with pytest.raises(SystemExit) as usage:
            run(workdir, tmp_path / "clear.png", tmp_path / "x", f"--background={level}")
        assert usage.value.code == 2


def test_names_and_trees_are_kept_and_everything_else_is_named(workdir, tmp_path, capsys):
    folder = tmp_path / "in"
    for name in ("a.b.JPG", "sub/c.png", "sub/deep/a.jfif", "sub/.hidden/x.png", ".y.png"):
        draw(folder / name)
    (folder / "sub/c.png").rename(folder / "sub/c")  # its first bytes tell
    (folder / "notes.txt").write_text("not an image")
    (folder / "Thumbs.db").write_bytes(b"")
    (folder / "sub" / "circle").symlink_to(folder)
    single = draw(tmp_path / "other" / "single.bmp")
    assert run(workdir, folder, single, tmp_path / "flat") == 0
    assert names(tmp_path / "flat") == ["a.b.png", "single.png"]
    captured = capsys.readouterr()
    assert "2 written, 0 already there, 0 failed, 3 not read: " in captured.out
    assert "their first bytes are no image: .y.png, Thumbs.db, notes.txt\n" in captured.err
    assert "without --recursive: sub\n" in captured.err

    assert run(workdir, folder, single, tmp_path / "tree", "--recursive", "--format=jpg") == 0
    tree = tmp_path / "tree"
    assert names(tree) == ["a.b.jpg", "single.jpg", "sub/c.jpg", "sub/deep/a.jpg"]
    made = pixels(tmp_path / "flat" / "single.png").astype(int)
    assert np.abs(pixels(tree / "single.jpg") - made).mean() < 3
    assert "without --recursive" not in capsys.readouterr().err


def test_arguments_that_do_not_fit_are_refused_together_before_anything_is_written(
    workdir, tmp_path, capsys
):
    folder = tmp_path / "in"
    for name in ("a.png", "a.jpg", "sub/b.png"):
        draw(folder / name)
    (tmp_path / "nothing").mkdir()
    out = tmp_path / "out"
    assert run(workdir, folder, tmp_path / "nothing", tmp_path / "missing", out) == 2
    error = capsys.readouterr().err
    assert f"inputs that all write {out / 'a.png'}" in error
    for text in (folder / "a.png", folder / "a.jpg", "no image in it", "no such file or folder"):
        assert str(text) in error
    assert not out.exists()

    before = names(folder)
    assert run(workdir, folder / "a.png", folder, "--overwrite") == 2
    assert "an output that is an input" in capsys.readouterr().err
    assert run(workdir, folder, folder / "made", "--recursive") == 2
    assert "OUT in" in capsys.readouterr().err
    assert run(workdir, folder / "a.png", folder / "a.jpg") == 2
    assert "OUT: a folder" in capsys.readouterr().err
    assert names(folder) == before
    assert run(workdir, folder / "a.png", folder / "made") == 0  # not read, hence no refusal
    assert run(workdir, "", folder / "made") == run(workdir, folder / "a.png", "") == 2
    error = capsys.readouterr().err
    assert "IN: expected a path, got ''" in error and "OUT: expected a path, got ''" in error


def test_an_interrupted_batch_goes_on_and_what_is_there_stays(
    workdir, tmp_path, capsys, monkeypatch
):
    folder, out = tmp_path / "in", tmp_path / "out"
    for i in range(6):
        draw(folder / f"{i}.png", seed=i)
    translate, calls = translator.Translator.batch, []

    def interrupted(self, batch, **options):
        calls.append(len(batch))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return translate(self, batch, **options)

    with monkeypatch.context() as patched:
        patched.setattr(translator.Translator, "batch", interrupted)
        assert run(workdir, folder, out, "--batch_size=4") == 130
    assert names(out) == [f"{i}.png" for i in range(4)]  # whole, and no partial file
    draw(out / "0.png", seed=9)  # the user's own from here on
    mine = (out / "0.png").read_bytes()
    capsys.readouterr()
    assert run(workdir, folder, out, "--batch_size=4") == 0
    assert capsys.readouterr().out.startswith("2 written, 4 already there, 0 failed")
    assert names(out) == [f"{i}.png" for i in range(6)]
    assert (out / "0.png").read_bytes() == mine
    assert run(workdir, folder, out, "--overwrite") == 0
    assert capsys.readouterr().out.startswith("6 written, 0 already there")
    assert (out / "0.png").read_bytes() != mine


def test_what_the_device_cannot_do_is_a_failure_and_the_rest_is_done(
    workdir, tmp_path, capsys, monkeypatch
):
    small, large = draw(tmp_path / "small.png"), draw(tmp_path / "large.png", size=(20, 90))
    translate = translator.Translator.batch

    def exhausted(self, batch, **options):
        if batch[0].shape[0] > 50:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nat length")
        return translate(self, batch, **options)

    monkeypatch.setattr(translator.Translator, "batch", exhausted)
    assert run(workdir, large, small, tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("1 written, 0 already there, 1 failed")
    reason = "failed at 20x90 px in a batch of 8: RESOURCE_EXHAUSTED: out of memory\n"
    assert captured.err.endswith(f"{large}: {reason}")
    assert names(tmp_path / "out") == ["small.png"]


def test_the_first_image_of_a_phone_s_file_is_the_photo(workdir, tmp_path):
    photo = Image.open(draw(tmp_path / "photo.png"))
    behind = Image.new("RGB", photo.size, (255, 0, 0))
    photo.convert("RGB").save(
        tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[behind], quality=95
    )
    photo.convert("RGB").save(tmp_path / "plain.jpg", quality=95)
    assert Image.open(tmp_path / "phone.jpg").format == "MPO"
    for name in ("phone", "plain"):
        assert run(workdir, tmp_path / f"{name}.jpg", tmp_path / "out") == 0
    np.testing.assert_array_equal(
        pixels(tmp_path / "out" / "phone.png"), pixels(tmp_path / "out" / "plain.png")
    )


def test_a_result_that_is_not_finite_is_a_failure(workdir, tmp_path, capsys, monkeypatch):
    draw(tmp_path / "a.png")
    nothing = {"sketch": np.full((8, CROP, CROP, 1), np.nan, np.float32)}
    monkeypatch.setattr(translator.Translator, "_bind", lambda *_: lambda _: nothing)
    assert run(workdir, tmp_path / "a.png", tmp_path / "out") == 1
    assert "expected a finite output of the net" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    translate = translator.load_translator(workdir, "to_sketch")
    with pytest.raises(FloatingPointError, match="sketch: expected finite"):
        translate(np.zeros((4, 4, 3), np.uint8))
    for bad in (np.zeros((4, 4)), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 2), np.uint8)):
        with pytest.raises(ValueError, match="image: expected uint8"):
            translate(bad)


def test_jpeg_is_written_whole_at_high_quality(tmp_path):
    image = pixels(draw(tmp_path / "a.png"))
    writers.write_jpeg(tmp_path / "a.jpg", image)
    assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - image).mean() < 3
    assert Image.open(io.BytesIO((tmp_path / "a.jpg").read_bytes())).format == "JPEG"
    assert names(tmp_path) == ["a.jpg", "a.png"]


@pytest.mark.parametrize("extension", image_jobs.FORMATS)
def test_results_of_another_direction_or_checkpoint_are_never_called_done(
    workdir_of, tmp_path, capsys, extension
):
    photo, out = draw(tmp_path / "in" / "a.png"), tmp_path / "out"
    flags = (photo, out, f"--format={extension}")
    workdir = workdir_of("kd")
    assert run(workdir, *flags) == 0
    assert run(workdir, *flags) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 written, 1 already there")
    before = (out / f"a.{extension}").read_bytes()
    for other, direction in ((workdir, "to_photo"), (workdir_of("pix2pix"), "to_sketch")):
        assert run(other, *flags, direction=direction) == 2
        told = capsys.readouterr().err
        assert f"OUT: expected results of fsketch {direction} by step 0, weights " in told
        assert "of fsketch to_sketch by step 0" in told and "--overwrite" in told
        assert (out / f"a.{extension}").read_bytes() == before
    assert run(workdir, *flags, "--overwrite", direction="to_photo") == 0
    assert run(workdir, *flags, direction="to_photo") == 0
