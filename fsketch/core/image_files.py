"""The one place that opens image files: of listed formats only, whole, and with one error.

Pillow tells a format by a file's content, and some formats, EPS for one, start another program as
soon as they are decoded.  None of them is in `FORMATS`.
"""

import contextlib
import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import Image

# Pillow's names; JPEG brings MPO, a phone's JPEG with more images behind it.
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "GIF", "WEBP")
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
    """A file is no whole image of the formats asked for.

    Attributes:
      got: what was found in its stead, without the name of the file.
    """

    def __init__(self, name: str, formats: Sequence[str], got: str) -> None:
        super().__init__(name, formats, got)
        self.got = got

    def __str__(self) -> str:
        name, formats, got = self.args
        return f"{name}: expected a whole image file ({', '.join(formats)}), got {got}"


@contextlib.contextmanager
def open_image(source: Path | bytes, *, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """An image of a file or of its content, for a `with` block that reads or decodes it.

    A path that leads to no regular file is never opened: a named pipe would block.  A PNG that the
    block decoded is checked at the block's end: it must hold all its rows.

    Raises:
      ImageFileError: for all this, and for what Pillow raises on opening and in the block.
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
        raise ImageFileError(name, formats, "another format, or a damaged header") from None
    except DAMAGED as error:
        got = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageFileError(name, formats, got) from error


def _file(source: Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not source.is_file() and source.exists():
        raise ValueError("no regular file")
    return source.open("rb")


def _check_rows(file: BinaryIO) -> None:
    """ValueError for a PNG whose compressed data end before its last row; Pillow leaves it black.

    Counts bytes, exactly: a row of each pass has one byte for its filter before its samples.
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
