"""The terms are one minus the scorer's metrics, on its range, and can be learned from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import images
from fsketch.losses import similarity
from fsketch.metrics import fsim, ssim

pytestmark = pytest.mark.usefixtures("full_optimization")


def pair(channels):
    rng = np.random.default_rng(channels)
    shape = (2, 32, 28, channels)
    return tuple(rng.integers(0, 256, shape).astype(np.uint8) for _ in range(2))


@pytest.mark.parametrize(
    ("term", "metric"),
    [(similarity.ssim, ssim.ssim), (similarity.fsim, fsim.fsim)],
    ids=["ssim", "fsim"],
)
def test_a_term_is_what_the_scorer_misses(term, metric):
    truth, output = pair(1)
    found = term(images.from_uint8(jnp.asarray(output)), images.from_uint8(jnp.asarray(truth)))
    assert float(found) == pytest.approx(1 - float(metric(truth, output).mean()), abs=1e-5)
    colour = images.from_uint8(jnp.asarray(pair(3)[0]))
    assert float(term(colour, colour)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("term", [similarity.ssim, similarity.fsim])
def test_descent_lowers_a_term(term):
    truth, output = (images.from_uint8(jnp.asarray(image)) for image in pair(1))
    differentiate = jax.jit(jax.value_and_grad(term))
    value, slope = differentiate(output, truth)
    assert np.isfinite(slope).all()
    assert float(term(output - 0.02 * slope / jnp.abs(slope).max(), truth)) < float(value)
    # Equal and constant images have a slope, too.
    for image in (truth, jnp.zeros_like(truth)):
        assert np.isfinite(differentiate(image, image)[1]).all()
