"""`fsketch export` as its users call it: files that make the run's images, or none."""

import json

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export

import fsketch
from fsketch.configs import cyclegan, ide, ifrp, pix2pix, teacher
from fsketch.convert import files
from fsketch.core import errors, images
from fsketch.export import detector, onnx_file, parity, program
from fsketch.faces import detector as face_finder
from fsketch.nets import convolution, mtcnn
from fsketch.translator import load_translator
from fsketch.zoo import cards, nets

CROP = 32


@pytest.fixture(autouse=True)
def quick(monkeypatch, quick_faces):
    def draw(*latents, **size):
        return parity.procedural.render_photo(*latents, **size)[..., :1]

    monkeypatch.setattr(parity.pencil, "draw", draw)
    with convolution.plain():
        yield


def call(*words):
    return errors.run(program.main, [str(word) for word in words])


def of_run(workdir, out, *flags, direction="to_sketch", form="onnx"):
    return call(f"--workdir={workdir}", f"--direction={direction}", f"--format={form}", *flags, out)


def opened(path):
    """(the file as a function, its meta data, its input's shape)."""
    session = onnxruntime.InferenceSession(str(path))
    (given,) = session.get_inputs()
    about = session.get_modelmeta().custom_metadata_map
    return lambda x: session.run(None, {given.name: x})[0], about, given.shape


def drawn(channels, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, CROP, CROP, channels), np.uint8)


def test_onnx_of_8_bits_and_of_rounded_kernels(kd_run, tmp_path, capsys):
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    assert of_run(kd_run, full) == 0
    assert of_run(kd_run, small, "--uint8", "--fp16", "--terms=ours alone") == 0
    said = capsys.readouterr().out
    assert all(group in said for group in ("images", "constant", "extreme", "larger", "bound"))
    assert "Rounded kernels change" in said and f"{small.stat().st_size:,} bytes" in said

    translate = load_translator(kd_run, "to_sketch", checkpoint="latest")
    batch = drawn(3)
    wanted = np.stack([translate(image) for image in batch])
    made, about, shape = opened(full)
    assert shape == ["n", "h", "w", 3]
    floats = made(np.asarray(images.from_uint8(batch)))
    assert np.abs(images.to_uint8(floats).astype(int) - wanted).max() <= 1
    assert (about["run"], about["step"], about["fill"]) == (kd_run.name, "0", "0")
    assert about["fsketch"] == fsketch.__version__
    assert about["terms"] == "those of its training data"
    made, about, _ = opened(small)
    assert np.abs(made(batch).astype(int) - wanted).max() <= 3
    assert (about["range"], about["terms"]) == ("0 to 255", "ours alone")
    assert (about["canvas"], about["multiple"]) == ("32x32", "4")


def test_a_model_of_the_zoo(zoo, tmp_path):
    out = tmp_path / "model.onnx"
    assert call("--model=tiny-photo", f"--zoo={zoo}", "--format=onnx", "--uint8", out) == 0
    made, about, shape = opened(out)
    model = nets.load(cards.find("tiny-photo", zoo=str(zoo)))
    (image,) = drawn(1, 1)
    assert np.abs(made(image[None])[0].astype(int) - model(image)).max() <= 1
    assert (about["direction"], about["terms"], shape[3]) == ("to_photo", "none", 1)


def test_stablehlo_takes_any_number_of_images(kd_run, tmp_path):
    out = tmp_path / "program.hlo"
    assert (
        of_run(kd_run, out, "--uint8", "--size=32x40", form="stablehlo", direction="to_photo") == 0
    )
    read = export.deserialize(out.read_bytes())
    assert read.platforms == ("cpu", "cuda", "tpu")
    batch = np.random.default_rng(0).integers(0, 256, (3, 32, 40, 1), np.uint8)
    made = np.asarray(jax.jit(read.call)(batch))
    translate = load_translator(kd_run, "to_photo", checkpoint="latest")
    assert translate.canvas((32, 40)) == (32, 40)
    wanted = np.stack([translate(image) for image in batch])
    assert np.abs(made.astype(int) - wanted).max() <= 1
    about = json.loads(out.with_name("program.hlo.json").read_text())
    assert (about["size"], about["direction"]) == ("32x40", "to_photo")


@pytest.mark.parametrize(
    ("experiment", "direction"),
    [(cyclegan, "to_photo"), (pix2pix, "to_sketch"), (ifrp, "to_photo")],
    ids=lambda value: getattr(value, "__name__", value).rpartition(".")[2],
)
def test_every_method_that_translates(experiment, direction, tiny, leave, tmp_path):
    workdir, out = leave(tiny(experiment), tmp_path / "run"), tmp_path / "made.onnx"
    assert of_run(workdir, out, direction=direction) == 0
    assert onnx.load(out).graph.node


def test_a_file_that_differs_is_not_written(kd_run, tmp_path, monkeypatch, capsys):
    function = onnx_file.function
    monkeypatch.setattr(
        onnx_file, "function", lambda content: lambda x: function(content)(x) + 0.01
    )
    assert of_run(kd_run, tmp_path / "made.onnx") == 1
    assert "got 1.0e-02" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_has_no_file_says_why(kd_run, zoo, tiny, leave, tmp_path, capsys):
    def refused(*words):
        assert call(*words, tmp_path / "made.onnx") == 2
        return capsys.readouterr().err

    here = ("--format=onnx", "--direction=to_sketch")
    second = leave(tiny(ide), tmp_path / "ide")
    assert "also needs its first stage" in refused(f"--workdir={second}", *here)
    names = leave(tiny(teacher), tmp_path / "teacher")
    assert "expected a run that makes images" in refused(f"--workdir={names}", *here)
    assert "expected one run or one model" in refused(*here)
    assert "expected one run or one model" in refused("--model=a", f"--workdir={kd_run}", *here)
    assert "expected to_sketch or to_photo" in refused(f"--workdir={kd_run}", "--format=onnx")
    model = ("--model=tiny-photo", f"--zoo={zoo}")
    assert "expected to_photo for tiny-photo" in refused(*model, *here)
    assert "--count" in refused(*model, *here, "--count=0")
    assert not (tmp_path / "made.onnx").exists()


def test_pictures_of_a_folder_are_laid_on_the_canvas(pairs_folder):
    folder = str(pairs_folder / "photos")
    groups = parity.groups((32, 32), channels=1, fill=7, step=0, count=3, folder=folder)
    found = groups["images"]
    assert found.shape == (3, 32, 32, 1)
    assert (found[:, 0] == 7).all() and found[:, 16].std() > 5


def test_the_face_finder_s_nets():
    _, params = files.read(str(face_finder.WEIGHTS))
    content = detector.serialized(params, {"licence": "MIT"})
    rng = np.random.default_rng(0)
    shapes = {"pnet.onnx": (2, 15, 22, 3), "rnet.onnx": (3, 24, 24, 3), "onet.onnx": (1, 48, 48, 3)}
    for (file, shape), (name, (net, _)) in zip(shapes.items(), mtcnn.NETS.items(), strict=True):
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        weights = jax.tree.map(lambda a: a.astype(np.float32), params[name])
        score, *others = jax.jit(net.apply)({"params": weights}, x)
        session = onnxruntime.InferenceSession(content[file])
        made, *rest = session.run(None, {"image": x})
        for one, other in zip([made[..., 1], *rest], [score, *others], strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)
