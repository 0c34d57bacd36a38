"""SSIM and PSNR in the field's convention.

Wang et al., IEEE TIP 2004; the convention is scikit-image's structural_similarity with
gaussian_weights=True, sigma=1.5, use_sample_covariance=False: an 11 x 11 Gaussian window,
population covariance, the mean over the pixels whose window lies inside the image.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SIGMA = 1.5
RADIUS = 5  # int(3.5 * sigma + 0.5), scikit-image's truncation


def ssim(
    truth: jax.Array,
    output: jax.Array,
    *,
    data_range: float = 255.0,
    k1: float = 0.01,
    k2: float = 0.03,
) -> jax.Array:
    """Structural similarity of each image, float32[B] in [-1, 1], 1 for equal images.

    Both float[B, H, W, 1] on the scale [0, data_range]; at least 11 x 11 px, else ValueError.
    """
    _check(truth, output)
    if min(truth.shape[1:3]) < 2 * RADIUS + 1:
        raise ValueError(f"ssim: images of {truth.shape[1:3]} px, at least 11 x 11 are needed")
    # Variances do not depend on the origin; on [-1/2, 1/2] float32 loses no digits to it.
    x = truth.astype(jnp.float32) / data_range - 0.5
    y = output.astype(jnp.float32) / data_range - 0.5
    ux, uy = _blur(x), _blur(y)
    vx = _blur(x * x) - ux * ux
    vy = _blur(y * y) - uy * uy
    vxy = _blur(x * y) - ux * uy
    ux, uy = ux + 0.5, uy + 0.5
    c1, c2 = k1**2, k2**2
    similarity = (2 * ux * uy + c1) * (2 * vxy + c2)
    similarity /= (ux**2 + uy**2 + c1) * (vx + vy + c2)
    return similarity.mean((1, 2, 3))


def psnr(truth: jax.Array, output: jax.Array, *, data_range: float = 255.0) -> jax.Array:
    """Peak signal-to-noise ratio of each image in dB, float32[B]; infinite for equal images."""
    _check(truth, output)
    difference = (truth.astype(jnp.float32) - output.astype(jnp.float32)) / data_range
    return -10.0 * jnp.log10(jnp.square(difference).mean((1, 2, 3)))


def _blur(x: jax.Array) -> jax.Array:
    """Separable Gaussian, valid part: [B, H, W, 1] -> [B, H-10, W-10, 1]."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weights = jnp.asarray(weights / weights.sum(), x.dtype)

    def along(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    return along(along(x, weights[:, None, None, None]), weights[None, :, None, None])


def _check(truth: jax.Array, output: jax.Array) -> None:
    if truth.shape != output.shape or truth.ndim != 4 or truth.shape[-1] != 1:
        raise ValueError(
            f"grey images [B, H, W, 1] of one shape needed, got {truth.shape} and {output.shape}"
        )
