"""Checksums of arrays and texts, kept beside them: flipped bits are found when they are read.

CRC-32 (zlib), which finds every change of up to three bits and all but one in 4e9 of others.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def of_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The checksum of each array's type, shape and numbers, by name."""
    return {name: _of_array(array) for name, array in arrays.items()}


def of_json(data: Any) -> int:
    """The checksum of plain JSON data, whatever the order of its keys."""
    return zlib.crc32(json.dumps(data, sort_keys=True).encode())


def changed(arrays: Mapping[str, np.ndarray], told: Mapping[str, int]) -> list[str]:
    """Names of the arrays whose checksums are not those told, and of those that are not there."""
    there = of_arrays(arrays)
    return sorted(name for name in told.keys() | there.keys() if there.get(name) != told.get(name))


def _of_array(array: np.ndarray) -> int:
    array = np.ascontiguousarray(array)
    head = zlib.crc32(f"{array.dtype} {array.shape}".encode())
    return zlib.crc32(array.reshape(-1).view(np.uint8), head)
