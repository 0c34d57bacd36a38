"""The U-Net's dropout; its table is in tables_test.py."""

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.nets import unet


def test_dropout_is_each_example_s_own_and_in_training_only():
    net = unet.UNet(features=1, width=2, depth=4, norm="none")
    image = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    variables = jax.tree.map(lambda x: 20 * x, jax.jit(net.init)(jax.random.key(1), image))
    keys = jax.random.split(jax.random.key(2), 2)
    apply = jax.jit(lambda image, keys: net.apply(variables, image, train=True, keys=keys))
    quiet = jax.jit(lambda train: net.apply(variables, image, train=train), static_argnums=0)
    one = apply(image, keys)
    np.testing.assert_array_equal(one, apply(image, keys))
    assert (one != apply(image, keys[::-1])).any()
    alone = apply(image[1:], keys[1:])
    np.testing.assert_allclose(one[1:], alone, atol=1e-5)
    still = quiet(False)
    np.testing.assert_allclose(still, quiet(True), atol=1e-6)  # no keys, no dropout
    assert float(jnp.abs(still - one).max()) > 1e-3
    assert float(jnp.abs(one).max()) <= 1.0
