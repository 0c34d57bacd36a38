"""Portraits in the colours and the grain of a painting, by a plain image filter.

For procedural data only: nothing is learnt, and no stroke follows the face, unlike in what a style
network (methods/style.py) makes.  A face's grey levels, spread evenly, choose colours along the
painting's own scale from dark to light; the painting's fine structure is laid over them.
"""

import numpy as np

from fsketch.core import images

LEVELS = 12  # colours of a painting's scale
FLATTEN = 0.6  # share of the grey levels' even spread in the tone, the rest being the levels
GRAIN = 0.55  # share of the painting's fine structure that is laid over
BLUR_PX = 3  # half width of the mean that is not fine structure


def imitate(face: np.ndarray, painting: np.ndarray, *, corner: tuple[int, int]) -> np.ndarray:
    """A face uint8[H, W, 3] after a painting uint8[H', W', 3], at least as large: uint8[H, W, 3].

    corner: (top, left) of the painting's part that gives the grain.
    """
    height, width = face.shape[:2]
    top, left = corner
    part = painting[top : top + height, left : left + width].astype(np.float64)
    if part.shape[:2] != (height, width):
        raise ValueError(
            f"painting: {painting.shape[:2]} px, too small for a face of {height} x {width} "
            f"at {corner}"
        )
    luma = face @ np.asarray(images.LUMA)  # H x W, 0..255
    even = (np.searchsorted(np.sort(luma, axis=None), luma) + 0.5) / luma.size
    tone = FLATTEN * even + (1 - FLATTEN) * luma / 255
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    scale = _scale(painting)
    colour = np.stack([np.interp(tone, at, scale[:, c]) for c in range(3)], -1)
    return np.clip(np.rint(colour + GRAIN * (part - _blurred(part))), 0, 255).astype(np.uint8)


def _scale(painting: np.ndarray) -> np.ndarray:
    """Mean colours of LEVELS equal shares of a painting's pixels, dark to light, [LEVELS, 3]."""
    pixels = painting.reshape(-1, 3).astype(np.float64)
    order = np.argsort(pixels @ np.asarray(images.LUMA), kind="stable")
    return np.stack([share.mean(0) for share in np.array_split(pixels[order], LEVELS)])


def _blurred(image: np.ndarray) -> np.ndarray:
    """Means over squares of 2 BLUR_PX + 1 px a side, mirrored at the border."""
    side = 2 * BLUR_PX + 1
    for axis in (0, 1):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (BLUR_PX, BLUR_PX)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(image, pad, mode="reflect"), side, axis=axis
        )
        image = windows.mean(-1)
    return image
