"""A photo in many sizes, side by side in one image of a fixed shape.

One call of the first net then sees all sizes, and one program is compiled for all photos.
"""

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.nets import mtcnn

SMALLEST_PX = 24  # side of the smallest face that is looked for, on the canvas
STEP = 0.709  # between two sizes: half the area
GREY = (127, 127, 127)  # 0 for the nets


class Tile(NamedTuple):
    """The square of `size` pixels from (x, y) of the mosaic that holds the canvas once."""

    size: int
    x: int
    y: int


@functools.cache
def layout(canvas: int) -> tuple[tuple[Tile, ...], tuple[int, int]]:
    """Tiles of a square canvas, largest first, and (height, width) of the mosaic.

    They stand in columns of the first one's height, at multiples of the net's stride.
    """
    even = lambda size: -(-size // mtcnn.STRIDE) * mtcnn.STRIDE  # noqa: E731
    scale, tiles, columns = mtcnn.WINDOW / SMALLEST_PX, [], []  # column: [x, height used]
    height, width = even(round(canvas * scale)), 0
    while (size := round(canvas * scale)) >= mtcnn.WINDOW:
        column = next((c for c in columns if c[1] + size <= height), None)
        if column is None:
            columns.append(column := [width, 0])
            width += even(size)
        tiles.append(Tile(size, *column))
        column[1] += even(size)
        scale *= STEP
    return tuple(tiles), (height, width)


def reduced(image: Image.Image, canvas: int) -> tuple[Image.Image, float]:
    """The image at the top left of a grey square canvas, and how much smaller it is there (<= 1).

    A smaller image keeps its size.
    """
    scale = min(1.0, canvas / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    result = Image.new("RGB", (canvas, canvas), GREY)
    result.paste(small)
    return result, scale


def mosaic(canvas: Image.Image) -> np.ndarray:
    """uint8[1, H, W, 3]: the canvas in all sizes."""
    tiles, (height, width) = layout(canvas.width)
    result = np.full((1, height, width, 3), GREY[0], np.uint8)
    for size, x, y in tiles:
        small = canvas.resize((size, size), Image.Resampling.BILINEAR)
        result[0, y : y + size, x : x + size] = np.asarray(small)
    return result


def windows(canvas: int, tile: Tile, scores: np.ndarray, boxes: np.ndarray, threshold: float):
    """What the first net found in a tile of its maps [h, w] and [h, w, 4].

    Returns (scores [N], boxes [N, 4] in pixels of the canvas).
    """
    stride, window = mtcnn.STRIDE, mtcnn.WINDOW
    rows, columns, count = tile.y // stride, tile.x // stride, (tile.size - window) // stride + 1
    part = scores[rows : rows + count, columns : columns + count]
    y, x = np.nonzero(part > threshold)
    corners = np.stack([x, y, x, y], 1) * stride + (0, 0, window, window)
    offsets = boxes[rows + y, columns + x] * window
    return part[y, x], (corners + offsets) * (canvas / tile.size)
