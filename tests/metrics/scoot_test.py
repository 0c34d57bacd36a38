"""Scoot against plain loops after the MATLAB functions, and by hand."""

import jax
import numpy as np
import pytest
from golden import image_pairs

from fsketch.metrics import scoot

pytestmark = pytest.mark.usefixtures("full_optimization")


def numpy_scoot(truth, output):
    """uint8[H, W] both; one block, offset and pixel at a time."""
    vectors = []
    for image in (truth, output):
        level = np.floor(6 / 255 * image.astype(float) + 1).astype(int)  # graycomatrix: 1..7
        level = np.clip(level, 1, 6) - 1
        rows, columns = (np.floor(n * np.arange(5) / 4).astype(int) for n in image.shape)
        vector = []
        for i in range(4):
            for j in range(4):
                block = level[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
                counts = np.zeros((4, 6, 6))
                for k, (down, right) in enumerate([(0, 1), (-1, 1), (-1, 0), (-1, -1)]):
                    for (r, c), here in np.ndenumerate(block):
                        if 0 <= r + down < block.shape[0] and 0 <= c + right < block.shape[1]:
                            counts[k, here, block[r + down, c + right]] += 1
                counts = np.floor(counts.mean(0) + 0.5)  # MATLAB's round
                p = counts / counts.sum() if counts.any() else counts  # as graycoprops
                contrast = sum(p[a, b] * (a - b) ** 2 for a in range(6) for b in range(6))
                vector += [contrast, (p**2).sum()]
        vectors.append(np.array(vector))
    return 1 / (1 + np.linalg.norm(vectors[0] - vectors[1]))


@pytest.mark.parametrize("size", [(64, 48), (61, 50), (9, 11)], ids=str)
def test_equals_loops(size):
    pair = image_pairs.draw(30, size=size, number=2)
    noise = np.random.default_rng(0).integers(0, 256, (2, 1, *size, 1)).astype(np.uint8)
    truth, output = (np.concatenate(images) for images in zip(pair, noise, strict=True))
    expected = [numpy_scoot(t[..., 0], o[..., 0]) for t, o in zip(truth, output, strict=True)]
    np.testing.assert_allclose(scoot.scoot(truth, output), expected, rtol=1e-6)


def test_levels_are_those_of_double_precision():
    """floor(6 x / 255 + 1), clipped, whatever the rounding of 6 / 255."""
    grey = np.arange(256)
    level = np.clip(np.floor(6 / 255 * grey + 1), 1, 6) - 1
    # A column of blocks of one grey each against a grey of every level: equal level, score 1.
    truth = np.repeat(grey, 8 * 8).reshape(256, 8, 8, 1).astype(np.uint8)
    for k, sample in enumerate((20, 60, 100, 150, 190, 230)):
        half = truth.copy()
        half[:, ::2] = sample  # rows differ by |level - k|, contrast tells
        flat = np.full_like(truth, sample)
        assert ((np.asarray(scoot.scoot(half, flat)) == 1.0) == (level == k)).all()


def test_identity_symmetry_bounds_and_independence_of_the_batch():
    truth, output = image_pairs.draw(31, size=(50, 40), number=2)
    score = np.asarray(scoot.scoot(truth, output))
    assert ((score > 0) & (score < 1)).all()
    np.testing.assert_array_equal(scoot.scoot(truth, truth), 1.0)
    np.testing.assert_allclose(scoot.scoot(output, truth), score, rtol=1e-6)
    np.testing.assert_array_equal(scoot.scoot(truth[1:], output[1:]), score[1:])
    # Mirrored, the neighbours right, up-right and up-left are others: not the same by definition.
    assert float(scoot.scoot(truth, truth[:, :, ::-1])[0]) < 1


def test_floats_are_rounded_to_eight_bits():
    truth, output = image_pairs.draw(32, size=(50, 40), number=2)
    score = scoot.scoot(truth, output)
    noise = np.random.default_rng(0).uniform(-0.49, 0.49, truth.shape)
    np.testing.assert_array_equal(scoot.scoot(truth + noise, output - noise), score)


def test_gradient_is_zero_and_nan_gives_nan():
    truth, output = (i.astype(np.float32) for i in image_pairs.draw(33, size=(50, 40), number=2))
    gradient = jax.grad(lambda y: scoot.scoot(truth, y).sum())(output)
    assert np.abs(gradient).max() == 0
    output[1, 3, 3] = np.nan
    assert np.isnan(scoot.scoot(truth, output)).tolist() == [False, True]
    assert np.isnan(scoot.scoot(output, truth)).tolist() == [False, True]


def test_wrong_inputs_are_refused():
    with pytest.raises(ValueError, match=r"scoot: expected images \[B, H, W, 1\] of one shape"):
        scoot.scoot(np.zeros((1, 20, 20, 3)), np.zeros((1, 20, 20, 3)))
    with pytest.raises(ValueError, match="8 x 8"):
        scoot.scoot(np.zeros((1, 7, 20, 1)), np.zeros((1, 7, 20, 1)))
