"""A lattice of overlapping square patches on an image.

Node (r, c) holds the patch whose upper left pixel is (r step, c step).  The lattice is the smallest
that covers the image; beyond the image it repeats the image's last row and column.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Lattice(NamedTuple):
    """rows x columns patches of patch_px, step_px apart."""

    rows: int
    columns: int
    patch_px: int
    step_px: int

    @property
    def overlap_px(self) -> int:
        return self.patch_px - self.step_px

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the lattice covers."""
        return tuple((n - 1) * self.step_px + self.patch_px for n in (self.rows, self.columns))


def lattice(size: tuple[int, int], *, patch_px: int, step_px: int) -> Lattice:
    """The lattice over an image of this (height, width).

    Raises ValueError unless 1 <= step_px < patch_px: neighbours overlap.
    """
    if not 1 <= step_px < patch_px:
        raise ValueError(f"step_px: expected 1 to less than patch_px: {patch_px}, got {step_px}")
    rows, columns = (1 + max(0, -(-(side - patch_px) // step_px)) for side in size)
    return Lattice(rows, columns, patch_px, step_px)


def cover(image: jax.Array, lattice: Lattice) -> jax.Array:
    """[..., H, W, C] -> [..., H', W', C] of the lattice: the last pixels repeat."""
    pads = [covered - side for covered, side in zip(lattice.size, image.shape[-3:-1], strict=True)]
    width = [(0, 0)] * (image.ndim - 3) + [(0, pads[0]), (0, pads[1]), (0, 0)]
    return jnp.pad(image, width, mode="edge")


def places(lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Rows int[rows, patch] and columns int[columns, patch] of the pixels of each patch."""
    offsets = np.arange(lattice.patch_px)
    return tuple(
        np.arange(n)[:, None] * lattice.step_px + offsets for n in (lattice.rows, lattice.columns)
    )


def extract(image: jax.Array, lattice: Lattice) -> jax.Array:
    """[H, W, C] -> patches [rows, columns, patch, patch, C]."""
    rows, columns = places(lattice)
    image = cover(image, lattice)
    return image[rows][:, :, columns].swapaxes(1, 2)  # from rows, patch, columns, patch, C
