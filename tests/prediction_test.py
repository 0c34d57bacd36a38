"""The state that a run begins with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import initializers

from fsketch import prediction
from fsketch.nets import layers

DRAWS = {
    "normal": layers.conv_init,
    "uniform": layers.torch_init,
    "truncated": initializers.lecun_normal(),
    "scales": lambda key, shape: 1 + initializers.normal(0.02)(key, shape),
    "norms": lambda key, shape: jnp.sqrt(jnp.sum(layers.conv_init(key, shape) ** 2, (0, 1, 2))),
}


@pytest.mark.usefixtures("full_optimization")
@pytest.mark.parametrize("name", DRAWS)
def test_quick_compilation_draws_the_same_values(name):
    def draw(key):
        return DRAWS[name](key, (3, 3, 61, 67))

    key = jax.random.key(3)
    quick = jax.jit(draw, compiler_options=prediction.quick_to_compile())(key)
    np.testing.assert_array_equal(quick, jax.jit(draw)(key))
