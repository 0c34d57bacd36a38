"""IFRP's nets: their tables, parameters, skips and transformers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import trees
from fsketch.nets import remover


def parameters(net):
    """(of all, of the transformers)."""
    params = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 128, 128, 3)))["params"]
    transformers = [params[name] for name in params if name.startswith("transformer")]
    return trees.count(params), sum(trees.count(one) for one in transformers)


def conv(kernel, inputs, outputs):
    return kernel**2 * inputs * outputs


WIDTHS = (3, 32, 64, 128, 256, 512)


def test_the_journal_s_net_has_the_table_s_parameters():
    down = up = sum(conv(4, a, b) for a, b in itertools.pairwise(WIDTHS))
    norms = 2 * (sum(WIDTHS[1:]) + sum(WIDTHS[1:-1]))  # scales and biases
    blocks = 3 * 2 * sum(conv(3, c, c) + 2 * c for c in (256, 128))
    total, transformers = parameters(remover.Remover(3))
    assert total == down + up + norms + 3 + blocks + transformers == 11_664_607
    assert transformers == 1_659_740


def test_the_released_net_has_the_code_s_parameters():
    total, transformers = parameters(remover.ReleasedRemover(3))
    assert (round((total - transformers) / 1e6, 2), round(transformers / 1e6, 2)) == (7.48, 0.89)


@pytest.mark.parametrize(
    ("skips", "join", "more"),
    [
        ("unet", "add", 0),
        # a 1x1 convolution from twice the channels, with its bias, at each skip
        ("unet", "concat", sum(2 * c * c + c for c in (256, 128, 64, 32))),
        ("top", "concat", sum(2 * c * c + c for c in (256, 128))),
        ("residual", "add", 6 * sum(9 * c * c + 2 * c for c in (256, 128))),
    ],
)
def test_the_rows_of_the_ablation_differ_by_their_skips_alone(skips, join, more):
    plain, _ = parameters(remover.Remover(3, skips="none"))
    assert parameters(remover.Remover(3, skips=skips, join=join))[0] - plain == more


def test_transformers_change_nothing_at_first_and_the_image_has_no_bound():
    image = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3), minval=-1)
    net = remover.Remover(3, width=2, skips="top")
    variables = jax.jit(net.init)(jax.random.key(1), image)
    variables = jax.tree.map(lambda x: 20 * x, variables)
    for name in ("transformer1", "transformer2", "transformer3", "transformer4"):
        start = variables["params"][name]["Localisation_0"]["Dense_1"]
        start["bias"] /= 20
    without = remover.Remover(3, width=2, skips="top", has_transformers=False)
    params = {k: v for k, v in variables["params"].items() if not k.startswith("transformer")}
    one = jax.jit(net.apply)(variables, image)
    other = jax.jit(without.apply)({**variables, "params": params}, image)
    np.testing.assert_array_equal(one, other)
    assert float(jnp.abs(one).max()) > 1
