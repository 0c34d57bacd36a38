"""The critic's table: parameters, resolutions, and how far a verdict sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import trees
from fsketch.nets import patch_critic


def shapes(net, channels, size=256):
    image = jax.ShapeDtypeStruct((2, size, size, channels), jnp.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    return variables, jax.eval_shape(net.apply, variables, image)


def test_parameters_are_the_published_number():
    variables, verdicts = shapes(patch_critic.PatchCritic(), 6)
    # 6208 + 131328 + 524800 + 2098176 + 8193, the layers of the table with scales and biases
    assert trees.count(variables) == 2_768_705
    assert verdicts.shape == (2, 30, 30, 1)


def test_resolutions_are_the_table_s():
    net = patch_critic.PatchCritic(width=4)
    variables = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 256, 256, 4)))
    _, seen = jax.eval_shape(
        lambda v, x: net.apply(v, x, capture_intermediates=True),
        variables,
        jnp.zeros((1, 256, 256, 4)),
    )
    convolutions = [
        seen["intermediates"][f"Conv_{layer}"]["__call__"][0].shape[1:] for layer in range(5)
    ]
    assert convolutions == [
        (128, 128, 4),
        (64, 64, 8),
        (32, 32, 16),
        (31, 31, 32),
        (30, 30, 1),
    ]


@pytest.mark.parametrize(("num_layers", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_a_verdict_sees_its_patch(num_layers, pixels):
    net = patch_critic.PatchCritic(width=2, num_layers=num_layers, norm="none")
    size = 128
    image = jax.random.normal(jax.random.key(1), (1, size, size, 1))
    variables = net.init(jax.random.key(0), image)
    middle = size // 2**num_layers // 2 - 1
    gradient = jax.grad(lambda x: net.apply(variables, x)[0, middle, middle, 0])(image)
    rows = np.flatnonzero(np.abs(gradient[0, :, :, 0]).sum(1))
    assert rows[-1] - rows[0] + 1 == pixels


def test_bfloat16_gives_float32_verdicts_from_float32_parameters():
    variables, verdicts = shapes(patch_critic.PatchCritic(width=4, dtype="bfloat16"), 4, 32)
    assert verdicts.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_an_image_too_small_for_a_patch_is_refused():
    assert shapes(patch_critic.PatchCritic(), 4, 24)[1].shape == (2, 1, 1, 1)
    with pytest.raises(ValueError, match="at least 24 px a side, got 20 x 20"):
        shapes(patch_critic.PatchCritic(), 4, 20)
