"""torch's zip format written by hand: opcodes of pickle, and one member a storage."""

import zipfile

import numpy as np


def _text(value):
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def _numbers(values):
    return b"(" + b"".join(b"J" + int(v).to_bytes(4, "little", signed=True) for v in values) + b"t"


def tensor(key, length, size, stride, *, offset=0, kind="FloatStorage"):
    """The pickle of a tensor in the storage `key` of `length` elements."""
    reference = _text("storage") + f"ctorch\n{kind}\n".encode() + _text(key) + _text("cpu")
    reference = b"(" + reference + _numbers([length])[1:-1] + b"tQ"
    place = _numbers([offset])[1:-1] + _numbers(size) + _numbers(stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + place + b"\x89}tR"


def mapping(entries):
    """The pickle of a dict of pickles."""
    return b"}(" + b"".join(_text(name) + entry for name, entry in entries.items()) + b"u"


def write(path, pickled, storages):
    """The archive of an object with these storages."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", b"\x80\x02" + pickled + b".")
        for key, data in storages.items():
            archive.writestr(f"weights/data/{key}", data)


def write_arrays(path, arrays):
    """The archive of float32 arrays by name."""
    tensors, storages = {}, {}
    for name, array in arrays.items():
        array = np.ascontiguousarray(array, np.float32)
        stride = [step // 4 for step in array.strides]
        tensors[name] = tensor(name, array.size, array.shape, stride)
        storages[name] = array.tobytes()
    write(path, mapping(tensors), storages)
