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


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"\['matlab', 'torch'\], got 'spline'"):
        bicubic.resize(jnp.zeros((1, 8, 8, 1)), (4, 4), rule="spline")
