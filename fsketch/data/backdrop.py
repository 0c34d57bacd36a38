"""Which pixels of a studio photo are the person, and which its even background.

The background is what has the colour of the upper border and is connected to the border; black
wedges that a rotation left are part of it.  On photos before busy or dark backgrounds nothing is
found, and all of it counts as the person.
"""

import numpy as np
from scipy import ndimage

LEVEL = 0.5  # weight of a difference in luma beside one in chroma: light falls off, colour does not
DISTANCE = 30.0  # grey levels from the background's colour to the first that is not its
TOP = 0.3  # share of the height from which the background's colour is taken
EVEN = 0.95  # share of the border with the background's colour; below it the background is busy
LIGHT = 100  # luma of a studio's background at least; hair is not told from darker ones
LEAST = 0.2  # share of a photo that a person fills; below it nothing was told apart
BLACK = 48  # level that no pixel of a wedge reaches, but for noise
WEDGE = 1 / 6  # how deep a wedge can be, as a share of the side that it lies across
SMOOTH_PX = 4  # margin for smoothing the outline
SOFT_PX = 0.8  # deviation of the soft edge
LUMA = np.array([0.299, 0.587, 0.114])


def person(photo: np.ndarray) -> np.ndarray:
    """Photo uint8[H, W, 3] -> uint8[H, W, 1]: 255 the person, 0 the background, soft between."""
    image = photo.astype(np.float32)
    wedge = wedges(photo)
    luma = image @ LUMA
    border = np.zeros(luma.shape, bool)
    rows = int(TOP * len(luma))
    border[:4], border[:rows, :4], border[:rows, -4:] = True, True, True
    seen = border & ~wedge if (border & ~wedge).any() else border
    chroma = image - luma[..., None]
    away = np.hypot(
        np.linalg.norm(chroma - np.median(chroma[seen], 0), axis=-1),
        LEVEL * (luma - np.median(luma[seen])),
    )
    if (away[seen] < DISTANCE).mean() < EVEN or np.median(luma[seen]) < LIGHT:
        return np.full((*luma.shape, 1), 255, np.uint8)
    found = np.pad(_connected((away < DISTANCE) | wedge), SMOOTH_PX, mode="edge")
    found = ndimage.binary_opening(ndimage.binary_closing(found, iterations=2), iterations=2)
    found = found[SMOOTH_PX:-SMOOTH_PX, SMOOTH_PX:-SMOOTH_PX] | wedge
    inside = ndimage.binary_erosion(ndimage.binary_fill_holes(~found), border_value=1)  # no fringe
    if inside.mean() < LEAST:
        return np.full((*luma.shape, 1), 255, np.uint8)
    soft = ndimage.gaussian_filter(inside.astype(np.float32), SOFT_PX)
    return np.rint(255 * soft).astype(np.uint8)[..., None]


def on_paper(sketch: np.ndarray) -> np.ndarray:
    """Sketch uint8[H, W, C] with white in place of the black wedges that a rotation left."""
    return np.where(wedges(sketch)[..., None], np.uint8(255), sketch)


def wedges(image: np.ndarray) -> np.ndarray:
    """Where a rotation left black wedges at the sides: bool[H, W]; image: uint8[H, W, C].

    At each side, the most that a straight line cuts off of which nearly all is black, and of what
    lies beyond the line is not: dark hair that reaches the side has no such edge.
    """
    dark = image.max(-1) < BLACK
    found = np.zeros_like(dark)
    for turn in range(4):
        np.rot90(found, turn)[...] |= _cut_off(np.rot90(dark, turn))
    ends = image.max(-1) < 4 * BLACK  # where a wedge is thin, it is grey
    ends[2:-2, 2:-2] = False
    found = ndimage.binary_propagation(found, mask=found | ends)
    return ndimage.binary_dilation(found, iterations=2)  # with its soft edge


def _cut_off(dark: np.ndarray) -> np.ndarray:
    """The wedge at the upper side of bool[H, W]."""
    height, width = dark.shape
    deepest = int(height * WEDGE)
    if not dark[0, [0, -1]].any() or deepest < 1:
        return np.zeros_like(dark)
    ends = np.linspace(-2 * deepest, deepest, 48)  # depth at the left and the right end of a line
    left, right = np.meshgrid(ends, ends)
    along = np.linspace(0, 1, width)
    depth = left[..., None] * (1 - along) + right[..., None] * along
    depth = np.clip(np.rint(depth), 0, deepest).astype(int)  # lines x lines x W
    counts = np.concatenate([np.zeros((1, width), int), dark.cumsum(0)])  # in the first n rows
    columns = np.arange(width)
    inside, beyond = counts[depth, columns], counts[np.minimum(depth + 4, height), columns]
    area, length = depth.sum(-1), (depth > 0).sum(-1)
    beyond = np.where(depth > 0, beyond - inside, 0).sum(-1)
    fits = (inside.sum(-1) >= 0.97 * area) & (beyond <= 0.6 * 4 * length) & (area > width // 20)
    best = np.unravel_index(np.argmax(np.where(fits, area, 0)), area.shape)
    return np.arange(height)[:, None] < depth[best] if fits[best] else np.zeros_like(dark)


def _connected(wanted: np.ndarray) -> np.ndarray:
    """The wanted pixels bool[H, W] that are connected to the border by wanted ones."""
    rim = np.ones(wanted.shape, bool)
    rim[1:-1, 1:-1] = False
    return ndimage.binary_propagation(wanted & rim, mask=wanted)
