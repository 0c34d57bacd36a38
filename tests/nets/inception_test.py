"""Inception: keys, features as torchvision's with FID's pools; resizing by both rules."""

import ast
import pathlib

import jax
import numpy as np
import pytest
from golden import embedder_draws as draws
from golden import make_inception as MAKE
from PIL import Image

from fsketch.convert import files, program, tables
from fsketch.nets import inception

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


with np.load(GOLDEN / "inception.npz") as _archive:
    TORCH = dict(_archive)  # see make_inception.py


@pytest.fixture(scope="module")
def published():
    """The whole state dict, drawn at random."""
    shapes = (ast.literal_eval(shape) for shape in TORCH["shapes"].tolist())
    return {
        key: draws.weight(key, shape) if shape else np.int64(0)
        for key, shape in zip(TORCH["keys"].tolist(), shapes, strict=True)
    }


@pytest.fixture(scope="module")
def variables(published, tmp_path_factory):
    """The state dict after its way through the converter."""
    folder = tmp_path_factory.mktemp("inception")
    np.savez(folder / "in.npz", **published)
    out = str(folder / "out.safetensors")
    assert program.main(["inception_fid", str(folder / "in.npz"), out]) == 0
    net, tree = files.read(out)
    assert net == "inception_fid"
    return tree


def test_every_published_key_has_its_place(published):
    table, unused = tables.inception_fid(), tables.inception_fid_unused()
    used = {key for key, _ in table.values()}
    assert used | unused == set(published)
    assert not used & unused
    assert {key for key in unused if not key.endswith("num_batches_tracked")} == {
        "fc.weight", "fc.bias",
    }  # fmt: skip


def test_features_and_the_mean_of_every_map_equal_torch(variables):
    images = MAKE.images(250, 200)
    batch = np.stack([inception.prepare(image, rule="legacy") for image in images])

    @jax.jit
    def run(variables, batch):
        taps = inception.Inception().apply(variables, batch)
        return taps.pop("pool3"), {name: x.mean((1, 2, 3)) for name, x in taps.items()}

    found, means = run(variables, batch)
    # The absolute part is for features near 0, where maps of size 1 nearly all vanish.
    np.testing.assert_allclose(found[:, ::16], TORCH["features"], rtol=1e-4, atol=1e-6)
    assert set(means) == set(TORCH["names"].tolist())
    for name, expected in zip(TORCH["names"].tolist(), TORCH["means"], strict=True):
        np.testing.assert_allclose(means[name], expected, rtol=1e-4, err_msg=name)


def test_features_of_a_list_equal_torch_whatever_the_batch(variables):
    """The last batch is filled up; sizes differ; grey is repeated."""
    images = MAKE.images(250, 200)
    some = [images[0], images[1, :200], images[1]]
    found = inception.features(variables, some, rule="legacy", batch_size=2)
    assert found.shape == (3, 2048) and found.dtype == np.float32
    np.testing.assert_allclose(found[::2, ::16], TORCH["features"], rtol=1e-4, atol=1e-6)
    assert np.abs(found[1] - found[2]).max() > 0.01
    grey = images[0, ..., :1]
    np.testing.assert_allclose(
        inception.prepare(grey, rule="legacy"),
        inception.prepare(np.repeat(grey, 3, axis=-1), rule="legacy"),
        atol=1e-6,
    )


@pytest.mark.parametrize(("height", "width"), [(250, 200), (475, 340)])
def test_legacy_resizing_equals_torch(height, width):
    for image, expected in zip(MAKE.images(height, width), TORCH[f"resized_{height}"], strict=True):
        found = (inception.prepare(image, rule="legacy") + 1) / 2
        np.testing.assert_allclose(found[::23, ::23], expected, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(250, 200), (475, 340)])
def test_clean_resizing_is_pillow_s_bicubic_on_float_channels(height, width):
    image = MAKE.images(height, width)[0]
    found = inception.prepare(image, rule="clean")
    for channel in range(3):
        floats = Image.fromarray(image[..., channel].astype(np.float32))
        expected = np.asarray(floats.resize((299, 299), Image.BICUBIC)).clip(0, 255)
        np.testing.assert_allclose(found[..., channel], (expected - 128) / 128, atol=1e-6)


def test_wrong_inputs_are_refused():
    image = np.zeros((30, 30, 3))
    with pytest.raises(ValueError, match=r"\['clean', 'legacy'\], got 'tensorflow'"):
        inception.prepare(image, rule="tensorflow")
    with pytest.raises(ValueError, match=r"H, W, 1 or 3"):
        inception.prepare(image[..., :2], rule="clean")
    for value in (-1, 256, np.nan):
        with pytest.raises(ValueError, match=r"0\.\.255"):
            inception.prepare(image + value, rule="clean")
    with pytest.raises(ValueError, match="no images"):
        inception.features({}, [])
