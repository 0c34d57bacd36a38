"""Ranges, luma, placement and contact sheets."""

import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import images


def test_uint8_round_trip_is_exact():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    seam = images.from_uint8(jnp.asarray(every))
    assert float(seam.min()) == -1.0
    assert float(seam.max()) == 1.0
    np.testing.assert_array_equal(images.to_uint8(seam), every)


def test_to_uint8_clips_values_outside():
    np.testing.assert_array_equal(images.to_uint8(np.array([-3.0, 0.0, 3.0])), [0, 128, 255])


def test_grey_uint8_rounds_to_nearest():
    # 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15
    assert images.grey_uint8(np.array([[[10, 20, 30]]], np.uint8))[0, 0, 0] == 18


def test_grey_uint8_rounds_halves_up():
    colours = np.mgrid[:256:5, :256:5, :256].reshape(3, -1)
    thousandths = [299, 587, 114] @ colours
    halves = thousandths % 1000 == 500
    assert halves.sum() > 100
    grey = images.grey_uint8(colours[:, halves].T.astype(np.uint8)[None])
    np.testing.assert_array_equal(grey[0, :, 0], thousandths[halves] // 1000 + 1)


def test_centre_is_the_field_s_place():
    assert images.centre((250, 200), (256, 256)) == (3, 28)
    with pytest.raises(ValueError, match=r"256 x 256.*300 x 250"):
        images.centre((250, 300), (256, 256))


def test_laid_fills_around_or_mirrors():
    image = np.array([[1, 2], [3, 4]], np.uint8)[..., None]
    assert images.laid(image, (3, 4), fill=9)[..., 0].tolist() == [
        [9, 1, 2, 9],
        [9, 3, 4, 9],
        [9, 9, 9, 9],
    ]
    assert images.laid(image, (3, 4), fill=None)[..., 0].tolist() == [
        [1, 1, 2, 2],
        [3, 3, 4, 4],
        [3, 3, 4, 4],
    ]
    far = images.laid(image, (2, 12), fill=None)[0, :, 0]
    assert far.tolist() == [1, 1, 2, 2] * 3  # mirrored again and again
