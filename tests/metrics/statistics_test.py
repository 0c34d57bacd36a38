"""Bootstrap and sign flips against enumeration."""

import itertools

import numpy as np
import pytest

from fsketch.metrics import statistics


def test_small_n_agrees_with_all_resamples():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    means = [np.mean(drawn) for drawn in itertools.product(values, repeat=4)]
    # Steps of the exact distribution that five standard errors of 100 000 draws do not leave.
    expected = np.quantile(means, [0.1, 0.9], method="inverted_cdf")
    for shift in (-0.005, 0.005):
        shifted = np.quantile(means, [0.1 + shift, 0.9 + shift], method="inverted_cdf")
        np.testing.assert_array_equal(shifted, expected)
    result = statistics.bootstrap_mean(values, seed=0, num_resamples=100_000, level=0.8)
    assert result[1:] == tuple(expected)


def enumerated(difference):
    sums = [abs(np.dot(s, difference)) for s in itertools.product([1, -1], repeat=len(difference))]
    return np.mean(np.array(sums) > abs(np.sum(difference)) - 1e-9)


@pytest.mark.parametrize("size", [2, 6, 10])
def test_p_of_few_images_is_exact(size):
    rng = np.random.default_rng(size)
    values, other = rng.integers(0, 8, (2, size)) / 10 + [[0.1], [0.0]]  # equal sums are common
    result = statistics.paired_difference(values, other, seed=0)
    assert result.p == enumerated(values - other)
    assert result.difference == pytest.approx(np.mean(values) - np.mean(other))
    swapped = statistics.paired_difference(other, values, seed=0)
    assert swapped.p == result.p
    np.testing.assert_allclose(swapped[:3], np.negative([result[0], result[2], result[1]]))


def test_p_by_hand():
    # Of the 8 sums of +-1 +-2 +-3, 6 and -6 are as far from zero as 6.
    assert statistics.paired_difference([1, 2, 3], [0, 0, 0], seed=0).p == 0.25
    assert statistics.paired_difference([1, 2, 3], [1, 2, 3], seed=0) == (0.0, 0.0, 0.0, 1.0)


def test_drawn_p_agrees_with_enumeration():
    difference = np.random.default_rng(4).normal(0.3, 1, 13)
    expected = enumerated(difference)
    result = statistics.paired_difference(difference, 0 * difference, seed=0, num_resamples=8000)
    assert 0.05 < expected < 0.5
    assert abs(result.p - expected) < 4 * (expected * (1 - expected) / 8000) ** 0.5
    clear = statistics.paired_difference(np.full(100, 2.0), np.zeros(100), seed=0)
    assert clear.p == 1 / 2001 and clear[:3] == (2.0, 2.0, 2.0)


def test_the_interval_keeps_pairs_together():
    rng = np.random.default_rng(0)
    image = rng.normal(size=400)  # how hard an image is: common to both systems
    values, other = image + rng.normal(0.02, 0.1, 400), image + rng.normal(0, 0.1, 400)
    result = statistics.paired_difference(values, other, seed=0)
    error = np.std(values - other) / 20
    assert abs(result.high - result.low - 2 * 1.96 * error) < 0.4 * error


def test_a_seed_is_a_result():
    values, other = np.random.default_rng(0).normal(size=(2, 50))
    for score in (
        lambda seed: statistics.bootstrap_mean(values, seed=seed),
        lambda seed: statistics.paired_difference(values, other, seed=seed),
    ):
        assert score(0) == score(0) != score(1)


def test_what_does_not_fit_is_refused():
    for values, options, message in (
        ([1.0], {}, r"\[N\] of at least 2 images, got \(1,\)"),
        ([[1.0, 2.0]], {}, r"got \(1, 2\)"),
        ([1.0, np.nan], {}, "image 1 is not finite"),
        ([1.0, 2.0], {"level": 1.0}, "level: .*, 1.0$"),
        ([1.0, 2.0], {"num_resamples": 0}, "num_resamples, .*got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            statistics.bootstrap_mean(values, seed=0, **options)
        with pytest.raises(ValueError, match=message):
            statistics.paired_difference(values, values, seed=0, **options)
    with pytest.raises(ValueError, match=r"other: .* values \(2,\), got \(3,\)"):
        statistics.paired_difference([1, 2], [1, 2, 3], seed=0)
    with pytest.raises(ValueError, match="image 1 is not finite"):
        statistics.paired_difference([1, 2], [1, np.inf], seed=0)
