"""Perceptual losses of style transfer: content and style compared in the maps of a frozen net.

Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV
2016, section 3.2: feature reconstruction (eq. 2), Gram matrices (eq. 3), style reconstruction
(eq. 4), total variation.  Squares are averaged over entries, as in the authors' code [code], where
eq. 4 sums them.

The `relative` forms divide by the mean square of each image's target [ours]: they are 1 for maps of
zeros and 0 for equal ones, whatever the loss net's magnitudes, so that one pair of weights serves
any net and each tap counts alike.
"""

from collections.abc import Mapping

import chex
import jax
import jax.numpy as jnp

TINY = 1e-12  # below any mean square that matters


def content(features: jax.Array, target: jax.Array, *, relative: bool = False) -> jax.Array:
    """Mean (features - target)^2 over a map [B, H, W, C]; equal shapes, else an error."""
    chex.assert_equal_shape([features, target])
    return _distance(features.astype(jnp.float32), target.astype(jnp.float32), relative)


def gram(features: jax.Array) -> jax.Array:
    """[B, H, W, C] -> F^T F / (H W C), float32[B, C, C], F the pixels of one image (eq. 3)."""
    B, H, W, C = features.shape
    pixels = features.astype(jnp.float32).reshape(B, H * W, C)
    return jnp.einsum("bpc,bpd->bcd", pixels, pixels) / (H * W * C)


def style(
    features: Mapping[str, jax.Array], grams: Mapping[str, jax.Array], *, relative: bool = False
) -> jax.Array:
    """Sum over taps of the mean squared difference of Gram matrices (eq. 4).

    features: maps [B, H, W, C] of the made images; `grams` of the taps that count, float32[C, C]
    of one style image, or [B, C, C] of as many.
    """
    total = jnp.zeros(())
    for tap in sorted(grams):
        made = gram(features[tap])
        target = jnp.broadcast_to(grams[tap], made.shape)
        chex.assert_equal_shape_suffix([made, grams[tap]], 2)
        total = total + _distance(made, target, relative)
    return total


def total_variation(image: jax.Array) -> jax.Array:
    """Mean squared step to the right plus mean squared step down; image [B, H, W, C]."""
    right, down = jnp.diff(image, axis=2), jnp.diff(image, axis=1)
    return jnp.square(right).mean() + jnp.square(down).mean()


def _distance(one: jax.Array, target: jax.Array, relative: bool) -> jax.Array:
    axes = tuple(range(1, target.ndim))  # image by image: a mean over the batch has no neighbours
    distance = jnp.square(one - target).mean(axes)
    return (distance / (jnp.square(target).mean(axes) + TINY) if relative else distance).mean()
