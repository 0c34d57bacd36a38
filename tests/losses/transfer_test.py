"""Knowledge transfer terms: hand-computed cases, stop-gradient, shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.losses import reconstruction, transfer
from fsketch.nets import resnet


def taps(value, *, size=8, channels=1):
    """All six taps with one constant value, at a translator's resolutions."""
    sizes = {"in": size, "u2": size, "d1": size // 2, "u1": size // 2}
    return {
        name: jnp.full((2, sizes.get(name, size // 4), sizes.get(name, size // 4), channels), value)
        for name in resnet.TAPS
    }


def teacher(value, *, size=8, channels=1):
    return {
        name: jnp.full((2, size // 2**i, size // 2**i, channels), value)
        for i, name in enumerate(transfer.TEACHER)
    }


def test_l1_by_hand():
    assert float(reconstruction.l1(jnp.zeros((1, 2, 2, 1)), jnp.full((1, 2, 2, 1), 0.5))) == 0.5


def test_distance_is_a_sum_over_maps_of_means():
    maps = [jnp.zeros((1, 4, 4, 2)), jnp.zeros((1, 2, 2, 4))]
    targets = [jnp.full((1, 4, 4, 2), 3.0), jnp.full((1, 2, 2, 4), 1.0)]
    assert float(transfer.distance(maps, targets)) == 10.0  # 3^2 + 1^2, whatever the sizes


def test_mimic_and_transform_by_hand():
    student = taps(0.0) | {"in": jnp.full((2, 8, 8, 1), 2.0)}
    assert float(transfer.mimic(student, teacher(1.0))) == 1.0 + 1.0 + 1.0
    assert float(transfer.mimic(student, teacher(0.0))) == 4.0
    assert float(transfer.transform(student, teacher(3.0))) == 27.0  # "in" is no decoder tap


def test_mutual_crosses_encoder_and_decoder_and_holds_the_peer():
    student = taps(0.0) | {"d2": jnp.full((2, 2, 2, 1), 2.0)}
    peer = taps(0.0) | {"bottle": jnp.full((2, 2, 2, 1), 5.0)}
    assert float(transfer.mutual(student, peer)) == 9.0  # d2 against bottle, all else equal
    to_student, to_peer = jax.grad(transfer.mutual, argnums=(0, 1))(student, peer)
    assert float(jnp.abs(to_student["d2"]).sum()) > 0
    assert all(float(jnp.abs(g).sum()) == 0 for g in jax.tree.leaves(to_peer))
    np.testing.assert_allclose(to_student["d2"], 2 * (2.0 - 5.0) / 8)  # 8 = 2 x 2 x 2 x 1


def test_other_shapes_are_refused():
    with pytest.raises(AssertionError):
        transfer.mimic(taps(0.0, channels=2), teacher(0.0))
    with pytest.raises(AssertionError):
        transfer.mimic(taps(0.0, size=8), teacher(0.0, size=16))


def test_maps_in_bfloat16_are_compared_in_float32():
    rng = np.random.default_rng(0)
    one, other = (jnp.asarray(rng.normal(size=(1, 64, 64, 8)), jnp.bfloat16) for _ in range(2))
    value = transfer.distance([one], [other])
    assert value.dtype == jnp.float32
    expected = np.square(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean()
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kinds", [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_the_gradient_is_that_of_autodiff_from_differences_in_the_narrower_type(kinds):
    rng = np.random.default_rng(0)
    one, other = (jnp.asarray(rng.normal(size=(2, 8, 8, 4)), kind) for kind in kinds)
    value, pull = jax.vjp(lambda a, b: transfer.distance([a], [b]), one, other)
    kept = {leaf.dtype.name for leaf in jax.tree.leaves(pull) if leaf.size == one.size}
    assert kept == {min(kinds)}
    expected = jax.grad(lambda a, b: 3 * jnp.square(a - b).mean(), (0, 1))(
        one.astype(jnp.float32), other.astype(jnp.float32)
    )
    for found, right, kind in zip(pull(jnp.full_like(value, 3)), expected, kinds, strict=True):
        assert found.dtype.name == kind
        np.testing.assert_allclose(found.astype(jnp.float32), right, rtol=2**-7)  # rounded twice


def test_both_students_share_one_difference():
    """So that a program computes and keeps it once."""
    one, other = taps(1.0), taps(2.0)
    text = (
        jax.jit(lambda a, b: transfer.mutual(a, b) + transfer.mutual(b, a))
        .lower(one, other)
        .compile()
        .as_text()
    )
    assert text.count(" subtract(") == 6  # of each pair of maps, not of each and back
