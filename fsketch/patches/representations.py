"""Representations of patches: an image in [0, 1] -> a map float32[..., H, W, D] of its size.

`REPRESENTATIONS` names them.  IDE's stage 1 compares intensities, grey or CIELAB; the
multi-representation network of its authors (MrFSPS) adds filtered images and descriptors
[secondary].  Which filters, and all constants here, are [inferred].
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.core import images


def grey(image: jax.Array) -> jax.Array:
    """BT.601 luma of [..., H, W, 1 or 3]."""
    return image if image.shape[-1] == 1 else _mixed(image, np.asarray([images.LUMA]))


def colour(image: jax.Array) -> jax.Array:
    """The channels as they are."""
    return image


def lab(image: jax.Array) -> jax.Array:
    """CIELAB (D65, 2 degrees) of sRGB, divided by 100; L alone for a grey image."""
    if image.shape[-1] == 1:
        return lab(images.to_rgb(image))[..., :1]
    linear = jnp.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    xyz = _mixed(linear, _XYZ / _XYZ.sum(1, keepdims=True))
    edge = 6 / 29
    root = jnp.where(xyz > edge**3, jnp.cbrt(xyz), xyz / (3 * edge**2) + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1) / 100


_XYZ = np.array(  # IEC 61966-2-1, from linear RGB
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
)


def gaussian(image: jax.Array) -> jax.Array:
    """Grey, blurred with sigma 2 px."""
    return _blur(grey(image), 2.0)


def dog(image: jax.Array) -> jax.Array:
    """Difference of Gaussians of grey, sigma 1 less sigma 4 px: edges without brightness."""
    x = grey(image)
    return _blur(x, 1.0) - _blur(x, 4.0)


def csdn(image: jax.Array) -> jax.Array:
    """Centre-surround divisive normalisation: (x - m) / (s + 0.05).

    m and s: mean and standard deviation of grey around the pixel, weighted by a Gaussian of sigma
    8 px.  Neither brightness nor contrast is left.
    """
    x = grey(image)
    mean = _blur(x, 8.0)
    variance = _blur(jnp.square(x - mean), 8.0)
    return (x - mean) / (jnp.sqrt(variance + 1e-8) + 0.05)


def surf(image: jax.Array) -> jax.Array:
    """Sums of a SURF descriptor's cell at each pixel: dx, dy, |dx|, |dy| under sigma 2 px."""
    x = grey(image)
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)], mode="edge")
    down = (padded[..., 2:, 1:-1, :] - padded[..., :-2, 1:-1, :]) / 2
    across = (padded[..., 1:-1, 2:, :] - padded[..., 1:-1, :-2, :]) / 2
    return _blur(jnp.concatenate([across, down, abs(across), abs(down)], -1), 2.0)


def lbp(image: jax.Array) -> jax.Array:
    """Local binary pattern, one bit per channel: is each of 8 neighbours, 2 px away, lighter?

    The bit is soft, x / sqrt(x^2 + 0.02^2) of the difference x, so that noise does not decide.
    """
    x = grey(image)
    height, width = x.shape[-3:-1]
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [(2, 2), (2, 2), (0, 0)], mode="edge")
    around = [
        padded[..., i : i + height, j : j + width, :]
        for i in (0, 2, 4)
        for j in (0, 2, 4)
        if (i, j) != (2, 2)
    ]
    difference = jnp.concatenate(around, -1) - x
    return difference / jnp.sqrt(jnp.square(difference) + 0.02**2)


REPRESENTATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    function.__name__: function for function in (grey, colour, lab, gaussian, dog, csdn, surf, lbp)
}


def _mixed(image: jax.Array, matrix: np.ndarray) -> jax.Array:
    """Channels [..., C] times a matrix [C', C]."""
    return jnp.matmul(image, jnp.asarray(matrix.T, jnp.float32), precision="highest")


def _blur(x: jax.Array, sigma: float) -> jax.Array:
    """A Gaussian up to 3 sigma; beyond the border the last pixel repeats."""
    rows, columns = (jnp.asarray(_band(side, sigma)) for side in x.shape[-3:-1])
    return jnp.einsum("hi,...ijc,wj->...hwc", rows, x, columns, precision="highest")


def _band(side: int, sigma: float) -> np.ndarray:
    """The blur of a line of pixels as a matrix float32[side, side]."""
    offsets = np.arange(-round(3 * sigma), round(3 * sigma) + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((side, side), np.float32)
    places = np.clip(np.arange(side)[:, None] + offsets, 0, side - 1)
    np.add.at(matrix, (np.arange(side)[:, None], places), weights / weights.sum())
    return matrix
