"""How far a verdict of the critic sees."""

import jax
import numpy as np
import pytest

from fsketch.nets import patch_critic


@pytest.mark.parametrize(("num_layers", "pixels"), [(1, 16), (3, 70)])
def test_a_verdict_sees_its_patch(num_layers, pixels):
    net = patch_critic.PatchCritic(width=2, num_layers=num_layers, norm="none")
    size = 128
    image = jax.random.normal(jax.random.key(1), (1, size, size, 1))
    variables = jax.jit(net.init)(jax.random.key(0), image)
    middle = size // 2**num_layers // 2 - 1
    gradient = jax.jit(jax.grad(lambda x: net.apply(variables, x)[0, middle, middle, 0]))(image)
    rows = np.flatnonzero(np.abs(gradient[0, :, :, 0]).sum(1))
    assert rows[-1] - rows[0] + 1 == pixels
