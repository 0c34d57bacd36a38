"""Pictures of a page: each is embedded once and drawn anywhere by reference.

A picture is an SVG `image` with a data URI at the end of the page; every place that shows it is
an `svg` with a `use`.  So bytes are not repeated, it works without JavaScript, and it prints.
"""

import base64
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.gallery import text

JPEG_QUALITY = 90

# (kind, id) -> uint8[H, W, 1 or 3]; None only for the kind "input": there is no input.
Source = Callable[[str, str], np.ndarray | None]


def data_uri(image: np.ndarray) -> str:
    """uint8[H, W, 1 or 3] as JPEG of quality 90, or as PNG where that is not larger."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    jpeg, png = io.BytesIO(), io.BytesIO()
    picture.save(jpeg, "JPEG", quality=JPEG_QUALITY, optimize=True)
    picture.save(png, "PNG")
    kind, content = min(("png", png.getvalue()), ("jpeg", jpeg.getvalue()), key=lambda c: len(c[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


class _Picture(NamedTuple):
    number: int
    width: int
    height: int


class Pictures:
    """Asks the source once for each picture that the page draws."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[tuple[str, str], _Picture | None] = {}
        self._pictures: dict[str, _Picture] = {}  # by data URI: equal pictures are one

    def draw(self, kind: str, id: str, *, alt: str) -> str | None:
        """Markup of one picture; None for an input that does not exist."""
        picture = self._find(kind, id)
        if picture is None:
            return None
        return (
            f'<svg class="picture" role="img" aria-label="{text.escape(alt)}" '
            f'viewBox="0 0 {picture.width} {picture.height}"><use href="#p{picture.number}"/></svg>'
        )

    def size(self, kind: str, id: str) -> tuple[int, int]:
        """(width, height) in px."""
        picture = self._find(kind, id)
        return picture.width, picture.height

    def _find(self, kind: str, id: str) -> _Picture | None:
        if (kind, id) not in self._known:
            image = self._source(kind, id)
            self._known[kind, id] = self._add(kind, id, image)
        return self._known[kind, id]

    def _add(self, kind: str, id: str, image: np.ndarray | None) -> _Picture | None:
        if image is None and kind == "input":
            return None
        found = "None" if image is None else f"{image.dtype}{list(image.shape)}"
        if image is None or image.dtype != np.uint8 or image.shape[2:] not in ((1,), (3,)):
            raise ValueError(f"image({kind!r}, {id!r}): {found}, not uint8[H, W, 1 or 3]")
        new = _Picture(len(self._pictures), image.shape[1], image.shape[0])
        return self._pictures.setdefault(data_uri(image), new)

    def definitions(self) -> str:
        """The pictures themselves; goes to the end of the page, so text comes first."""
        drawn = "\n".join(
            f'<image id="p{number}" width="{width}" height="{height}" href="{uri}"/>'
            for uri, (number, width, height) in self._pictures.items()
        )
        return (
            '<svg class="store" width="0" height="0" aria-hidden="true"><defs>\n'
            f"{drawn}\n</defs></svg>"
        )
