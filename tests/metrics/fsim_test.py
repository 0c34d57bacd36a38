"""FSIM against piq's numbers, and against the formulas of the MATLAB file written out in numpy."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import precision
import pytest
from golden import image_pairs

from fsketch.metrics import fsim

pytestmark = pytest.mark.usefixtures("full_optimization")

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden/image_metrics.json").read_text())


def numpy_phase_congruency(image, piq=()):
    """One float64 image, one filter at a time, complex FFTs, NaN where MATLAB has NaN.

    `piq` names points in which to follow piq 0.8 in place of the MATLAB file.
    """
    height, width = image.shape
    axes = []
    for n in (height, width):
        ticks = np.arange(-(n - 1) / 2, n / 2) / (n - 1) if n % 2 else np.arange(-n / 2, n / 2) / n
        axes.append(np.fft.ifftshift(ticks))
    v, u = axes[0][:, None], axes[1][None, :]
    radius = np.sqrt(u**2 + v**2)
    theta = np.arctan2(-u, v + 0 * u) if "axes" in piq else np.arctan2(-v, u)
    epsilon = np.finfo(float).eps if "epsilon" in piq else 1e-4
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    spectrum = np.fft.fft2(image)
    energy_all, amplitude_all = np.zeros(image.shape), np.zeros(image.shape)
    for angle in (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4):
        sine = np.sin(theta) * np.cos(angle) - np.cos(theta) * np.sin(angle)
        cosine = np.cos(theta) * np.cos(angle) + np.sin(theta) * np.sin(angle)
        spread = np.exp(-(np.arctan2(sine, cosine) ** 2) / (2 * (np.pi / 4 / 1.2) ** 2))
        filters, responses = [], []
        for wavelength in (6, 12, 24, 48):
            gabor = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * np.log(0.55) ** 2))
            gabor = gabor * low_pass * spread
            gabor[0, 0] = 0
            filters.append(gabor)
            responses.append(np.fft.ifft2(spectrum * gabor))
        total = sum(responses)
        mean = total / (np.abs(total) + epsilon)
        energy = np.zeros(image.shape)
        for response in responses:
            turned = response * np.conj(mean)
            energy += turned.real - np.abs(turned.imag)
        kernels = [np.fft.ifft2(g).real * np.sqrt(height * width) for g in filters]
        power = np.sort(np.abs(responses[0]).ravel() ** 2)
        median = power[(power.size - 1) // 2]
        if "median" not in piq:
            median = (median + power[power.size // 2]) / 2
        noise_power = median / np.log(2) / (filters[0] ** 2).sum()
        products = sum((kernels[i] * kernels[j]).sum() for i in range(4) for j in range(i + 1, 4))
        squares = sum((kernel**2).sum() for kernel in kernels)
        tau = np.sqrt((2 * noise_power * squares + 4 * noise_power * products) / 2)
        threshold = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
        energy_all += np.maximum(energy - threshold, 0)
        amplitude_all += sum(np.abs(response) for response in responses)
    return energy_all / amplitude_all


def conv2_same(image, kernel):
    """MATLAB's conv2(image, kernel, 'same') by its definition."""
    full = np.zeros(np.add(image.shape, kernel.shape) - 1)
    for (i, j), weight in np.ndenumerate(kernel):
        full[i : i + image.shape[0], j : j + image.shape[1]] += weight * image
    top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    return full[top : top + image.shape[0], left : left + image.shape[1]]


