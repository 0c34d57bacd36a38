"""Squared differences: of pixels and of a frozen net's maps, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.losses import identity, reconstruction

ONE = jnp.array([[1.0, 3.0], [-1.0, 0.0]]).reshape(1, 2, 2, 1)
OTHER = jnp.zeros((1, 2, 2, 1))


def look(image):
    """Two maps: twice the image, and its mean over rows."""
    return {"a": 2 * image, "b": image.mean(1, keepdims=True)}


def test_pixels_by_hand():
    assert float(reconstruction.squared(ONE, OTHER)) == pytest.approx((1 + 9 + 1) / 4)
    with pytest.raises(AssertionError):
        reconstruction.squared(ONE, OTHER[:, :1])


def test_maps_by_hand():
    """Of 2 x: 4 times the pixels' mean; of the means of the columns, 0 and 1.5."""
    expected = 4 * 11 / 4 + (0 + 1.5**2) / 2
    assert float(identity.identity(look, ONE, OTHER)) == pytest.approx(expected)
    assert float(identity.identity(look, ONE, ONE)) == 0.0


def test_the_gradient_reaches_the_prediction_alone():
    gradients = jax.grad(lambda a, b: identity.identity(look, a, b), argnums=(0, 1))(ONE, OTHER)
    assert float(jnp.abs(gradients[0]).max()) > 0
    np.testing.assert_array_equal(gradients[1], jnp.zeros_like(OTHER))


def test_other_shapes_are_refused_also_where_they_would_broadcast():
    with pytest.raises(AssertionError):
        identity.identity(look, ONE, OTHER[:, :, :1])
