"""The roughness of strokes, by hand and against loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import images
from fsketch.losses import strokes

roughness = jax.jit(strokes.roughness)


def test_stripes_against_a_plain_sheet_by_hand():
    """Columns of -1 and 1 in turn differ by 2 at odd lags but downwards: 6 of the 24 offsets."""
    stripes = jnp.broadcast_to(jnp.asarray([-1.0, 1.0] * 16)[None, None, :, None], (2, 32, 32, 1))
    plain = jnp.zeros_like(stripes)
    step = np.sqrt(4 + strokes.ROUNDING**2) - strokes.ROUNDING
    assert roughness(stripes, plain) == pytest.approx(6 / 24 * step, rel=1e-5)
    assert roughness(plain, stripes) == pytest.approx(6 / 24 * step, rel=1e-5)
    assert roughness(stripes, -stripes) == pytest.approx(0, abs=1e-6)


def test_against_loops():
    rng = np.random.default_rng(0)
    made, wanted = rng.uniform(-1, 1, (2, 1, 40, 43, 3))
    difference = []
    for lag in (1, 2, 3, 4, 6, 8):
        for row, column in ((0, 1), (1, 1), (1, 0), (1, -1)):
            row, column = lag * row, lag * column
            rough = []
            for image in (made[0] @ images.LUMA, wanted[0] @ images.LUMA):
                first = max(0, -column)
                down, across = (40 - row) // 16, (43 - abs(column)) // 16
                windows = np.zeros((down, across))
                for y in range(16 * down):
                    for x in range(16 * across):
                        d = image[y, first + x] - image[y + row, first + x + column]
                        windows[y // 16, x // 16] += np.sqrt(d * d + 1e-4) / 256
                rough.append(windows)
            difference.append(np.abs(rough[0] - rough[1]).mean())
    found = roughness(jnp.asarray(made, jnp.float32), jnp.asarray(wanted, jnp.float32))
    assert found == pytest.approx(np.mean(difference), rel=1e-5)


def test_strokes_count_and_not_their_places_but_a_weave_is_told_from_them():
    noise = np.random.default_rng(0).choice([-0.5, 0.5], (2, 1, 128, 128, 1))
    one, other = jnp.asarray(noise, jnp.float32)
    weave = jnp.broadcast_to(jnp.asarray([-0.5, 0.5] * 64)[None, None, :, None], one.shape)
    elsewhere = roughness(other, one)
    assert elsewhere < 0.1 * roughness(jnp.zeros_like(one), one)
    assert elsewhere < 0.1 * roughness(weave, one)


def test_where_pixels_are_equal_the_gradient_is_finite():
    sheet = jnp.zeros((1, 24, 24, 1))
    gradient = jax.jit(jax.grad(roughness))(sheet, sheet + 0.5)
    assert jnp.isfinite(gradient).all()


def test_too_small_an_image_is_named():
    with pytest.raises(ValueError, match=r"at least 24 x 24 px, got 20 x 30 px"):
        roughness(jnp.zeros((1, 20, 30, 1)), jnp.zeros((1, 20, 30, 1)))
