import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors
from fsketch.data.synthetic import paintings


@pytest.fixture(scope="module")
def small():
    return {name: paintings.paint(name, size_px=48) for name in paintings.NAMES}


def test_there_are_ten_and_more_and_each_is_a_picture(small):
    assert len(small) >= 10
    for name, image in small.items():
        assert image.shape == (48, 48, 3) and image.dtype == np.uint8, name
        assert image.std() > 20, name  # contrast


def test_no_two_are_alike(small):
    """In colours (mean and spread of each channel) or in the fineness of their structure."""

    def looks(image):
        pixels = image.astype(float)
        step = np.abs(np.diff(pixels, axis=1)).mean(), np.abs(np.diff(pixels, axis=0)).mean()
        return np.array([*pixels.mean((0, 1)), *pixels.std((0, 1)), *step])

    seen = np.array([looks(image) for image in small.values()])
    distances = np.abs(seen[:, None] - seen).max(-1) + 1e9 * np.eye(len(seen))
    assert distances.min() > 15


def test_a_painting_is_a_function_of_name_size_and_seed(small):
    np.testing.assert_array_equal(paintings.paint("mosaic", size_px=48), small["mosaic"])
    assert (paintings.paint("mosaic", size_px=48, seed=1) != small["mosaic"]).any()


@pytest.mark.parametrize("name", ["waves", "glass", "shapes"])
def test_a_larger_one_shows_the_same(name):
    large, small = (paintings.paint(name, size_px=size).astype(float) for size in (192, 96))
    halved = large.reshape(96, 2, 96, 2, 3).mean((1, 3))
    assert np.corrcoef(halved.ravel(), small.ravel())[0, 1] > 0.9


def test_files_and_folders_of_artworks(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "a.png")
    assert [paintings.name_of(style) for style in paintings.folder(tmp_path)] == ["a", "b"]
    assert paintings.load(str(tmp_path / "b.png"), size_px=16).shape == (8, 16, 3)
    np.testing.assert_array_equal(paintings.load(str(tmp_path / "b.png"), size_px=40), pixels)
    grey = paintings.load(str(tmp_path / "a.png"), size_px=40)
    np.testing.assert_array_equal(grey, np.repeat(pixels[..., :1], 3, -1))


def test_what_is_no_style_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"style: expected pencil, .* image file, got 'monet'"):
        paintings.load("monet", size_px=16)
    with pytest.raises(errors.DataError, match=r"monet\.png: expected an image, got no such file"):
        paintings.load(str(tmp_path / "monet.png"), size_px=16)
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    with pytest.raises(errors.DataError, match=r"torn\.png: expected a whole image file"):
        paintings.load(str(tmp_path / "torn.png"), size_px=16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.DataError, match="at least one artwork"):
        paintings.folder(tmp_path / "empty")
