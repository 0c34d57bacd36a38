"""LPIPS v0.1, linear version: a distance of images in the maps of a classifier.

Zhang et al., CVPR 2018, arXiv 1801.03924, eq. 1: with maps y_l scaled to unit length over
channels at each pixel and learnt weights w_lc >= 0,

  d = sum_l mean_hw sum_c w_lc (y_lhwc - y'_lhwc)^2

The published heads hold w directly, without the paper's square.  Scores depend on the net
(AlexNet, VGG-16 or SqueezeNet 1.1): name it with the number.  Nothing is resized.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from fsketch.metrics import pairs

# The reference's input normalisation, of RGB in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


def lpips(
    truth: jax.Array,
    output: jax.Array,
    *,
    features: pairs.Features,
    heads: Mapping[str, jax.Array],
    eps: float = 1e-10,
) -> jax.Array:
    """Distance of each pair, float32[B] >= 0, 0 for equal images.

    Args:
      truth, output: float[B, H, W, 1 or 3] in [0, 255].
      features: the net, see `pairs.Features`; it takes RGB normalised by SHIFT and SCALE.
      heads: w_l by the name of the map, each float[C] with any axes of length 1 before it.
      eps: added to the length of a pixel's vector before division.

    ValueError for other shapes and for images that are too small for the net.
    """
    image = pairs.stack(truth, output) / 127.5 - 1
    image = (image - jnp.asarray(SHIFT)) / jnp.asarray(SCALE)
    distance = jnp.zeros(len(truth))
    for found, head in zip(pairs.maps(features, image, heads), heads.values(), strict=True):
        x, y = jnp.split(_unit(found, eps), 2)
        distance += (head * jnp.square(x - y)).sum(-1).mean((1, 2))
    return distance


def _unit(x: jax.Array, eps: float) -> jax.Array:
    """x / (|x| + eps) over the last axis; the gradient is finite where x is 0."""
    square = jnp.square(x).sum(-1, keepdims=True)
    length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    return x / (length + eps)
