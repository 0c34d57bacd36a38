"""Feature similarity: FSIM of grey images and FSIMc of colour images.

Zhang et al., IEEE TIP 20(8), 2011.  Every constant and border rule is that of the authors' MATLAB
file FeatureSIM.m, version 1.0, with its copy of Kovesi's phasecong2 [code].  Images [B, H, W, C] on
the scale 0..255, of any real type; computed in float64 if one of them is float64, else in float32.
Images whose shorter side is 384 px or more are averaged and subsampled first, by
F = round(min(H, W) / 256), halves up; smaller ones, 200 x 250 among them, are not.

Phase congruency, from the responses E + iO of log-Gabor filters, 4 scales s at 4 orientations o:

    PC = sum_o max(energy_o - T_o, 0) / sum_o sum_s |E + iO|
    energy_o = sum_s (E cos + O sin - |E sin - O cos|),   (cos, sin) along sum_s (E, O)

T_o is the level that Rayleigh noise would reach; the power of the noise is estimated from the
median of |E + iO|^2 at the finest scale.

Differences from the MATLAB file: the mean, to which no filter responds, is subtracted first; every
weight PC_m is 1e-12 larger, so that where MATLAB divides zero by zero (neither image has any
structure) all pixels weigh the same and equal images score 1.  NaN gives NaN.  piq 0.8 differs from
it in the axes of frequency 1/2, the lower median, epsilons and the root of a negative chroma
product: 2e-5 in FSIM, up to 3e-4 in FSIMc of photographs with opposite hues.

For speed, even and odd parts of a filter are transformed separately: E and O are real inverse FFTs
of half a spectrum; sums over scales and orientations are written out, which XLA:CPU vectorises,
unlike a reduction; medians are bisected over the bits of the numbers (exact, no sort).
One program takes pairs, and orientations, one after the other: the numbers stay in the cache, and
memory hardly grows with the batch.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fsketch.metrics import checks

NUM_SCALES = 4
NUM_ORIENTATIONS = 4
MIN_WAVELENGTH_PX = 6
SCALE_FACTOR = 2
SIGMA_ON_F = 0.55
ANGLE_ON_SIGMA = 1.2
NOISE_DEVIATIONS = 2.0  # k
NOISE_RESCALE = 1.7
LOW_PASS_CUTOFF = 0.45
LOW_PASS_ORDER = 15
EPSILON = 1e-4  # of the mean phase
T1 = 0.85  # phase congruency
T2 = 160.0  # gradient magnitude
T3 = T4 = 200.0  # chroma I and Q
LAMBDA = 0.03
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
TINY = 1e-30  # under roots, whose derivative at 0 is infinite
WEIGHT_FLOOR = 1e-12  # added to PC_m, which is 0.1 to 0.3 on average


def fsim(truth: jax.Array, output: jax.Array) -> jax.Array:
    """FSIM of each pair of grey images, float[B] in (0, 1], 1 for equal images; symmetric.

        FSIM = sum_x S_PC(x) S_G(x) PC_m(x) / sum_x PC_m(x)      (eq. 9)
        S_PC = (2 PC_1 PC_2 + T1) / (PC_1^2 + PC_2^2 + T1),  S_G the same of G and T2

    with G the Scharr gradient magnitude, zeros outside the image, and PC_m = max(PC_1, PC_2).  Both
    [B, H, W, 1], 0..255, at least 6 x 6 px.  Refuses colour: convert it first, or use `fsimc`.
    """
    return _fsim(*checks.float_pair("fsim", truth, output, min_side_px=MIN_WAVELENGTH_PX))


def fsimc(truth: jax.Array, output: jax.Array) -> jax.Array:
    """FSIMc of each pair of RGB images, float[B] in (0, 1], 1 for equal images; symmetric.

    FSIM of the luminance Y with, in the numerator, the factor real((S_I S_Q)^0.03) of the chroma
    terms I and Q (eq. 13).  For a negative product this is the real part of the principal root,
    |S_I S_Q|^0.03 cos(0.03 pi).  Both [B, H, W, 3], 0..255, at least 6 x 6 px.
    """
    pair = checks.float_pair("fsimc", truth, output, channels=(3,), min_side_px=MIN_WAVELENGTH_PX)
    return _fsimc(*pair)


# Compiled here, since a map outside of a compiled function is compiled at each call.
@jax.jit
def _fsim(truth: jax.Array, output: jax.Array) -> jax.Array:
    return _over_pairs(lambda pair: _score(*_grey_terms(_subsample(pair))), truth, output)


@jax.jit
def _fsimc(truth: jax.Array, output: jax.Array) -> jax.Array:
    def one(pair: jax.Array) -> jax.Array:
        red, green, blue = (pair[..., channel] for channel in range(3))
        yiq = [r * red + g * green + b * blue for r, g, b in YIQ.tolist()]
        yiq = _subsample(jnp.stack(yiq, axis=-1))
        similarity, weight = _grey_terms(yiq[..., :1])
        i, q = yiq[..., 1], yiq[..., 2]
        chroma = _similarity(i[0], i[1], T3) * _similarity(q[0], q[1], T4)
        # |x|^0.03 has no gradient at 0, which opposite colours can reach.
        root = jnp.exp(LAMBDA * jnp.log(jnp.maximum(jnp.abs(chroma), TINY)))
        root *= jnp.where(chroma < 0, math.cos(math.pi * LAMBDA), 1.0)
        return _score(similarity * root, weight)

    return _over_pairs(one, truth, output)


def _over_pairs(score: Callable, truth: jax.Array, output: jax.Array) -> jax.Array:
    """score([2, H, W, C]) of each pair in turn; its gradient keeps the images only."""
    return lax.map(jax.checkpoint(score), jnp.stack([truth, output], axis=1))


def _grey_terms(pair: jax.Array) -> tuple[jax.Array, jax.Array]:
    """S_PC S_G and PC_m, both [H, W], of a pair [2, H, W, 1]."""
    one, other = phase_congruency(pair[..., 0])
    square, other_square = _gradient_square(pair[..., 0])
    gradient = (2 * jnp.sqrt(square * other_square + TINY) + T2) / (square + other_square + T2)
    return _similarity(one, other, T1) * gradient, jnp.maximum(one, other)


def _similarity(x: jax.Array, y: jax.Array, constant: float) -> jax.Array:
    return (2 * x * y + constant) / (x * x + y * y + constant)


def _score(similarity: jax.Array, weight: jax.Array) -> jax.Array:
    weight += WEIGHT_FLOOR
    # From 1 downward, so that rounding of the sums counts for the difference only.
    return 1 - ((1 - similarity) * weight).sum() / weight.sum()


def _subsample(images: jax.Array) -> jax.Array:
    """Every F-th pixel of the F x F mean, zeros outside, as conv2(., 'same') and (1:F:end)."""
    factor = max(1, int(min(images.shape[1:3]) / 256 + 0.5))
    if factor == 1:
        return images
    around = ((factor - 1) // 2, factor // 2)
    images = lax.reduce_window(
        images,
        jnp.zeros((), images.dtype),
        lax.add,
        (1, factor, factor, 1),
        (1, factor, factor, 1),
        ((0, 0), around, around, (0, 0)),
    )
    return images / factor**2


def _gradient_square(images: jax.Array) -> jax.Array:
    """Squared Scharr gradient magnitude, zeros outside: [N, H, W] -> the same."""
    height, width = images.shape[1:]
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1)))

    def at(row: int, column: int) -> jax.Array:
        return padded[:, row : row + height, column : column + width]

    dx = 3 * (at(0, 2) - at(0, 0)) + 10 * (at(1, 2) - at(1, 0)) + 3 * (at(2, 2) - at(2, 0))
    dy = 3 * (at(2, 0) - at(0, 0)) + 10 * (at(2, 1) - at(0, 1)) + 3 * (at(2, 2) - at(0, 2))
    return (dx * dx + dy * dy) / 256  # 16 squared


def phase_congruency(images: jax.Array) -> jax.Array:
    """Kovesi's phase congruency PC_2 with noise compensation, [0, 1): float[N, H, W] -> the same.

    0 where an image has no structure.
    """
    size = images.shape[1:]
    radial, even, odd, noise = (jnp.asarray(part, images.dtype) for part in _filters(*size))
    # The first pixel makes a constant image exactly zero, the mean saves digits.
    images = images - images[:, :1, :1]
    images -= images.mean((1, 2), keepdims=True)
    spectrum = jnp.fft.rfft2(images) * radial[:, None]  # S, N, H, W/2+1

    def orientation(amplitude: jax.Array, parts: tuple[jax.Array, jax.Array]):
        even, odd = parts
        evens = jnp.fft.irfft2(spectrum * even, s=size)  # S, N, H, W
        odds = jnp.fft.irfft2(spectrum * odd * -1j, s=size)
        powers = [e * e + o * o for e, o in zip(evens, odds, strict=True)]  # S times N, H, W
        amplitude += sum(jnp.sqrt(power + TINY) for power in powers)
        e_sum, o_sum = sum(evens), sum(odds)
        square = e_sum * e_sum + o_sum * o_sum
        across = sum(jnp.abs(e * o_sum - o * e_sum) for e, o in zip(evens, odds, strict=True))
        return amplitude, (powers[0], (square - across) / (jnp.sqrt(square + TINY) + EPSILON))

    # One orientation at a time: its responses stay in the cache.
    amplitude, (powers, energies) = lax.scan(orientation, jnp.zeros_like(images), (even, odd))
    median = _median(powers.reshape(*powers.shape[:2], -1))
    thresholds = jnp.sqrt(median + TINY) * noise[:, None]  # O, N
    above = jnp.maximum(energies - thresholds[..., None, None], 0)  # O, N, H, W
    return sum(above) / amplitude


@functools.lru_cache(maxsize=32)
def _filters(height: int, width: int) -> tuple[np.ndarray, ...]:
    """Filters of one image size over the half spectrum of rfft2, float64, and their noise levels.

    radial [S, H, W/2+1], even and odd [O, H, W/2+1], noise [O]: filter (o, s) is
    radial_s (even_o + odd_o); T_o = noise_o * sqrt(median).
    """
    y, x = np.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    low_pass = 1 / (1 + (radius / LOW_PASS_CUTOFF) ** (2 * LOW_PASS_ORDER))
    radius[0, 0] = 1.0
    wavelengths = MIN_WAVELENGTH_PX * SCALE_FACTOR ** np.arange(NUM_SCALES)
    octaves = np.log(radius * wavelengths[:, None, None]) / np.log(SIGMA_ON_F)
    radial = np.exp(-(octaves**2) / 2) * low_pass  # S, H, W
    radial[:, 0, 0] = 0.0

    orientations = np.arange(NUM_ORIENTATIONS)[:, None, None] * np.pi / NUM_ORIENTATIONS
    sigma = np.pi / NUM_ORIENTATIONS / ANGLE_ON_SIGMA
    apart = np.arctan2(np.sin(angle - orientations), np.cos(angle - orientations))
    angular = np.exp(-((apart / sigma) ** 2) / 2)  # O, H, W
    opposite = np.roll(angular[:, ::-1, ::-1], (1, 1), (1, 2))  # at minus the frequency
    even, odd = (angular + opposite) / 2, (angular - opposite) / 2

    # Kovesi's estimate of E[energy^2] under white noise of unit power.
    filters = angular[:, None] * radial  # O, S, H, W
    kernels = np.fft.ifft2(filters).real * np.sqrt(height * width)
    squares = (kernels**2).sum((1, 2, 3))
    products = ((kernels.sum(1) ** 2).sum((1, 2)) - squares) / 2  # all pairs of scales
    power = 1 / np.log(2) / (filters[:, 0] ** 2).sum((1, 2))  # per median
    tau = np.sqrt(power * (2 * squares + 4 * products) / 2)
    noise = tau * (np.sqrt(np.pi / 2) + NOISE_DEVIATIONS * np.sqrt(2 - np.pi / 2))

    half = width // 2 + 1
    return radial[..., :half], even[..., :half], odd[..., :half], noise / NOISE_RESCALE


def _frequencies(side: int) -> np.ndarray:
    """Kovesi's frequencies in the order of an FFT; an odd side is spread over all of +-1/2."""
    return np.fft.ifftshift((np.arange(side) - side // 2) / (side - side % 2))


@jax.custom_jvp
def _median(x: jax.Array) -> jax.Array:
    """Median over the last axis of numbers >= 0; the mean of the middle two of an even count."""
    return sum(_middle(x)) / 2


@_median.defjvp
def _median_jvp(primals, tangents):
    """The derivative goes to the middle entries, in equal parts where several are equal."""
    (x,), (dx,) = primals, tangents
    low, high = _middle(x)

    def at(value: jax.Array) -> jax.Array:
        hit = (x == value[..., None]).astype(x.dtype)
        return (hit * dx).sum(-1) / hit.sum(-1)

    return (low + high) / 2, (at(low) + at(high)) / 2


def _middle(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two middle entries over the last axis, twice the same for an odd count.

    Numbers >= 0 are ordered as their bits are, so the lower one is built bit by bit from the top:
    a bit is set if no more than `rank` entries lie below the number with it.
    """
    rank = (x.shape[-1] - 1) // 2
    integer = jnp.int32 if x.dtype == jnp.float32 else jnp.int64
    top = jnp.finfo(x.dtype).bits - 2

    def refine(step: int, bits: jax.Array) -> jax.Array:
        candidate = bits | (jnp.ones((), integer) << (top - step).astype(integer))
        below = _count(x < lax.bitcast_convert_type(candidate, x.dtype)[..., None])
        return jnp.where(below <= rank, candidate, bits)

    bits = lax.fori_loop(0, top + 1, refine, jnp.zeros(x.shape[:-1], integer))
    low = lax.bitcast_convert_type(bits, x.dtype)
    if x.shape[-1] % 2:
        return low, low
    next_larger = jnp.where(x > low[..., None], x, jnp.inf).min(-1)
    return low, jnp.where(_count(x <= low[..., None]) > rank + 1, low, next_larger)


def _count(flags: jax.Array) -> jax.Array:
    """How many are true over the last axis, int32; ten vectors are added before the rest."""
    parts = 10
    flags = jnp.pad(flags, [(0, 0)] * (flags.ndim - 1) + [(0, -flags.shape[-1] % parts)])
    flags = flags.reshape(*flags.shape[:-1], parts, -1).astype(jnp.int32)
    return sum(flags[..., part, :] for part in range(parts)).sum(-1)
