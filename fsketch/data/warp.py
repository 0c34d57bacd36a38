"""Random in-plane affine moves of aligned faces, which make a portrait unaligned.

Source: IFRP, arXiv 1904.04241: real faces are moved by random in-plane affine transformations,
then stylised [paper].  Rotations of up to 30 degrees are those of its ablation [paper]; ranges of
shift and size are not published [inferred].

Everything is a pure function of (seed, id), computed in numpy, float64: the same on any machine,
whatever the order or the number of processes.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

# The rotations of the ablation, by their number: eleven, not evenly spaced [paper]; the text does
# not list the five [inferred].
ANGLES_DEG = {
    11: (-30, -20, -15, -10, -5, 0, 5, 10, 15, 20, 30),
    5: (-30, -15, 0, 15, 30),
}


class Pose(NamedTuple):
    """The pose of a face in its picture; the default is upright, centred, in its own size.

    rotation_deg: anticlockwise.  scale: factor.  shift_x, shift_y: right and down, in shares of
    the picture's width and height.
    """

    rotation_deg: float = 0.0
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0


def draw(
    seed: int,
    id: str,
    *,
    rotation_deg: float,
    shift: float,
    scale: tuple[float, float],
    angles_deg: Sequence[float] = (),
) -> Pose:
    """The pose of an id: uniform within -+ rotation_deg, -+ shift, and scale's two bounds.

    angles_deg: if any, choose from these rotations instead, each as probable as the others.
    """
    digest = hashlib.sha256(f"{seed}/{id}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:16], "little"))
    turn, size, right, down = random.random(4)
    rotation = rotation_deg * (2 * turn - 1)
    if angles_deg:
        rotation = angles_deg[int(turn * len(angles_deg))]
    low, high = scale
    return Pose(
        rotation_deg=float(rotation),
        scale=float(low + (high - low) * size),
        shift_x=float(shift * (2 * right - 1)),
        shift_y=float(shift * (2 * down - 1)),
    )


def angles(number: int) -> tuple[int, ...]:
    """The ablation's set of so many rotations in degrees; () for 0, any angle."""
    if number and number not in ANGLES_DEG:
        expected = ", ".join(str(key) for key in (0, *sorted(ANGLES_DEG)))
        raise ValueError(f"portraits.num_angles: expected one of {expected}, got {number}")
    return ANGLES_DEG.get(number, ())


def apply(image: np.ndarray, pose: Pose) -> np.ndarray:
    """The picture with its face in this pose: uint8[H, W, C] -> the same.

    Turned and scaled about the middle (of the pixels' grid, ((W - 1) / 2, (H - 1) / 2)), then
    shifted; sampled bilinearly.  Beyond its border a picture continues as its mirror image, the
    border pixels once, so that no black corner reveals the angle [inferred: the paper's filling is
    not published].
    """
    height, width = image.shape[:2]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    angle = np.deg2rad(pose.rotation_deg)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    u = x - middle[0] - pose.shift_x * width
    v = y - middle[1] - pose.shift_y * height
    # Backwards: the source of the pixel (x, y) of the result.
    cos, sin = np.cos(angle) / pose.scale, np.sin(angle) / pose.scale
    source_x = _snapped(middle[0] + cos * u - sin * v)
    source_y = _snapped(middle[1] + sin * u + cos * v)
    left, top = np.floor(source_x).astype(int), np.floor(source_y).astype(int)
    right_share, lower_share = (source_x - left)[..., None], (source_y - top)[..., None]
    rows = [_mirrored(top + step, height) for step in (0, 1)]
    columns = [_mirrored(left + step, width) for step in (0, 1)]
    pixels = image.astype(np.float64)
    upper, lower = (
        pixels[row, columns[0]] * (1 - right_share) + pixels[row, columns[1]] * right_share
        for row in rows
    )
    return np.rint(upper * (1 - lower_share) + lower * lower_share).astype(np.uint8)


def _snapped(position: np.ndarray) -> np.ndarray:
    """Makes positions whole that are whole up to rounding, so that a pixel's copy is exact."""
    whole = np.rint(position)
    return np.where(np.abs(position - whole) < 1e-9, whole, position)


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Indices of a row of `size` pixels and its mirror images: ... 1 0 1 ... n-1 n-2."""
    period = max(2 * (size - 1), 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros_like(index)


def square(image: np.ndarray, *, share: float, size_px: int) -> np.ndarray:
    """The centred square of `share` of the shorter side, resized: uint8[size_px, size_px, C].

    Bicubic, antialiased if it shrinks.
    """
    height, width = image.shape[:2]
    side = max(1, round(share * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    cut = image[top : top + side, left : left + side]
    if side == size_px:
        return cut
    flat = Image.fromarray(cut[..., 0] if cut.shape[-1] == 1 else cut)
    made = np.asarray(flat.resize((size_px, size_px), Image.Resampling.BICUBIC))
    return made if made.ndim == 3 else made[..., None]
