"""SSIM and PSNR against scikit-image and by hand."""

import numpy as np
import pytest
from skimage import metrics

from fsketch.metrics import ssim

pytestmark = pytest.mark.usefixtures("full_optimization")


def pairs(kind):
    rng = np.random.default_rng(0)
    if kind == "noise":
        truth = rng.integers(0, 256, (3, 50, 40, 1))
        output = rng.integers(0, 256, (3, 50, 40, 1))
    elif kind == "near":
        truth = rng.integers(0, 256, (3, 250, 200, 1))
        output = np.clip(truth + rng.integers(-6, 7, truth.shape), 0, 255)
    else:  # flat and bright: the case in which float32 variances cancel
        truth = 250 + rng.integers(0, 2, (3, 50, 40, 1))
        output = 250 + rng.integers(0, 2, (3, 50, 40, 1))
    return truth.astype(np.uint8), output.astype(np.uint8)


@pytest.mark.parametrize("kind", ["noise", "near", "flat"])
def test_ssim_equals_scikit_image(kind):
    truth, output = pairs(kind)
    expected = [
        metrics.structural_similarity(
            t[..., 0], o[..., 0],
            data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for t, o in zip(truth, output, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(ssim.ssim(truth, output), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["noise", "near", "flat"])
def test_psnr_equals_scikit_image(kind):
    truth, output = pairs(kind)
    expected = [
        metrics.peak_signal_noise_ratio(t, o, data_range=255)
        for t, o in zip(truth, output, strict=True)
    ]
    np.testing.assert_allclose(ssim.psnr(truth, output), expected, rtol=1e-5)


def test_equal_images():
    truth, _ = pairs("noise")
    np.testing.assert_allclose(ssim.ssim(truth, truth), 1.0, atol=1e-6)
    assert np.isposinf(ssim.psnr(truth, truth)).all()


def test_psnr_by_hand():
    truth, output = np.zeros((1, 12, 12, 1)), np.full((1, 12, 12, 1), 255.0)
    assert float(ssim.psnr(truth, output)[0]) == pytest.approx(0.0, abs=1e-6)


def test_wrong_inputs_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        ssim.ssim(np.zeros((1, 20, 20, 1)), np.zeros((1, 20, 21, 1)))
    with pytest.raises(ValueError, match="one shape"):
        ssim.ssim(np.zeros((1, 20, 20, 3)), np.zeros((1, 20, 20, 3)))
    with pytest.raises(ValueError, match="11 x 11"):
        ssim.ssim(np.zeros((1, 10, 20, 1)), np.zeros((1, 10, 20, 1)))
