"""Null-space LDA against a direct transcription with explicit scatter matrices, and by hand."""

import os
import pathlib
import platform
import subprocess
import sys

import numpy as np
import pytest

from fsketch.metrics import nlda

SMALL = nlda.Protocol("small", num_pairs=12, num_train=6, pca_dims=12)


def draw(*, num_pairs=12, num_px=40, noise=25.0, seed=0):
    """Persons whose fake image is a blend of theirs, the mean and noise."""
    rng = np.random.default_rng(seed)
    real = rng.normal(128, 30, (num_pairs, num_px))
    fake = 0.4 * real + 0.6 * real.mean(0) + rng.normal(10, noise, real.shape)
    return np.clip(real, 0, 255).astype(np.uint8), np.clip(fake, 0, 255).astype(np.uint8)


def transcription(probe, gallery, order, protocol):
    """One split's curve: pixels, SVD, sums over persons, no Gram matrix."""
    probe, gallery = probe.astype(float), gallery.astype(float)
    train, test = order[: protocol.num_train], order[protocol.num_train :]
    samples = np.concatenate([probe[train], gallery[train]])
    labels = np.concatenate([train, train])
    _, lengths, axes = np.linalg.svd(samples - samples.mean(0), full_matrices=False)
    axes = axes[lengths**2 > 1e-10 * lengths[0] ** 2][: protocol.pca_dims]
    low = samples @ axes.T
    size = low.shape[1]
    sw, sb = np.zeros((size, size)), np.zeros((size, size))
    for person in train:
        own = low[labels == person]
        for sample in own:
            sw += np.outer(sample - own.mean(0), sample - own.mean(0))
        sb += len(own) * np.outer(own.mean(0) - low.mean(0), own.mean(0) - low.mean(0))
    _, singular, right = np.linalg.svd(sw)
    null = right[singular <= size * np.spacing(singular.max())].T
    values, vectors = np.linalg.eig(null.T @ sb @ null)
    basis = axes.T @ null @ vectors[:, np.argsort(-values.real)].real
    rates = []
    for d in range(1, basis.shape[1] + 1):
        found = 0
        for i in test:
            distances = [np.linalg.norm((probe[i] - gallery[j]) @ basis[:, :d]) for j in test]
            found += test[int(np.argmin(distances))] == i
        rates.append(found / len(test))
    return rates


@pytest.mark.parametrize(("pca_dims", "directions"), [(12, 5), (9, 3)])
def test_curve_equals_a_direct_transcription(pca_dims, directions):
    real, fake = draw()
    protocol = SMALL._replace(pca_dims=pca_dims)
    orders = [np.random.default_rng((3, i)).permutation(12) for i in range(20)]
    curves = np.array([transcription(real, fake, order, protocol) for order in orders])
    assert curves.shape == (20, directions) and 0.2 < curves.mean() < 0.8
    result = nlda.nlda(real, fake, protocol=protocol, seed=3)
    np.testing.assert_allclose(result.curve, curves.mean(0), atol=1e-12)
    assert result.best_mean == pytest.approx(curves.max(1).mean())
    assert result.best_std == pytest.approx(curves.max(1).std())
    assert result.curve_max == pytest.approx(curves.mean(0).max())
    assert result.full_mean == pytest.approx(curves[:, -1].mean())
    assert result.full_std == pytest.approx(curves[:, -1].std())
    assert result.best_mean + 1e-12 >= result.curve_max >= result.full_mean


def test_the_protocols_and_their_splits_are_pinned():
    assert nlda.PRESETS["cufs"] == ("cufs", 338, 150, 300)
    assert nlda.PRESETS["cufsf"] == ("cufsf", 944, 300, 600)
    assert np.random.default_rng((0, 0)).permutation(338)[:4].tolist() == [328, 18, 197, 54]
    assert np.random.default_rng((0, 19)).permutation(944)[:4].tolist() == [160, 428, 791, 6]


def test_a_style_common_to_all_outputs_is_removed():
    real, _ = draw()
    shift = np.random.default_rng(1).normal(0, 50, real.shape[1])  # far larger than a face
    result = nlda.nlda(real, real + shift, protocol=SMALL)
    assert result.full_mean == result.curve_max == result.best_mean == 1.0
    assert nlda.nlda(real, real, protocol=SMALL).full_mean == 1.0


