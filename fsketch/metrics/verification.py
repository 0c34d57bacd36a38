"""Verification: are two pictures of one person?  The protocol of LFW as InsightFace runs it.

Source: `eval/verification.py` of InsightFace's arcface_torch [code].  Embeddings of a picture and
of its mirror image are summed and brought to length 1; a pair is called "same" if
the squared Euclidean distance, in [0, 4], is strictly below a threshold.  The pairs, in their
published order, are cut into folds as scikit-learn's KFold does without shuffling: the first
N mod F of F folds have one pair more.  Each fold is judged by a threshold chosen on the others.

Everything after the embeddings is numpy in float64 on the host, as in the source: a target rate is
often exactly reachable (0.01 is 27 of 2700), and rounding would then choose the threshold.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

THRESHOLDS = np.arange(0, 4, 0.01)  # for the accuracy
FINE_THRESHOLDS = np.arange(0, 4, 0.001)  # for TAR at a FAR


class Accuracy(NamedTuple):
    """Shares in [0, 1]; `std` is over folds, population (ddof 0)."""

    mean: float
    std: float
    folds: np.ndarray  # float64[F], the accuracy of each fold
    thresholds: np.ndarray  # float64[F], the threshold it was judged by


class AcceptRate(NamedTuple):
    """Shares in [0, 1], over folds; `far` is what the thresholds gave on the judged folds."""

    mean: float
    std: float
    far: float


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    """Cosine similarity of row i with row i, float[B] in [-1, 1]; both float[B, D]."""
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"expected two [B, D] of one shape, got {a.shape} and {b.shape}")
    return (_unit(a) * _unit(b)).sum(-1)


def squared_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a/|a| - b/|b||^2 of row i with row i, float64[N] in [0, 4]; both float[N, D].

    ValueError: shapes differ, or an embedding is not finite or zero.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"expected two [N, D] of one shape, got {a.shape} and {b.shape}")
    lengths = np.linalg.norm([a, b], axis=-1)  # 2 x N
    bad = ~(np.isfinite(lengths) & (lengths > 0)).all(0)
    if bad.any():
        raise ValueError(f"pair {int(bad.argmax())}: an embedding is not finite or zero")
    return np.square(a / lengths[0][:, None] - b / lengths[1][:, None]).sum(1)


def accuracy(distance: np.ndarray, is_same: np.ndarray, *, num_folds: int = 10) -> Accuracy:
    """Accuracy of "same if distance < threshold", each fold by the best threshold of the others.

    distance float[N] >= 0, squared; is_same bool[N], in the order of the pairs; thresholds
    0, 0.01 ... 3.99, the lowest of equally good ones.  ValueError: fewer pairs than folds, shapes
    differ, a distance is not finite.
    """
    accepted, total = _accepted(_folds(distance, is_same, num_folds), THRESHOLDS)
    # Right answers of a fold: same pairs below the threshold, different pairs not below it.
    right = accepted[:, 1] - accepted[:, 0] + total[:, :1]  # F x T
    best = (right.sum(0) - right).argmax(1)
    folds = right[np.arange(num_folds), best] / total.sum(1)
    return Accuracy(float(folds.mean()), float(folds.std()), folds, THRESHOLDS[best])


def tar_at_far(
    distance: np.ndarray, is_same: np.ndarray, *, far: float = 1e-3, num_folds: int = 10
) -> AcceptRate:
    """True accept rate at a false accept rate, TAR@FAR ("VAL" in the source).

    Arguments as for `accuracy`.  On the other folds the FAR is computed at thresholds
    0, 0.001 ... 3.999 and the threshold for `far` interpolated linearly; where the FAR stays at
    `far` over several thresholds the largest is taken (as SciPy did for the source; its present
    versions refuse repeated rates).  If the FAR never reaches `far`, the threshold is 0 and
    nothing is accepted.  ValueError also where a fold lacks pairs of one kind.
    """
    if not 0 < far <= 1:
        raise ValueError(f"far: expected above 0 up to 1, got {far}")
    folds = _folds(distance, is_same, num_folds)
    accepted, total = _accepted(folds, FINE_THRESHOLDS)
    if not total.all():
        fold, kind = np.argwhere(total == 0)[0]
        raise ValueError(f"fold {fold} has no pair of {('different persons', 'one person')[kind]}")
    others = (accepted.sum(0) - accepted)[:, 0] / (total.sum(0) - total)[:, :1]  # F x T
    rates = np.empty((num_folds, 2))
    for fold, rate in enumerate(others):
        threshold = np.interp(far, rate, FINE_THRESHOLDS) if rate.max() >= far else 0.0
        rates[fold] = _below(*folds[fold], threshold) / total[fold]
    false, true = rates.T
    return AcceptRate(float(true.mean()), float(true.std()), float(false.mean()))


def auc(distance: np.ndarray, is_same: np.ndarray) -> float:
    """Area under the exact ROC: P(same < different) + P(same = different) / 2, in [0, 1]."""
    distance, is_same = _check(distance, is_same, both_kinds=True)
    same, different = distance[is_same], np.sort(distance[~is_same])
    above = len(different) - np.searchsorted(different, same, side="right")
    at_least = len(different) - np.searchsorted(different, same, side="left")
    return float((above.sum() + at_least.sum()) / (2 * len(same) * len(different)))


def eer(distance: np.ndarray, is_same: np.ndarray) -> float:
    """Equal error rate in [0, 1]: where the false accept rate meets the false reject rate.

    The thresholds are the distances themselves; where the two rates do not meet at one, the ROC is
    followed in a straight line from the last threshold before to the first one after.
    """
    distance, is_same = _check(distance, is_same, both_kinds=True)
    kinds = [np.sort(distance[~is_same]), np.sort(distance[is_same])]
    false, true = (
        np.append(0.0, np.searchsorted(kind, np.unique(distance), side="right") / len(kind))
        for kind in kinds
    )
    difference = false - (1 - true)  # rises from -1 to 1
    after = int((difference >= 0).argmax())
    low, high = difference[after - 1], difference[after]
    return float(false[after - 1] - low / (high - low) * (false[after] - false[after - 1]))


def pairs_within(
    identity: np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A balanced list of pairs among N pictures: (first, second, is_same), [P] each.

    Every two pictures of one person, each pair followed by one of different persons: its first
    picture with another person's, drawn from `seed`.  identity int[N].  ValueError: no person has
    two pictures, or there is one person only.
    """
    identity = np.asarray(identity)
    first, second = np.nonzero(np.triu(identity[:, None] == identity, 1))
    if not len(first) or (identity == identity[0]).all():
        raise ValueError("identity: expected pairs of one person and of different persons")
    rng = np.random.default_rng(seed)
    others = [rng.choice(np.flatnonzero(identity != identity[i])) for i in first]
    pairs = np.stack([np.stack([first, second], 1), np.stack([first, others], 1)], 1)  # P/2 x 2 x 2
    return *pairs.reshape(-1, 2).T, np.tile([True, False], len(first))


