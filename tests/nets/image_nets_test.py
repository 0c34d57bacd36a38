"""What the small nets of images make: dropout, how far a verdict sees, a bounded image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.nets import patch_critic, style, unet


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


def test_critics_of_several_scales_judge_halved_images():
    image = jax.random.normal(jax.random.key(0), (2, 32, 48, 3))
    net = patch_critic.MultiScale(2, width=2, num_layers=1, norm="none")
    variables = net.init(jax.random.key(1), image)
    first, second = net.apply(variables, image)
    alone = patch_critic.PatchCritic(width=2, num_layers=1, norm="none")
    halved = np.asarray(image).reshape(2, 16, 2, 24, 2, 3).mean((2, 4))
    for scale, (verdicts, seen) in enumerate(((first, image), (second, halved))):
        params = {"params": variables["params"][f"scale{scale}"]}
        np.testing.assert_allclose(verdicts, alone.apply(params, seen), atol=1e-5)
