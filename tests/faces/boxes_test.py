"""Geometry of boxes against pixels that are counted, and suppression against a plain loop."""

import numpy as np
import pytest

from fsketch.faces import boxes


@pytest.fixture
def drawn():
    """(boxes with whole corners inside 40 x 40, scores)."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, 20, (30, 2))
    return np.concatenate([low, low + rng.integers(1, 20, (30, 2))], 1).astype(float), rng.random(
        30
    )


def pixels(box):
    x0, y0, x1, y1 = box.astype(int)
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


def test_overlaps_are_shares_of_counted_pixels(drawn):
    found, _ = drawn
    of_union, of_smaller = boxes.overlaps(found[0], found)
    for other, union, smaller in zip(found, of_union, of_smaller, strict=True):
        one, two = pixels(found[0]), pixels(other)
        assert union == pytest.approx(len(one & two) / len(one | two))
        assert smaller == pytest.approx(len(one & two) / min(len(one), len(two)))


def test_empty_boxes_overlap_with_nothing():
    empty = np.array([[3.0, 3, 3, 9], [0, 0, 9, 9]])
    np.testing.assert_array_equal(boxes.overlaps(empty[0], empty), np.zeros((2, 2)))


@pytest.mark.parametrize("of_smaller", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_suppression_keeps_what_a_plain_loop_keeps(drawn, threshold, of_smaller):
    found, scores = drawn
    expected = []
    for i in sorted(range(len(found)), key=lambda i: -scores[i]):
        shares = [boxes.overlaps(found[k], found[i][None])[of_smaller][0] for k in expected]
        if all(share <= threshold for share in shares):
            expected.append(i)
    assert 1 < len(expected) < len(found)
    kept = boxes.suppressed(found, scores, threshold, of_smaller=of_smaller)
    assert kept.tolist() == expected


def test_nothing_to_suppress():
    assert boxes.suppressed(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_squares_and_offsets():
    box = np.array([[10.0, 20, 30, 60]])
    np.testing.assert_array_equal(boxes.squares(box), [[0, 20, 40, 60]])
    moved = boxes.moved(box, np.array([[0.1, -0.1, 0.5, 0]]))
    np.testing.assert_array_equal(moved, [[12, 18, 40, 60]])