def numpy_fsim(truth, output, piq=()):
    """(FSIM, FSIMc) of uint8[H, W, 1 or 3]."""
    factor = max(1, int(np.floor(min(truth.shape[:2]) / 256 + 0.5)))
    planes = []
    for image in (truth.astype(float), output.astype(float)):
        if image.shape[-1] == 3:
            r, g, b = np.moveaxis(image, -1, 0)
            image = (
                0.299 * r + 0.587 * g + 0.114 * b,
                0.596 * r - 0.274 * g - 0.322 * b,
                0.211 * r - 0.523 * g + 0.312 * b,
            )
        else:
            image = (image[..., 0], np.ones(image.shape[:2]), np.ones(image.shape[:2]))
        average = np.full((factor, factor), 1 / factor**2)
        planes.append([conv2_same(plane, average)[::factor, ::factor] for plane in image])
    (y1, i1, q1), (y2, i2, q2) = planes
    scharr = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
    g1, g2 = (np.hypot(conv2_same(y, scharr), conv2_same(y, scharr.T)) for y in (y1, y2))
    p1, p2 = numpy_phase_congruency(y1, piq), numpy_phase_congruency(y2, piq)
    weight = np.maximum(p1, p2)
    similarity = (2 * p1 * p2 + 0.85) / (p1**2 + p2**2 + 0.85) * weight
    similarity *= (2 * g1 * g2 + 160) / (g1**2 + g2**2 + 160)
    chroma = (2 * i1 * i2 + 200) / (i1**2 + i2**2 + 200)
    chroma = chroma * (2 * q1 * q2 + 200) / (q1**2 + q2**2 + 200)
    chroma = np.abs(chroma) ** 0.03 if "root" in piq else np.real(chroma.astype(complex) ** 0.03)
    return similarity.sum() / weight.sum(), (similarity * chroma).sum() / weight.sum()


# Even and odd sides; F = 2 with an odd side; F = 3 (640 px: half goes up), window centred.
@pytest.mark.parametrize(
    ("size", "paper"),
    [
        ((64, 48), False),
        ((61, 48), True),
        ((33, 47), False),
        ((386, 401), False),
        ((640, 643), True),
    ],
    ids=str,
)
def test_float64_equals_the_matlab_formulas(size, paper):
    truth, output = image_pairs.draw(7, size=size, paper=paper)
    expected = numpy_fsim(truth[0], output[0])[0]
    with precision.double():
        score = fsim.fsim(truth.astype(np.float64), output.astype(np.float64))
        assert jax.eval_shape(fsim.fsim, truth, output).dtype == np.float32
    assert score.dtype == np.float64
    assert float(score[0]) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("size", [(33, 48), (386, 401)], ids=str)
def test_float64_colour_equals_the_matlab_formulas(size):
    truth, output = image_pairs.draw(8, size=size, channels=3)
    expected = numpy_fsim(truth[0], output[0])[1]
    with precision.double():
        score = fsim.fsimc(truth.astype(np.float64), output.astype(np.float64))
        assert jax.eval_shape(fsim.fsimc, truth, output).dtype == np.float32
    assert float(score[0]) == pytest.approx(expected, abs=1e-10)


def test_float32_is_close_to_float64():
    truth, output = image_pairs.draw(9, size=(250, 200), channels=3)
    grey, _ = numpy_fsim(truth[0, ..., :1], output[0, ..., :1])
    _, colour = numpy_fsim(truth[0], output[0])
    assert float(fsim.fsim(truth[..., :1], output[..., :1])[0]) == pytest.approx(grey, abs=2e-6)
    assert float(fsim.fsimc(truth, output)[0]) == pytest.approx(colour, abs=2e-6)


