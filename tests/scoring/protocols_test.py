"""Protocols, and the scorer that holds few images at a time."""

import numpy as np
import pytest

from fsketch.metrics import ssim
from fsketch.scoring import measures, protocols


@pytest.mark.parametrize("name", protocols.PROTOCOLS)
def test_a_protocol_names_metrics_that_exist(name):
    chosen = protocols.get(name)
    assert set(chosen.image_metrics) <= set(measures.IMAGE)
    assert set(chosen.set_metrics) <= set(measures.SET)
    assert "8 bit" in chosen.about


def test_an_unknown_protocol_is_refused_with_the_known():
    with pytest.raises(ValueError, match=r"expected plain, cufs, .*got 'cufs2'"):
        protocols.get("cufs2")


def drawn(count, size=(20, 24)):
    rng = np.random.default_rng(count)
    return [rng.integers(0, 256, (*size, 1)).astype(np.uint8) for _ in range(count)]


def test_scores_come_in_order_whatever_the_sizes_and_the_batches():
    ready = measures.ready(("ssim", "psnr"), measures.Options())
    truths = [image for pair in zip(drawn(20), drawn(20, (30, 12)), strict=True) for image in pair]
    outputs = [255 - image // 2 for image in truths]
    scorer = protocols.ImageScorer(ready)
    for truth, output in zip(truths, outputs, strict=True):
        scorer.add(truth, output)
        assert sum(map(len, scorer.waiting.values())) < 2 * protocols.BATCH_SIZE
    found = scorer.scores()
    for i, (truth, output) in enumerate(zip(truths, outputs, strict=True)):
        expected = float(ssim.ssim(truth[None], output[None])[0])
        assert found["ssim"][i] == pytest.approx(expected, abs=1e-6)
    assert len(found["psnr"]) == 40


def test_colour_is_luma_or_three_channels():
    red = np.zeros((2, 2, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    np.testing.assert_array_equal(protocols.coloured(red, "grey"), np.full((2, 2, 1), 76))
    grey = np.full((2, 2, 1), 9, np.uint8)
    assert protocols.coloured(grey, "rgb").shape == (2, 2, 3)


def test_matlab_s_ssim_is_the_mean_over_all_pixels_with_replicated_borders():
    """By direct summation at one corner pixel and in the mean."""
    truth, output = (image[..., 0].astype(float) for image in drawn(2, (14, 13)))
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    padded = [np.pad(image, 5, mode="edge") for image in (truth, output)]
    total = 0.0
    for row in range(14):
        for column in range(13):
            x, y = (image[row : row + 11, column : column + 11] for image in padded)
            ux, uy = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * x * x).sum() - ux**2, (weights * y * y).sum() - uy**2
            vxy = (weights * x * y).sum() - ux * uy
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            total += (2 * ux * uy + c1) * (2 * vxy + c2) / (
                (ux**2 + uy**2 + c1) * (vx + vy + c2)
            )  # fmt: skip
    found = measures.ssim_full(truth[None, ..., None], output[None, ..., None])
    assert float(found[0]) == pytest.approx(total / (14 * 13), abs=1e-5)
