"""The roughness of a drawing by window and lag, wherever its strokes lie.

Not in the papers [ours].  Terms that compare pixel by pixel reward strokes only at their exact
places, which nobody can guess, so a deterministic net leaves them out.  This one compares
local madograms, the mean absolute differences of pixels at a lag (Matheron's variogram of first
order): they say how dark, how fine and in which direction strokes are, not where.  Lags of several
lengths tell irregular strokes from a weave, which repeats itself.
"""

import chex
import jax
import jax.numpy as jnp

from fsketch.core import images

DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))  # rows down, columns right
LAGS_PX = (1, 2, 3, 4, 6, 8)
WINDOW_PX = 16
ROUNDING = 0.01  # |d| is sqrt(d^2 + ROUNDING^2): a gradient where two pixels are equal, too


def roughness(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean |difference of madograms| over images, windows, lags and directions; 0 to 2.

    Both [B, H, W, 1 or 3] in [-1, 1], sides of at least WINDOW_PX plus the longest lag; it compares
    the luma.  Windows do not overlap; rows and columns that fill none are left out.
    """
    chex.assert_equal_shape([prediction, target])
    height, width = target.shape[1:3]
    if min(height, width) < (least := WINDOW_PX + max(LAGS_PX)):
        raise ValueError(
            f"roughness: expected at least {least} x {least} px, got {height} x {width} px"
        )
    made, wanted = images.luma(prediction), images.luma(target)
    offsets = [(row * lag, column * lag) for lag in LAGS_PX for row, column in DIRECTIONS]
    differences = [
        jnp.abs(_madogram(made, *offset) - _madogram(wanted, *offset)).mean() for offset in offsets
    ]
    return jnp.stack(differences).mean()


def _madogram(image: jax.Array, row: int, column: int) -> jax.Array:
    """[B, H, W, 1] -> the mean |difference| to the neighbour (row, column) in each window."""
    height, width = image.shape[1] - row, image.shape[2] - abs(column)
    here = image[:, :height, max(-column, 0) :][:, :, :width]
    there = image[:, row:, max(column, 0) :][:, :, :width]
    steps = jnp.sqrt(jnp.square(there - here) + ROUNDING**2)
    down, across = height // WINDOW_PX, width // WINDOW_PX
    steps = steps[:, : down * WINDOW_PX, : across * WINDOW_PX, 0]
    return steps.reshape(-1, down, WINDOW_PX, across, WINDOW_PX).mean((2, 4))