def _unit(x: jax.Array) -> jax.Array:
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


def _folds(
    distance: np.ndarray, is_same: np.ndarray, num_folds: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    distance, is_same = _check(distance, is_same)
    if not 2 <= num_folds <= len(distance):
        raise ValueError(f"num_folds: expected 2 to {len(distance)} (pairs), got {num_folds}")
    split = (np.array_split(x, num_folds) for x in (distance, is_same))  # sizes as KFold's
    return list(zip(*split, strict=True))


def _below(distance: np.ndarray, is_same: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Pairs strictly below each threshold: of different persons, of one person; int[2, ...]."""
    kinds = (np.sort(distance[~is_same]), np.sort(distance[is_same]))
    return np.stack([np.searchsorted(kind, thresholds, side="left") for kind in kinds])


def _accepted(
    folds: list[tuple[np.ndarray, np.ndarray]], thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`_below` of each fold, int[F, 2, T], and the numbers of pairs, int[F, 2]."""
    accepted = np.stack([_below(*fold, thresholds) for fold in folds])
    return accepted, np.array([[(~is_same).sum(), is_same.sum()] for _, is_same in folds])


def _check(
    distance: np.ndarray, is_same: np.ndarray, *, both_kinds: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    distance, is_same = np.asarray(distance, np.float64), np.asarray(is_same)
    if distance.ndim != 1 or distance.shape != is_same.shape:
        raise ValueError(
            f"distance, is_same: expected [N] each, got {distance.shape}, {is_same.shape}"
        )
    if not np.isfinite(distance).all():
        raise ValueError(f"distance of pair {int((~np.isfinite(distance)).argmax())}: not finite")
    is_same = is_same.astype(bool)
    if both_kinds and (is_same.all() or not is_same.any()):
        raise ValueError("is_same: expected pairs of one person and of different persons")
    return distance, is_same
