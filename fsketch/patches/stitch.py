"""Overlapping patches -> an image, by averaging or along cuts of least error."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fsketch.patches import grid


def average(patches: jax.Array, lattice: grid.Lattice) -> jax.Array:
    """The mean of all patches that hold a pixel: [rows, columns, patch, patch, C] -> [H', W', C].

    A sum of patches is a product with a matrix of zeros and ones from both sides.
    """
    down, across = (_spread(*pair) for pair in zip(grid.places(lattice), lattice.size, strict=True))
    rows = patches.swapaxes(1, 2).reshape(down.shape[1], across.shape[1], -1)
    total = jnp.einsum("hr,rsc,ws->hwc", down, rows, across, precision="highest")
    return total / (down.sum(1)[:, None] * across.sum(1))[..., None]


def _spread(places: np.ndarray, side: int) -> np.ndarray:
    """float32[side, patches pixels]: 1 where a pixel of a patch lies at this place."""
    return (np.arange(side)[:, None] == places.reshape(-1)).astype(np.float32)


def cut(patches: jax.Array, lattice: grid.Lattice) -> jax.Array:
    """Each pixel of one patch: [rows, columns, patch, patch, C] -> [H', W', C].

    Efros and Freeman, "Image quilting for texture synthesis and transfer", SIGGRAPH 2001: where two
    patches overlap, they are cut along the path from side to side on which they differ least.
    Patches of a row are joined first, then rows, so each cut is the best for its parts.  Raises
    ValueError where more than two patches of a row overlap.
    """
    overlap = lattice.overlap_px
    if overlap > lattice.step_px:
        raise ValueError(
            f"step_px: expected at least half of patch_px: {lattice.patch_px} for cuts, "
            f"got {lattice.step_px}"
        )
    rows = jax.vmap(lambda row: _join(row, overlap))(patches.swapaxes(2, 3))
    # rows, H', patch as it was laid on its side -> rows, patch, W'
    return _join(rows.swapaxes(1, 2), overlap)


def _join(parts: jax.Array, overlap: int) -> jax.Array:
    """Parts [n, length, across, C] laid one below another -> [whole length, across, C]."""
    length = parts.shape[1]
    before, after = parts[:-1, length - overlap :], parts[1:, :overlap]  # n - 1, overlap, across, C
    mixed = jax.vmap(_mix)(before, after)
    seams = jnp.concatenate([parts[:1, :overlap], mixed])
    own = parts[:, overlap : length - overlap]
    joined = jnp.concatenate([seams, own], 1)
    joined = joined.reshape(-1, *parts.shape[2:])
    return jnp.concatenate([joined, parts[-1, length - overlap :]])


def _mix(before: jax.Array, after: jax.Array) -> jax.Array:
    """[overlap, across, C] of two parts: the first up to the cut, the second from it on."""
    error = jnp.square(before - after).sum(-1)  # overlap, across
    path = least_path(error)
    is_before = jnp.arange(len(error))[:, None] < path
    return jnp.where(is_before[..., None], before, after)


def least_path(error: jax.Array) -> jax.Array:
    """The row in each column of the path of least total error, int32[W]; error: float[H, W].

    From column to column the row changes by at most one.
    """

    def forward(total: jax.Array, column: jax.Array) -> tuple[jax.Array, jax.Array]:
        padded = jnp.pad(total, 1, constant_values=jnp.inf)
        three = jnp.stack([padded[:-2], padded[1:-1], padded[2:]])  # from above, level, below
        return column + three.min(0), three.argmin(0) - 1

    def backward(row: jax.Array, moves: jax.Array) -> tuple[jax.Array, jax.Array]:
        previous = row + moves[row]
        return previous, previous

    total, moves = lax.scan(forward, error[:, 0], error[:, 1:].T)
    last = total.argmin()
    _, rows = lax.scan(backward, last, moves, reverse=True)
    return jnp.append(rows, last)
