"""Sketch-like image pairs drawn from a seed, the same wherever they are drawn; numpy only."""

import numpy as np


def draw(seed, *, size, number=1, channels=1, paper=False):
    """(truth, output) uint8[number, H, W, channels]: smooth blobs with strokes.

    `output` has the blobs moved, less contrast and strokes of its own.  With `paper` most pixels
    are the same white, as in a line drawing.
    """
    rng = np.random.default_rng(seed)
    pairs = [_pair(rng, size, channels, paper) for _ in range(number)]
    return tuple(np.stack(images) for images in zip(*pairs, strict=True))


def _pair(rng, size, channels, paper):
    height, width = size
    y, x = np.mgrid[:height, :width]
    blobs = rng.uniform(size=(6, 4 + channels))
    truth, output = np.full((2, height, width, channels), 235.0)
    for blob in blobs if not paper else ():
        for image, shift, contrast in ((truth, 0, 1.0), (output, rng.uniform(0, 0.03), 0.8)):
            dy = (y / height - blob[0] - shift) / (0.05 + 0.2 * blob[2])
            dx = (x / width - blob[1] + shift) / (0.05 + 0.2 * blob[3])
            image -= contrast * 120 * np.exp(-(dy**2) - dx**2)[..., None] * blob[4:]
    _strokes(rng, (truth, output), 12)
    _strokes(rng, (output,), 4)
    if not paper:
        output += rng.normal(size=output.shape) * 3
    return [np.rint(np.clip(image, 0, 255)).astype(np.uint8) for image in (truth, output)]


def _strokes(rng, images, number):
    height, width, channels = images[0].shape
    y, x = np.mgrid[:height, :width]
    for _ in range(number):
        (y0, x0, y1, x1) = rng.uniform(size=4) * [height, width, height, width]
        ink = rng.uniform(50, 150, channels)
        length = np.hypot(y1 - y0, x1 - x0) + 1e-9
        along = np.clip(((y - y0) * (y1 - y0) + (x - x0) * (x1 - x0)) / length**2, 0, 1)
        away = np.hypot(y - y0 - along * (y1 - y0), x - x0 - along * (x1 - x0))
        for image in images:
            image -= np.clip(2 - away, 0, 1)[..., None] * ink
