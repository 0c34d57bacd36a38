"""What own photos have and studio photos lack: backgrounds, uneven light, poor cameras [ours].

Changes photos as inputs of nets; targets keep their light and their background.  Each effect is
drawn from one key per example.  Values are shares of the range from black (0) to white (1).
"""

import jax
import jax.numpy as jnp
from jax import lax
from ml_collections import ConfigDict

# Fields of `config.data`; 0 = off.  `configs/shared.py` says what they mean.
SHARES = ("backgrounds", "shade", "tint", "noise")  # in [0, 1]
LOSSES = ("resolution", "jpeg")  # in [0, 1)
FIELDS = (*SHARES, *LOSSES, "exposure", "blur_px")
_CELLS = (3, 7, 17)  # blobs of drawn backgrounds, on a side of the image
_TAPS = 4  # of the blur, on either side of a pixel
_BLOCK = 8  # side of the blocks of JPEG


def check(config: ConfigDict) -> None:
    """Raises ValueError naming a field whose number cannot work."""
    for name in SHARES:
        if not 0 <= config[name] <= 1:
            raise ValueError(f"data.{name}: expected a number in [0, 1], got {config[name]}")
    for name in LOSSES:
        if not 0 <= config[name] < 1:
            raise ValueError(f"data.{name}: expected a number in [0, 1), got {config[name]}")
    if not 0 <= config.exposure <= 4:
        raise ValueError(f"data.exposure: expected 0 to 4 stops, got {config.exposure}")
    if not 0 <= config.blur_px <= _TAPS / 2:
        raise ValueError(f"data.blur_px: expected 0 to {_TAPS / 2:g} px, got {config.blur_px}")


def any_of(config: ConfigDict) -> bool:
    """Whether any of these effects is on."""
    return any(config[name] for name in FIELDS)


def apply(
    photo: jax.Array, person: jax.Array | None, keys: jax.Array, config: ConfigDict
) -> jax.Array:
    """Photos float32[B, H, W, 3] in [-1, 1] under random conditions, in the same range.

    person: float32[B, H, W, 1] in [-1, 1], 1 = the person, -1 = the background; None without
    `backgrounds`.  keys: Key[B].
    """

    def one(key: jax.Array, photo: jax.Array, person: jax.Array) -> jax.Array:
        keys = jax.random.split(key, 8)
        x = (photo + 1) / 2
        x = _exposed(keys[0], x, config.exposure)
        if config.backgrounds:
            x = _before_another_background(keys[1], x, (person + 1) / 2, config.backgrounds)
        x = _shaded(keys[2], x, config.shade)
        x = x * (1 + config.tint * jax.random.uniform(keys[3], (3,), minval=-1.0))
        if config.blur_px:
            x = _blurred(keys[4], x, config.blur_px)
        if config.resolution:
            x = _reduced(keys[6], x, config.resolution)
        x = jnp.clip(x + _grain(keys[5], x, config.noise), 0, 1)
        if config.jpeg:
            x = _compressed(keys[7], x, config.jpeg)
        return jnp.clip(2 * x - 1, -1, 1)

    if person is None:
        person = jnp.ones((*photo.shape[:3], 1))
    return jax.vmap(one)(keys, photo, person)


def _exposed(key: jax.Array, x: jax.Array, stops: float) -> jax.Array:
    """Up to `stops` darker, or a quarter of that brighter: faces darker than the studio's."""
    return x * 2 ** jax.random.uniform(key, minval=-stops, maxval=stops / 4)


def _before_another_background(
    key: jax.Array, x: jax.Array, person: jax.Array, probability: float
) -> jax.Array:
    """With this probability: a level, a gradient and coloured blobs of several sizes."""
    draw, level, slope, strength, *blobs = jax.random.split(key, 4 + len(_CELLS))
    size = x.shape[:2]
    new = jax.random.uniform(level, (3,)) * 0.5 + jax.random.uniform(level, ()) * 0.5
    new = new + _gradient(slope, size, 0.4)
    weights = jax.random.uniform(strength, (len(_CELLS),)) ** 2 * 0.3
    for cells, weight, blob in zip(_CELLS, weights, blobs, strict=True):
        colour_key, grey_key = jax.random.split(blob)
        noise = jax.random.normal(colour_key, (cells, cells, 3)) * 0.3
        noise = noise + jax.random.normal(grey_key, (cells, cells, 1))
        new = new + weight * jax.image.resize(noise, (*size, 3), "cubic")
    drawn = person * x + (1 - person) * jnp.clip(new, 0, 1)
    return jnp.where(jax.random.bernoulli(draw, probability), drawn, x)


