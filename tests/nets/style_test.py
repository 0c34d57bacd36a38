"""The style network's output; its table is in tables_test.py."""

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.nets import style


def test_output_is_bounded_keeps_the_size_and_starts_off_grey():
    net = style.StyleNet(width=4, num_blocks=1)
    image = jax.random.uniform(jax.random.key(0), (2, 12, 16, 3), minval=-1)
    variables = jax.jit(net.init)(jax.random.key(1), image)
    made = jax.jit(net.apply)(variables, image)
    assert made.shape == image.shape
    assert 0.05 < float(jnp.abs(made).mean()) < 0.95
    # Instance normalisation: an example does not see its neighbours.
    alone = jax.jit(net.apply)(variables, image[:1])
    np.testing.assert_allclose(made[:1], alone, atol=1e-5)
