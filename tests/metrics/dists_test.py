"""DISTS by hand; equality with an independent implementation is in perceptual_test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.metrics import dists

pytestmark = pytest.mark.usefixtures("full_optimization")

NUM_CHANNELS = 3 + 5 * 3


def identity(image):
    return dict.fromkeys(dists.TAPS, image)


def weights(alpha, beta):
    return {"alpha": jnp.full(NUM_CHANNELS, alpha), "beta": jnp.full(NUM_CHANNELS, beta)}


def noise(seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (2, 9, 7, channels)).astype(np.uint8)


@jax.jit
def distance(truth, output, weights):
    return dists.dists(truth, output, features=identity, weights=weights)


def test_texture_of_flat_images_by_hand():
    """Flat images differ by their means alone; stage 0 has them in [0, 1], the maps normalised."""
    x, y = np.full(3, 0.2), np.full(3, 0.6)
    stages = [(x, y)] + 5 * [tuple((c - dists.MEAN) / np.array(dists.STD) for c in (x, y))]
    expected = np.mean([1 - (2 * a * b + 1e-6) / (a**2 + b**2 + 1e-6) for a, b in stages])
    truth, output = (np.full((1, 9, 7, 1), 255 * c[0]) for c in (x, y))
    found = distance(truth, output, weights(2.0, 0.0))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_equal_images_pairs_and_grey():
    x, y = noise(0), noise(1)
    w = weights(1.0, 3.0)
    np.testing.assert_allclose(distance(x, x, w), 0, atol=1e-6)
    np.testing.assert_allclose(distance(x, y, w)[1:], distance(y[1:], x[1:], w), rtol=1e-5)
    x, y = x[..., :1], y[..., :1]
    colour = distance(x.repeat(3, -1), y.repeat(3, -1), w)
    np.testing.assert_allclose(distance(x, y, w), colour, rtol=1e-6)


def test_gradient_is_finite_for_flat_images():
    def score(output):
        truth = np.full((1, 9, 7, 3), 255.0)
        return distance(truth, output, weights(1.0, 1.0)).sum()

    assert jnp.isfinite(jax.jit(jax.grad(score))(jnp.zeros((1, 9, 7, 3)))).all()


def test_wrong_inputs_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        dists.dists(noise(), noise()[:1], features=identity, weights=weights(1.0, 1.0))
    with pytest.raises(ValueError, match=r"map: .*got 'relu1_2'"):
        dists.dists(noise(), noise(), features=lambda x: {}, weights=weights(1.0, 1.0))