def _gradient(key: jax.Array, size: tuple[int, int], limit: float) -> jax.Array:
    """A plane [H, W, 1] from -s to s across the image in a random direction, s up to `limit`."""
    angle_key, size_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, maxval=2 * jnp.pi)
    y, x = (jnp.linspace(-1, 1, px) for px in size)
    plane = jnp.sin(angle) * y[:, None] + jnp.cos(angle) * x[None, :]
    return limit * jax.random.uniform(size_key) * plane[..., None]


def _shaded(key: jax.Array, x: jax.Array, limit: float) -> jax.Array:
    """Brighter on one side than on the other."""
    return x * (1 + _gradient(key, x.shape[:2], limit))


def _blurred(key: jax.Array, x: jax.Array, limit_px: float) -> jax.Array:
    """By a Gaussian with a deviation of up to limit_px."""
    deviation = jnp.maximum(limit_px * jax.random.uniform(key), 0.05)
    weights = jnp.exp(-0.5 * (jnp.arange(-_TAPS, _TAPS + 1) / deviation) ** 2)
    weights = weights / weights.sum()
    for axis in (0, 1):
        pads = [(_TAPS, _TAPS) if axis == a else (0, 0) for a in range(3)]
        padded = jnp.pad(x, pads, mode="edge")
        parts = [
            weight * lax.slice_in_dim(padded, i, i + x.shape[axis], axis=axis)
            for i, weight in enumerate(weights)
        ]
        x = sum(parts)
    return x


def _grain(key: jax.Array, x: jax.Array, limit: float) -> jax.Array:
    """White noise with a deviation of up to `limit`."""
    size_key, noise_key = jax.random.split(key)
    return limit * jax.random.uniform(size_key) * jax.random.normal(noise_key, x.shape)


def _reduced(key: jax.Array, x: jax.Array, limit: float) -> jax.Array:
    """Scaled down, to at least 1 - limit of its size, and up again, linearly."""
    factor = jnp.full(2, 1 - limit * jax.random.uniform(key))
    x = jnp.concatenate([x, jnp.ones_like(x[..., :1])], axis=-1)  # 1: how much of it is inside
    for scale in (factor, 1 / factor):
        x = jax.image.scale_and_translate(x, x.shape, (0, 1), scale, jnp.zeros(2), "linear")
    return x[..., :-1] / x[..., -1:]


def _compressed(key: jax.Array, x: jax.Array, limit: float) -> jax.Array:
    """Each colour quantised in blocks, as JPEG of a quality from 1 - limit to 1 does it.

    The steps are nearly those of the standard's table for brightness; the first block begins
    anywhere.
    """
    place_key, quality_key = jax.random.split(key)
    height, width, _ = x.shape
    place = jax.random.randint(place_key, (2,), 0, _BLOCK)
    quality = 1 - limit * jax.random.uniform(quality_key)
    coarseness = jnp.where(quality < 0.5, 0.5 / quality, 2 - 2 * quality)
    order = jnp.arange(_BLOCK)
    steps = jnp.maximum(coarseness * (10 + 6.5 * (order[:, None] + order)), 1) / 255

    waves = jnp.cos(jnp.pi / _BLOCK * (order + 0.5) * order[:, None]) / 2  # a row per frequency
    waves = waves.at[0].divide(jnp.sqrt(2.0))  # orthonormal
    padded = jnp.pad(x, ((0, -height % _BLOCK), (0, -width % _BLOCK), (0, 0)), "edge")
    blocks = jnp.roll(padded, place, (0, 1))
    blocks = blocks.reshape(padded.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK, 3)
    found = jnp.einsum("fi,gj,aibjc->abcfg", waves, waves, blocks)
    found = jnp.rint(found / steps) * steps
    blocks = jnp.einsum("fi,gj,abcfg->aibjc", waves, waves, found)
    return jnp.roll(blocks.reshape(padded.shape), -place, (0, 1))[:height, :width]
