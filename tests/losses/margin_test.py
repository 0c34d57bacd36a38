"""Margin softmax: by hand, beyond the border, gradients at the border."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.losses import margin

pytestmark = pytest.mark.usefixtures("full_optimization")

# Angles of two embeddings to three persons, in degrees; the right ones are 1 and 0.
ANGLES = np.radians([[90.0, 60.0, 120.0], [30.0, 90.0, 180.0]])
IDENTITY = jnp.array([1, 0])


def by_hand(right, others):
    return -math.log(math.exp(right) / (math.exp(right) + sum(map(math.exp, others))))


BY_HAND = {
    # 60 + 30 and 30 + 30 degrees; scale 2.
    ("arcface", math.pi / 6): (by_hand(0.0, [0.0, -1.0]) + by_hand(1.0, [0.0, -2.0])) / 2,
    # Cosines 0.5 - 0.25 and sqrt(3) / 2 - 0.25; scale 2.
    ("cosface", 0.25): (by_hand(0.5, [0.0, -1.0]) + by_hand(math.sqrt(3) - 0.5, [0.0, -2.0])) / 2,
}


@pytest.mark.parametrize(("kind", "m"), BY_HAND)
def test_by_hand(kind, m):
    loss = margin.of(kind)(jnp.cos(ANGLES), IDENTITY, scale=2.0, margin=m)
    assert float(loss) == pytest.approx(BY_HAND[kind, m], rel=1e-5)


def test_cosines_forget_lengths_and_survive_zeros():
    embedding = jnp.array([[3.0, 4.0], [0.0, 0.0]])
    directions = jnp.array([[10.0, 0.0], [0.0, 0.5], [-3.0, -4.0]])
    np.testing.assert_allclose(
        margin.cosines(embedding, directions), [[0.6, 0.8, -1.0], [0, 0, 0]], atol=1e-6
    )
    slope = jax.grad(lambda e: margin.cosines(e, directions).sum())(embedding)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("kind", margin.KINDS)
def test_the_loss_falls_with_the_cosine_from_border_to_border(kind):
    """Also beyond t + m = pi, where cos(t + m) alone would turn back."""
    right = jnp.linspace(-1.0, 1.0, 401)

    def loss(cosine):
        cosines = jnp.stack([cosine, jnp.asarray(0.1)])[None]
        return margin.of(kind)(cosines, jnp.array([0]), scale=8.0, margin=0.5)

    values = np.asarray(jax.jit(jax.vmap(loss))(right))
    assert (np.diff(values) < 0).all()


def test_beyond_the_border_arcface_falls_straight():
    def right_logit(degrees):  # the loss of one person against one at cosine 0
        cosines = jnp.array([[math.cos(math.radians(degrees)), 0.0]])
        loss = margin.arcface(cosines, jnp.array([0]), scale=1.0, margin=0.5)
        return -math.log(math.expm1(float(loss)))

    angle = math.pi - 0.5  # 151.35 degrees
    assert right_logit(151.0) == pytest.approx(math.cos(math.radians(151.0) + 0.5), abs=1e-5)
    for degrees in (152.0, 180.0):
        expected = math.cos(math.radians(degrees)) - 0.5 * math.sin(angle)
        assert right_logit(degrees) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", margin.KINDS)
def test_gradients_at_the_borders_are_finite_and_never_uphill(kind):
    def loss(right):
        cosines = jnp.stack([right, jnp.asarray(0.3)])[None]
        return margin.of(kind)(cosines, jnp.array([0]), scale=64.0, margin=0.5)

    right = jnp.array([-1.0, 1.0, -1.0000001, 1.0000001, 0.99999994, 0.0], jnp.float32)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(loss)))(right)
    assert np.isfinite(values).all() and np.isfinite(slopes).all()
    assert (slopes <= 0).all()


def test_what_is_refused():
    cosines = jnp.zeros((2, 3))
    with pytest.raises(ValueError, match=r"margin: .*got 4.0"):
        margin.arcface(cosines, IDENTITY, scale=1.0, margin=4.0)
    with pytest.raises(ValueError, match=r"got \(2, 3\), \(3,\)"):
        margin.cosface(cosines, jnp.zeros(3, jnp.int32), scale=1.0, margin=0.1)
    with pytest.raises(ValueError, match=r"margin.kind: .*'arcface', 'cosface'.*got 'sphere'"):
        margin.of("sphere")
