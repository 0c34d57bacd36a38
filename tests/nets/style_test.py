"""The style network's table: shapes and the parameter count of the public implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import trees
from fsketch.nets import style


def shapes(net, size=(128, 128)):
    image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    return variables, jax.eval_shape(net.apply, variables, image)


def test_parameter_count_is_that_of_the_public_implementation():
    variables, image = shapes(style.StyleNet())
    assert trees.count(variables) == 1_679_235
    assert image.shape == (1, 128, 128, 3)


def test_the_table_s_channels():
    params = shapes(style.StyleNet(width=8, num_blocks=1))[0]["params"]
    kernels = [params[f"Conv_{i}"]["kernel"].shape for i in range(8)]
    assert kernels == [
        (9, 9, 3, 8), (3, 3, 8, 16), (3, 3, 16, 32), (3, 3, 32, 32), (3, 3, 32, 32),
        (3, 3, 32, 16), (3, 3, 16, 8), (9, 9, 8, 3),
    ]  # fmt: skip


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


def test_bfloat16_keeps_float32_parameters_and_output():
    variables, image = shapes(style.StyleNet(width=4, num_blocks=1, dtype="bfloat16"), (16, 16))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert image.dtype == jnp.float32


@pytest.mark.parametrize("size", [(30, 32), (4, 16)])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]}"):
        shapes(style.StyleNet(width=4), size)
