"""fsketch.load: what the documentation shows, and the same as the command line."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

import fsketch
from fsketch import own_photos, studio
from fsketch.core import errors
from fsketch.nets import convolution
from fsketch.zoo import cards

DOCS = pathlib.Path(__file__).parents[1] / "docs"


@pytest.fixture(autouse=True)
def plain_convolutions(zoo, monkeypatch):
    monkeypatch.setenv(cards.VARIABLE, str(zoo))
    with convolution.plain():
        yield


def test_the_documented_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).save("portrait.jpg", quality=95)
    section = (DOCS / "use.md").read_text().partition("## Your own photos")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    known = {}
    exec(example, known)
    assert known["sketch"].shape == (250, 200, 1) and known["sketch"].std() > 5
    (face,) = known["studio"].faces(data.astronaut())
    np.testing.assert_allclose(face.eyes, [[203, 101], [246, 103]], atol=3)

    assert errors.run(own_photos.sketch, ["portrait.jpg", "out"]) == 0
    np.testing.assert_array_equal(
        np.asarray(Image.open("out/portrait.png")), known["sketch"][..., 0]
    )


def test_one_model_has_one_direction_and_a_run_has_its_own(kd_run):
    image = data.astronaut()[:200, 150:310]
    both, one, run = fsketch.load(), fsketch.load("tiny-photo"), fsketch.load(kd_run)
    photo = one.photo(image)
    assert photo.shape == (250, 200, 3)
    np.testing.assert_array_equal(both.photo(Image.fromarray(image)), photo)
    assert np.abs(run.photo(image).astype(int) - photo).mean() < 0.5
    with pytest.raises(
        ValueError, match="model: expected one of direction to_sketch, got tiny-photo"
    ):
        one.sketch(image)
    with pytest.raises(studio.NoFaceError, match="no face found"):
        both.sketch(np.zeros((80, 80), np.uint8))
    with pytest.raises(ValueError, match="model: expected one of tiny-photo, tiny-sketch"):
        fsketch.load("absent")


def test_own_photos_load_no_part_of_the_training():
    code = """if True:
        import sys
        import fsketch
        assert "jax" not in sys.modules
        from fsketch import own_photos
        heavy = "tensorflow_datasets orbax optax matplotlib grain scipy fsketch.methods"
        assert not [name for name in heavy.split() if name in sys.modules]
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
