"""The U-Net's table, its dropout, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import trees
from fsketch.nets import unet


def shapes(net, size, channels=3):
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    return variables, jax.eval_shape(net.apply, variables, image)


# As counted by the published code, which prints 54.414 and 41.829.
@pytest.mark.parametrize(("depth", "number"), [(8, 54_413_955), (7, 41_828_995)])
def test_parameters_are_the_published_number(depth, number):
    variables, image = shapes(unet.UNet(features=3, depth=depth), 2**depth)
    assert trees.count(variables) == number
    assert image.shape == (1, 2**depth, 2**depth, 3)


def test_resolutions_are_the_table_s():
    net = unet.UNet(features=1, width=2, depth=5)
    image = jnp.zeros((1, 64, 96, 3))
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    run = lambda v: net.apply(v, image, capture_intermediates=True)  # noqa: E731
    _, seen = jax.eval_shape(run, variables)
    maps = {
        name: seen["intermediates"][name]["__call__"][0].shape[1:]
        for name in seen["intermediates"]
        if name.startswith("Conv")
    }
    assert [maps[f"Conv_{i}"] for i in range(5)] == [
        (32, 48, 2), (16, 24, 4), (8, 12, 8), (4, 6, 16), (2, 3, 16),
    ]  # fmt: skip
    assert [maps[f"ConvTranspose_{i}"] for i in range(5)] == [
        (4, 6, 16), (8, 12, 8), (16, 24, 4), (32, 48, 2), (64, 96, 1),
    ]  # fmt: skip


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


def test_bfloat16_gives_a_float32_image_from_float32_parameters():
    variables, image = shapes(unet.UNet(features=1, width=2, depth=4, dtype="bfloat16"), 16)
    assert image.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_a_size_that_cannot_be_halved_so_often_is_refused():
    with pytest.raises(ValueError, match="divisible by 256, got 250 x 250"):
        shapes(unet.UNet(features=1), 250)
