"""MLANet: counts, outputs and gradients as torch's, the released quirks and their options."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import make_mla

from fsketch.core import trees
from fsketch.nets import bicubic, mla

pytestmark = pytest.mark.usefixtures("plain_convolutions")

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


with np.load(GOLDEN / "mla.npz") as _archive:
    TORCH = dict(_archive)  # what torch computed, see make_mla.py


def drawn(net):
    """The parameters that make_mla.py draws."""
    image = jnp.zeros((1, *make_mla.SIZE, 3))
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)["params"]
    arrays = {
        name: np.asarray(make_mla.draw(name, leaf.shape), np.float32)
        for name, leaf in trees.flatten(shapes).items()
    }
    return {"params": trees.unflatten(shapes, arrays)}


@pytest.mark.parametrize("variant", sorted(make_mla.VARIANTS))
def test_outputs_and_a_gradient_equal_torch(variant):
    net = mla.MLANet(**make_mla.VARIANTS[variant])
    variables, image = drawn(net), jnp.asarray(make_mla.image(1, *make_mla.SIZE, 3))
    assert trees.count(variables) == int(TORCH[f"mla_{variant}_count"])

    def loss(image):
        out = net.apply(variables, image)
        return jnp.square(out).sum(), out

    if variant == "other":
        gradient, out = jax.jit(jax.grad(loss, has_aux=True))(image)
        expected = TORCH["mla_other_gradient"]
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    else:
        out = jax.jit(net.apply)(variables, image)
    assert out.shape == (1, 40, 34, 3) and out.dtype == jnp.float32
    np.testing.assert_allclose(out, TORCH[f"mla_{variant}"], atol=1e-5)
    skip = bicubic.resize(image, (40, 34), rule="torch")
    assert np.abs(out - skip).std() > 0.3  # so the net itself was compared


def test_the_released_gate_is_never_below_one_half():
    """With all kernels at zero a block is s1 t / 2, t being a bias: 1."""
    x = jnp.zeros((1, 16, 16, 8))
    for relu_gate in (True, False):
        block = mla.MAB(relu_gate=relu_gate)
        shapes = jax.eval_shape(block.init, jax.random.key(1), x)["params"]
        params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
        params["second"]["bias"] += 1.0
        params["increase"]["bias"] -= 3.0
        out = jax.jit(block.apply)({"params": params}, x)
        expected = 0.5 if relu_gate else 1 / (1 + np.exp(3.0))
        np.testing.assert_allclose(out, np.full(x.shape, expected / 2), rtol=1e-6)


def test_initialisation_is_that_of_the_released_code():
    """Torch's in the weight-normalised kernels, Kaiming's times 0.1 in the others or in all."""

    def tail(**options):
        net = mla.MLANet(num_blocks=0, **options)
        init = jax.jit(lambda key: net.init(key, jnp.zeros((1, 8, 8, 3))))
        params = jax.device_get(init(jax.random.key(0))["params"])
        direction = params["tail5"]["direction"]
        norm = np.sqrt(np.square(direction).sum((0, 1, 2)))
        np.testing.assert_allclose(params["tail5"]["scale"], norm, rtol=1e-6)
        assert params["scale_tail5"]["scale"] == 0.5
        assert not params["tail5"]["bias"].any()
        return direction

    assert 0.99 / 40 < np.abs(tail()).max() <= 1 / 40  # fan-in 25 * 64
    assert tail(scaled_init=True).std() == pytest.approx(0.1 * np.sqrt(2) / 40, rel=0.02)
    kernel = mla.scaled_init(jax.random.key(0), (3, 3, 64, 64))
    assert float(kernel.std()) == pytest.approx(0.1 * np.sqrt(2 / 576), rel=0.02)
