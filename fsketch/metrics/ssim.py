"""SSIM in three conventions, and PSNR.

* `ssim`, the field's: Wang et al., IEEE TIP 2004, as scikit-image's structural_similarity with
  gaussian_weights=True, sigma=1.5, use_sample_covariance=False: an 11 x 11 Gaussian window.
* `ssim_uniform`, the oldest: all weights of an 8 x 8 window equal.
* `ms_ssim`: Wang, Simoncelli, Bovik, Asilomar 2003, five scales of the first.

All with population covariance, and the mean over the pixels whose window lies inside the image.
Images [B, H, W, C] on the scale 0..255, of any real type; computed in float64 if one of them is
float64, else in float32.  NaN gives NaN.

A window is a product of banded matrices from both sides: 14 times as fast on CPU as a convolution
of one channel.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fsketch.metrics import checks

RANGE, K1, K2 = 255.0, 0.01, 0.03
SIGMA = 1.5
RADIUS = 5  # int(3.5 * sigma + 0.5), scikit-image's truncation
GAUSSIAN = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
GAUSSIAN /= GAUSSIAN.sum()
UNIFORM = np.full(8, 1 / 8)
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # 2003, section 3.2; fine to coarse
MS_SSIM_MIN_SIDE_PX = 161  # halved four times, halves up, 11 px are left


def ssim(truth: jax.Array, output: jax.Array) -> jax.Array:
    """Structural similarity of each image, float[B] in [-1, 1], 1 for equal images.

    Both [B, H, W, 1] on the scale 0..255; at least 11 x 11 px, else ValueError.
    """
    truth, output = checks.float_pair("ssim", truth, output, min_side_px=len(GAUSSIAN))
    light, structure = _maps(truth / RANGE, output / RANGE, GAUSSIAN)
    return _mean(light * structure)


def ssim_uniform(truth: jax.Array, output: jax.Array) -> jax.Array:
    """`ssim` with an 8 x 8 window of equal weights; at least 8 x 8 px."""
    truth, output = checks.float_pair("ssim_uniform", truth, output, min_side_px=len(UNIFORM))
    light, structure = _maps(truth / RANGE, output / RANGE, UNIFORM)
    return _mean(light * structure)


def ms_ssim(truth: jax.Array, output: jax.Array) -> jax.Array:
    """Multi-scale SSIM of each image, float[B] in [0, 1], 1 for equal images.

        MS-SSIM = mean(l_5 cs_5)^w_5  prod_{j<5} mean(cs_j)^w_j      (eq. 7)

    with cs the contrast and structure term, l the luminance term, w = SCALE_WEIGHTS (sum 1.0001, as
    published) and the mean over valid pixels.  Each scale is the 2 x 2 mean of the one before; of
    an odd side the last pixel is repeated, as by the symmetric border of the authors' MATLAB file
    [code] (piq repeats the first).  Where a mean is negative the power has no real value (MATLAB
    returns a complex score): it counts as 0, as in piq and other ports [code], so the score is 0
    and has no gradient.  Both [B, H, W, 1]; at least 161 x 161 px, else ValueError.
    """
    truth, output = checks.float_pair("ms_ssim", truth, output, min_side_px=MS_SSIM_MIN_SIDE_PX)
    x, y = truth / RANGE, output / RANGE
    score = jnp.ones(len(x), x.dtype)
    for scale, weight in enumerate(SCALE_WEIGHTS, start=1):
        light, structure = _maps(x, y, GAUSSIAN)
        is_last = scale == len(SCALE_WEIGHTS)
        term = _mean(light * structure if is_last else structure)
        negative = term <= 0
        score *= jnp.where(negative, 0.0, jnp.where(negative, 1.0, term) ** weight)
        x, y = _halve(x), _halve(y)
    return score


def psnr(truth: jax.Array, output: jax.Array) -> jax.Array:
    """Peak signal-to-noise ratio of each image in dB, float[B]; infinite for equal images.

    Both [B, H, W, 1 or 3]; one mean square over pixels and channels.
    """
    truth, output = checks.float_pair("psnr", truth, output, channels=(1, 3))
    return -10.0 * jnp.log10(jnp.square((truth - output) / RANGE).mean((1, 2, 3)))


def _maps(x: jax.Array, y: jax.Array, window: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """Luminance and contrast-structure terms of each valid pixel; images [B, H, W, 1] in [0, 1]."""
    # Variances do not depend on the origin; around the mean float32 loses the fewest digits.
    x_mean, y_mean = (lax.stop_gradient(z.mean((1, 2, 3))[:, None, None]) for z in (x, y))
    x, y = x[..., 0] - x_mean, y[..., 0] - y_mean
    ux, uy, xx, yy, xy = (_blur(z, window) for z in (x, y, x * x, y * y, x * y))
    variances = xx - ux * ux + yy - uy * uy
    covariance = xy - ux * uy
    ux, uy = ux + x_mean, uy + y_mean
    light = (2 * ux * uy + K1**2) / (ux**2 + uy**2 + K1**2)
    return light, (2 * covariance + K2**2) / (variances + K2**2)


def _mean(similarity: jax.Array) -> jax.Array:
    """Mean over pixels, from 1 downward: a long float32 sum then loses digits of the rest only."""
    return 1 - (1 - similarity).mean((1, 2))


def _blur(x: jax.Array, window: np.ndarray) -> jax.Array:
    """Separable window, valid part: [B, H, W] -> [B, H - n + 1, W - n + 1]."""
    rows, columns = (jnp.asarray(_band(side, window), x.dtype) for side in x.shape[-2:])
    x = jnp.matmul(x, columns.T, precision="highest")  # B, H, W - n + 1
    return jnp.matmul(rows, x, precision="highest")


def _band(side: int, window: np.ndarray) -> np.ndarray:
    """The matrix [side - n + 1, side] that slides a window of n along a vector."""
    places = side - len(window) + 1
    matrix = np.zeros((places, side))
    for offset, weight in enumerate(window):
        matrix[np.arange(places), np.arange(places) + offset] = weight
    return matrix


def _halve(x: jax.Array) -> jax.Array:
    """2 x 2 means, the last row or column of an odd side repeated: [B, H, W, 1] -> half."""
    x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), mode="edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
