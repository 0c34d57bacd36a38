"""IDE's critics: verdicts as torch's, the tables' layers, initial values."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import make_mla

from fsketch.core import trees
from fsketch.nets import image_critic

pytestmark = pytest.mark.usefixtures("plain_convolutions")

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def shapes_of(net, *size):
    return jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, *size, 3)))


with np.load(GOLDEN / "mla.npz") as _archive:
    TORCH = dict(_archive)  # see make_mla.py


@pytest.mark.parametrize("form", sorted(image_critic.FORMS))
def test_verdicts_equal_torch(form):
    net = image_critic.ImageCritic(form, width=make_mla.CRITIC_WIDTH)
    shapes = shapes_of(net, 128, 128)
    drawn = {
        name: make_mla.draw(name, leaf.shape)
        for name, leaf in trees.flatten(shapes["params"]).items()
    }
    variables = {
        "params": trees.unflatten(shapes["params"], drawn),
        "batch_stats": jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes["batch_stats"]),
    }
    image = jnp.asarray(make_mla.image(3, 128, 128, 3))
    apply = jax.jit(lambda v, x: net.apply(v, x, train=True, mutable=["batch_stats"]))
    verdicts, stats = apply(variables, image)
    assert verdicts.shape == (3, 1)
    np.testing.assert_allclose(verdicts, TORCH[f"critic_{form}"], atol=1e-4)
    moved = [float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(stats)]
    assert min(moved) > 0


def test_kernels_and_biases_begin_as_torch_s():
    net = image_critic.ImageCritic(width=8, num_layers=2)
    init = jax.jit(lambda key: net.init(key, jnp.zeros((2, 16, 16, 3))))
    params = init(jax.random.key(0))["params"]
    for name, fan_in in (("Conv_0", 27), ("Conv_1", 128), ("Dense_0", 256), ("Dense_1", 100)):
        largest = max(float(jnp.abs(leaf).max()) for leaf in params[name].values())
        assert 0.9 < largest * np.sqrt(fan_in) <= 1, name
    assert float(jnp.abs(params["Dense_0"]["bias"]).max()) > 0
