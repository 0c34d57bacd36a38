"""The shift by which a net of several styles draws in one of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from fsketch.nets import convolution, layers, resnet, unet

NETS = {
    "residual": resnet.Translator(1, width=4, num_blocks=1, up="nearest", skips=True),
    "unet": unet.UNet(1, width=4, depth=3),
}
# Maps that are shifted, of which the U-Net has one for each halving.
COUNTS = {"residual": 5, "unet": 3}


class Shifted(nn.Module):
    @nn.compact
    def __call__(self, x, style):
        return layers.shift(style, like=x)


def test_a_shift_is_the_mean_of_its_styles_by_their_shares():
    kernel = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    shares = np.float32([[0, 1, 0], [0.25, 0, 0.75]])
    made = Shifted().apply(
        {"params": {"Dense_0": {"kernel": kernel}}}, jnp.zeros((2, 4, 6, 5)), shares
    )
    wanted = np.stack([kernel[1], 0.25 * kernel[0] + 0.75 * kernel[2]])[:, None, None]
    np.testing.assert_allclose(made, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_it_starts_at_nothing_and_then_changes_the_drawing(name):
    net, rng = NETS[name], np.random.default_rng(0)
    image = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)

    def drawn(variables, *shares):
        made = net.apply(variables, image, *(np.float32([share]) for share in shares))
        return np.asarray(made[0] if isinstance(made, tuple) else made)

    with convolution.plain():
        variables = jax.jit(net.init)(jax.random.key(0), image, np.float32([[1, 0]]))
        plain = drawn(variables)
        np.testing.assert_array_equal(drawn(variables, [0, 1]), plain)
        shifts = [key for key in variables["params"] if key.startswith("Dense")]
        assert len(shifts) == COUNTS[name]
        params = dict(variables["params"])
        for key in shifts:
            shape = params[key]["kernel"].shape
            params[key] = {"kernel": rng.normal(size=shape).astype(np.float32)}
        first, second = (drawn({"params": params}, share) for share in ([1, 0], [0, 1]))
        none = drawn({"params": params}, [0, 0])
    np.testing.assert_array_equal(none, plain)
    scale = plain.std()
    assert min(np.abs(first - second).mean(), np.abs(first - plain).mean()) > 0.3 * scale