def test_opposite_colours_take_the_real_part_of_the_root():
    truth, output = (image // 2 for image in image_pairs.draw(10, size=(33, 48), channels=3))
    truth[..., 0] += 110  # reddish against bluish: I of opposite signs, Q of equal ones
    output[..., 2] += 110
    _, expected = numpy_fsim(truth[0], output[0])
    _, absolute = numpy_fsim(truth[0], output[0], piq=("root",))
    assert expected < absolute - 1e-3
    assert float(fsim.fsimc(truth, output)[0]) == pytest.approx(expected, abs=2e-6)


def test_the_formulas_are_piq_s_but_for_four_points():
    """So that the MATLAB side of each point is the only thing that piq does not vouch for."""
    departures = ("axes", "epsilon", "median", "root")
    truth, output = image_pairs.draw(1, size=(250, 200), number=3)
    score = [numpy_fsim(*pair, piq=departures)[0] for pair in zip(truth, output, strict=True)]
    np.testing.assert_allclose(score, GOLDEN["fsim"], atol=1e-12)


def test_close_to_piq():
    pair = image_pairs.draw(1, size=(250, 200), number=3)
    np.testing.assert_allclose(fsim.fsim(*pair), GOLDEN["fsim"], atol=5e-5)
    pair = image_pairs.draw(2, size=(250, 200), number=3, channels=3)
    np.testing.assert_allclose(fsim.fsimc(*pair), GOLDEN["fsimc_matlab"], atol=5e-5)
    np.testing.assert_allclose(fsim.fsimc(*pair), GOLDEN["fsimc"], atol=1e-4)
    pair = image_pairs.draw(3, size=(400, 512))
    np.testing.assert_allclose(fsim.fsim(*pair), GOLDEN["fsim_halved"], atol=5e-5)


@pytest.mark.parametrize("metric, channels", [(fsim.fsim, 1), (fsim.fsimc, 3)])
def test_identity_symmetry_bounds_and_independence_of_the_batch(metric, channels):
    truth, output = image_pairs.draw(11, size=(24, 20), number=2, channels=channels)
    score = np.asarray(metric(truth, output))
    assert ((score > 0) & (score < 1)).all()
    np.testing.assert_allclose(metric(truth, truth), 1.0, atol=1e-6)
    np.testing.assert_allclose(metric(output, truth), score, atol=1e-6)
    beside_another = metric(np.stack([output[1], truth[1]]), np.stack([output[1], output[1]]))
    np.testing.assert_array_equal(beside_another[1], score[1])
    as_float = metric(truth.astype(np.float32), jnp.asarray(output, jnp.float32))
    np.testing.assert_array_equal(as_float, score)


def test_images_without_structure():
    flat, other = np.full((1, 24, 20, 1), 200.0), np.full((1, 24, 20, 1), 90.0)
    drawn, _ = image_pairs.draw(12, size=(24, 20))
    pair = np.concatenate([flat, drawn])[..., 0].astype(np.float32)
    congruency = jax.jit(fsim.phase_congruency)(pair)
    assert float(congruency[0].max()) == 0.0 and 0.1 < float(congruency[1].max()) < 1.0
    flats = np.concatenate([flat, flat])
    equal, unequal = fsim.fsim(flats, np.concatenate([flat, other]))
    assert float(equal) == pytest.approx(1.0, abs=1e-6)
    assert 0.5 < float(unequal) < 1.0  # the border against the zeros outside
    assert 0.0 < float(fsim.fsim(flats, np.concatenate([drawn, drawn]))[0]) < 1.0


def test_gradient_is_finite_at_equal_and_at_constant_images():
    drawn = image_pairs.draw(14, size=(24, 20), channels=3, paper=True)[0][0].astype(np.float32)
    flat = np.full_like(drawn, 255.0)
    truth, output = np.stack([drawn, flat, drawn, flat]), np.stack([drawn, flat, flat, drawn])
    gradient = jax.jit(jax.grad(lambda y: fsim.fsimc(truth, y).sum()))(output)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[3]).max() > 0


@pytest.mark.parametrize("count", [1, 2, 101])
def test_median_is_exact(count):
    x = np.random.default_rng(count).gamma(0.3, size=(4, 2, count)).astype(np.float32)
    x[1] = np.round(x[1])  # ties
    x[2, :, : count // 2] = 0
    x[3] *= 1e-38  # subnormal numbers too
    expected = (np.sort(x)[..., (count - 1) // 2] + np.sort(x)[..., count // 2]) / 2
    np.testing.assert_array_equal(jax.jit(fsim._median)(x[:3]), expected[:3])
    np.testing.assert_allclose(jax.jit(fsim._median)(x[3]), expected[3], atol=1.2e-38)


def test_nan_gives_nan_in_its_pair_only():
    truth, output = (image.astype(np.float32) for image in image_pairs.draw(
        15, size=(24, 20), number=2, channels=3
    ))  # fmt: skip
    output[1, 3, 4, 0] = np.nan
    for pair in ((truth, output), (output, truth)):
        assert np.isnan(fsim.fsim(*(image[..., :1] for image in pair))).tolist() == [0, 1]
        assert np.isnan(fsim.fsimc(*pair)).tolist() == [0, 1]


def test_wrong_inputs_are_refused():
    grey, colour = np.zeros((1, 20, 20, 1)), np.zeros((1, 20, 20, 3))
    with pytest.raises(ValueError, match=r"fsim: expected images \[B, H, W, 1\]"):
        fsim.fsim(colour, colour)
    with pytest.raises(ValueError, match=r"fsimc: expected images \[B, H, W, 3\]"):
        fsim.fsimc(grey, grey)
    with pytest.raises(ValueError, match="one shape"):
        fsim.fsim(grey, grey[:, :19])
    with pytest.raises(ValueError, match="6 x 6"):
        fsim.fsim(grey[:, :5], grey[:, :5])
