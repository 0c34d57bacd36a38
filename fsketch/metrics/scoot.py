"""Scoot, structure co-occurrence texture: a metric made for face sketches.

Fan et al., ICCV 2019: statistics of grey-level co-occurrence in blocks of the image [paper].
Everything below follows scoot_measure.m of the authors' FS2KToolbox [code] and what MATLAB's
graycomatrix and graycoprops do [code], on 8-bit grey images:

* blocks: 4 x 4, cut at floor(side * i / 4), so that they may differ by a pixel;
* levels: 6 of equal width over 0..255, floor(6 x / 255) with 255 in the last;
* counts: pairs (pixel, neighbour) inside the block for the neighbours right, up-right, up and
  up-left; not symmetric; the mean of the four count matrices, rounded, halves up;
* per block the matrix is divided by its sum p, then contrast sum (i - j)^2 p and energy sum p^2;
* score 1 / (1 + |difference of the two vectors of 32 numbers|_2), nothing normalised.

Images of floats are rounded to 8 bits first, halves up [inferred: the score of the image file].
ScootMeasure.m, the authors' first file, refuses constant images; the toolbox and this module do
not.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fsketch.metrics import checks

NUM_BLOCKS = 4  # a side
NUM_LEVELS = 6
NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1))  # rows down, columns right


def scoot(truth: jax.Array, output: jax.Array) -> jax.Array:
    """Scoot of each pair of grey images, float[B] in (0, 1], 1 for equal images; symmetric.

    Both [B, H, W, 1], 0..255, at least 8 x 8 px (below that some block lacks pairs of a direction).
    Piecewise constant: its gradient is zero.  NaN or an infinity gives NaN.
    """
    return _scoot(*checks.float_pair("scoot", truth, output, min_side_px=2 * NUM_BLOCKS))


@jax.jit  # as in fsim.py: a map outside of a compiled function is compiled at each call
def _scoot(truth: jax.Array, output: jax.Array) -> jax.Array:
    def one(pair: jax.Array) -> jax.Array:
        textures = _texture(pair[..., 0])
        score = 1 / (1 + jnp.linalg.norm(textures[0] - textures[1]))
        return jnp.where(jnp.isfinite(pair).all(), score, jnp.nan)

    return lax.map(one, jnp.stack([truth, output], axis=1))  # memory for one pair only


def _texture(images: jax.Array) -> jax.Array:
    """Contrast and energy of each block: [N, H, W] -> [N, 32]."""
    values = jnp.floor(jnp.clip(images, 0, 255) + 0.5).astype(jnp.int32)
    levels = jnp.minimum(values * NUM_LEVELS // 255, NUM_LEVELS - 1)
    here = jax.nn.one_hot(_blocks(levels), NUM_LEVELS, dtype=jnp.float32)  # N, 4, 4, h, w, 6
    # A neighbour outside the block has no level, so its row holds zeros only.
    around = jnp.pad(here, [(0, 0)] * 3 + [(1, 1), (1, 1), (0, 0)])
    height, width = here.shape[3:5]
    neighbours = sum(
        around[:, :, :, 1 + row : 1 + row + height, 1 + column : 1 + column + width]
        for row, column in NEIGHBOURS
    )
    counts = jnp.einsum("...hwi,...hwj->...ij", here, neighbours, precision="highest")
    counts = jnp.floor(counts / len(NEIGHBOURS) + 0.5).astype(images.dtype)
    share = counts / jnp.maximum(counts.sum((-2, -1), keepdims=True), 1)
    steps = jnp.arange(NUM_LEVELS, dtype=images.dtype)
    contrast = (share * (steps[:, None] - steps) ** 2).sum((-2, -1))
    energy = (share * share).sum((-2, -1))
    return jnp.stack([contrast, energy], axis=-1).reshape(len(images), -1)


def _blocks(levels: jax.Array) -> jax.Array:
    """int[N, H, W] -> [N, 4, 4, h, w], h and w those of the largest block, the rest -1."""
    levels = jnp.pad(levels, ((0, 0), (0, 1), (0, 1)), constant_values=-1)
    rows, columns = (_block_indices(side - 1) for side in levels.shape[1:])
    return levels[:, rows[:, None, :, None], columns[:, None, :]]


def _block_indices(side: int) -> np.ndarray:
    """Indices [4, h] of the blocks of a side; where a block is shorter, the index `side`."""
    cuts = np.arange(NUM_BLOCKS + 1) * side // NUM_BLOCKS
    indices = cuts[:-1, None] + np.arange(np.diff(cuts).max())
    return np.where(indices < cuts[1:, None], indices, side)