def test_what_must_not_matter():
    real, fake = draw()
    result = nlda.nlda(real, fake, protocol=SMALL)
    np.testing.assert_array_equal(nlda.nlda(real, fake, protocol=SMALL).curve, result.curve)
    shuffle = np.random.default_rng(1).permutation(real.shape[1])
    for other in (
        (real + 40.0, fake + 40.0),
        (real / 127.5 - 1.0, fake / 127.5 - 1.0),
        (real[:, shuffle], fake[:, shuffle]),
    ):
        np.testing.assert_allclose(nlda.nlda(*other, protocol=SMALL).curve, result.curve)
    swapped = nlda.nlda(fake, real, protocol=SMALL)  # other probes
    assert (swapped.curve != result.curve).any()
    assert (nlda.nlda(real, fake, protocol=SMALL, seed=1).curve != result.curve).any()


def test_a_shorter_curve_keeps_its_last_rate():
    """Two persons share one output: splits that train on both have a direction less."""
    real, fake = draw()
    fake[1] = fake[0]
    curves = []
    for i in range(20):
        order = np.random.default_rng((0, i)).permutation(12)
        curves.append(transcription(real, fake, order, SMALL))
    assert {len(curve) for curve in curves} == {4, 5}
    expected = np.mean([curve + curve[-1:] * (5 - len(curve)) for curve in curves], axis=0)
    np.testing.assert_allclose(nlda.nlda(real, fake, protocol=SMALL).curve, expected)


CPU = pathlib.Path("/proc/cpuinfo")
# OpenBLAS's kernels for x86-64, each with the CPU flag that it needs.
KERNELS = {"Prescott": "pni", "Nehalem": "sse4_2", "Haswell": "avx2", "SkylakeX": "avx512f"}
# Outputs that equal each other, as 8 bit and as floats, with too few directions in some splits.
CURVES = """
import runpy, sys
import numpy as np

nlda = runpy.run_path(sys.argv[1])
protocol = nlda["Protocol"]("ties", num_pairs=60, num_train=25, pca_dims=50)
rng = np.random.default_rng(0)
real = rng.integers(0, 256, (60, 600)).astype(np.uint8)
fake = (0.3 * real + rng.integers(0, 170, real.shape)).astype(np.uint8)
fake[20:40], fake[44] = fake[:20], fake[45]
for sides in ((real, fake), (real / 127.5 - 1, fake / 127.5 - 1)):
    print([number.hex() for number in nlda["nlda"](*sides, protocol=protocol).curve.tolist()])
"""


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPU.exists(), reason="OpenBLAS's kernels for x86-64"
)
def test_no_blas_kernel_and_no_number_of_threads_changes_a_curve():
    flags, printed = CPU.read_text().split(), {}
    newest = [kernel for kernel, flag in KERNELS.items() if flag in flags][-1]
    for kernel, threads in (("Prescott", "1"), (newest, "2")):
        forced = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads}
        printed[threads] = subprocess.run(
            [sys.executable, "-c", CURVES, nlda.__file__],
            env=os.environ | forced, check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip
    assert printed["1"] == printed["2"]
    of_bytes, of_floats = printed["1"].splitlines()
    assert of_bytes == of_floats and len(set(of_bytes.split(", "))) > 5


def test_what_does_not_fit_is_refused():
    real, fake = draw()
    for protocol, message in (
        (nlda.PRESETS["cufs"], "NLDA cufs: expected 338 test pairs, got 12"),
        (SMALL._replace(num_train=12), "num_train: expected 2 to 11, got 12"),
        (SMALL._replace(pca_dims=0), "pca_dims: .*got 0"),
        (SMALL._replace(pca_dims=6), "fills all 6 dimensions of the PCA"),
    ):
        with pytest.raises(ValueError, match=message):
            nlda.nlda(real, fake, protocol=protocol)
    with pytest.raises(ValueError, match=r"got \(12, 40\) and \(12, 39\)"):
        nlda.nlda(real, fake[:, :-1], protocol=SMALL)
    broken = fake.astype(float)
    broken[4, 2] = np.nan
    with pytest.raises(ValueError, match="fake image 4 is not finite"):
        nlda.nlda(real, broken, protocol=SMALL)
    with pytest.raises(ValueError, match="are all outputs one image"):
        nlda.nlda(real, np.zeros_like(fake), protocol=SMALL)
