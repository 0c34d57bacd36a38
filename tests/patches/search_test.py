"""The search finds what looking everywhere finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import patch_loops

from fsketch.patches import grid, search

pytestmark = pytest.mark.usefixtures("full_optimization")


def find(gallery, query, admitted, lattice, **options):
    radius = options.pop("radius")
    ready = search.gallery(jnp.asarray(gallery, jnp.float32), lattice, radius_px=radius)
    options = {"radius_px": radius, "is_distinct": False, "memory_mb": 64, **options}
    program = jax.jit(lambda *arrays: search.nearest(*arrays, lattice, **options))
    return program(ready, jnp.asarray(query, jnp.float32), jnp.asarray(admitted))


@pytest.mark.parametrize("is_distinct", [False, True])
@pytest.mark.parametrize(
    ("shape", "patch", "step", "radius"),
    [((14, 11, 1), 4, 2, 2), ((13, 12, 2), 5, 3, 3), ((9, 10, 1), 3, 2, 0)],
)
def test_the_nearest_are_those_of_a_loop(shape, patch, step, radius, is_distinct):
    rng = np.random.default_rng(patch)
    gallery, query = rng.uniform(size=(6, *shape)), rng.uniform(size=shape)
    admitted = np.array([1, 1, 0, 1, 1, 1], bool)
    lattice = grid.lattice(shape[:2], patch_px=patch, step_px=step)
    found = find(
        gallery, query, admitted, lattice,
        radius=radius, num_candidates=4, is_distinct=is_distinct,
    )  # fmt: skip
    expected = patch_loops.nearest(
        gallery, query, admitted,
        patch=patch, step=step, radius=radius, count=4, is_distinct=is_distinct,
    )  # fmt: skip
    assert found.photo.shape == (lattice.rows, lattice.columns, 4)
    for (r, c), candidates in expected.items():
        distance, *places = zip(*candidates, strict=True)
        np.testing.assert_allclose(found.distance[r, c], distance, rtol=1e-4, atol=1e-5)
        for array, place in zip((found.photo, found.top, found.left), places, strict=True):
            np.testing.assert_array_equal(array[r, c], place)


def test_candidates_are_cut_out_where_they_were_found():
    rng = np.random.default_rng(0)
    gallery = rng.uniform(size=(3, 10, 9, 1)).astype(np.float32)
    lattice = grid.lattice((10, 9), patch_px=4, step_px=2)
    query = gallery[1]
    found = find(gallery, query, np.ones(3, bool), lattice, radius=1, num_candidates=2)
    patches = search.gather(gallery, found, lattice)
    np.testing.assert_array_equal(patches[:, :, 0], grid.extract(query, lattice))
    assert (np.asarray(found.photo[:, :, 0]) == 1).all()
    np.testing.assert_allclose(found.distance[:, :, 0], 0, atol=1e-5)


def test_less_memory_changes_nothing_but_memory():
    rng = np.random.default_rng(1)
    gallery, query = rng.uniform(size=(60, 40, 30, 1)), rng.uniform(size=(40, 30, 1))
    lattice = grid.lattice((40, 30), patch_px=8, step_px=4)
    assert search._group(60, lattice, 1, 5, 1) < lattice.columns
    assert search._group(10**6, lattice, 1, 5, 1) == 1
    assert search._group(60, lattice, 1, 5, 64) == lattice.columns
    small, large = (
        find(gallery, query, np.ones(60, bool), lattice, radius=5, num_candidates=5, memory_mb=mb)
        for mb in (1, 64)
    )
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_where_candidates_are_missing_their_distance_is_infinite():
    rng = np.random.default_rng(2)
    gallery, query = rng.uniform(size=(2, 6, 6, 1)), rng.uniform(size=(6, 6, 1))
    lattice = grid.lattice((6, 6), patch_px=4, step_px=2)
    found = find(
        gallery, query, np.array([True, False]), lattice, radius=1, num_candidates=2,
        is_distinct=True,
    )  # fmt: skip
    assert np.isfinite(found.distance[..., 0]).all()
    assert np.isinf(found.distance[..., 1]).all()
