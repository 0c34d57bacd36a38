"""Bicubic resizing: torch's rule as torch's, MATLAB's as Pillow's on a mirrored image."""

import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
from golden import make_mla
from PIL import Image

from fsketch.nets import bicubic

pytestmark = pytest.mark.usefixtures("full_optimization")

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", sorted(make_mla.SIZES))
def test_torch_s_rule_equals_torch(name):
    with np.load(GOLDEN / "mla.npz") as archive:
        expected = archive[f"bicubic_{name}"]
    image = jnp.asarray(make_mla.image(2, 13, 9, 2))
    found = bicubic.resize(image, make_mla.SIZES[name], rule="torch")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("num", "den"), [(1, 2), (1, 4), (2, 1), (3, 2)])
def test_matlab_s_rule_is_pillow_s_on_a_mirrored_image(num, den):
    """Pillow has the same kernel, but drops what lies beyond the border."""
    image = make_mla.image(1, 24, 16, 1)
    height, width, pad = 24 * num // den, 16 * num // den, 8
    mirrored = np.pad(image[0, ..., 0], pad, mode="symmetric")
    whole = ((16 + 2 * pad) * num // den, (24 + 2 * pad) * num // den)
    expected = np.asarray(Image.fromarray(mirrored).resize(whole, Image.Resampling.BICUBIC))
    margin = pad * num // den
    expected = expected[margin : margin + height, margin : margin + width]
    found = bicubic.resize(jnp.asarray(image), (height, width), rule="matlab")
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=2e-6)


def test_halving_by_matlab_s_rule_has_the_known_weights():
    """(-3, -9, 29, 111, 111, 29, -9, -3) / 256, by hand; mirrored at the border."""
    weights = bicubic.weights(12, 6, rule="matlab") * 256
    assert weights[2, 1:9].tolist() == [-3, -9, 29, 111, 111, 29, -9, -3]
    assert weights[0].tolist() == [111 + 29, 111 - 9, 29 - 3, -9, -3, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("rule", sorted(bicubic.RULES))
def test_a_flat_image_stays_flat(rule):
    flat = jnp.full((1, 20, 14, 1), 0.3)
    np.testing.assert_allclose(bicubic.resize(flat, (7, 30), rule=rule), 0.3, rtol=1e-6)
