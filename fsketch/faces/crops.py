"""Square crops of a photo at a net's size; beyond the photo they are black."""

from typing import NamedTuple

import numpy as np
from PIL import Image

_BILINEAR = Image.Resampling.BILINEAR
_PATCH = 160  # pixels of the part of the photo that views are taken from
_REACH = 1.6  # its side in sides of the square: a square in any turn, and somewhat larger


class View(NamedTuple):
    """A square of a photo in any turn; points in pixels of the photo as x + iy.

    side: the vector of its upper side.  is_mirrored: left and right are swapped in it.
    """

    centre: complex
    side: complex
    is_mirrored: bool = False

    def placed(self, points: np.ndarray) -> np.ndarray:
        """Points complex[...] of the unit square that is seen -> of the photo."""
        points = points - (0.5 + 0.5j)
        return self.centre + (-points.conj() if self.is_mirrored else points) * self.side


def cut(photo: Image.Image, squares: np.ndarray, size: int) -> np.ndarray:
    """uint8[N, size, size, 3]: upright squares float[N, 4] of the photo, N > 0."""
    return np.stack([np.asarray(_cut(photo, square, size)) for square in squares])


def views(photo: Image.Image, seen: list[View], size: int) -> np.ndarray:
    """uint8[N, size, size, 3]: views around one centre, N > 0, of about the same size."""
    centre, side = seen[0].centre, max(abs(view.side) for view in seen)
    half = _REACH / 2 * side
    corner = centre - half * (1 + 1j)
    square = np.array([corner.real, corner.imag, centre.real + half, centre.imag + half])
    patch = _cut(photo, square, _PATCH)
    return np.stack([_view(patch, view, corner, _PATCH / (2 * half), size) for view in seen])


def _view(patch: Image.Image, view: View, corner: complex, scale: float, size: int) -> np.ndarray:
    """A view in a part of the photo that starts at `corner` and is `scale` times as large."""
    start, right, down = ((view.placed(np.array(p)) - corner) * scale for p in (0, 1, 1j))
    right, down = (right - start) / size, (down - start) / size
    matrix = (right.real, down.real, start.real, right.imag, down.imag, start.imag)
    return np.asarray(patch.transform((size, size), Image.Transform.AFFINE, matrix, _BILINEAR))


def _cut(photo: Image.Image, square: np.ndarray, size: int) -> Image.Image:
    low, high = np.floor(square[:2]).astype(int), np.ceil(square[2:]).astype(int)
    high = np.maximum(high, low + 1)
    if min(low) < 0 or high[0] > photo.width or high[1] > photo.height:
        photo = photo.crop((*low, *high))  # black beyond it
        square = np.clip(square - np.tile(low, 2), 0, np.tile(high - low, 2))
    return photo.resize((size, size), _BILINEAR, box=tuple(square), reducing_gap=2.0)
