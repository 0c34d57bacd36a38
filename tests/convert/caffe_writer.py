"""Caffe's binary format written by hand: fields of protobuf messages."""

import numpy as np


def varint(value):
    """7 bits a byte, the lowest first."""
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def field(number, value):
    """A number as a varint, or bytes behind their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(array, *, legacy=False, dtype=np.float32, packed=True):
    """A BlobProto: its shape in the older layout (four numbers) or the newer one."""
    if legacy:
        shape = (1,) * (4 - array.ndim) + array.shape
        head = b"".join(field(number, size) for number, size in enumerate(shape, 1))
    else:
        head = field(7, field(1, b"".join(varint(size) for size in array.shape)))
    number, kind = (5, 5) if dtype == np.float32 else (8, 1)
    data = np.ascontiguousarray(array, dtype)
    if packed:
        return head + field(number, data.tobytes())
    key = varint(number << 3 | kind)
    return head + b"".join(key + one.tobytes() for one in data.ravel())


def layer(name, *blobs, v1=False):
    """A field of NetParameter: a layer, with its type and a connection, as files have them."""
    if v1:
        content = field(2, b"below") + field(4, name.encode()) + field(5, 4)
        return field(2, content + b"".join(field(6, one) for one in blobs))
    content = field(1, name.encode()) + field(2, b"Convolution") + field(3, b"below")
    return field(100, content + b"".join(field(7, one) for one in blobs))


def net(*layers):
    """A file, with the fields that stand before the layers."""
    return field(1, b"NET") + field(3, b"data") + field(4, 10) + b"".join(layers)
