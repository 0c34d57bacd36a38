"""Which pixels of a studio photo are the person, and which its even background.

The background is what has the colour of the upper border and is connected to the border; black
wedges that a rotation left are part of it.  On photos before busy backgrounds nothing is found,
and all of it counts as the person.
"""

import numpy as np
from scipy import ndimage

LEVEL = 0.5  # weight of a difference in luma beside one in chroma: light falls off, colour does not
DISTANCE = 30.0  # grey levels from the background's colour to the first that is not its
TOP = 0.3  # share of the height from which the background's colour is taken
BLACK = {3: 6, 1: 40}  # the brightest level of a wedge, in photos and in sketches
SMOOTH_PX = 4  # margin for smoothing the outline
SOFT_PX = 0.8  # deviation of the soft edge
LUMA = np.array([0.299, 0.587, 0.114])


def person(photo: np.ndarray) -> np.ndarray:
    """Photo uint8[H, W, 3] -> uint8[H, W, 1]: 255 the person, 0 the background, soft between."""
    image = photo.astype(np.float32)
    wedge = _wedge(photo)
    luma = image @ LUMA
    border = np.zeros(luma.shape, bool)
    rows = int(TOP * len(luma))
    border[:4], border[:rows, :4], border[:rows, -4:] = True, True, True
    seen = border & ~wedge
    if not seen.any():
        return np.full((*luma.shape, 1), 255, np.uint8)
    chroma = image - luma[..., None]
    away = np.hypot(
        np.linalg.norm(chroma - np.median(chroma[seen], 0), axis=-1),
        LEVEL * (luma - np.median(luma[seen])),
    )
    found = np.pad(_connected((away < DISTANCE) | wedge), SMOOTH_PX, mode="edge")
    found = ndimage.binary_opening(ndimage.binary_closing(found, iterations=2), iterations=2)
    found = found[SMOOTH_PX:-SMOOTH_PX, SMOOTH_PX:-SMOOTH_PX] | wedge
    inside = ndimage.binary_erosion(ndimage.binary_fill_holes(~found), border_value=1)  # no fringe
    soft = ndimage.gaussian_filter(inside.astype(np.float32), SOFT_PX)
    return np.rint(255 * soft).astype(np.uint8)[..., None]


def on_paper(sketch: np.ndarray) -> np.ndarray:
    """Sketch uint8[H, W, C] with white in place of the black wedges that a rotation left."""
    wedge = _wedge(sketch)
    return np.where(wedge[..., None], np.uint8(255), sketch)


def _wedge(image: np.ndarray) -> np.ndarray:
    """Black areas bool[H, W] that are connected to the border, with their soft edge."""
    return ndimage.binary_dilation(
        _connected(image.max(-1) <= BLACK[image.shape[-1]]), iterations=2
    )


def _connected(wanted: np.ndarray) -> np.ndarray:
    """The wanted pixels bool[H, W] that are connected to the border by wanted ones."""
    rim = np.ones(wanted.shape, bool)
    rim[1:-1, 1:-1] = False
    return ndimage.binary_propagation(wanted & rim, mask=wanted)
