"""Square crops of a photo at a net's size; beyond the photo they are black."""

import math

import numpy as np
from PIL import Image

_BILINEAR = Image.Resampling.BILINEAR


def cut(photo: Image.Image, squares: np.ndarray, size: int) -> np.ndarray:
    """uint8[N, size, size, 3]: the squares float[N, 4] of the photo, with smoothing."""
    return np.stack([np.asarray(_cut(photo, square, size)) for square in squares])


def _cut(photo: Image.Image, square: np.ndarray, size: int) -> Image.Image:
    low, high = np.floor(square[:2]).astype(int), np.ceil(square[2:]).astype(int)
    high = np.maximum(high, low + 1)
    if min(low) >= 0 and high[0] <= photo.width and high[1] <= photo.height:
        return photo.resize((size, size), _BILINEAR, box=tuple(square), reducing_gap=2.0)
    part = photo.crop((*low, *high))
    inner = np.clip(square - np.tile(low, 2), 0, np.tile(high - low, 2))
    return part.resize((size, size), _BILINEAR, box=tuple(inner), reducing_gap=2.0)


def turned(photo: Image.Image, centre: np.ndarray, side: complex, size: int) -> np.ndarray:
    """uint8[size, size, 3]: the square around `centre` whose upper side is the vector `side`.

    `side` is x + iy, in pixels.
    """
    reach = abs(side) * (abs(math.cos(np.angle(side))) + abs(math.sin(np.angle(side)))) / 2
    around = np.array([*(centre - reach), *(centre + reach)])
    scale = min(4 * size, 2 * size * reach / abs(side) * 2)
    part = _cut(photo, around, round(scale))
    step = side / size * (round(scale) / (2 * reach))  # pixels of `part` per pixel of the crop
    origin = (1 + 1j) * round(scale) / 2 - step * (1 + 1j) * size / 2
    matrix = (step.real, -step.imag, origin.real, step.imag, step.real, origin.imag)
    return np.asarray(part.transform((size, size), Image.Transform.AFFINE, matrix, _BILINEAR))


def placed(points: np.ndarray, centre: np.ndarray, side: complex) -> np.ndarray:
    """Points float[N, 2] of the unit square that `turned` cuts out -> pixels of the photo."""
    z = (points[:, 0] + 1j * points[:, 1] - (0.5 + 0.5j)) * side
    return centre + np.stack([z.real, z.imag], axis=1)
