"""DISTS: structure and texture similarity in the maps of VGG-16.

Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity", IEEE TPAMI
2022, arXiv 2004.07728.  With mean mu, variance and covariance over the pixels of channel j of
stage i, where stage 0 is the image itself and the others are the last maps of VGG-16's stages
with `layers.l2_pool` between them:

  l_ij = (2 mu_x mu_y + c1) / (mu_x^2 + mu_y^2 + c1)             texture
  s_ij = (2 cov_xy + c2) / (var_x + var_y + c2)                  structure
  D = 1 - sum_ij (alpha_ij l_ij + beta_ij s_ij),   sum_ij (alpha_ij + beta_ij) = 1

Nothing is resized: the authors' function compares images as they are, and only their command
line first shrinks a short side above 256 px to 256.  At the field's 200 x 250 both agree.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from fsketch.core import images
from fsketch.metrics import pairs

TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")

MEAN, STD = images.IMAGENET_MEAN, images.IMAGENET_STD  # of RGB in [0, 1]


def dists(
    truth: jax.Array,
    output: jax.Array,
    *,
    features: pairs.Features,
    weights: Mapping[str, jax.Array],
    c1: float = 1e-6,
    c2: float = 1e-6,
) -> jax.Array:
    """Distance of each pair, float32[B], 0 for equal images.

    Args:
      truth, output: float[B, H, W, 1 or 3] in [0, 255].
      features: VGG-16 with L2 pooling, see `pairs.Features`; it takes RGB as MEAN and STD make it.
      weights: alpha and beta, float[1475] with any axes of length 1 before it, for the channels
        of the image and of TAPS in this order; they are scaled here to the sum 1.

    ValueError for other shapes.
    """
    image = pairs.stack(truth, output) / 255
    normalised = (image - jnp.asarray(MEAN)) / jnp.asarray(STD)
    texture, structure = [], []
    for stage in (image, *pairs.maps(features, normalised, TAPS)):
        mean = stage.mean((1, 2), keepdims=True)
        mx, my = jnp.split(mean[:, 0, 0], 2)
        x, y = jnp.split(stage - mean, 2)
        variances = jnp.square(x).mean((1, 2)) + jnp.square(y).mean((1, 2))
        texture.append((2 * mx * my + c1) / (mx**2 + my**2 + c1))
        structure.append((2 * (x * y).mean((1, 2)) + c2) / (variances + c2))
    alpha, beta = weights["alpha"].reshape(-1), weights["beta"].reshape(-1)
    distance = (1 - jnp.concatenate(texture, -1)) @ alpha
    distance += (1 - jnp.concatenate(structure, -1)) @ beta
    return distance / (alpha.sum() + beta.sum())
