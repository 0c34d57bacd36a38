"""Weights files of Caffe (*.caffemodel), read without Caffe and without protobuf.

Such a file is one protobuf message, NetParameter of Caffe's caffe.proto [code]:

    NetParameter         layers = 2 (V1LayerParameter), layer = 100 (LayerParameter)
    V1LayerParameter     layer = 1 (of Caffe's first months, refused), name = 4, blobs = 6
    LayerParameter       name = 1, blobs = 7
    BlobProto            num, channels, height, width = 1, 2, 3, 4; shape = 7;
                         data = 5 (float), double_data = 8
    BlobShape            dim = 1

A message is a sequence of fields, each a varint (number << 3 | wire type) and a value: a varint
(wire type 0), 8 bytes (1), a length and as many bytes (2), or 4 bytes (5).
"""

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

V1, CURRENT = 2, 100  # fields of NetParameter
LAYOUTS = {V1: (4, 6), CURRENT: (1, 7)}  # -> fields of a layer's name and of its blobs
V0 = 1  # field of a V1LayerParameter
SIZES = {1: 8, 5: 4}  # bytes of the wire types of fixed length
DATA = {5: "<f4", 8: "<f8"}  # fields of a BlobProto


def read(path: str) -> dict[str, np.ndarray]:
    """The blobs of a *.caffemodel as read-only arrays "LAYER/0" (weights), "LAYER/1" (biases), ...

    Shapes are as stored: a convolution's is O x I x H x W, an inner product's O x I.  Of the four
    numbers of the older layout, two leading ones are dropped, as Caffe does when it compares them:
    1 x 1 x 1 x N is N, 1 x 1 x M x N is M x N.  ValueError for other or damaged files.
    """
    with open(path, "rb") as file:
        try:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return _net(data)
        except ValueError as error:
            raise ValueError(f"{path}: expected a whole caffemodel, got {error}") from None


def _net(data: memoryview) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for number, layer in _fields(data):
        if number not in LAYOUTS:
            continue
        name_field, blobs_field = LAYOUTS[number]
        name, blobs = "", []
        for field, value in _fields(_message(layer)):
            if field == name_field:
                name = bytes(_message(value)).decode()
            elif field == blobs_field:
                blobs.append(_message(value))
            elif number == V1 and field == V0:
                raise ValueError("a layer of Caffe's first format; upgrade the file with Caffe")
        for index, blob in enumerate(blobs):
            key = f"{name}/{index}"
            if key in arrays:
                raise ValueError(f"two layers {name!r} with weights")
            arrays[key] = _blob(key, blob)
    if not arrays:
        raise ValueError("no layer with weights")
    return arrays


def _blob(key: str, data: memoryview) -> np.ndarray:
    legacy, shape = [0, 0, 0, 0], None
    parts: dict[int, list[memoryview]] = {field: [] for field in DATA}
    for field, value in _fields(data):
        if field in DATA:
            parts[field].append(_message(value))
        elif field in (1, 2, 3, 4):
            legacy[field - 1] = value
        elif field == 7:
            shape = _shape(_message(value))
    if shape is None:
        shape = legacy[next((n for n in (3, 2) if legacy[:n] == [1] * n), 0) :]
    numbers = [
        np.frombuffer(chunks[0] if len(chunks) == 1 else b"".join(chunks), DATA[field])
        for field, chunks in parts.items()
        if chunks
    ]
    count = sum(array.size for array in numbers)
    if len(numbers) != 1 or not count or count != math.prod(shape):
        raise ValueError(f"{key} has {count} numbers for the shape {tuple(shape)}")
    return numbers[0].reshape(shape)


def _shape(data: memoryview) -> list[int]:
    """The dims of a BlobShape, which may be packed into one field or stand alone."""
    dims: list[int] = []
    for field, value in _fields(data):
        if field != 1:
            continue
        if isinstance(value, int):
            dims.append(value)
            continue
        at = 0
        while at < len(value):
            dim, at = _varint(value, at)
            dims.append(dim)
    return dims


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field: an int for a varint, bytes for all else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if not number or kind not in (0, 2, *SIZES):
            raise ValueError(f"field {number} of wire type {kind}")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = SIZES.get(kind)
        if size is None:
            size, at = _varint(data, at)
        if size > len(data) - at:
            raise ValueError(f"truncated: field {number} has {len(data) - at} of {size} bytes")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """(value, where it ends): 7 bits a byte, the lowest first; the last byte's top bit is 0."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise ValueError("truncated: a number does not end")


def _message(value: Any) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value
