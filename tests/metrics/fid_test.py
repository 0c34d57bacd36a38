"""FID and KID by hand, against scipy's square root, 60 digits, and a double loop."""

import json
import pathlib
import runpy

import jax
import numpy as np
import pytest

from fsketch.metrics import fid

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
MAKE = runpy.run_path(str(GOLDEN / "make_fid.py"))
KEY = jax.random.key(0)


def draw(num, size, *, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(num, size)) + shift, 0).astype(np.float32)


def test_fid_in_two_dimensions_by_hand():
    long, short = np.sqrt(6), np.sqrt(1.5)
    cross = np.array([[long, 0], [-long, 0], [0, short], [0, -short]])  # covariance diag(4, 1)
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)  # gives [[2.5, 1.5], [1.5, 2.5]]
    # In 2-d Tr (C C')^(1/2) = sqrt(Tr C C' + 2 sqrt(det C det C')) = sqrt(12.5 + 8)
    assert fid.fid(cross, cross @ turn + [3, 4]) == pytest.approx(35 - 2 * np.sqrt(20.5), rel=1e-12)
    # Commuting covariances diag(4, 1) and diag(1, 4): (2 - 1)^2 + (1 - 2)^2
    assert fid.fid(cross, cross[:, ::-1]) == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("case", MAKE["CASES"])
def test_fid_equals_the_matrix_square_root(case):
    expected = json.loads((GOLDEN / "fid.json").read_text())[case]
    one, other = MAKE["draw"](case)
    for found in (fid.fid(one, other), fid.fid(other, one)):
        assert found == pytest.approx(expected["mpmath"], rel=1e-12)
        # scipy takes the root of a singular matrix to half its digits.
        assert found == pytest.approx(expected["scipy"], rel=1e-7)


@pytest.mark.parametrize("num", [10, 200])
def test_fid_of_a_set_with_itself_is_zero_and_order_does_not_matter(num):
    one, other = draw(num, 64, seed=0), draw(num, 64, seed=1, shift=0.3)
    scale = one.var(0).sum()
    assert 0 <= fid.fid(one, one) < 1e-6 * scale
    assert 0 <= fid.fid(one, one[::-1]) < 1e-6 * scale
    assert fid.fid(one[::-1], other) == pytest.approx(fid.fid(one, other), rel=1e-9)


def by_loops(x, y):
    """Unbiased MMD^2, one pair of points at a time."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    size = x.shape[1]

    def mean(a, b, *, same):
        pairs = [
            (np.dot(p, q) / size + 1) ** 3
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return sum(pairs) / len(pairs)

    return mean(x, x, same=True) + mean(y, y, same=True) - 2 * mean(x, y, same=False)


def test_kid_of_whole_sets_equals_the_double_loop():
    one, other = draw(20, 8, seed=0), draw(20, 8, seed=1, shift=0.3)
    expected = by_loops(one, other)
    found = fid.kid(one, other, key=KEY, subset_size=20, num_subsets=3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    found = fid.kid(one[::-1], other[::-1], key=KEY, subset_size=20, num_subsets=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_kid_draws_every_possible_subset_alike():
    one, other = draw(4, 5, seed=0), draw(3, 5, seed=1, shift=0.3)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    possible = [by_loops(one[[*p]], other[[*q]]) for p in pairs for q in pairs if max(q) < 3]
    value, low, high = fid.kid(one, other, key=KEY, subset_size=2, num_subsets=2000)
    # One of the 18 is drawn more often than in 2.5 % of the cases; four standard errors.
    np.testing.assert_allclose((low, high), (min(possible), max(possible)), rtol=1e-9)
    assert value == pytest.approx(np.mean(possible), abs=4 * np.std(possible) / np.sqrt(2000))


def test_kid_is_unbiased_and_repeats_with_its_key():
    one, other = draw(1500, 4, seed=0), draw(1500, 4, seed=1)
    options = {"subset_size": 50, "num_subsets": 100}
    value, low, high = fid.kid(one, other, key=KEY, **options)
    assert low < 0 < high and abs(value) < (high - low) / 4
    assert fid.kid(one, other, key=KEY, **options) == (value, low, high)
    assert fid.kid(one, other, key=jax.random.key(1), **options) != (value, low, high)
    far = fid.kid(one, draw(1500, 4, seed=1, shift=1), key=KEY, **options)
    assert far[1] > high


def test_wrong_inputs_are_refused():
    one, other = draw(20, 8, seed=0), draw(10, 8, seed=1)
    for size in (1, 11):
        with pytest.raises(ValueError, match=f"subset_size: expected 2 to 10 .*got {size}"):
            fid.kid(one, other, key=KEY, subset_size=size, num_subsets=1)
    with pytest.raises(ValueError, match=r"num_subsets: .*got 0"):
        fid.kid(one, other, key=KEY, subset_size=5, num_subsets=0)
    for bad in (other[:1], other[:, :7], other[0]):
        with pytest.raises(ValueError, match=r"features: expected .N"):
            fid.fid(one, bad)
    with pytest.raises(ValueError, match="not finite"):
        fid.fid(one, other * np.nan)
