import numpy as np
import pytest

from fsketch.metrics import style_distance


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_diagonal_matrices_by_hand():
    """log of a diagonal matrix is that of its entries: sqrt(3^2 + 4^2) e-folds."""
    one, other = np.diag(np.exp([3.0, -2.0])), np.diag(np.exp([0.0, 2.0]))
    assert style_distance.log_euclidean(one, other, ridge=1e-15) == pytest.approx(5.0, abs=1e-9)
    # The ridge is added to each eigenvalue: log(0 + 1) - log(e - 1 + 1) = -1.
    singular, full = np.diag([0.0, 1.0]), np.diag([np.e - 1, 1.0])
    assert style_distance.log_euclidean(singular, full, ridge=1.0) == pytest.approx(1.0, abs=1e-12)


def test_it_is_a_distance_that_turns_with_both_matrices():
    a, b, c = (m @ m.T for m in np.random.default_rng(0).normal(size=(3, 4, 6)))
    d = lambda x, y: style_distance.log_euclidean(x, y, ridge=1e-6)  # noqa: E731
    assert d(a, a) == 0
    assert d(a, b) == pytest.approx(d(b, a), rel=1e-12)
    assert d(a, c) <= d(a, b) + d(b, c)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    assert d(turn @ a @ turn.T, turn @ b @ turn.T) == pytest.approx(d(a, b), rel=1e-9)
    # Two channels of one energy in other directions differ, unlike their eigenvalues.
    plain = np.diag([4.0, 1.0])
    assert d(plain, rotation(0.5) @ plain @ rotation(0.5).T) > 0.5


def test_gram_and_its_mean_by_hand():
    maps = np.array([[[[1.0, 2.0], [3.0, 0.0]]], [[[0.0, 0.0], [0.0, 2.0]]]])  # 2 x 1 x 2 x 2
    first, second = np.array([[10.0, 2.0], [2.0, 4.0]]) / 4, np.array([[0.0, 0.0], [0.0, 4.0]]) / 4
    np.testing.assert_allclose(style_distance.gram(maps[:1]), first)
    np.testing.assert_allclose(style_distance.gram(maps), (first + second) / 2)
    larger = np.repeat(maps[1:], 3, axis=1)  # another size, the same Gram matrix
    np.testing.assert_allclose(style_distance.mean_gram([maps[:1], larger]), (first + second) / 2)


def test_the_styles_farthest_from_faces_come_first():
    faces = {"t": np.diag([1.0, 1.0]), "u": np.diag([2.0, 1.0])}
    styles = {
        name: {"t": np.diag([factor, 1.0]), "u": np.diag([2.0, 1.0])}
        for name, factor in (("near", 1.1), ("far", 1e3), ("dark", 1e-2), ("same", 1.0))
    }
    order = [name for name, _ in style_distance.ranked(styles, faces)]
    assert order == ["far", "dark", "near", "same"]
    assert style_distance.most_distinct(styles, faces, k=2) == ["far", "dark"]
    assert style_distance.ranked(styles, faces)[-1][1] == 0
    expected = 0.5 * np.log((1e3 + 1e-4) / (1 + 1e-4))  # the mean of two taps
    assert style_distance.ranked(styles, faces)[0][1] == pytest.approx(expected)


EYE = np.eye(2)


@pytest.mark.parametrize(
    ("one", "other", "ridge", "message"),
    [
        (EYE, np.eye(3), 1.0, r"\(2, 2\) and \(3, 3\)"),
        (EYE, EYE, 0, "ridge: expected above 0, got 0"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), EYE, 1.0, "symmetric"),
        (-EYE, EYE, 1.0, "negative eigenvalue"),
    ],
)
def test_wrong_matrices_are_refused(one, other, ridge, message):
    with pytest.raises(ValueError, match=message):
        style_distance.log_euclidean(one, other, ridge=ridge)


def test_wrong_sets_are_refused():
    with pytest.raises(ValueError, match="taps"):
        style_distance.distance({"a": EYE}, {"b": EYE})
    with pytest.raises(ValueError, match=r"k: expected 1 to 1 .*got 2"):
        style_distance.most_distinct({"a": {"t": EYE}}, {"t": EYE}, k=2)
    with pytest.raises(ValueError, match="no image"):
        style_distance.mean_gram([])
