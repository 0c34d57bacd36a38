"""Photos to the frame of the data sets, by the eyes, and drawings in that frame back to photos.

The frame is that of CUFS: 200 x 250 pixels, the eyes at (75, 125) and (125, 125).  A similarity
(move, turn, scale) maps the eyes of a photo to it.  Coordinates are (x, y); pixel i reaches from i
to i + 1.  In here a point is x + iy, and a similarity from the frame is `origin + step * point`.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageFilter

FRAME = (250, 200)  # height, width
EYES = ((75.0, 125.0), (125.0, 125.0))

BACKGROUNDS = ("photo", "paper")
PAPER = 255
# Beyond the photo: distance from its edge -> deviation of the blur, both in pixels of the frame.
BLURS = {0: 0, 5: 3, 15: 10, 40: 30}
FADE = 10  # pixels of the frame over which a drawing becomes paper beyond the photo
# Pixels of the frame in which a drawing fades into the background, and its corners' radius.
SOFT = 26
RADIUS = 70
# An ellipse about the head: its centre, half axes and soft rim.  Beyond it a drawing's ink is laid
# on the background, whose light its paper would not match.
HEAD = ((100, 132), (72, 102), 22)

Eyes = Sequence[Sequence[float]] | np.ndarray


class Similarity(NamedTuple):
    """A move, a turn and a scale: `origin + step * point`."""

    origin: complex
    step: complex

    def inverse(self) -> "Similarity":
        """Back from its image."""
        return Similarity(-self.origin / self.step, 1 / self.step)

    def seen_from(self, corner: np.ndarray) -> "Similarity":
        """To the points of a crop whose first pixel is `corner` (x, y)."""
        return self._replace(origin=self.origin - complex(*corner))


def aligned(image: np.ndarray, eyes: Eyes) -> np.ndarray:
    """uint8[250, 200, 3]: the face of a photo uint8[H, W, 3] in the frame.

    eyes: float[2, 2], (x, y) of the eye on the left of the upright face and of the other.  Where
    the frame leaves the photo, it shows the colours of the photo's edge, the more blurred the
    farther.

    ValueError for other images, and for eyes in the same place.
    """
    return cut(image, _to_photo(eyes), FRAME)


def cut(image: np.ndarray, to_photo: Similarity, size: tuple[int, int]) -> np.ndarray:
    """uint8[*size, 3]: what a frame of this (height, width) shows of a photo uint8[H, W, 3].

    to_photo: from points of the frame to points of the photo.  Beyond the photo, and errors: as for
    `aligned`.
    """
    _check(image, (3,))
    photo, frame = Image.fromarray(np.ascontiguousarray(image)), size
    low, high = _reach(to_photo, frame, margin=4)
    size = np.array(photo.size)
    first = np.clip(low, 0, size - 1)
    last = np.clip(high, first + 1, size)
    part, to_part = _shrunk(photo.crop((*first, *last)), to_photo.seen_from(first))
    scale = abs(to_part.step) / abs(to_photo.step)
    before = np.ceil(np.maximum(first - low, 0) * scale).astype(int)
    after = np.maximum(np.ceil((high - first) * scale).astype(int) - part.size, 0)
    if (low < 0).any() or (high > size).any():
        part = _extended(part, before, after, unit=abs(to_part.step))
        to_part = to_part.seen_from(-before)
    return np.asarray(_sampled(part, to_part, frame))


def placed(points: np.ndarray, eyes: Eyes) -> np.ndarray:
    """Points float[..., 2], (x, y) in a photo with these eyes, in the frame."""
    to_frame = _to_photo(eyes).inverse()
    there = to_frame.origin + to_frame.step * (np.asarray(points, np.float64) @ (1, 1j))
    return np.stack([there.real, there.imag], axis=-1)


def on_paper(drawing: np.ndarray, eyes: Eyes, size: tuple[int, int]) -> np.ndarray:
    """uint8[250, 200, C]: a drawing in the frame that fades to paper beyond the photo's edge.

    What lies there was made up by `aligned`.  eyes: as for `aligned`.  size: (height, width) of the
    photo.
    """
    to_photo = _to_photo(eyes)
    rows, columns = np.mgrid[: FRAME[0], : FRAME[1]] + 0.5
    place = to_photo.origin + to_photo.step * (columns + 1j * rows)
    inside = (place.real, size[1] - place.real, place.imag, size[0] - place.imag)
    share = _smooth(1 + np.minimum.reduce(inside) / abs(to_photo.step) / FADE)[..., None]
    return np.floor(PAPER + share * (drawing - float(PAPER)) + 0.5).astype(np.uint8)


def scene(
    image: np.ndarray,
    drawn: Sequence[tuple[np.ndarray, Eyes]],
    *,
    background: str = "photo",
) -> np.ndarray:
    """uint8[H, W, 3]: drawings pasted to the faces of a photo uint8[H, W, 3].

    Args:
      drawn: (drawing uint8[250, 200, 1 or 3], eyes as for `aligned`); where two overlap, each
        pixel is of the drawing whose frame's edge is farther.
      background: "photo" shows the photo around the drawings, "paper" white paper.
    """
    _check(image, (3,))
    if background not in BACKGROUNDS:
        raise ValueError(f"background: expected one of {BACKGROUNDS}, got {background!r}")
    sheet = image if background == "photo" else np.full_like(image, PAPER)
    ground = Image.fromarray(np.ascontiguousarray(sheet))
    result = ground.copy()
    earlier: list[Similarity] = []
    for drawing, eyes in drawn:
        _check(drawing, (1, 3), size=FRAME)
        to_photo = _to_photo(eyes)
        low, high = _reach(to_photo, FRAME, margin=0)
        low, high = np.clip(low, 0, result.size), np.clip(high, 0, result.size)
        width, height = high - low
        if min(width, height) > 0:
            depth = _placed(_depth(), to_photo, low, (height, width))
            share = _smooth(depth / SOFT)
            for other in earlier:
                others = _placed(_depth(), other, low, (height, width))
                share *= _smooth(0.5 + (depth - others) / SOFT)
            mask = Image.fromarray(np.round(255 * share).astype(np.uint8))
            face = Image.fromarray(np.broadcast_to(drawing, (*FRAME, 3)).copy())
            face, to_face = _shrunk(face, to_photo.seen_from(low).inverse())
            face = _sampled(face, to_face, (height, width))
            ink = ImageChops.multiply(face, ground.crop((*low, *high)))
            head = _placed(_head(), to_photo, low, (height, width))
            ink.paste(face, mask=Image.fromarray(np.round(255 * head).astype(np.uint8)))
            result.paste(ink, tuple(low.tolist()), mask)
        earlier.append(to_photo)
    return np.asarray(result)


def _check(image: np.ndarray, channels: tuple[int, ...], *, size: tuple[int, int] | None = None):
    good = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in channels
    if not good or 0 in image.shape or (size and image.shape[:2] != size):
        shape = ", ".join([*map(str, size or "HW"), " or ".join(map(str, channels))])
        raise ValueError(f"image: expected uint8[{shape}], got {image.dtype}{list(image.shape)}")


def _to_photo(eyes: Eyes) -> Similarity:
    """From the frame to the photo with these eyes."""
    points = np.asarray(eyes, np.float64)
    if points.shape != (2, 2) or not np.isfinite(points).all() or (points[0] == points[1]).all():
        raise ValueError(f"eyes: expected two different points (x, y), got {eyes}")
    (left, right), (to_left, to_right) = points @ (1, 1j), np.array(EYES) @ (1, 1j)
    step = complex((right - left) / (to_right - to_left))
    return Similarity(complex(left - step * to_left), step)


def _reach(
    to_photo: Similarity, frame: tuple[int, int], *, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) int[2]: the box (x, y) of a photo that a frame and a margin around it meet."""
    (height, width), m = frame, margin
    columns, rows = np.meshgrid([-m, width + m], [-m, height + m])
    corners = to_photo.origin + to_photo.step * (columns + 1j * rows).ravel()
    corners = np.stack([corners.real, corners.imag])
    return np.floor(corners.min(1)).astype(int), np.ceil(corners.max(1)).astype(int)


