"""A net of several styles draws in the one that is asked for, the same wherever it runs."""

import numpy as np
import onnxruntime
import pytest
from jax import export
from PIL import Image
from skimage import data

import fsketch
from fsketch import models, own_photos, synthesize, translator
from fsketch.configs import kd
from fsketch.core import errors
from fsketch.demo import models as pages
from fsketch.export import program
from fsketch.nets import convolution
from fsketch.zoo import cards, entries, nets

pytestmark = pytest.mark.usefixtures("quick_faces", "plain_convolutions")

STYLES = ("cuhk", "fs2k1")
PHOTO = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
LEVEL = 1  # of 255, where a value lies between two


@pytest.fixture(scope="module")
def run(tiny, leave, tmp_path_factory):
    """The workdir of a KD run of two styles that was not trained."""
    config = tiny(kd)
    config.model.styles = STYLES
    with convolution.plain():
        return leave(config, tmp_path_factory.mktemp("styled") / "run")


@pytest.fixture(scope="module")
def drawn(run):
    """{style: what the run makes of PHOTO}."""
    with convolution.plain():
        return {
            style: translator.load_translator(run, "to_sketch", style=style)(PHOTO).astype(int)
            for style in STYLES
        }


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """A zoo with the run's model that draws."""
    place = tmp_path_factory.mktemp("styled_zoo")
    told = {"training_data": "drawn pairs", "terms": "none"}
    with convolution.plain():
        _, found = entries.write_entry(run, "to_sketch", "to_sketch", place, **told)
    assert [one.what.split(", ")[0] for one in found] == ["cuhk"] * 4 + ["fs2k1"] * 4
    return place


def test_a_run_draws_in_each_style_and_the_first_by_default(run, drawn):
    assert np.abs(drawn["cuhk"] - drawn["fs2k1"]).mean() > 5
    first = translator.load_translator(run, "to_sketch")
    np.testing.assert_array_equal(first(PHOTO), drawn["cuhk"])
    assert first.origin.endswith(", style cuhk")
    photo = translator.load_translator(run, "to_photo")
    assert "style" not in photo.origin and photo(PHOTO).std() > 5


def test_a_model_has_all_styles_in_one_entry(folder, drawn, capsys):
    card = cards.find("to_sketch", zoo=str(folder))
    assert card.styles == list(STYLES)
    for style in STYLES:
        made = nets.load(card, style=style)
        assert np.abs(made(PHOTO).astype(int) - drawn[style]).mean() < 0.5
        assert made.origin.endswith(f"style {style}")
    models.main(["to_sketch", f"--zoo={folder}"])
    assert "cuhk, fs2k1" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["onnx", "stablehlo"])
def test_an_exported_file_draws_in_one_style(form, run, folder, drawn, tmp_path):
    words = [f"--workdir={run}", "--direction=to_sketch", "--style=fs2k1"]
    if form == "onnx":
        words = ["--model=to_sketch", f"--zoo={folder}", "--style=fs2k1"]
    out = str(tmp_path / "file")
    assert errors.run(program.main, [*words, f"--format={form}", "--uint8", "--count=1", out]) == 0
    if form == "onnx":
        session = onnxruntime.InferenceSession(out)
        assert session.get_modelmeta().custom_metadata_map["style"] == "fs2k1"
        (made,) = session.run(None, {session.get_inputs()[0].name: PHOTO[None]})
    else:
        with open(out, "rb") as file:
            made = np.asarray(export.deserialize(file.read()).call(PHOTO[None]))
    apart = np.abs(made[0].astype(int) - drawn["fs2k1"])
    assert apart.mean() < 0.5 if form == "onnx" else apart.max() <= LEVEL


def test_the_programs_and_load_take_a_style(run, folder, drawn, tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    words = [f"--workdir={run}", "--direction=to_sketch", "--checkpoint=latest", "--style=fs2k1"]
    out = tmp_path / "out"
    assert errors.run(synthesize.main, [*words, str(tmp_path / "photo.png"), str(out)]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(out / "photo.png")), drawn["fs2k1"][..., 0])

    portrait = tmp_path / "portrait.png"
    Image.fromarray(data.astronaut()[:200, 150:310]).save(portrait)
    studio = fsketch.load(run)
    words = ["--model=to_sketch", f"--zoo={folder}", "--style=fs2k1"]
    assert errors.run(own_photos.sketch, [*words, str(portrait), str(tmp_path / "sketches")]) == 0
    sketch = studio.sketch(Image.open(portrait), style="fs2k1")[..., 0].astype(int)
    assert (
        np.abs(np.asarray(Image.open(tmp_path / "sketches" / portrait.name)) - sketch).mean() < 0.5
    )
    assert np.abs(studio.sketch(Image.open(portrait))[..., 0].astype(int) - sketch).mean() > 5


def test_another_style_is_refused_with_the_known_ones(run, folder, tmp_path, capsys):
    known = "style: expected one of cuhk, fs2k1"
    card = cards.find("to_sketch", zoo=str(folder))
    for load in (
        lambda: nets.load(card, style="ink"),
        lambda: translator.load_translator(run, "to_sketch", style="ink"),
        lambda: fsketch.load("to_sketch", zoo=str(folder), style="ink").sketch(data.astronaut()),
    ):
        with pytest.raises(ValueError, match=known):
            load()
    with pytest.raises(ValueError, match=r"expected none, it has one style .*run, to_photo"):
        translator.load_translator(run, "to_photo", style="cuhk")
    export_words = [f"--workdir={run}", "--direction=to_sketch", "--style=ink", str(tmp_path / "x")]
    for form, code, why in (("onnx", 1, known), ("zoo", 2, "expected none for zoo")):
        assert errors.run(program.main, [f"--format={form}", *export_words]) == code
        assert why in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_page_has_a_file_for_each_style(folder):
    (sketch,) = pages.of_zoo(["to_sketch"], str(folder))
    assert list(sketch.graphs) == list(STYLES) and len(set(sketch.graphs.values())) == 2
