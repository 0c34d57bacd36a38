"""Pictures as phones and the web deliver them, made upright RGB of 8 bits.

EXIF orientations are applied, embedded colour profiles converted to sRGB, transparent pixels laid
on white, 16 bits reduced to 8, and of several images in a file the first is taken.  What changes a
picture's meaning is refused rather than guessed: floats, whose range nothing tells.
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

from fsketch.core import image_files

MAX_MEGAPIXELS = 120  # a decoded picture takes 3 bytes a pixel, and some work more
EXTRAS = {"HEIC": "fsketch[heic]", "AVIF": "pillow>=11.3"}  # what decodes a format, for pip


class PictureError(ValueError):
    """A picture cannot be used; its text says why, without the file's name."""


class Picture(NamedTuple):
    """uint8[H, W, 3], upright, and notes on what was not taken as it was."""

    pixels: np.ndarray
    notes: tuple[str, ...]


def read(path: Path) -> Picture:
    """The picture of a file; PictureError if it cannot be used."""
    try:
        with image_files.open_image(path, formats=image_files.formats_here()) as image:
            return _taken(image)
    except image_files.ImageFileError as error:
        if isinstance(error.__cause__, PictureError):
            raise error.__cause__ from None
        kind = image_files.kind(path)
        if kind in EXTRAS and not {kind, "HEIF"}.intersection(image_files.formats_here()):
            got = f"a file of format {kind}: `pip install '{EXTRAS[kind]}'`, or save it as JPEG"
            raise PictureError(f"expected a picture, got {got}") from error
        raise PictureError(f"expected a whole picture, got {error.got}") from error


def of(image: Any) -> np.ndarray:
    """uint8[H, W, 3] of an array uint8[H, W], [H, W, 1], [H, W, 3] or of a PIL image.

    ValueError for anything else.
    """
    if isinstance(image, Image.Image):
        return _taken(image).pixels
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if (
        array.dtype != np.uint8
        or array.ndim != 3
        or array.shape[-1] not in (1, 3)
        or not array.size
    ):
        raise ValueError(
            f"image: expected a PIL image or uint8[H, W, 1 or 3], got {array.dtype}{array.shape}"
        )
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _taken(image: Image.Image) -> Picture:
    megapixels = image.width * image.height / 1e6
    if megapixels > MAX_MEGAPIXELS:
        raise PictureError(
            f"expected up to {MAX_MEGAPIXELS} megapixels, got {megapixels:.0f} "
            f"({image.width}x{image.height} px): shrink it"
        )
    notes = []
    if image.format != "MPO" and (count := getattr(image, "n_frames", 1)) > 1:
        notes.append(f"the first of {count} images in the file")
    image.load()
    profile = image.info.get("icc_profile")
    try:
        image = ImageOps.exif_transpose(image)
    except image_files.DAMAGED:
        notes.append("EXIF data that cannot be read")
    image = _eight_bits(image)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    if profile:
        image = _in_srgb(image, profile)
    return Picture(np.asarray(image.convert("RGB")), tuple(notes))


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel; those of 16 bits are rounded."""
    if image.mode == "F":
        raise PictureError("expected whole numbers, got floats: save it as PNG or JPEG")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError(f"expected up to 16 bits, got values {values.min()} to {values.max()}")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB, as its profile says; as it is where the profile cannot be used."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return image
        converted = ImageCms.profileToProfile(
            image, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, *image_files.DAMAGED):
        return image
    return converted or image
