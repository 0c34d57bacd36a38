"""MATLAB's files of level 5 (saved with -v6 or -v7), read without SciPy: AgeDB's lists are such.

Source: MathWorks, "MAT-File Format".  A file is a header of 128 bytes and elements of (type, number
of bytes, data); a matrix is an element of elements.  Little-endian files with numbers, text, cells
and structs are read; sparse matrices, objects and functions are refused.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HEADER_BYTES, MATRIX, COMPRESSED = 128, 14, 15
NUMBERS = {
    1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8",
    13: "<u8",
}  # fmt: skip
ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
CELL, STRUCT, CHARACTERS, NUMERIC = 1, 2, 4, range(6, 16)
MAX_BYTES = 2**28  # of a decompressed element


def read(path: str | Path) -> dict[str, Any]:
    """The variables of a file by name.

    Numbers are arrays in MATLAB's shape; characters one string, row after row; a cell is an array
    of objects, a struct a dict of such arrays by field.  ValueError: another format, damage, or a
    class that is not read.
    """
    content = memoryview(Path(path).read_bytes())
    if len(content) < HEADER_BYTES or bytes(content[124:128]) != b"\x00\x01IM":
        raise ValueError(f"{path}: not a little-endian MATLAB file of level 5 (-v6 or -v7)")
    try:
        return dict([_matrix(data) for data in _matrices(content[HEADER_BYTES:])])
    except (IndexError, RecursionError, StopIteration, struct.error, zlib.error) as error:
        kind = type(error).__name__
        raise ValueError(f"{path}: truncated or damaged ({kind}: {error})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _matrices(data: memoryview) -> Iterator[memoryview]:
    for kind, part in _elements(data):
        if kind == COMPRESSED:
            whole = zlib.decompressobj().decompress(part, MAX_BYTES)
            yield from _matrices(memoryview(whole))
        elif kind == MATRIX:
            yield part


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(type, data) of each element."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from("<II", data, place)
        if kind >> 16:  # up to 4 bytes, inside the tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        else:
            start = place + 8
            end = start + size + (-size % 8 if kind != COMPRESSED else 0)
        if start + size > len(data):
            raise ValueError("truncated")
        yield kind, data[start : start + size]
        place = end


def _matrix(data: memoryview) -> tuple[str, Any]:
    """(name, value) of a matrix."""
    if not len(data):
        return "", np.empty((0, 0))  # MATLAB's []
    parts = _elements(data)
    form = struct.unpack_from("<I", next(parts)[1])[0] & 0xFF
    shape = tuple(np.frombuffer(next(parts)[1], "<i4").tolist())
    name = bytes(next(parts)[1]).decode("latin-1")
    count = math.prod(shape)
    if min(shape) < 0 or count > len(data):
        raise ValueError(f"{name!r}: a shape of {shape} in {len(data)} bytes")
    if form == CELL:
        return name, _array([_matrix(next(parts)[1])[1] for _ in range(count)], shape)
    if form == STRUCT:
        length = struct.unpack_from("<i", next(parts)[1])[0]
        names = bytes(next(parts)[1])
        fields = [
            names[i : i + length].split(b"\0")[0].decode("latin-1")
            for i in range(0, len(names), max(length, 1))
        ]
        items = [[_matrix(next(parts)[1])[1] for _ in fields] for _ in range(count)]
        return name, {
            field: _array([item[i] for item in items], shape) for i, field in enumerate(fields)
        }
    if form == CHARACTERS or form in NUMERIC:
        kind, values = next(parts)
        if form == CHARACTERS and kind in ENCODINGS:
            text = list(bytes(values).decode(ENCODINGS[kind]))
            return name, "".join(_array(text, shape).ravel())
        if form in NUMERIC and kind in NUMBERS:
            return name, np.frombuffer(values, NUMBERS[kind]).reshape(shape, order="F")
    raise ValueError(f"{name!r}: a matrix of class {form}, which is not read")


def _array(items: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An array of objects in MATLAB's order, columns first."""
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array.reshape(shape, order="F")
