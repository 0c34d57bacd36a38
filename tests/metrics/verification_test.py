"""The LFW protocol against its published rule written out in loops, and by hand."""

import jax
import numpy as np
import pytest

from fsketch.metrics import verification

pytestmark = pytest.mark.usefixtures("full_optimization")


def embeddings(num_pairs, *, dims=16, noise=1.0, block=300):
    """Pairs in blocks of one person and of different persons, as in LFW."""
    rng = np.random.default_rng(num_pairs)
    is_same = np.arange(num_pairs) // block % 2 == 0
    a = rng.normal(size=(num_pairs, dims)) * rng.uniform(0.5, 20, (num_pairs, 1))
    near = a / np.linalg.norm(a, axis=1, keepdims=True) * 4 + rng.normal(size=a.shape) * noise
    b = np.where(is_same[:, None], near, rng.normal(size=a.shape))
    return a.astype(np.float32), b.astype(np.float32), is_same


def tied(num_pairs, *, block=300):
    """Distances that lie on thresholds, each many times; is_same tells little."""
    rng = np.random.default_rng(num_pairs)
    is_same = np.arange(num_pairs) // block % 2 == 0
    steps = rng.integers(0, 250, num_pairs) + 150 * ~is_same
    return np.arange(0, 4, 0.01)[np.minimum(steps, 399)], is_same


def folds(num_pairs, num_folds):
    """(other pairs, own pairs) of each fold: contiguous, the first ones a pair longer."""
    start, result = 0, []
    for fold in range(num_folds):
        size = num_pairs // num_folds + (1 if fold < num_pairs % num_folds else 0)
        own = list(range(start, start + size))
        result.append(([i for i in range(num_pairs) if not start <= i < start + size], own))
        start += size
    return result


def share_right(threshold, distance, is_same):
    predicted = distance < threshold
    true_positives = np.sum(predicted & is_same)
    true_negatives = np.sum(~predicted & ~is_same)
    return (true_positives + true_negatives) / len(distance)


def published_accuracy(distance, is_same, num_folds):
    scores, chosen = [], []
    for others, own in folds(len(distance), num_folds):
        best, best_score = None, -1.0
        for step in range(400):
            score = share_right(step * 0.01, distance[others], is_same[others])
            if score > best_score:
                best, best_score = step * 0.01, score
        chosen.append(best)
        scores.append(share_right(best, distance[own], is_same[own]))
    return scores, chosen


def published_rates(distance, is_same, target, num_folds):
    tars, fars = [], []
    for others, own in folds(len(distance), num_folds):
        different = distance[others][~is_same[others]]
        rates = [np.sum(different < step * 0.001) / len(different) for step in range(4000)]
        threshold = 0.0
        if max(rates) >= target:
            last = max(i for i in range(4000) if rates[i] <= target)
            threshold = last * 0.001
            if rates[last] < target:
                part = (target - rates[last]) / (rates[last + 1] - rates[last])
                threshold += part * ((last + 1) * 0.001 - threshold)
        accepted = distance[own] < threshold
        tars.append(np.sum(accepted & is_same[own]) / np.sum(is_same[own]))
        fars.append(np.sum(accepted & ~is_same[own]) / np.sum(~is_same[own]))
    return np.mean(tars), np.std(tars), np.mean(fars)


def distances(a, b):
    a, b = (
        x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1)[:, None] for x in (a, b)
    )
    return np.square(a - b).sum(1)


# In `tied` distances lie on thresholds and folds are uneven; of 2700 different pairs on the other
# folds 0.01 is 27 exactly and 0.001 lies between two.
A, B, SAME = embeddings(6000)
CASES = {
    "tied": (*tied(53, block=2), 7, (0.01, 0.1)),
    "tied-6007": (*tied(6007, block=100), 10, (0.01, 0.1)),
    "embeddings": (distances(A, B), SAME, 10, (1e-3, 0.01)),
}


@pytest.mark.parametrize("name", CASES)
def test_accuracy_and_rates_follow_the_published_rule(name):
    distance, is_same, num_folds, fars = CASES[name]
    scores, chosen = published_accuracy(distance, is_same, num_folds)
    result = verification.accuracy(distance, is_same, num_folds=num_folds)
    np.testing.assert_array_equal(result.folds, scores)
    np.testing.assert_allclose(result.thresholds, chosen, rtol=1e-15)
    assert result.mean == np.mean(scores) and result.std == np.std(scores)
    for far in fars:
        rates = verification.tar_at_far(distance, is_same, far=far, num_folds=num_folds)
        assert rates == published_rates(distance, is_same, far, num_folds)


def test_embeddings_are_compared_by_their_directions():
    np.testing.assert_allclose(verification.squared_distance(A, B), distances(A, B), rtol=1e-12)
    assert 0.9 < verification.accuracy(distances(A, B), SAME).mean < 0.99


