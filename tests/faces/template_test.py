"""The template of face recognisers: points arrive in their places, of faces in any turn."""

import cmath

import numpy as np
import pytest

from fsketch.faces import template


def placed(turn_degrees, scale, middle):
    """The template's points after a turn and a scale, the template's middle at (middle, middle)."""
    points = (np.array(template.POINTS) + 0.5) @ (1, 1j) - (56 + 56j)
    points = scale * cmath.exp(1j * np.radians(turn_degrees)) * points + middle * (1 + 1j)
    return np.stack([points.real, points.imag], axis=1)


@pytest.mark.parametrize("turn", [0, 35, -160])
def test_a_face_s_marks_arrive_where_the_template_has_its_points(turn):
    points = placed(turn, 2.5, 210)
    rows, columns = np.mgrid[:420, :420] + 0.5
    photo = np.zeros((420, 420, 3), np.uint8)
    for x, y in points:
        photo[np.hypot(columns - x, rows - y) < 6] = 255
    crop = template.aligned(photo, points)
    assert crop.shape == (112, 112, 3)
    rows, columns = np.mgrid[:112, :112]
    for x, y in template.POINTS:
        near = np.hypot(columns - x, rows - y) < 5
        light = crop[..., 0] * near.astype(float)
        centre = (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()
        np.testing.assert_allclose(centre, (x, y), atol=0.15)
        crop = np.where(near[..., None], 0, crop)
    assert crop.max() < 40


def test_points_that_fit_no_similarity_fit_it_best():
    """Against the least-squares solution of x' = ax - by + c, y' = bx + ay + d."""
    rng = np.random.default_rng(0)
    points = placed(20, 1.5, 100) + rng.normal(size=(5, 2))
    source = (np.array(template.POINTS) + 0.5) * 48 / 112
    rows = [row for x, y in source for row in ((x, -y, 1, 0), (y, x, 0, 1))]
    (a, b, c, d), *_ = np.linalg.lstsq(np.array(rows), points.ravel(), rcond=None)
    found = template.to_photo(points, side_px=48)
    np.testing.assert_allclose([found.step, found.origin], [a + 1j * b, c + 1j * d])
    with pytest.raises(ValueError, match="points: expected five"):
        template.to_photo(np.ones((5, 2)))
