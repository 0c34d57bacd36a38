"""Identity: two images compared in the maps of a frozen face recogniser."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from fsketch.core import types


def identity(
    look: Callable[[jax.Array], types.Taps], prediction: jax.Array, target: jax.Array
) -> jax.Array:
    """Mean (psi(prediction) - psi(target))^2 over the entries of a map, summed over maps.

    Source: Shiri et al., IJCV 2019: psi is one map, ReLU3-2 [paper]; the mean is [inferred].
    `look` takes images [B, H, W, C] in [-1, 1], rescales them for its net, and returns maps by
    name; no gradient reaches the target.
    """
    chex.assert_equal_shape([prediction, target])
    maps, targets = look(prediction), jax.lax.stop_gradient(look(target))
    return sum(
        jnp.square(maps[tap].astype(jnp.float32) - targets[tap]).mean() for tap in sorted(targets)
    )
