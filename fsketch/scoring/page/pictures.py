"""Pictures of a page: each is embedded once and shown anywhere by reference.

A picture is an SVG `image` with a data URI at the end of the page; every place that shows it is an
`svg` with a `use`.  So no bytes are repeated, and the page prints and works without JavaScript.
"""

import base64
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.scoring import matching

JPEG_QUALITY = 90


class Picture(NamedTuple):
    """An embedded image; sizes in px."""

    number: int
    width: int
    height: int
    uri: str


class Pictures:
    """The pictures of a page, by file."""

    def __init__(self) -> None:
        self.known: dict[Path, Picture] = {}

    def add(self, path: Path) -> Picture:
        """The picture of an image file, decoded once; `DataError` if it is unreadable."""
        if path not in self.known:
            problems = matching.Problems()
            image = matching.decode(path, problems)
            problems.close()
            height, width, _ = image.shape
            self.known[path] = Picture(len(self.known), width, height, data_uri(image))
        return self.known[path]


def data_uri(image: np.ndarray) -> str:
    """uint8[H, W, 1 or 3] as JPEG of quality 90, or as PNG where that is not larger."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    jpeg, png = io.BytesIO(), io.BytesIO()
    picture.save(jpeg, "JPEG", quality=JPEG_QUALITY, optimize=True)
    picture.save(png, "PNG")
    kind, content = min(("png", png.getvalue()), ("jpeg", jpeg.getvalue()), key=lambda c: len(c[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