def _shrunk(image: Image.Image, to_image: Similarity) -> tuple[Image.Image, Similarity]:
    """The image smoothed and made smaller so that no step in it is longer than a pixel."""
    scale = 1 / abs(to_image.step)
    if scale >= 1:
        return image, to_image
    # The same scale for x and y: up to one pixel on the right and at the bottom is left out.
    size = np.maximum(1, np.floor(np.array(image.size) * scale)).astype(int)
    box = (0, 0, *np.minimum(size / scale, image.size))
    small = image.resize(tuple(size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return small, Similarity(to_image.origin * scale, to_image.step * scale)


def _sampled(image: Image.Image, to_image: Similarity, size: tuple[int, int]) -> Image.Image:
    """An image of this (height, width) whose points are taken from `to_image(point)`."""
    (x, y), (right, down) = _parts(to_image.origin), _parts(to_image.step)
    matrix = (right, -down, x, down, right, y)
    kind = Image.Resampling.BILINEAR if image.mode == "F" else Image.Resampling.BICUBIC
    return image.transform(size[::-1], Image.Transform.AFFINE, matrix, kind)


def _parts(z: complex) -> tuple[float, float]:
    return z.real, z.imag


def _extended(
    image: Image.Image, before: np.ndarray, after: np.ndarray, *, unit: float
) -> Image.Image:
    """The image with (x, y) pixels of its edge's colours before and after it, blurred by BLURS.

    unit: pixels of the image in one of the frame.
    """
    pads = [*zip(before[::-1], after[::-1], strict=True), (0, 0)]
    grown = np.pad(np.asarray(image), pads, mode="edge")
    beyond = [
        np.maximum(0, np.maximum(b - np.arange(b + n + a), np.arange(b + n + a) - (b + n - 1)))
        for b, n, a in zip(before, image.size, after, strict=True)
    ]
    distance = np.hypot(*np.meshgrid(*beyond)) / unit
    result, source = grown.astype(np.float32), Image.fromarray(grown)
    for (start, _), (end, sigma) in itertools.pairwise(BLURS.items()):
        blurred = np.asarray(source.filter(ImageFilter.GaussianBlur(sigma * unit)))
        share = np.clip((distance - start) / (end - start), 0, 1)[..., None].astype(np.float32)
        result += share * (blurred - result)
    return Image.fromarray(np.round(result).astype(np.uint8))


@functools.cache
def _depth() -> Image.Image:
    """How far a pixel of the frame is from the frame's edge, whose corners are round; mode F."""
    half = np.array(FRAME) / 2
    y, x = (np.abs(np.arange(n) + 0.5 - n / 2) for n in FRAME)
    beyond = np.stack(np.meshgrid(y - half[0], x - half[1], indexing="ij")) + RADIUS
    outside = np.hypot(*np.maximum(beyond, 0)) + np.minimum(beyond.max(0), 0)
    return Image.fromarray(np.maximum(RADIUS - outside, 0).astype(np.float32))


@functools.cache
def _head() -> Image.Image:
    """1 where the frame shows the head, 0 beyond its rim; mode F."""
    (x, y), (across, down), rim = HEAD
    rows, columns = np.mgrid[: FRAME[0], : FRAME[1]] + 0.5
    away = np.hypot((columns - x) / across, (rows - y) / down)
    return Image.fromarray(_smooth((1 - away) * across / rim).astype(np.float32))


def _placed(
    level: Image.Image, to_photo: Similarity, corner: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """A level of the frame's pixels at those of a part of the photo from `corner` (x, y), 0 beyond
    the frame."""
    return np.asarray(_sampled(level, to_photo.seen_from(corner).inverse(), size))


def _smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, and a smooth step between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
