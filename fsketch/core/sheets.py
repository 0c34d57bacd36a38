"""Contact sheets: labelled rows of images."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT_PX, GAP_PX = 13, 2
INK = (90, 90, 90)


def sheet(rows: Mapping[str, Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of images uint8[H, W, 1 or 3] by label -> one uint8[H', W', 3] on white.

    The label stands above its row, in grey.  Rows may differ in length and images in size: a row
    is as high as its highest image, a column as wide as the widest image of all.
    """
    font = ImageFont.load_default(FONT_PX)
    label_px = FONT_PX + 2 * GAP_PX
    heights = [label_px + max(image.shape[0] for image in row) + GAP_PX for row in rows.values()]
    column_px = GAP_PX + max(image.shape[1] for row in rows.values() for image in row)
    widths = [len(row) * column_px for row in rows.values()]
    widths += [int(font.getlength(label)) for label in rows]
    made = Image.new("RGB", (GAP_PX + max(widths), sum(heights)), "white")
    draw, top = ImageDraw.Draw(made), 0
    for (label, row), height in zip(rows.items(), heights, strict=True):
        draw.text((GAP_PX, top), label, fill=INK, font=font)
        for column, image in enumerate(row):
            rgb = np.broadcast_to(image, (*image.shape[:2], 3))
            made.paste(Image.fromarray(rgb), (GAP_PX + column * column_px, top + label_px))
        top += height
    return np.asarray(made)
