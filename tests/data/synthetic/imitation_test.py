import numpy as np
import pytest

from fsketch.data.synthetic import imitation


@pytest.fixture
def face():
    y, x = np.mgrid[:24, :20]
    return np.repeat((5 * x + 4 * y)[..., None], 3, -1).astype(np.uint8)


def test_a_plain_painting_gives_its_colour(face):
    painting = np.full((40, 40, 3), (200, 60, 20), np.uint8)
    made = imitation.imitate(face, painting, corner=(3, 5))
    np.testing.assert_array_equal(made, np.broadcast_to((200, 60, 20), face.shape))


def test_dark_stays_darker_than_light(face):
    painting = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None] * 6, 40, 1)
    painting = np.repeat(painting, 3, -1)  # a slope has no grain
    luma = imitation.imitate(face, painting, corner=(4, 4))[4:-4, 4:-4, 0].astype(int)
    before = face[4:-4, 4:-4, 0].astype(int)
    order = np.argsort(before, axis=None)
    assert np.diff(luma.ravel()[order]).min() >= -1
    assert luma.max() - luma.min() > 100


def test_the_grain_is_that_of_the_corner(face):
    painting = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    one, other = (imitation.imitate(face, painting, corner=c) for c in ((0, 0), (20, 20)))
    grain = painting[:24, :20].astype(float)
    assert np.corrcoef(one.ravel(), grain.ravel())[0, 1] > 0.4
    assert abs(np.corrcoef(other.ravel(), grain.ravel())[0, 1]) < 0.3
    with pytest.raises(ValueError, match="too small"):
        imitation.imitate(face, painting, corner=(30, 30))
