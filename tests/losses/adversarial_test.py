"""Adversarial losses: each by hand, its best verdict, its gradient."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.losses import adversarial

pytestmark = pytest.mark.usefixtures("full_optimization")

VERDICTS = jnp.array([[0.0, 2.0], [-1.0, 0.5]]).reshape(2, 1, 2, 1)


def softplus(x):
    return math.log1p(math.exp(x))


BY_HAND = {
    ("lsgan", "real"): (1 + 1 + 4 + 0.25) / 4,
    ("lsgan", "fake"): (0 + 4 + 1 + 0.25) / 4,
    ("lsgan", "translator"): (1 + 1 + 4 + 0.25) / 4,
    ("non_saturating", "real"): sum(map(softplus, (0, -2, 1, -0.5))) / 4,
    ("non_saturating", "fake"): sum(map(softplus, (0, 2, -1, 0.5))) / 4,
    ("non_saturating", "translator"): sum(map(softplus, (0, -2, 1, -0.5))) / 4,
    ("hinge", "real"): (1 + 0 + 2 + 0.5) / 4,
    ("hinge", "fake"): (1 + 3 + 0 + 1.5) / 4,
    ("hinge", "translator"): -(0 + 2 - 1 + 0.5) / 4,
}


@pytest.mark.parametrize(("kind", "side"), BY_HAND)
def test_by_hand(kind, side):
    loss = getattr(adversarial.of(kind), side)
    assert float(loss(VERDICTS)) == pytest.approx(BY_HAND[kind, side], rel=1e-6)


@pytest.mark.parametrize("kind", adversarial.KINDS)
def test_far_verdicts_stay_finite_and_bfloat16_is_averaged_in_float32(kind):
    for loss in adversarial.of(kind):
        value, slope = jax.value_and_grad(loss)(jnp.array([-1e4, 1e4]))
        assert np.isfinite(value) and np.isfinite(slope).all()
        assert loss(VERDICTS.astype(jnp.bfloat16)).dtype == jnp.float32


def test_an_unknown_kind_names_its_field():
    with pytest.raises(ValueError, match=r"critic.loss: .*'hinge', 'lsgan'.*got 'wasserstein'"):
        adversarial.of("wasserstein")


@pytest.mark.parametrize("kind", adversarial.KINDS)
def test_scales_count_alike_whatever_their_verdicts(kind):
    for loss in adversarial.of(kind):
        both = loss([VERDICTS, VERDICTS[:1, :, :1]])
        assert float(both) == pytest.approx((loss(VERDICTS) + loss(VERDICTS[0, 0, 0])) / 2)
