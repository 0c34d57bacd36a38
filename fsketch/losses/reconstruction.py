"""Pixel losses."""

import chex
import jax
import jax.numpy as jnp


def l1(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean absolute difference over all pixels and channels, in units of the [-1, 1] range.

    Both [B, H, W, C]; other shapes raise, also those that would broadcast.
    """
    chex.assert_equal_shape([prediction, target])
    return jnp.abs(prediction - target).mean()


def squared(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean squared difference over all pixels and channels, in units of the [-1, 1] range.

    Shapes as for `l1`.
    """
    chex.assert_equal_shape([prediction, target])
    return jnp.square(prediction - target).mean()