def test_accuracy_by_hand():
    distance = np.array([0.1, 0.5, 2.0, 0.1, 0.5, 0.11])
    is_same = np.array([True, True, False, True, False, True])
    result = verification.accuracy(distance, is_same, num_folds=2)
    # Fold 0 by fold 1: 0.11 must be below and 0.5 not, first at 0.12; fold 1 by fold 0: 0.51.
    np.testing.assert_allclose(result.thresholds, [0.12, 0.51])
    np.testing.assert_allclose(result.folds, [2 / 3, 2 / 3])
    assert result.mean == pytest.approx(2 / 3) and result.std == 0.0


def test_an_unreachable_far_accepts_nothing():
    distance, is_same = tied(600, block=30)
    far_away = np.where(is_same, distance, 4.0)
    assert verification.tar_at_far(far_away, is_same, far=1e-3) == (0.0, 0.0, 0.0)
    assert published_rates(far_away, is_same, 1e-3, 10) == (0.0, 0.0, 0.0)
    # One different pair in reach: the fold that holds it sees no false accept on the others.
    far_away[np.flatnonzero(~is_same)[0]] = 1.0
    rates = verification.tar_at_far(far_away, is_same, far=1e-3)
    assert rates == published_rates(far_away, is_same, 1e-3, 10)
    assert 0 < rates.mean < 1


def test_area_under_the_roc():
    distance, is_same = tied(300, block=30)
    pairs = [(s, d) for s in distance[is_same] for d in distance[~is_same]]
    expected = np.mean([(s < d) + 0.5 * (s == d) for s, d in pairs])
    assert verification.auc(distance, is_same) == pytest.approx(expected, rel=1e-12)
    assert verification.auc([0.0, 1.0], [True, False]) == 1.0
    assert verification.auc([1.0, 0.0], [True, False]) == 0.0
    assert verification.auc([1.0, 1.0], [True, False]) == 0.5


def test_equal_error_rate():
    # Accepting up to 0.3: one of four different ones falsely, one of four same ones not.
    same, different = [0.1, 0.2, 0.3, 0.6], [0.25, 0.5, 0.7, 0.8]
    is_same = [True] * 4 + [False] * 4
    assert verification.eer(same + different, is_same) == 0.25
    assert verification.eer([0.1, 0.2, 0.3, 0.4], [True, True, False, False]) == 0.0
    assert verification.eer([0.3, 0.4, 0.1, 0.2], [True, True, False, False]) == 1.0
    # One distance for all: the ROC is the diagonal from nothing to everything accepted.
    assert verification.eer([1.0] * 4, [True, False, True, False]) == 0.5
    # From (0, 1/3 missed) at 0.2 to (1/2, 0 missed) at 0.3, in a line that meets at 1/5.
    assert verification.eer([0.1, 0.2, 0.3, 0.3, 0.9], [1, 1, 1, 0, 0]) == pytest.approx(0.2)


def test_cosine():
    a = np.array([[3.0, 0.0], [1.0, 1.0]], np.float32)
    b = np.array([[0.0, 4.0], [1.0, 1.0]], np.float32)
    np.testing.assert_allclose(jax.jit(verification.cosine)(a, b), [0.0, 1.0], rtol=1e-6)
    # |x - y|^2 = 2 - 2 cos
    distance = verification.squared_distance(a, b)
    np.testing.assert_allclose(distance, 2 - 2 * verification.cosine(a, b), atol=1e-6)


def test_what_does_not_fit_is_refused():
    distance, is_same = tied(60, block=3)
    x = np.ones((4, 3))
    for call, message in (
        (lambda: verification.accuracy(distance, is_same[1:]), r"got \(60,\), \(59,\)"),
        (lambda: verification.accuracy(distance[:5], is_same[:5]), "num_folds: .* 2 to 5 .*got 10"),
        (lambda: verification.accuracy(distance * np.nan, is_same), "distance of pair 0"),
        (lambda: verification.tar_at_far(distance, is_same, far=0.0), "far: .*got 0.0"),
        (lambda: verification.tar_at_far(distance, distance > 1), "fold . has no pair of"),
        (
            lambda: verification.auc(distance, distance < 9),
            "is_same: expected pairs of one person and of different persons",
        ),
        (lambda: verification.squared_distance(x, x[:2]), r"got \(4, 3\) and \(2, 3\)"),
        (lambda: verification.squared_distance(x, x * [[1], [1], [0], [1]]), "pair 2: an emb"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_pairs_within_are_all_of_one_person_and_as_many_of_two():
    identity = np.array([5, 5, 7, 5, 9, 9])
    first, second, is_same = verification.pairs_within(identity)
    assert is_same.tolist() == [True, False] * 4
    same = set(zip(first[is_same].tolist(), second[is_same].tolist(), strict=True))
    assert same == {(0, 1), (0, 3), (1, 3), (4, 5)}
    assert (identity[first[~is_same]] != identity[second[~is_same]]).all()
    again = verification.pairs_within(identity)
    np.testing.assert_array_equal(second, again[1])
    for alone in ([1, 2, 3], [4, 4, 4]):
        with pytest.raises(ValueError, match=r"identity: .* different persons"):
            verification.pairs_within(np.array(alone))
