"""Uncertainty of a table's scores: intervals of a mean and of a paired difference.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993: chapter 13 (percentile
interval), chapter 15 (permutation test; sign flips are its one-sample form).  The values are one
score per image; the intervals say how the mean would vary with the test images, not with the
seed of the training.  numpy in float64, so that a seed means the same on every device.
"""

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean with its interval, in the unit of the values."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """mean(values - other) with its interval, and the p-value of "no difference"."""

    difference: float
    low: float
    high: float
    p: float


def bootstrap_mean(
    values: np.ndarray, *, seed: int, num_resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Mean of values float[N] and its percentile bootstrap interval.

    `num_resamples` times N values are drawn with replacement; the interval runs between the
    quantiles (1 - level) / 2 and (1 + level) / 2 of their means (linear interpolation).
    ValueError: N < 2, a value is not finite, level is not within (0, 1).
    """
    values = _check(values, num_resamples, level)
    size = len(values)
    drawn = np.random.default_rng((seed, 0)).integers(0, size, (num_resamples, size), np.int32)
    means = values[drawn].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(
    values: np.ndarray,
    other: np.ndarray,
    *,
    seed: int,
    num_resamples: int = 2000,
    level: float = 0.95,
) -> Difference:
    """Mean difference of two systems on the same images, float[N] each, row i of image i.

    The interval is that of `bootstrap_mean` on d = values - other: images are resampled, so pairs
    stay together.  p is two-sided, of the sign-flip permutation test: the share of sign vectors s
    with |sum s d| >= |sum d|.  All 2^N are tried if that is no more than `num_resamples`; else
    `num_resamples` are drawn and p = (1 + hits) / (1 + num_resamples), never 0 (Phipson and
    Smyth, 2010).  ValueError: as `bootstrap_mean`, or the lengths differ.
    """
    if np.shape(values) != np.shape(other):
        raise ValueError(
            f"other: expected the images of values {np.shape(values)}, got {np.shape(other)}"
        )
    values = _check(values, num_resamples, level)
    difference = values - _check(other, num_resamples, level)
    interval = bootstrap_mean(difference, seed=seed, num_resamples=num_resamples, level=level)
    size = len(difference)
    exhaustive = 2**size <= num_resamples
    if exhaustive:
        flips = np.arange(2**size)[:, None] >> np.arange(size) & 1
    else:
        flips = np.random.default_rng((seed, 1)).integers(0, 2, (num_resamples, size), np.int8)
    sums = np.abs((1 - 2 * flips) @ difference)
    # Sums that are equal in exact arithmetic differ by rounding.
    hits = (sums >= abs(difference.sum()) - 1e-12 * np.abs(difference).sum()).sum()
    p = hits / len(flips) if exhaustive else (1 + hits) / (1 + num_resamples)
    return Difference(*interval, float(p))


def _check(values: np.ndarray, num_resamples: int, level: float) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"values: expected [N] of at least 2 images, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values: image {int((~np.isfinite(values)).argmax())} is not finite")
    if num_resamples < 1 or not 0 < level < 1:
        raise ValueError(
            f"num_resamples, level: expected at least 1 and in (0, 1), got {num_resamples}, {level}"
        )
    return values
