"""Stitching, by hand."""

import itertools

import jax
import numpy as np
import pytest

from fsketch.patches import grid, stitch

AVERAGE, CUT = (jax.jit(f, static_argnums=1) for f in (stitch.average, stitch.cut))


def test_patches_of_one_image_give_it_back():
    image = np.random.default_rng(0).uniform(size=(13, 9, 2)).astype(np.float32)
    for patch, step in ((5, 4), (5, 2), (3, 2)):
        lattice = grid.lattice((13, 9), patch_px=patch, step_px=step)
        patches = np.asarray(grid.extract(image, lattice))
        whole = AVERAGE(patches, lattice)[:13, :9]
        np.testing.assert_allclose(whole, image, atol=1e-6)
    np.testing.assert_array_equal(CUT(patches, lattice)[:13, :9], image)


def test_average_by_hand():
    # Two patches of 3 x 3, 2 apart: the column that both hold is their mean.
    patches = np.stack([np.full((3, 3, 1), 1.0), np.full((3, 3, 1), 5.0)])[None]
    lattice = grid.Lattice(1, 2, 3, 2)
    expected = np.tile([1.0, 1.0, 3.0, 5.0, 5.0], (3, 1))
    np.testing.assert_allclose(AVERAGE(patches, lattice)[..., 0], expected)


def test_cut_by_hand():
    # Overlap of two columns; the patches agree where a path can run: left, left, right.
    left, right = np.full((4, 4, 1), 1.0), np.full((4, 4, 1), 5.0)
    for row, column in enumerate((0, 0, 1, 1)):
        right[row, column] = left[row, 2 + column] = 3.0
    made = CUT(np.stack([left, right])[None], grid.Lattice(1, 2, 4, 2))[..., 0]
    expected = [
        [1, 1, 3, 5, 5, 5],
        [1, 1, 3, 5, 5, 5],
        [1, 1, 1, 3, 5, 5],
        [1, 1, 1, 3, 5, 5],
    ]
    np.testing.assert_array_equal(made, expected)
    # The same, one above the other.
    stacked = np.stack([left, right]).swapaxes(1, 2)[:, None]
    made = CUT(stacked, grid.Lattice(2, 1, 4, 2))[..., 0]
    np.testing.assert_array_equal(made.T, expected)


def test_the_path_costs_least_of_all_paths():
    error = np.random.default_rng(3).uniform(size=(4, 6)).astype(np.float32)
    cost = {
        path: sum(error[row, column] for column, row in enumerate(path))
        for path in itertools.product(range(4), repeat=6)
        if all(abs(a - b) <= 1 for a, b in itertools.pairwise(path))
    }
    assert tuple(np.asarray(stitch.least_path(error)).tolist()) == min(cost, key=cost.get)


def test_cuts_part_two_patches_at_a_time():
    lattice = grid.lattice((8, 8), patch_px=4, step_px=1)
    with pytest.raises(ValueError, match=r"step_px: .* for cuts, got 1"):
        stitch.cut(np.zeros((5, 5, 4, 4, 1)), lattice)
