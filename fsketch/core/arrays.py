"""Archives of arrays (*.npz) from anywhere, read without trusting their headers."""

import io
import math
import os
import zipfile
import zlib
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

DEFLATE_AT_MOST = 1032  # bytes that one compressed byte can expand to
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(source: str | os.PathLike | bytes) -> dict[str, np.ndarray]:
    """The arrays of an archive, a file or its content, by name.

    Numbers and text only.  Every header is compared with the bytes that the file holds before
    anything is allocated: a few bytes cannot claim terabytes.

    ValueError: not an archive, a damaged one, objects, or an array whose size is not that of its
    header.  The message does not name the file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            return {
                info.filename.removesuffix(".npy"): _array(file, info) for info in file.filelist
            }
    except (EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"expected an archive of arrays (*.npz), got {error}") from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    packed = info.compress_size * (DEFLATE_AT_MOST if info.compress_type else 1)
    with archive.open(info) as file:
        shape, dtype = _header(file)
        num_bytes, there = math.prod(shape) * dtype.itemsize, info.file_size - file.tell()
        if dtype.hasobject:
            raise ValueError(f"array {info.filename}: expected numbers or text, got objects")
        if num_bytes != there or info.file_size > packed:
            raise ValueError(
                f"array {info.filename}: expected {min(there, packed):,} bytes, as the file holds, "
                f"got a header of {dtype}{list(shape)}, {num_bytes:,} bytes"
            )
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"expected arrays of version 1.0 or 2.0, got {version}")
    shape, _, dtype = _HEADERS[version](file)
    return shape, dtype
