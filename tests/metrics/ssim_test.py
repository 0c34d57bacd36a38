"""SSIM against scikit-image and plain loops, PSNR by hand."""

import jax
import numpy as np
import precision
import pytest
from golden import image_pairs
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


def skimage_ssim(truth, output, **options):
    return metrics.structural_similarity(
        truth[..., 0].astype(float), output[..., 0].astype(float),
        data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["noise", "near", "flat"])
def test_ssim_equals_scikit_image(kind):
    truth, output = pairs(kind)
    expected = [skimage_ssim(*pair) for pair in zip(truth, output, strict=True)]
    np.testing.assert_allclose(ssim.ssim(truth, output), expected, atol=1e-5)
    with precision.double():
        score = ssim.ssim(truth.astype(np.float64), output.astype(np.float64))
        for metric in (ssim.ssim, ssim.ssim_uniform, ssim.psnr):
            assert jax.eval_shape(metric, truth, output).dtype == np.float32
    assert score.dtype == np.float64
    np.testing.assert_allclose(score, expected, atol=1e-9)


def skimage_ms_ssim(truth, output):
    """Five scales of scikit-image; a huge K1 leaves the contrast and structure term."""
    score = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        options = {} if scale == 4 else {"K1": 1e5}
        score *= skimage_ssim(truth, output, **options) ** weight
        halves = []
        for image in (truth.astype(float), output.astype(float)):
            rows, columns = (list(range(n)) + [n - 1] * (n % 2) for n in image.shape[:2])
            image = image[rows][:, columns]
            halves.append(image.reshape(len(rows) // 2, 2, len(columns) // 2, 2, 1).mean((1, 3)))
        truth, output = halves
    return score


def test_ms_ssim_equals_scales_of_scikit_image():
    truth, output = image_pairs.draw(20, size=(250, 200))
    expected = skimage_ms_ssim(truth[0], output[0])
    assert float(jax.jit(ssim.ms_ssim)(truth, output)[0]) == pytest.approx(expected, abs=1e-5)
    with precision.double():
        truth, output = (i[:, :161, :177].astype(np.float64) for i in (truth, output))
        score = jax.jit(ssim.ms_ssim)(truth, output)
    assert float(score[0]) == pytest.approx(skimage_ms_ssim(truth[0], output[0]), abs=1e-8)


def test_ssim_uniform_equals_a_loop():
    truth, output = pairs("noise")
    truth, output = truth[:1, :20, :17], output[:1, :20, :17]
    scores = []
    for top in range(20 - 7):
        for left in range(17 - 7):
            x, y = (i[0, top : top + 8, left : left + 8].astype(float) for i in (truth, output))
            covariance = (x * y).mean() - x.mean() * y.mean()
            scores.append(
                (2 * x.mean() * y.mean() + 2.55**2) * (2 * covariance + 7.65**2)
                / (x.mean() ** 2 + y.mean() ** 2 + 2.55**2) / (x.var() + y.var() + 7.65**2)
            )  # fmt: skip
    assert float(ssim.ssim_uniform(truth, output)[0]) == pytest.approx(np.mean(scores), abs=1e-5)
    with precision.double():
        score = ssim.ssim_uniform(truth.astype(np.float64), output)
    assert float(score[0]) == pytest.approx(np.mean(scores), abs=1e-12)


def test_psnr_by_hand():
    black, white = np.zeros((1, 12, 12, 1)), np.full((1, 12, 12, 1), 255.0)
    assert float(ssim.psnr(black, white)[0]) == pytest.approx(0.0, abs=1e-6)
    # One of three channels off by the whole range: a mean square of 1/3.
    red = np.repeat(black, 3, axis=-1)
    red[..., 0] = 255
    score = float(ssim.psnr(np.zeros_like(red), red)[0])
    assert score == pytest.approx(10 * np.log10(3), abs=1e-5)
    assert np.isposinf(ssim.psnr(white, white)).all()


@pytest.mark.parametrize("metric", [ssim.ssim, ssim.ssim_uniform, ssim.ms_ssim])
def test_identity_symmetry_batch_nan_and_gradient(metric):
    """Pairs: two drawn, two equal, a constant one both ways, a constant one twice."""
    truth, output = (
        image.astype(np.float32) for image in image_pairs.draw(22, size=(161, 161), number=2)
    )
    flat = np.full_like(truth[:1], 255.0)
    truth = np.concatenate([truth, truth, truth[:1], flat, flat])
    output = np.concatenate([output, truth[:2], flat, truth[:1], flat])
    compiled = jax.jit(jax.vmap(jax.value_and_grad(lambda y, x: metric(x[None], y[None])[0])))

    def differentiate(y, x):
        return map(np.asarray, compiled(y, x))

    score, gradient = differentiate(output, truth)
    assert ((score[:2] > 0) & (score[:2] < 1)).all()
    np.testing.assert_allclose(score[[2, 3, 6]], 1.0, atol=1e-6)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0]).max() > 0

    spoiled, negative = truth.copy(), truth.copy()
    spoiled[1, 80, 80] = np.nan
    negative[1] = 255 - output[1]
    changed, _ = differentiate(output, spoiled)
    assert np.isnan(changed[1])
    np.testing.assert_array_equal(np.delete(changed, 1), np.delete(score, 1))
    changed, slope = differentiate(output, negative)
    if metric is ssim.ms_ssim:
        assert changed[1] == 0.0 and np.abs(slope[1]).max() == 0.0
    else:
        assert changed[1] < 0.0
    mirrored, _ = differentiate(truth, output)
    np.testing.assert_allclose(mirrored, score, atol=1e-6)


def test_wrong_inputs_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        ssim.ssim(np.zeros((1, 20, 20, 1)), np.zeros((1, 20, 21, 1)))
    with pytest.raises(ValueError, match="11 x 11"):
        ssim.ssim(np.zeros((1, 10, 20, 1)), np.zeros((1, 10, 20, 1)))
    with pytest.raises(ValueError, match="8 x 8"):
        ssim.ssim_uniform(np.zeros((1, 7, 20, 1)), np.zeros((1, 7, 20, 1)))
    with pytest.raises(ValueError, match="161 x 161"):
        ssim.ms_ssim(np.zeros((1, 160, 200, 1)), np.zeros((1, 160, 200, 1)))
    with pytest.raises(ValueError, match=r"psnr: expected images \[B, H, W, 1\] or \[B, H, W, 3\]"):
        ssim.psnr(np.zeros((1, 20, 20, 2)), np.zeros((1, 20, 20, 2)))
