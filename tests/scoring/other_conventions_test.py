"""The field's other conventions, each against its definition."""

import numpy as np
import pytest

from fsketch.metrics import ssim
from fsketch.scoring import conventions, measures


def image(seed, size=(60, 40)):
    rng = np.random.default_rng(seed)
    return rng.integers(10, 240, (*size, 1)).astype(np.uint8)


def test_padding_lies_where_the_field_has_it():
    field = np.full((250, 200, 1), 7, np.uint8)
    canvas = conventions.padded(field, 255)
    assert canvas.shape == (256, 256, 1)
    np.testing.assert_array_equal(canvas[3:253, 28:228], field)
    assert (canvas == 255).sum() == 256 * 256 - 250 * 200
    wide = np.zeros((10, 300, 3), np.uint8)
    assert conventions.padded(wide, 0).shape == (256, 300, 3)


def test_stretching_uses_the_whole_range_and_bears_a_flat_image():
    stretched = conventions.stretched(np.array([[[10], [110], [210]]], np.uint8))
    np.testing.assert_array_equal(stretched[0, :, 0], [0, 128, 255])
    np.testing.assert_array_equal(conventions.stretched(np.full((2, 2, 1), 9, np.uint8)), 0)


def test_jpeg_changes_little_and_keeps_the_shape():
    y, x = np.mgrid[:64, :48]
    for channels in (1, 3):
        smooth = np.repeat((x + 2 * y)[..., None], channels, -1).astype(np.uint8)
        difference = conventions.jpeg(smooth).astype(int) - smooth
        assert difference.shape == smooth.shape
        assert 0 < np.abs(difference).max() < 20


def test_shifts_are_differences_of_means(full_optimization):
    tally = conventions.Tally(measures.ready(("ssim", "psnr"), measures.Options()))
    pairs = [(image(i), image(i + 10)) for i in range(3)]
    for truth, output in pairs:
        tally.add(truth, output)
    shifts = tally.shifts()
    assert list(shifts) == [c.title for c in conventions.CONVENTIONS if c.title in shifts]

    def mean(change):
        changed = [change(truth, output) for truth, output in pairs]
        return np.mean([float(ssim.ssim(t[None], o[None])[0]) for t, o in changed])

    plain = mean(lambda t, o: (t, o))
    padded = mean(lambda t, o: (conventions.padded(t, 0), conventions.padded(o, 0)))
    found = shifts["black padding to 256x256 left in"]
    assert found["ssim"] == pytest.approx(padded - plain, abs=1e-5)
    # Zeros add no error: the mean square shrinks by the share of the image.
    assert found["psnr"] == pytest.approx(10 * np.log10(256 * 256 / (60 * 40)), abs=1e-3)
    uniform = np.mean([float(ssim.ssim_uniform(t[None], o[None])[0]) for t, o in pairs])
    assert shifts["SSIM of an 8x8 uniform window"] == {
        "ssim": pytest.approx(uniform - plain, abs=1e-5)
    }
    assert "FSIM with chroma (FSIMc)" not in shifts
