"""The only module that opens image files: whole ones of listed formats, with one error.

A file's first bytes decide its format, never its name.  For some formats, such as EPS, Pillow
starts another program to decode them.  None of these is in `FORMATS`.
"""

import contextlib
import functools
import io
import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import Image, features

# Pillow's names; JPEG brings MPO, a phone's JPEG with more images behind it.
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "GIF", "WEBP")
# Suffixes of images, to tell a damaged image from a file of another kind.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm",
    ".pnm", ".gif", ".webp", ".heic", ".heif", ".avif",
)  # fmt: skip
# First bytes as a regular expression -> kind: Pillow's name where it is one of `FORMATS`.
_STARTS = {
    rb"\x89PNG\r\n\x1a\n": "PNG",
    rb"\xff\xd8\xff": "JPEG",
    rb"BM.{12}[\x0c-\x7c]\0\0\0": "BMP",
    rb"P[1-6]\s+[#\d]": "PPM",
    rb"II\*\0|MM\0\*": "TIFF",
    rb"GIF8[79]a": "GIF",
    rb"RIFF.{4}WEBP": "WEBP",
    rb".{4}ftyp(?:hei|hev|mif1|msf1)": "HEIC",
    rb".{4}ftypavi[fs]": "AVIF",
    rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51": "JPEG 2000",
    rb"\0\0\0\x0cJXL |\xff\x0a": "JPEG XL",
    rb"8BPS": "PSD",
    rb"%PDF": "PDF",
    rb"%!PS|\xc5\xd0\xd3\xc6": "EPS",
}
_ANY_START = re.compile(b"|".join(b"(%s)" % start for start in _STARTS), re.DOTALL)
# What Pillow's plugins raise on damaged files (found by flipping bytes), and its size limit.
DAMAGED = (
    Image.DecompressionBombError,
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# PNG: samples a pixel by colour type; (left, top, step right, step down) of interlacing's passes.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = (
    ((0, 0, 1, 1),),
    (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
        (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ),
)  # fmt: skip


class ImageFileError(ValueError):
    """A file is not a whole image of the requested formats.

    Attributes:
      got: what the file is instead, without its name.
    """

    def __init__(self, name: str, formats: Sequence[str], got: str) -> None:
        super().__init__(name, formats, got)
        self.got = got

    def __str__(self) -> str:
        name, formats, got = self.args
        return f"{name}: expected a whole image file ({', '.join(formats)}), got {got}"


def start(source: Path | bytes) -> bytes:
    """The first 32 bytes of a file or content, fewer where it is shorter or cannot be read."""
    if isinstance(source, bytes):
        return source[:32]
    try:
        with _file(source) as file:
            return file.read(32)
    except (OSError, ValueError):
        return b""


def kind(source: Path | bytes) -> str | None:
    """The format of an image by its first bytes, one of `FORMATS` or another; None: no image."""
    match = _ANY_START.match(start(source))
    return [*_STARTS.values()][match.lastindex - 1] if match else None


def is_image(path: Path) -> bool:
    """Whether a file is an image by its first bytes, or claims by its name to be one."""
    return path.suffix.lower() in SUFFIXES or kind(path) is not None


@functools.cache
def formats_here() -> tuple[str, ...]:
    """FORMATS, and what some installations decode besides: AVIF, and HEIC by the extra `heic`."""
    found = [*FORMATS, *(["AVIF"] if features.check("avif") else [])]
    with contextlib.suppress(ImportError):
        import pillow_heif  # an extra

        pillow_heif.register_heif_opener()
        found.append("HEIF")
    return tuple(found)


@contextlib.contextmanager
def open_image(source: Path | bytes, *, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """An image of a file or of its content, for a `with` block that reads or decodes it.

    Opens regular files only: a named pipe would block.  At the end of the block a PNG that it
    decoded is checked: it must hold all its rows.

    Raises:
      ImageFileError: for all of this, and for what Pillow raises on opening and in the block.
    """
    name = "image" if isinstance(source, bytes) else str(source)
    try:
        with _file(source) as file, Image.open(file, formats=tuple(formats)) as image:
            yield image
            if image.format == "PNG" and not image.tile:  # empty once decoded
                _check_rows(file)
    except ImageFileError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageFileError(name, formats, _unidentified(source, formats)) from None
    except DAMAGED as error:
        got = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageFileError(name, formats, got) from error


def _unidentified(source: Path | bytes, formats: Sequence[str]) -> str:
    """Describes a source that Pillow does not open."""
    its = kind(source)
    if its is None or its in formats:
        return "a damaged header" if its else "no image by its first bytes"
    return f"a file of format {its}: save it as {' or '.join(formats[:2])}"


def _file(source: Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not source.is_file() and source.exists():
        raise ValueError("no regular file")
    return source.open("rb")


def _check_rows(file: BinaryIO) -> None:
    """ValueError if a PNG's compressed data end before its last row; Pillow leaves it black.

    Counts bytes exactly: a row of each pass has one byte for its filter before its samples.
    """
    file.seek(16)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
    expected = 0
    for left, top, right, down in _PASSES[interlaced]:
        columns, rows = math.ceil((width - left) / right), math.ceil((height - top) / down)
        if columns > 0 and rows > 0:
            expected += rows * (1 + math.ceil(columns * depth * _SAMPLES[colour] / 8))
    file.seek(8)
    stream, found = zlib.decompressobj(), 0
    while found < expected and not stream.eof:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IDAT":
            found += len(stream.decompress(file.read(length), expected - found))
        else:
            file.seek(length, io.SEEK_CUR)
        file.seek(4, io.SEEK_CUR)
    if found < expected:
        raise ValueError(f"{found} of {expected} bytes of pixels")
