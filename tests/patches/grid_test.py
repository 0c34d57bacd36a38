"""Lattices of patches, by hand and against slices."""

import numpy as np
import pytest

from fsketch.patches import grid


def test_the_field_s_lattice():
    lattice = grid.lattice((250, 200), patch_px=10, step_px=5)
    assert (lattice.rows, lattice.columns) == (49, 39)
    assert lattice.size == (250, 200)
    assert lattice.overlap_px == 5


def test_patches_are_slices():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(11, 9, 3))
    lattice = grid.lattice((11, 9), patch_px=5, step_px=2)
    patches = np.asarray(grid.extract(image, lattice))
    assert patches.shape == (4, 3, 5, 5, 3)
    for r in range(4):
        for c in range(3):
            expected = image[2 * r : 2 * r + 5, 2 * c : 2 * c + 5]
            np.testing.assert_allclose(patches[r, c], expected, rtol=1e-6)


def test_an_image_that_does_not_fit_is_continued():
    image = np.arange(12.0).reshape(3, 4, 1)
    lattice = grid.lattice((3, 4), patch_px=2, step_px=1)
    assert lattice.size == (3, 4)
    lattice = grid.lattice((3, 4), patch_px=4, step_px=3)
    assert (lattice.rows, lattice.columns, lattice.size) == (1, 1, (4, 4))
    np.testing.assert_array_equal(grid.cover(image, lattice)[3], image[2])
    lattice = grid.lattice((3, 6), patch_px=4, step_px=3)
    assert lattice.size == (4, 7)


@pytest.mark.parametrize("step", [0, 4, 5])
def test_neighbours_overlap(step):
    with pytest.raises(ValueError, match=f"step_px: .*patch_px: 4, got {step}"):
        grid.lattice((8, 8), patch_px=4, step_px=step)
