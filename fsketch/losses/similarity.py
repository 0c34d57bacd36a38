"""Scores as loss terms: SSIM and FSIM instead of single pixels.

Not in the papers [ours]: L1 is least for a smear between the strokes that a patch might hold; these
two reward contrast, and edges in their places.  Range and grey are those of
the scorer: [-1, 1] -> 0..255, luma.
"""

import jax
import jax.numpy as jnp

from fsketch.core import images
from fsketch.metrics import fsim as fsim_metric
from fsketch.metrics import ssim as ssim_metric


def ssim(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """1 - SSIM (metrics/ssim.py), the mean over images; 0 for equal images, at most 2.

    Both [B, H, W, 1 or 3], at least 11 x 11 px.
    """
    return 1.0 - ssim_metric.ssim(_grey(target), _grey(prediction)).mean()


def fsim(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """1 - FSIM (metrics/fsim.py), the mean over images; 0 for equal images, at most 1.

    Shapes as for `ssim`.
    """
    return 1.0 - fsim_metric.fsim(_grey(target), _grey(prediction)).mean()


def _grey(image: jax.Array) -> jax.Array:
    """[B, H, W, 1 or 3] in [-1, 1] -> luma [B, H, W, 1] on 0..255."""
    return images.luma((image.astype(jnp.float32) + 1.0) * 127.5)
