"""Drawn stand-ins for faces; no image of a person is in the repository."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EYES = ((75, 125), (125, 125))


def face(number: int, *, size=(200, 250), eyes=EYES) -> np.ndarray:
    """uint8[H, W, 3]: skin with a dark spot for each eye, and the number in a corner."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    image = np.empty((height, width, 3), np.uint8)
    image[:] = 230, 190, 170
    for u, v in eyes:
        dark = np.clip(160 - 4 * ((x - u) ** 2 + (y - v) ** 2), 0, 160).astype(np.uint8)
        image -= dark[..., None]
    image[:4, :4] = number % 256, number // 256, 0
    return image


def write_pair(folder: Path, id: str, number: int, *, size=(200, 250), eyes=EYES) -> None:
    """folder/photos/<id>.png in colour, folder/sketches/<id>.png in grey."""
    image = face(number, size=size, eyes=eyes)
    for name, pixels in (("photos", image), ("sketches", image[..., 0])):
        (folder / name).mkdir(parents=True, exist_ok=True)
        if name == "sketches":
            pixels = pixels.copy()
            pixels[:2, :2], pixels[2:4, 2:4] = number % 256, number // 256
        Image.fromarray(pixels).save(folder / name / f"{id}.png", compress_level=1)


@pytest.fixture
def draw_face():
    return face


@pytest.fixture(scope="session")
def draw_pair():
    return write_pair
